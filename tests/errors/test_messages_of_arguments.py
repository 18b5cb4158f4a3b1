"""Each message about an argument that PyTorch has, and that Lucid takes in part or not at all, in full."""

from __future__ import annotations

import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import ones
from lucid.errors import ArgumentError, ShapeError
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (
        lambda: nn.ConvTranspose1d(2, 2, 1, padding_mode="reflect"),
        ArgumentError,
        "ConvTranspose1d takes padding_mode=\"zeros\" only, got 'reflect'.",
        None,
    ),
    (lambda: F.softshrink(ones(2), -1.0), ArgumentError, "softshrink takes lambd of at least 0, got -1.0.", None),
    (
        lambda: F.log_softmax(ones(2, 3, 4)),
        ArgumentError,
        "log_softmax of 3 axes takes the one that it sums along, got dim=None.",
        "the last one is dim=-1.",
    ),
    (
        lambda: F.mse_loss(ones(2), ones(2), weight=ones(3)),
        ShapeError,
        "mse_loss takes a weight of the shape of its input, (2,), got (3,).",
        None,
    ),
    (
        lambda: lucid.quantile(ones(2), 0.5, interpolation="cubic"),
        ArgumentError,
        "quantile takes interpolation='linear', 'lower', 'higher', 'midpoint', 'nearest', got 'cubic'.",
        None,
    ),
    (
        lambda: lucid.searchsorted(ones(2), ones(1), right=True, side="left"),
        ArgumentError,
        'searchsorted takes side="left" or "right", got \'left\' and right=True.',
        None,
    ),
    (
        lambda: ones(2, 2).var(False),
        ArgumentError,
        "an axis is an integer, got False.",
        "give arguments behind the axis by name.",
    ),
    (
        lambda: ones(2).to("float64"),
        ArgumentError,
        "to takes a device, 'cpu' or 'cuda', got 'float64'.",
        'write dtype="float64".',
    ),
    (
        lambda: ones(2).to(lucid.float64, lucid.float32),
        ArgumentError,
        "to takes a device and a dtype, got lucid.float64 and lucid.float32.",
        None,
    ),
    (lambda: nn.Softmax2d()(ones(2, 3)), ShapeError, "Softmax2d takes inputs of 3 or 4 axes, got (2, 3).", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
