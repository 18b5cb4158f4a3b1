"""Optimizers, schedules of their learning rate, and averages of weights."""

from typing import TYPE_CHECKING

from lucid.missing_names import refuse_names_of
from lucid.optim import lr_scheduler, swa_utils
from lucid.optim.adadelta import Adadelta
from lucid.optim.adafactor import Adafactor
from lucid.optim.adagrad import Adagrad
from lucid.optim.adam import Adam, AdamW
from lucid.optim.adamax import Adamax
from lucid.optim.asgd import ASGD
from lucid.optim.lion import Lion
from lucid.optim.lr_scheduler import CosineAnnealingLR, StepLR
from lucid.optim.muon import Muon
from lucid.optim.nadam import NAdam
from lucid.optim.optimizer import Optimizer
from lucid.optim.radam import RAdam
from lucid.optim.rmsprop import RMSprop
from lucid.optim.rprop import Rprop
from lucid.optim.sgd import SGD

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CosineAnnealingLR",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "StepLR",
    "lr_scheduler",
    "swa_utils",
]

if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
