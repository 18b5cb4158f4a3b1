"""Losses of one prediction against one target, elementwise.

`reduction` is "mean" over all elements, "sum", or "none". Raises ArgumentError for others, and ShapeError where the
shapes differ.
"""

from __future__ import annotations

import math
from numbers import Real

import lucid.operations as ops
from lucid.errors import ShapeError, argument_error
from lucid.nn.functional.activation import logsigmoid
from lucid.operations.arguments import as_choice, as_flag
from lucid.operations.bounds import check_holds
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def check_reduction(reduction: str) -> str:
    """The argument, if losses know it; else ArgumentError."""
    return as_choice('a loss takes reduction="mean", "sum" or "none"', reduction, ("mean", "sum", "none"))


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of losses, or they themselves."""
    if check_reduction(reduction) == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def check_nonnegative(loss: str, name: str, value: float | Scalar) -> float | Scalar:
    """The argument of a loss, if it is at least 0; else ArgumentError."""
    if not isinstance(value, Real) or not value >= 0.0:
        raise argument_error(value, Real, f"{loss} takes {name} of at least 0, got {value!r}.")
    return value


def check_positive(loss: str, name: str, value: float | Scalar) -> float | Scalar:
    """The argument of a loss, if it is above 0; else ArgumentError."""
    if not isinstance(value, Real) or not value > 0.0:
        raise argument_error(value, Real, f"{loss} takes {name} above 0, got {value!r}.")
    return value


def pair(loss: str, prediction: Input, target: Input) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors, which have one shape; else ShapeError."""
    x, y = ops.as_tensor(prediction), ops.as_tensor(target)
    if x.shape != y.shape:
        raise ShapeError(
            f"{loss} takes a prediction and a target of one shape, got {x.shape} and {y.shape}.",
            hint=f"reshape the target: target.reshape{x.shape}" if x.size == y.size else None,
        )
    return x, y


def weighted(loss: str, losses: Tensor, weight: Input, reduction: str) -> Tensor:
    """The mean of losses by a weight for each, or the sum or the elements of their products with the weights."""
    factors = ops.as_tensor(weight)
    if factors.shape != losses.shape:
        raise ShapeError(f"{loss} takes a weight of the shape of its input, {losses.shape}, got {factors.shape}.")
    if check_reduction(reduction) == "mean":
        return (losses * factors).sum() / factors.sum()
    return reduced(losses * factors, reduction)


def mse_loss(input: Input, target: Input, reduction: str = "mean", weight: Input | None = None) -> Tensor:
    """The squared difference; with a weight for each element, the mean is the weighted one."""
    x, y = pair("mse_loss", input, target)
    difference = x - y
    losses = difference * difference
    return reduced(losses, reduction) if weight is None else weighted("mse_loss", losses, weight, reduction)


def l1_loss(input: Input, target: Input, reduction: str = "mean", weight: Input | None = None) -> Tensor:
    """The absolute difference; with a weight for each element, the mean is the weighted one."""
    x, y = pair("l1_loss", input, target)
    losses = abs(x - y)
    return reduced(losses, reduction) if weight is None else weighted("l1_loss", losses, weight, reduction)


def smooth_l1_loss(input: Input, target: Input, reduction: str = "mean", beta: float | Scalar = 1.0) -> Tensor:
    """d^2 / (2 * beta) where the absolute difference d is below beta, else d - beta / 2.

    Girshick, "Fast R-CNN", arXiv:1504.08083, equation 3.
    """
    x, y = pair("smooth_l1_loss", input, target)
    if check_nonnegative("smooth_l1_loss", "beta", beta) == 0.0:
        return reduced(abs(x - y), reduction)
    difference = x - y
    distance, square = abs(difference), difference * difference
    return reduced(ops.where(distance < beta, square * 0.5 / beta, distance - 0.5 * beta), reduction)


def huber_loss(
    input: Input,
    target: Input,
    reduction: str = "mean",
    delta: float | Scalar = 1.0,
    weight: Input | None = None,
) -> Tensor:
    """d^2 / 2 where the absolute difference d is at most delta, else delta * (d - delta / 2).

    With a weight for each element, the losses are multiplied by it, and the mean is that of the products.
    Huber, "Robust estimation of a location parameter", 1964.
    """
    x, y = pair("huber_loss", input, target)
    check_positive("huber_loss", "delta", delta)
    difference = x - y
    distance, square = abs(difference), difference * difference
    losses = ops.where(distance <= delta, square * 0.5, (distance - 0.5 * delta) * delta)
    if weight is None:
        return reduced(losses, reduction)
    return reduced(weighted("huber_loss", losses, weight, "none"), reduction)


