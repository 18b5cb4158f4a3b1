"""Rows of the losses of `lucid.nn.functional` and of distances, under each reduction."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.table.row import KINDS, Inputs, Row, chances, function, numbers, places, positive, signs

PAIR = numbers(5, 3), numbers(5, 3, seed=1)
LONE = numbers(3), numbers(3, seed=1)
THIRD = numbers(5, 3, seed=2)


def loss(name: str, inputs: Inputs, *others: Inputs, more: Any = (), **options: Any) -> Row:
    """The row of a loss: its sum, its mean and each number, and with each of several options."""
    calls = ({"reduction": "none"}, {"reduction": "sum"}, {}, *more)
    return function(
        f"nn.functional.{name}", inputs, *others, call=lambda f, *x: [f(*x, **given) for given in calls], **options
    )


def after_log_softmax(f: Any, x: Any, *targets: Any) -> Any:
    logs = x - x.logsumexp(-1, keepdim=True)
    return f(logs, *targets, reduction="none"), f(logs, *targets), f(logs, *targets, reduction="sum")


ROWS: list[Row] = [
    *(loss(name, PAIR, LONE) for name in ("mse_loss", "l1_loss")),
    loss("smooth_l1_loss", PAIR, LONE, more=({"beta": 0.3}, {"beta": 0.0})),
    loss("huber_loss", PAIR, LONE, more=({"delta": 0.3},)),
    loss("binary_cross_entropy", (chances(5, 3), chances(5, 3, seed=1)), (chances(3), chances(3, seed=1))),
    loss("binary_cross_entropy_with_logits", (PAIR[0], chances(5, 3)), outcomes={"wide 0": "promoted"}),
    loss(
        *("cross_entropy", (numbers(5, 3), places(3, 5)), (numbers(3), places(3)), (numbers(2, 3, 2), places(3, 2, 2))),
        more=({"label_smoothing": 0.2}, {"ignore_index": 1}),
    ),
    loss(
        *("linear_cross_entropy", (numbers(5, 4), numbers(3, 4), places(3, 5))),
        along=(0, None, 0),
        more=({"label_smoothing": 0.2}, {"ignore_index": 1}),
    ),
    function(
        "nn.functional.ctc_loss",
        (numbers(6, 3, 5), places(4, 3, 2) + 1, np.array([6, 5, 6]), np.array([2, 1, 2])),
        along=(1, 0, 0, 0),
        call=after_log_softmax,
        outcomes={"none": "refused"},
    ),
    function("nn.functional.pdist", (numbers(5, 3),), along=None, call=lambda f, x: (f(x), f(x, 1.0), f(x, 3.0))),
    loss(
        "cross_entropy",
        (numbers(5, 3), chances(5, 3)),
        more=({"label_smoothing": 0.2},),
        outcomes={f"{kind} {which}": "refused" for kind in KINDS for which in (1, "all")},
    ),
    function(
        *("nn.functional.nll_loss", (numbers(5, 3), places(3, 5)), (numbers(3), places(3))),
        call=after_log_softmax,
    ),
    function("nn.functional.kl_div", (numbers(5, 3), chances(5, 3)), call=after_log_softmax),
    loss("poisson_nll_loss", (PAIR[0], positive(5, 3)), more=({"full": True},)),
    loss("poisson_nll_loss", (positive(5, 3, seed=1), positive(5, 3)), more=({"log_input": False},)),
    loss("gaussian_nll_loss", (*PAIR, positive(5, 3)), more=({"full": True, "eps": 0.1},)),
    loss("cosine_embedding_loss", (*PAIR, signs(5)), (*LONE, signs()), more=({"margin": 0.3},)),
    loss("hinge_embedding_loss", (PAIR[0], signs(5, 3)), more=({"margin": 0.3},)),
    loss("margin_ranking_loss", (*PAIR, signs(5, 3) * 1.0), more=({"margin": 0.3},)),
    loss("soft_margin_loss", (PAIR[0], signs(5, 3))),
    loss("triplet_margin_loss", (*PAIR, THIRD), (*LONE, numbers(3, seed=2)), more=({"swap": True, "p": 1.0},)),
    loss("triplet_margin_with_distance_loss", (*PAIR, THIRD), more=({"swap": True, "margin": 0.3},)),
    loss("multi_margin_loss", (numbers(5, 3), places(3, 5)), along=None, more=({"p": 2, "margin": 0.3},)),
    loss("multilabel_margin_loss", (numbers(5, 3), np.array([[0, -1, 1]] * 4 + [[2, 1, -1]])), along=None),
    loss("multilabel_soft_margin_loss", (PAIR[0], signs(5, 3) * 0.5 + 0.5)),
    function(
        *("nn.functional.cosine_similarity", PAIR, LONE),
        call=lambda f, x, y: (f(x, y, dim=0), f(x, y, dim=-1, eps=0.1)),
    ),
    function(
        *("nn.functional.pairwise_distance", PAIR, LONE),
        call=lambda f, x, y: (f(x, y), f(x, y, 1.0, keepdim=True), f(x, y, p=3.0, eps=0.1)),
    ),
]
