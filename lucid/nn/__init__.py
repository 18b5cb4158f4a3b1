"""Modules: the parts that networks are made of."""

from lucid.nn import functional, init, utils
from lucid.nn.activation import GELU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from lucid.nn.container import ModuleList, Sequential
from lucid.nn.dropout import Dropout
from lucid.nn.linear import Flatten, Identity, Linear
from lucid.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from lucid.nn.module import Module
from lucid.nn.normalization import LayerNorm
from lucid.nn.parameter import Parameter

__all__ = [
    "GELU",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
