"""Covariances and distances, and what is measured along axes."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, NamedTuple

from lucid.core import Number
from lucid.errors import ArgumentError, ShapeError
from lucid.operations.arguments import check_number, one_axis
from lucid.operations.arrangement import diagonal
from lucid.operations.contraction import matmul
from lucid.operations.elementwise import clip, where
from lucid.operations.functions import sqrt
from lucid.operations.movement import expand_dims, reshape
from lucid.operations.operands import Operand, as_float, as_tensor, cast
from lucid.operations.reduction import max, mean, min, norm, sum

if TYPE_CHECKING:
    from lucid.tensor import Tensor


class Extrema(NamedTuple):
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor


def aminmax(x: Operand, *, dim: int | None = None, keepdim: bool = False) -> Extrema:
    """The smallest and the largest element along an axis, or of all.

    >>> print(*aminmax([3, 1, 2]))
    1 3
    """
    return Extrema(min(x, dim, keepdim), max(x, dim, keepdim))


def cov(x: Operand, *, correction: int = 1, fweights: Operand | None = None, aweights: Operand | None = None) -> Tensor:
    """The covariances of the rows of x, each a variable with an observation in each column; of one row or a
    vector the variance alone.

    Sums of products of deviations are divided by the count minus `correction`. An observation counts as often as
    `fweights` says, and as much as `aweights`.

    >>> print(cov([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    given = as_float(x)
    if given.ndim > 2:
        raise ShapeError(f"cov takes a vector or a matrix, got shape {given.shape}.")
    tensor = given if given.ndim == 2 else reshape(given, (1, -1))
    counts, shares = (None if w is None else _weights(w, tensor) for w in (fweights, aweights))
    weights = counts if shares is None else shares if counts is None else counts * shares
    check_number("cov takes a number as correction", correction)
    count = tensor.shape[-1]
    if weights is None:
        deviation = tensor - mean(tensor, -1, True)
        total = matmul(deviation, deviation.mT) / builtins.max(count - correction, 0)
    else:
        whole = sum(weights)
        deviation = tensor - sum(tensor * weights, -1, True) / whole
        lost = correction * (1.0 if shares is None else sum(weights * shares) / whole)
        total = matmul(deviation * weights, deviation.mT) / clip(whole - lost, 0.0)
    return reshape(total, ()) if len(tensor) == 1 else total


def _weights(weights: Operand, x: Tensor) -> Tensor:
    found = as_tensor(weights)
    if found.shape != x.shape[-1:]:
        raise ShapeError(f"cov takes a weight for each observation, got shape {found.shape} for {x.shape[-1]}.")
    return cast(found, x.dtype)


def corrcoef(x: Operand) -> Tensor:
    """The coefficients of correlation of the rows of x: covariances over the deviations of both, from -1 to 1.

    >>> print(corrcoef([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    covariances = cov(x)
    if not covariances.ndim:
        return covariances / covariances
    deviations = sqrt(diagonal(covariances))
    return clip(covariances / expand_dims(deviations, -1) / deviations, -1.0, 1.0)


def dist(x: Operand, y: Operand, p: Number = 2) -> Tensor:
    """The p-norm of x - y.

    >>> print(dist([1.0, 2.0], [4.0, 6.0]))
    5.0
    """
    return norm(as_float(x) - y, p)


def renorm(x: Operand, p: Number, dim: int, maxnorm: Number) -> Tensor:
    """x with each part along an axis whose p-norm is above maxnorm scaled down to that.

    >>> print(renorm([[3.0, 4.0], [0.3, 0.4]], 2, 0, 1.0))
    [[0.6, 0.8], [0.3, 0.4]]
    """
    tensor = as_float(x)
    position = one_axis(dim, tensor.ndim)
    others = tuple(axis for axis in range(tensor.ndim) if axis != position)
    if not others:
        raise ShapeError(f"renorm takes a tensor of at least two axes, got shape {tensor.shape}.")
    if not check_number("renorm takes a number as p", p) > 0:
        raise ArgumentError(f"renorm takes p above 0, got {p!r}.")
    if not check_number("renorm takes a number as maxnorm", maxnorm) >= 0:
        raise ArgumentError(f"renorm takes maxnorm of at least 0, got {maxnorm!r}.")
    size = norm(tensor, p, others, True)
    return where(size > maxnorm, tensor * (maxnorm / (size + 1e-7)), tensor)
