"""Each message of what chooses, in full: bags of rows, unpools, pools of random windows, losses of sequences."""

from __future__ import annotations

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
from lucid import ones, zeros
from lucid.errors import ArgumentError, CheckError, DTypeError, ShapeError
from tests.errors.messages import Case, expect_message

TABLE, SCORES, IMAGE, LABELS = ones(2, 3), zeros(6, 2, 4), ones(1, 1, 4, 4), np.ones((2, 2), int)

CASES: list[Case] = [
    (
        lambda: F.embedding_bag(np.array([0, 1]), TABLE),
        ShapeError,
        "embedding_bag takes integers (B, N), or (L,) with offsets (B,), got (2,) without offsets.",
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([[0]]), TABLE, mode="median"),
        ArgumentError,
        'embedding_bag takes mode="sum", "mean" or "max", got \'median\'.',
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([0, 1]), TABLE, np.array([[0]])),
        ShapeError,
        "embedding_bag takes offsets of one axis, at least one of them, got shape (1, 1).",
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([0, 1]), TABLE, np.array([0.0])),
        DTypeError,
        "embedding_bag takes offsets that are integers, got float64.",
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([[0]]), TABLE, per_sample_weights=ones(1, 1)),
        ArgumentError,
        "embedding_bag takes per_sample_weights with mode=\"sum\", got 'mean'.",
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([[0]]), TABLE, per_sample_weights=ones(1, 2), mode="sum"),
        ShapeError,
        "embedding_bag takes per_sample_weights of the shape of its input, (1, 1), got (1, 2).",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, LABELS, (6, 6), (2, 2), blank=4),
        ArgumentError,
        "ctc_loss takes a blank from 0 to 3, got 4.",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, ones(2, 2), (6, 6), (2, 2)),
        DTypeError,
        "ctc_loss takes targets that are integers, got float32.",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, LABELS[:, :1].repeat(3, 0), (6, 6), (2, 2)),
        ShapeError,
        "ctc_loss of 2 samples takes targets (2, S), got (6, 1).",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, LABELS, (6,), (2, 2)),
        ShapeError,
        "ctc_loss takes 2 input_lengths, got shape (1,).",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, LABELS, ones(2), (2, 2)),
        DTypeError,
        "ctc_loss takes input_lengths that are integers, got float32.",
        None,
    ),
    (
        lambda: F.ctc_loss(ones(3), LABELS, (6, 6), (2, 2)),
        ShapeError,
        "ctc_loss takes log_probs (T, N, C), or (T, C) without a batch, got (3,).",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, LABELS, (6, 7), (2, 2)),
        CheckError,
        "ctc_loss takes input_lengths from 0 to 6, which is not so at position 1.",
        None,
    ),
    (
        lambda: F.ctc_loss(SCORES, np.array([1, 2, 1]), (6, 6), (2, 2)),
        CheckError,
        "ctc_loss of 3 targets one after the other takes target_lengths of that sum, which is not so.",
        None,
    ),
    (
        lambda: F.embedding_bag(np.array([0, 1, 1]), ones(2, 3), np.array([0, 4])),
        CheckError,
        "embedding_bag takes offsets ascending from 0 to at most 3, which is not so at position 1.",
        None,
    ),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2),
        ArgumentError,
        "fractional_max_pool2d takes either output_size or output_ratio.",
        None,
    ),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2, output_ratio=1.5),
        ArgumentError,
        "fractional_max_pool2d takes an output_ratio between 0 and 1, or 2 of them, got 1.5.",
        None,
    ),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2, 2, _random_samples=ones(1, 1, 3)),
        ShapeError,
        "fractional_max_pool2d takes _random_samples of shape (1, 1, 2), got (1, 1, 3).",
        None,
    ),
    (
        lambda: F.fractional_max_pool2d(IMAGE, 2, 4),
        ShapeError,
        "fractional_max_pool2d with windows of (2, 2) does not fit (4, 4) of them into (1, 1, 4, 4).",
        None,
    ),
    (
        lambda: F.max_unpool2d(IMAGE, np.array(0), 2),
        ShapeError,
        "max_unpool2d takes an input of 4 axes, or 3 without a batch, and as many indices, got (1, 1, 4, 4) and ().",
        None,
    ),
    (
        lambda: F.max_unpool2d(IMAGE, np.zeros((1, 1, 4, 4), int), 2, output_size=(20, 20)),
        ArgumentError,
        "max_unpool2d takes an output_size nearer to (8, 8) than (2, 2), got (20, 20).",
        None,
    ),
    (
        lambda: F.max_unpool2d(IMAGE, np.zeros((1, 1, 4, 4), int), 2, 1, 4),
        ShapeError,
        "max_unpool2d gives at least one position along each axis, got (-3, -3) for (1, 1, 4, 4).",
        None,
    ),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [6, 3]),
        ArgumentError,
        "AdaptiveLogSoftmaxWithLoss takes cutoffs that ascend from 1 to 8, got [6, 3].",
        None,
    ),
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [3])(ones(2, 8), np.array([0])),
        ShapeError,
        "AdaptiveLogSoftmaxWithLoss takes inputs (N, in_features) and integers (N,), or (in_features,) "
        "and (), got shapes (2, 8) and (1,).",
        None,
    ),
    (
        lambda: F.linear_cross_entropy(ones(2, 8), np.array([0]), np.array([0, 1])),
        ShapeError,
        "linear_cross_entropy takes an input (N, in), or (in,) with one axis of classes, and a "
        "linear_weight (C, ..., in), got (2, 8) and (1,).",
        None,
    ),
    (
        lambda: F.pdist(ones(3)),
        ShapeError,
        "pdist takes an input of shape (N, D), got (3,).",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
