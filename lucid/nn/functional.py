"""Layers and losses as functions: compositions of tensor operations.

Inputs are Tensors or NumPy arrays, float32 or float64. Results have the dtype of the input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import lucid.operations as ops
import lucid.random
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.random import DrawSource
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def linear(x: Input, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias.

    x: (..., in), weight: (out, in), bias: (out,); the result is (..., out). Raises ShapeError and DTypeError.
    """
    tensor = ops.as_tensor(x)
    if tensor.ndim == 0 or tensor.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"a linear layer with a weight of shape {weight.shape} takes inputs of shape (..., {weight.shape[1]}), "
            f"got {tensor.shape}."
        )
    if tensor.dtype != weight.dtype:
        raise DTypeError(
            f"a linear layer with a {weight.dtype} weight takes {weight.dtype} inputs, got {tensor.dtype}.",
            hint=f'cast the input: x.astype("{weight.dtype}")',
        )
    product = ops.matmul(tensor, weight.T)
    return product if bias is None else product + bias


def check_probability(p: object) -> float | Scalar:
    """p as it is used, if it is a number from 0 to 1; else ArgumentError."""
    if isinstance(p, Scalar) and 0.0 <= p <= 1.0:
        return p
    if isinstance(p, Real) and not isinstance(p, bool) and 0.0 <= (number := float(p)) <= 1.0:
        return number
    raise ArgumentError(f"dropout takes a probability p from 0 to 1, got p={p!r}.")


def drop(x: Tensor, p: float | Scalar) -> tuple[Tensor, DrawSource]:
    """(x * mask) * scale with a new mask, and where to look the draw of the mask up.

    The mask is 0 with probability p, else 1; the scale 1 / (1 - p), rounded to the dtype of x, or 0 where p is 1.
    """
    if not x.dtype.is_float:
        raise DTypeError(f"dropout takes floats, got {x.dtype}.", hint='cast the input: x.astype("float32")')
    keep, source = lucid.random.keep(p, x.shape)
    scale = 0.0 if p == 1.0 else 1.0 / (1.0 - p)
    return (x * keep.astype(x.dtype)) * scale, source


def dropout(x: Input, p: float | Scalar = 0.5, training: bool = True) -> Tensor:
    """In training, elements of x set to 0 with probability p and the others scaled by 1 / (1 - p); else x itself.

    Srivastava et al., "Dropout", JMLR 15 (2014), in its inverted form. Each call in training takes one draw of the
    random stream. Raises ArgumentError where p is no number from 0 to 1.
    """
    p = check_probability(p)
    tensor = ops.as_tensor(x)
    return drop(tensor, p)[0] if training else tensor


def relu(x: Input) -> Tensor:
    """x where x > 0, else 0."""
    return ops.relu(x)


def tanh(x: Input) -> Tensor:
    """The hyperbolic tangent of x."""
    return ops.tanh(x)


def sigmoid(x: Input) -> Tensor:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


def gelu(x: Input, approximate: str = "none") -> Tensor:
    """x times the probability that a standard normal variable is below x.

    Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415, section 2. `approximate="tanh"` is the
    cheaper form given there: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
    """
    tensor = ops.as_tensor(x)
    if check_approximation(approximate) == "none":
        return tensor * 0.5 * (ops.erf(tensor * math.sqrt(0.5)) + 1.0)
    inner = (tensor + 0.044715 * (tensor * tensor * tensor)) * math.sqrt(2.0 / math.pi)
    return tensor * 0.5 * (ops.tanh(inner) + 1.0)


def check_approximation(approximate: str) -> str:
    """The argument, if `gelu` knows it; else ArgumentError."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f'gelu takes approximate="none" or "tanh", got {approximate!r}.')
    return approximate


def softmax(x: Input, dim: int = -1) -> Tensor:
    """exp(x) divided by its sum along an axis, computed from x minus its maximum: finite for logits of any size."""
    exponentials = ops.exp(_below_maximum(ops.as_tensor(x), dim))
    return exponentials / exponentials.sum(dim, keepdims=True)


def log_softmax(x: Input, dim: int = -1) -> Tensor:
    """The logarithm of `softmax`, computed without rounding small probabilities to 0."""
    shifted = _below_maximum(ops.as_tensor(x), dim)
    return shifted - ops.log(ops.exp(shifted).sum(dim, keepdims=True))


def _below_maximum(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum along an axis. The shift cancels out of every use, so its gradient is left out."""
    return x - x.detach().max(dim, keepdims=True)


