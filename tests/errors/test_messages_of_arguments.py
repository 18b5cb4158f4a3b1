"""Each message about an argument that PyTorch has, and that Lucid takes in part or not at all, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import ones
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
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
        'searchsorted takes side="right" with right=True, got side="left".',
        None,
    ),
    (
        lambda: lucid.searchsorted(ones(2), ones(1), side="middle"),
        ArgumentError,
        'searchsorted takes side="left" or "right", got \'middle\'.',
        None,
    ),
    (
        lambda: ones(2, 2).var(False),
        ArgumentTypeError,
        "an axis is an integer, got False.",
        "give arguments behind the axis by name.",
    ),
    (
        lambda: ones(2).to("float64"),
        ArgumentError,
        "a device is 'cpu' or 'cuda', got 'float64'.",
        'write dtype="float64".',
    ),
    (
        lambda: ones(2).to("cuda:0"),
        ArgumentError,
        "a device is 'cpu' or 'cuda', got 'cuda:0'.",
        "there is one GPU for a process: 'cuda'.",
    ),
    (
        lambda: lucid.zeros(3, device="gpu"),
        ArgumentError,
        "a device is 'cpu' or 'cuda', got 'gpu'.",
        "there is one GPU for a process: 'cuda'.",
    ),
    (
        lambda: lucid.max(ones(2), ones(2)),  # type: ignore[call-overload]
        ArgumentTypeError,
        "an axis is an integer, got Tensor([1.0, 1.0], grad=None).",
        "this function takes one tensor; of two, lucid.maximum(x, y) takes the larger elements.",
    ),
    (
        lambda: ones(2).to(lucid.float64, lucid.float32),
        ArgumentError,
        "to takes a device and a dtype, got lucid.float64 and lucid.float32.",
        None,
    ),
    (lambda: lucid.diag(1.0), ShapeError, "diag takes a vector or a matrix, got shape ().", None),
    (lambda: lucid.diag_embed(1.0), ShapeError, "diag_embed takes a tensor with axes, got shape ().", None),
    (lambda: lucid.trace(ones(2)), ShapeError, "trace takes a matrix, got shape (2,).", None),
    (lambda: lucid.rot90(ones(2, 2), 1, (0, 0)), ShapeError, "rot90 takes two different axes, got (0, 0).", None),
    (
        lambda: lucid.narrow(ones(2, 3), 1, 2, 2),
        ShapeError,
        "narrow takes a part of axis 1 with extent 3, got start=2, length=2.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), -1),
        ArgumentError,
        "repeat_interleave takes a number of repeats from 0 on, got -1.",
        None,
    ),
    (
        lambda: lucid.mv(ones(2), ones(2)),
        ShapeError,
        "mv takes a matrix and a vector, got shapes (2,) and (2,).",
        "use matmul",
    ),
    (
        lambda: lucid.addmm(1.0, ones(2), ones(2)),
        ShapeError,
        "addmm takes operands of 2 and 2 axes, got (2,) and (2,).",
        None,
    ),
    (
        lambda: lucid.cross(ones(2), ones(2)),
        ShapeError,
        "cross takes vectors of three elements along axis -1, got shape (2,).",
        None,
    ),
    (
        lambda: lucid.cdist(ones(2, 3), ones(2, 4)),
        ShapeError,
        "cdist takes rows of one length, (..., P, M) and (..., R, M), got (2, 3) and (2, 4).",
        None,
    ),
    (
        lambda: lucid.masked_fill(ones(2), np.array([True, False]), ones(2)),
        ShapeError,
        "masked_fill takes one value, got shape (2,).",
        "use lucid.where",
    ),
    (lambda: F.rrelu(ones(2), 0.5, 0.2), ArgumentError, "rrelu takes lower up to upper, got 0.5 and 0.2.", None),
    (
        lambda: F.multi_margin_loss(ones(2), 1, p=3),
        ArgumentError,
        "multi_margin_loss takes p of 1 or 2, got 3.",
        None,
    ),
    (
        lambda: nn.utils.vector_to_parameters(ones(2), [ones(3)]),
        ShapeError,
        "vector_to_parameters takes a vector of 3 elements here, got shape (2,).",
        None,
    ),
    (
        lambda: lucid.multinomial(1.0, 1),
        ShapeError,
        "multinomial takes weights of shape (C,) or (N, C), got ().",
        None,
    ),
    (
        lambda: lucid.multinomial(np.array([1, 2]), 1),
        DTypeError,
        "multinomial takes weights that are floats, got int64.",
        None,
    ),
    (
        lambda: lucid.multinomial(ones(2), 3),
        ArgumentError,
        "multinomial takes a number of samples from 1 on up to 2, the number of weights, without replacement, got 3.",
        None,
    ),
    (
        lambda: F.lp_pool1d(ones(1, 2), 0, 1),
        ArgumentError,
        "lp_pool1d takes norm_type above 0, got 0.",
        None,
    ),
    (
        lambda: optim.lr_scheduler.CyclicLR(optim.SGD([ones(2)], 0.1), 0.1, 0.2, mode="square"),
        ArgumentError,
        "CyclicLR takes mode='triangular', 'triangular2', 'exp_range', or a scale_fn, got 'square'.",
        None,
    ),
    (
        lambda: optim.lr_scheduler.CyclicLR(optim.SGD([ones(2)], 0.1), 0.1, 0.2, scale_mode="epochs"),
        ArgumentError,
        'CyclicLR takes scale_mode="cycle" or "iterations", got \'epochs\'.',
        None,
    ),
    (
        lambda: optim.lr_scheduler.CyclicLR(optim.Adagrad([ones(2)], 0.1), 0.1, 0.2),
        ArgumentError,
        "CyclicLR takes an optimizer with momentum or betas, or cycle_momentum=False.",
        None,
    ),
    (lambda: lucid.diff(ones(2), -1), ArgumentError, "diff takes a number of times from 0 on, got -1.", None),
    (lambda: nn.Softmax2d()(ones(2, 3)), ShapeError, "Softmax2d takes inputs of 3 or 4 axes, got (2, 3).", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
