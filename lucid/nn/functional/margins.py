"""Losses of classifiers that ask for a margin between the scores of right and wrong classes."""

from __future__ import annotations

from collections.abc import Callable

import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from lucid.nn.functional.activation import logsigmoid
from lucid.nn.functional.distance import pairwise_distance
from lucid.nn.functional.loss import check_positive, pair, reduced
from lucid.operations.arguments import as_flag, as_number
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def multi_margin_loss(
    input: Input,
    target: Input,
    p: int = 1,
    margin: float | Scalar = 1.0,
    weight: Input | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the wrong classes i of max(0, margin - x[y] + x[i])^p, divided by the number of classes.

    input: scores (N, C) with a target of shape (N,), or (C,) with one of shape (), integers from 0 to C - 1; p: 1 or 2;
    weight: (C,), a factor for each class. Raises CheckError for a target out of range, before anything is written.
    """
    scores, classes = _scores("multi_margin_loss", input, target)
    if as_number("multi_margin_loss takes p of 1 or 2", p) not in (1.0, 2.0):
        raise ArgumentError(f"multi_margin_loss takes p of 1 or 2, got {p!r}.")
    count = scores.shape[-1]
    ops.check_index(classes, count, "target")
    places = classes.unsqueeze(-1)
    short = ops.relu(margin - ops.gather(scores, -1, places) + scores)
    losses = ops.where(places == ops.arange(count), 0.0, short if p == 1 else short * short)
    if weight is not None:
        factors = ops.as_tensor(weight)
        if factors.shape != (count,):
            raise ShapeError(f"the weight of {count} classes has shape ({count},), got {factors.shape}.")
        losses = losses * ops.take(factors, classes).unsqueeze(-1)
    return reduced(losses.sum(-1) / count, reduction)


def multilabel_margin_loss(input: Input, target: Input, reduction: str = "mean") -> Tensor:
    """The sum over right classes y and wrong ones i of max(0, 1 - x[y] + x[i]), divided by the number of classes.

    input: scores (N, C), or (C,). target: as many integers, the right classes of each row up to the first -1. Raises
    CheckError for one of them that is not a class, before anything is written.
    """
    scores, classes = ops.as_tensor(input), ops.as_tensor(target)
    if scores.ndim not in (1, 2) or classes.shape != scores.shape:
        raise ShapeError(
            "multilabel_margin_loss takes scores of shape (N, C) or (C,) and as many classes, "
            f"got {scores.shape} and {classes.shape}."
        )
    classes = _integers("multilabel_margin_loss", classes)
    count = scores.shape[-1]
    counted = (classes < 0).cumsum(-1) == 0
    ops.check_index(classes, count, "target", counted)
    places = ops.where(counted, classes, 0)
    named = ops.logical_and(places.unsqueeze(-1) == ops.arange(count), counted.unsqueeze(-1))
    wrong = ops.logical_not(named.any(-2, keepdims=True))
    short = ops.relu(1.0 - ops.gather(scores, -1, places).unsqueeze(-1) + scores.unsqueeze(-2))
    counts = ops.logical_and(counted.unsqueeze(-1), wrong)
    return reduced(ops.where(counts, short, 0.0).sum((-2, -1)) / count, reduction)


def multilabel_soft_margin_loss(
    input: Input, target: Input, weight: Input | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over the classes of the cross-entropy between the sigmoid of x and y.

    input: scores (..., C); target: (..., C), 1 for right classes and 0 for others; weight: (C,), a factor
    for each class.
    """
    x, y = pair("multilabel_soft_margin_loss", input, target)
    losses = -(y * logsigmoid(x) + (1.0 - y) * logsigmoid(-x))
    return reduced((losses if weight is None else losses * weight).mean(-1), reduction)


def triplet_margin_with_distance_loss(
    anchor: Input,
    positive: Input,
    negative: Input,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float | Scalar = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own, by default `pairwise_distance`."""
    check_positive("triplet_margin_with_distance_loss", "margin", margin)
    a, b, c = (ops.as_tensor(x) for x in (anchor, positive, negative))
    if not a.ndim == b.ndim == c.ndim:
        raise ShapeError(
            "triplet_margin_with_distance_loss takes three tensors of as many axes, "
            f"got shapes {a.shape}, {b.shape} and {c.shape}."
        )
    distance = pairwise_distance if distance_function is None else distance_function
    if not callable(distance):
        raise ArgumentTypeError(
            f"triplet_margin_with_distance_loss takes a function as distance_function, got {distance!r}."
        )
    near, far = distance(a, b), distance(a, c)
    if as_flag("swap", swap):
        far = ops.minimum(far, distance(b, c))
    return reduced(ops.relu(near - far + margin), reduction)


def _scores(loss: str, input: Input, target: Input) -> tuple[Tensor, Tensor]:
    """Scores of classes, and a class for each row of them."""
    scores, classes = ops.as_tensor(input), ops.as_tensor(target)
    if scores.ndim not in (1, 2) or classes.shape != scores.shape[:-1]:
        raise ShapeError(
            f"{loss} takes scores of shape (N, C) and a target of shape (N,), or (C,) and (), "
            f"got {scores.shape} and {classes.shape}."
        )
    return scores, _integers(loss, classes)


def _integers(loss: str, classes: Tensor) -> Tensor:
    if not classes.dtype.is_integer:
        raise DTypeError(f"{loss} takes integer targets, got {classes.dtype}.", hint='target.astype("int64")')
    return classes.astype("int64")