def layer_norm(
    x: Input,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last axes of x, which have `normalized_shape`.

    Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450, equations 3 and 4; the variance is the biased one.
    """
    tensor = ops.as_tensor(x)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or tensor.shape[-len(shape) :] != shape:
        raise ShapeError(f"layer_norm over {shape} takes inputs whose shape ends so, got {tensor.shape}.")
    axes = tuple(range(-len(shape), 0))
    deviation = tensor - tensor.mean(axes, keepdims=True)
    variance = (deviation * deviation).mean(axes, keepdims=True)
    result = deviation / ops.sqrt(variance + eps)
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias


# Losses.


def check_reduction(reduction: str) -> str:
    """The argument, if losses know it; else ArgumentError."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f'a loss takes reduction="mean", "sum" or "none", got {reduction!r}.')
    return reduction


def mse_loss(prediction: Input, target: Input, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of one shape, averaged by default."""
    x, y = ops.as_tensor(prediction), ops.as_tensor(target)
    if x.shape != y.shape:
        raise ShapeError(
            f"mse_loss takes a prediction and a target of one shape, got {x.shape} and {y.shape}.",
            hint=f"reshape the target: target.reshape{x.shape}" if x.size == y.size else None,
        )
    difference = x - y
    return _reduced(difference * difference, reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if check_reduction(reduction) == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def nll_loss(
    log_probabilities: Input,
    targets: Input,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negated log-probability of each target class.

    log_probabilities: (N, C, ...) or (C,); targets: integers of shape (N, ...) or (), each from 0 to C - 1 or
    `ignore_index`, whose loss is 0; weight: (C,), a factor for each class. The mean is over the weights of the
    targets that count. Raises CheckError for a target out of range, before anything is written.
    """
    x, y = ops.as_tensor(log_probabilities), ops.as_tensor(targets)
    return _class_loss(x, y, weight, ignore_index, reduction, 0.0)


def cross_entropy(
    logits: Input,
    targets: Input,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy between targets and the softmax of logits, finite for logits of any size.

    logits: (N, C, ...) or (C,). targets: classes, as for `nll_loss`, or probabilities of the shape of the logits,
    whose mean is over N. `label_smoothing` mixes targets with the uniform distribution in that proportion
    (Szegedy et al., arXiv:1512.00567, section 7).
    """
    x, y = ops.as_tensor(logits), ops.as_tensor(targets)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ArgumentError(f"cross_entropy takes label_smoothing from 0 to 1, got {label_smoothing!r}.")
    log_probabilities = log_softmax(x, _class_axis(x))
    if y.dtype.is_float:
        return _probability_loss(log_probabilities, y, weight, reduction, label_smoothing)
    return _class_loss(log_probabilities, y, weight, ignore_index, reduction, label_smoothing)


def _class_axis(x: Tensor) -> int:
    if x.ndim == 0:
        raise ShapeError("a classification loss takes an input of shape (N, C, ...) or (C,), got shape ().")
    return 0 if x.ndim == 1 else 1


def _along_classes(values: Tensor, x: Tensor) -> Tensor:
    """A tensor with one value for each class, shaped so that it broadcasts with x."""
    classes = x.shape[_class_axis(x)]
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
    if targets.shape != expected or not targets.dtype.is_integer:
        raise ShapeError(
            f"scores of shape {log_probabilities.shape} take integer targets of shape {expected}, "
            f"got {targets.dtype} of shape {targets.shape}."
        )
    targets = targets.astype("int64")
    counted = targets != ignore_index
    ops.check_index(targets, classes, "target", counted)
    chosen = targets.unsqueeze(axis) == _along_classes(ops.arange(classes), log_probabilities)
    if 0 <= ignore_index < classes:
        chosen = chosen & counted.unsqueeze(axis)
    weighted = log_probabilities
    total = counted.sum()
    if weight is not None:
        weights = _along_classes(weight, log_probabilities)
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
        targets = targets * _along_classes(weight, log_probabilities)
    losses = -(log_probabilities * targets).sum(axis)
    return _reduced(losses, reduction)