def binary_cross_entropy(input: Input, target: Input, weight: Input | None = None, reduction: str = "mean") -> Tensor:
    """-weight * (y * log(x) + (1 - y) * log(1 - x)) for probabilities x and y.

    Logarithms are at least -100, with a gradient of 0 where they would be less: log(x) of 0 and log(1 - x) of 1 among
    them, where PyTorch has a gradient of -1e12. Others are exact: 1 at 0 for a target of 0, where PyTorch has 0. One
    outside of 0 to 1, or NaN, raises CheckError, in a compiled step before anything is written.
    `binary_cross_entropy_with_logits` takes any logits, and has accurate gradients everywhere.
    """
    x, y = pair("binary_cross_entropy", input, target)
    for name, chances, instead in (
        ("predictions", x, "binary_cross_entropy_with_logits takes logits"),
        ("targets", y, ""),
    ):
        holds = ops.logical_and(chances >= 0.0, chances <= 1.0)
        check_holds(holds, f"binary_cross_entropy takes {name} from 0 to 1", instead)
    losses = -(y * _clamped_log(x) + (1.0 - y) * _clamped_log(1.0 - x))
    return reduced(losses if weight is None else losses * weight, reduction)


def _clamped_log(x: Tensor) -> Tensor:
    zero = x == 0.0
    return ops.where(zero, -100.0, ops.maximum(ops.log(ops.where(zero, 1.0, x)), -100.0))


def binary_cross_entropy_with_logits(
    input: Input,
    target: Input,
    weight: Input | None = None,
    reduction: str = "mean",
    pos_weight: Input | None = None,
) -> Tensor:
    """`binary_cross_entropy` of the sigmoid of logits, finite for logits of any size.

    `weight` and `pos_weight` broadcast to the logits; the latter multiplies y * log(x) alone.
    """
    x, y = pair("binary_cross_entropy_with_logits", input, target)
    log_weight = 1.0 if pos_weight is None else (ops.as_tensor(pos_weight) - 1.0) * y + 1.0
    losses = (1.0 - y) * x - logsigmoid(x) * log_weight
    return reduced(losses if weight is None else losses * weight, reduction)


def kl_div(input: Input, target: Input, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback-Leibler divergence y * (log(y) - x) of log-probabilities x from probabilities y, elementwise.

    Where y is 0 it is 0, with a gradient of -x by y. With `log_target`, y is given by its logarithm. The reduction may
    be "batchmean" as well: the sum divided by the first extent, which is the divergence by its definition.
    """
    x, y = pair("kl_div", input, target)
    if as_flag("log_target", log_target):
        losses = ops.exp(y) * (y - x)
    else:
        positive = y > 0.0
        losses = ops.where(positive, y * ops.log(ops.where(positive, y, 1.0)), 0.0) - y * x
    if not isinstance(reduction, str) or reduction != "batchmean":
        return reduced(losses, reduction)
    if not x.ndim:
        raise ShapeError('kl_div with reduction="batchmean" takes inputs with axes, got shape ().')
    return losses.sum() / x.shape[0]


def poisson_nll_loss(
    input: Input,
    target: Input,
    log_input: bool = True,
    full: bool = False,
    eps: float | Scalar = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negated log-likelihood of counts y under a Poisson distribution of rate exp(x), or x without `log_input`.

    It is rate - y * log(rate), where the rate is x + eps in the logarithm; with `full`, Stirling's approximation
    y * log(y) - y + log(2 * pi * y) / 2 of log(y!) is added where y > 1.
    """
    x, y = pair("poisson_nll_loss", input, target)
    losses = ops.exp(x) - y * x if as_flag("log_input", log_input) else x - y * ops.log(x + eps)
    if as_flag("full", full):
        large = y > 1.0
        safe = ops.where(large, y, 1.0)
        stirling = safe * ops.log(safe) - safe + ops.log(safe * (2.0 * math.pi)) * 0.5
        losses = losses + ops.where(large, stirling, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Input,
    target: Input,
    var: Input,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negated log-likelihood (log(v) + (x - y)^2 / v) / 2 of y under a normal distribution.

    v is `var`, replaced by eps where it is less, with the gradient of v as if it were not. It has the shape of
    the prediction x, that shape without its last axis, or one that broadcasts to it. One below 0, or NaN, raises
    CheckError, in a compiled step before anything is written. `full` adds log(2 * pi) / 2.
    Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """
    x, y = pair("gaussian_nll_loss", input, target)
    check_positive("gaussian_nll_loss", "eps", eps)
    given = ops.as_tensor(var)
    check_holds(given >= 0, "gaussian_nll_loss takes variances from 0 on")
    if given.shape != x.shape and given.shape == x.shape[:-1]:
        given = given.unsqueeze(-1)
    v = given + (ops.maximum(given, eps) - given).detach()
    difference = x - y
    losses = (ops.log(v) + difference * difference / v) * 0.5
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if as_flag("full", full) else losses, reduction)
