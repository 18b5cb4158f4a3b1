"""Lucid: compile the training step of a neural network, and read everything the compiler did."""

from lucid._installation import check_installation

check_installation()


from typing import TYPE_CHECKING

from lucid import data, debug, extend, nn, operations, optim
from lucid.audit import audit
from lucid.autograd import grad
from lucid.codegen.threads import get_num_threads, set_num_threads
from lucid.compiler import RecompileWarning, compile
from lucid.custom_derivative import custom_vjp
from lucid.errors import LucidError
from lucid.extend import apply
from lucid.ir.types import (
    bool_,
    float32,
    float64,
    int32,
    int64,
    uint8,
    uint32,
    uint64,
)
from lucid.loops import scan
from lucid.missing_names import refuse_names_of
from lucid.modes import enable_grad, is_grad_enabled, no_grad
from lucid.operations import *
from lucid.random import get_state, seed, set_state
from lucid.sampling import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    uniform,
)
from lucid.serialization import load, save
from lucid.tensor import Tensor, tensor

__version__ = "0.1.0"

__all__ = [
    "LucidError",
    "RecompileWarning",
    "Tensor",
    "apply",
    "audit",
    "bernoulli",
    "bool_",
    "compile",
    "custom_vjp",
    "data",
    "debug",
    "enable_grad",
    "extend",
    "float32",
    "float64",
    "get_num_threads",
    "get_state",
    "grad",
    "int32",
    "int64",
    "is_grad_enabled",
    "load",
    "multinomial",
    "nn",
    "no_grad",
    "normal",
    "optim",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "save",
    "scan",
    "seed",
    "set_num_threads",
    "set_state",
    "tensor",
    "uint8",
    "uint32",
    "uint64",
    "uniform",
]
__all__ += operations.__all__

if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
