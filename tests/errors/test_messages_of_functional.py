"""Each message of another function of `nn.functional`, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (lambda: F.linear(ones(2), ones(2)), ShapeError, "a linear layer has a weight of shape (out, in), got (2,).", None),
    (
        lambda: F.linear(ones(2), ones(3, 4)),
        ShapeError,
        "a linear layer with a weight of shape (3, 4) takes inputs of shape (..., 4), got (2,).",
        None,
    ),
    (
        lambda: F.linear(ones(2, 6), ones(3, 4)),
        ShapeError,
        "a linear layer with a weight of shape (3, 4) takes inputs of shape (..., 4), got (2, 6).",
        "a layer for these inputs is nn.Linear(6, 3).",
    ),
    (
        lambda: F.bilinear(ones(2), ones(2), ones(2)),
        ShapeError,
        "a bilinear layer has a weight of shape (out, in1, in2), got (2,).",
        None,
    ),
    (
        lambda: F.prelu(ones(2, 3), ones(2)),
        ShapeError,
        "prelu of shape (2, 3) takes a weight of shape (1,) or (3,), got (2,).",
        None,
    ),
    (lambda: F.celu(ones(2), 0.0), ArgumentError, "celu takes a number other than 0 as alpha, got 0.0.", None),
    (
        lambda: F.hardtanh(ones(2), 1.0, 0.0),
        ArgumentError,
        "hardtanh takes min_val below max_val, got 1.0 and 0.0.",
        None,
    ),
    (lambda: F.gelu(ones(2), "erf"), ArgumentError, 'gelu takes approximate="none" or "tanh", got \'erf\'.', None),
    (lambda: F.glu(ones(3)), ShapeError, "glu halves axis -1 of its input, got shape (3,).", None),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1]), weight=ones(2)),
        ShapeError,
        "the weight of 3 classes has shape (3,), got (2,).",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1]), label_smoothing=2.0),
        ArgumentError,
        "cross_entropy takes label_smoothing from 0 to 1, got 2.0.",
        None,
    ),
    (
        lambda: F.cross_entropy(1.0, 1),
        ShapeError,
        "a classification loss takes an input of shape (N, C, ...) or (C,), got shape ().",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1, 2])),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (3,).",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([[0], [1]])),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (2, 1).",
        "drop the axis of extent 1: targets.squeeze(1)",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.eye(3, dtype=int)[:2]),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (2, 3).",
        'of one-hot targets, these are targets.argmax(1); probabilities are targets.astype("float32").',
    ),
    (
        lambda: F.cross_entropy(np.array([0, 1]), ones(2, 3)),
        DTypeError,
        "cross_entropy takes logits that are floats, got int64 of shape (2,) for float32 of shape (2, 3).",
        "the logits come first: cross_entropy(logits, classes).",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([True, False])),
        DTypeError,
        "a classification loss takes integer targets, got bool.",
        'classes are integers: targets.astype("int64")',
    ),
    (
        lambda: F.mse_loss(ones(2), ones(2), "total"),
        ArgumentError,
        'a loss takes reduction="mean", "sum" or "none", got \'total\'.',
        None,
    ),
    (
        lambda: F.huber_loss(ones(2), ones(2), delta=-1.0),
        ArgumentError,
        "huber_loss takes delta above 0, got -1.0.",
        None,
    ),
    (
        lambda: F.kl_div(1.0, 1.0, "batchmean"),
        ShapeError,
        'kl_div with reduction="batchmean" takes inputs with axes, got shape ().',
        None,
    ),
    (lambda: F.normalize(ones(2), p=0.0), ArgumentError, "a norm takes p above 0, got 0.0.", None),
    (
        lambda: F.layer_norm(ones(2, 3), 2),
        ShapeError,
        "layer_norm over (2,) takes inputs whose shape ends so, got (2, 3).",
        None,
    ),
    (
        lambda: F.group_norm(ones(2, 3), 2),
        ShapeError,
        "group_norm of 2 groups takes inputs of shape (N, C, ...) whose C they divide, got (2, 3).",
        None,
    ),
    (
        lambda: F.dropout2d(ones(2)),
        ShapeError,
        "dropout2d takes inputs of 4 axes, (N, C, ...), or of 3, (C, ...), got shape (2,).",
        None,
    ),
    (
        lambda: F.dropout(ones(2), 1.5),
        ArgumentError,
        "dropout takes a probability p from 0 to 1, got p=1.5.",
        "p=0.015 drops 1.5 in a hundred.",
    ),
    (
        lambda: F.dropout(Tensor([1, 2])),
        DTypeError,
        "dropout takes floats, got int64.",
        'cast the input: x.astype("float32")',
    ),
    (lambda: F.drop_path(1.0, 0.5, True), ShapeError, "drop_path takes inputs of shape (N, ...), got shape ().", None),
    (
        lambda: F.embedding(ones(2), ones(3, 2)),
        DTypeError,
        "embedding takes integers, got float32.",
        'cast them: x.astype("int64")',
    ),
    (
        lambda: F.embedding(np.array([1]), ones(3, 2), sparse=True),
        ArgumentError,
        "embedding takes sparse=False only.",
        "gradients have the shape of the table, with 0 in rows not read.",
    ),
    (
        lambda: F.one_hot(np.zeros(0, np.int64)),
        ArgumentError,
        "one_hot takes its number of classes from the data, got none.",
        "give num_classes.",
    ),
    (
        lambda: lucid.compile(F.one_hot)(np.array([1])),
        TraceError,
        "one_hot takes its number of classes from the data, which is only known when the compiled step runs.",
        "give num_classes.",
    ),
    (
        lambda: F.one_hot(np.array([1]), 0),
        ArgumentError,
        "one_hot takes the number of classes, from 1 on, got num_classes=0.",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
