"""Losses of classifiers: scores of classes against classes or probabilities."""

from __future__ import annotations

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.nn.functional.activation import log_softmax
from lucid.nn.functional.linear import linear
from lucid.nn.functional.loss import check_reduction, reduced
from lucid.operations.arguments import check_number
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def nll_loss(
    input: Input,
    target: Input,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negated log-probability of each target class.

    input: (N, C, ...) or (C,); target: integers of shape (N, ...) or (), each from 0 to C - 1 or
    `ignore_index`, whose loss is 0; weight: (C,), a factor for each class. The mean is over the weights of the
    targets that count. Raises CheckError for a target out of range, before anything is written.
    """
    x, y = ops.as_tensor(input), ops.as_tensor(target)
    return _class_loss(x, y, weight, ignore_index, reduction, 0.0)


def cross_entropy(
    input: Input,
    target: Input,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy between targets and the softmax of logits, finite for logits of any size.

    input: logits (N, C, ...) or (C,). target: classes, as for `nll_loss`, or probabilities of the shape of the logits,
    whose mean is over N. `label_smoothing` mixes targets with the uniform distribution in that proportion
    (Szegedy et al., arXiv:1512.00567, section 7).
    """
    x, y = ops.as_tensor(input), ops.as_tensor(target)
    if not 0.0 <= check_number("cross_entropy takes a number as label_smoothing", label_smoothing) <= 1.0:
        raise ArgumentError(f"cross_entropy takes label_smoothing from 0 to 1, got {label_smoothing!r}.")
    if y.dtype.is_float and not x.dtype.is_float and x.ndim < y.ndim:
        raise DTypeError(
            f"cross_entropy takes logits that are floats, got {x.dtype} of shape {x.shape} for {y.dtype} of shape "
            f"{y.shape}.",
            hint="the logits come first: cross_entropy(logits, classes).",
        )
    log_probabilities = log_softmax(x, _class_axis(x))
    if y.dtype.is_float:
        return _probability_loss(log_probabilities, y, weight, reduction, label_smoothing)
    return _class_loss(log_probabilities, y, weight, ignore_index, reduction, label_smoothing)


def linear_cross_entropy(
    input: Input,
    linear_weight: Input,
    target: Input,
    *,
    linear_bias: Input | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """`cross_entropy` of the logits input @ linear_weight.T + linear_bias.

    input: (N, in), or (in,); linear_weight: (C, in), or (C, ..., in), with a bias (C, ...), for logits (N, C, ...).
    An `ignore_index` of None is -100. Raises ShapeError.
    """
    x, factors = ops.as_tensor(input), ops.as_tensor(linear_weight)
    if factors.ndim < 2 or x.ndim not in (1, 2) or (x.ndim == 1 and factors.ndim > 2):
        raise ShapeError(
            "linear_cross_entropy takes an input (N, in), or (in,) with one axis of classes, and a linear_weight "
            f"(C, ..., in), got {x.shape} and {factors.shape}."
        )
    scores = linear(x, factors.flatten(0, -2)).reshape(*x.shape[:-1], *factors.shape[:-1])
    if linear_bias is not None:
        scores = scores + linear_bias
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, ignored, reduction, label_smoothing)


def _class_axis(x: Tensor) -> int:
    if x.ndim == 0:
        raise ShapeError("a classification loss takes an input of shape (N, C, ...) or (C,), got shape ().")
    return 0 if x.ndim == 1 else 1


def along_classes(values: Tensor, x: Tensor) -> Tensor:
    """A tensor with one value for each class, shaped so that it broadcasts with x."""
    values, classes = ops.as_tensor(values), x.shape[_class_axis(x)]
    if values.shape != (classes,):
        raise ShapeError(f"the weight of {classes} classes has shape ({classes},), got {values.shape}.")
    return values.reshape((classes,) + (1,) * max(x.ndim - 2, 0))


def _class_loss(
    log_probabilities: Tensor,
    targets: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    axis = _class_axis(log_probabilities)
    classes = log_probabilities.shape[axis]
    expected = log_probabilities.shape[:axis] + log_probabilities.shape[axis + 1 :]
    if targets.shape != expected:
        hint = None
        if targets.shape == (*expected[:axis], 1, *expected[axis:]):
            hint = f"drop the axis of extent 1: targets.squeeze({axis})"
        elif targets.shape == log_probabilities.shape:
            hint = f'of one-hot targets, these are targets.argmax({axis}); probabilities are targets.astype("float32").'
        raise ShapeError(
            f"scores of shape {log_probabilities.shape} take integer targets of shape {expected}, "
            f"got {targets.dtype} of shape {targets.shape}.",
            hint=hint,
        )
    if not targets.dtype.is_integer:
        raise DTypeError(
            f"a classification loss takes integer targets, got {targets.dtype}.",
            hint='classes are integers: targets.astype("int64")',
        )
    targets = targets.astype("int64")
    counted = targets != ignore_index
    ops.check_index(targets, classes, "target", counted)
    # Compared as narrow integers, classes fill whole vectors beside float32 scores.
    narrow = "int32" if classes < 2**31 else "int64"
    known = ops.where(counted, targets, -1).astype(narrow).unsqueeze(axis)
    chosen = known == along_classes(ops.arange(classes, dtype=narrow), log_probabilities)
    weighted = log_probabilities
    total = counted.sum()
    if weight is not None:
        weights = along_classes(weight, log_probabilities)
        weighted = log_probabilities * weights
        total = ops.where(chosen, weights, 0.0).sum()
    losses = -ops.where(chosen, weighted, 0.0).sum(axis)
    if label_smoothing:
        uniform = ops.where(counted, -weighted.sum(axis) / classes, 0.0)
        losses = losses * (1.0 - label_smoothing) + uniform * label_smoothing
    if check_reduction(reduction) == "none":
        return losses
    return losses.sum() / total if reduction == "mean" else losses.sum()


def _probability_loss(
    log_probabilities: Tensor, targets: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    axis = _class_axis(log_probabilities)
    if targets.shape != log_probabilities.shape:
        raise ShapeError(
            f"logits of shape {log_probabilities.shape} take probabilities of that shape, got {targets.shape}.",
            hint='classes are integers: targets.astype("int64")',
        )
    if label_smoothing:
        targets = targets * (1.0 - label_smoothing) + label_smoothing / targets.shape[axis]
    if weight is not None:
        targets = targets * along_classes(weight, log_probabilities)
    losses = -(log_probabilities * targets).sum(axis)
    return reduced(losses, reduction)
