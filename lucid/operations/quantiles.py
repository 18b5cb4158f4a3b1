"""Quantiles: what the elements in order give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lucid.errors import ArgumentError, ShapeError
from lucid.operations.arguments import Axes, as_number, by_other_names, normal_axes
from lucid.operations.elementwise import isnan, lerp, where
from lucid.operations.movement import permute, reshape
from lucid.operations.operands import Operand, as_float
from lucid.operations.sorting import sort

if TYPE_CHECKING:
    from lucid.tensor import Tensor


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    x: Operand,
    q: float,
    axis: Axes = None,
    keepdims: bool = False,
    *,
    interpolation: str = "linear",
    **aliases: Any,
) -> Tensor:
    """The number that a share q of the elements along axes, all of them by default, lies below; NaN where there is one.

    At position q * (n - 1) of the n elements in order, it is interpolated between the two that are next to it, or, by
    `interpolation`, the "lower", the "higher" or the "nearest" of them (of two, the one at an even position), or their
    "midpoint". Integers are taken as float32. Raises ArgumentError where q is not from 0 to 1, and ShapeError where
    there are no elements.

    >>> print(quantile([4.0, 1.0, 2.0], 0.75))
    3.0
    """
    tensor = as_float(x)
    axis, keepdims = by_other_names("quantile", aliases, dim=axis, keepdim=keepdims)
    if not 0.0 <= as_number("quantile takes a share q from 0 to 1", q) <= 1.0:
        raise ArgumentError(f"quantile takes a share q from 0 to 1, got {q!r}.")
    if interpolation not in INTERPOLATIONS:
        raise ArgumentError(
            f"quantile takes interpolation={', '.join(map(repr, INTERPOLATIONS))}, got {interpolation!r}."
        )
    axes = normal_axes(axis, tensor.ndim)
    others = [a for a in range(tensor.ndim) if a not in axes]
    moved = permute(tensor, [*others, *axes])
    count = math.prod(moved.shape[len(others) :])
    if not count:
        raise ShapeError(f"quantile takes at least one element along its axes, got shape {tensor.shape}.")
    ordered = sort(reshape(moved, (*moved.shape[: len(others)], count))).values
    below = math.floor(q * (count - 1))
    share = _share(q * (count - 1) - below, below, interpolation)
    result = ordered[..., below]
    if share:
        result = lerp(result, ordered[..., below + 1], share)
    last = ordered[..., -1]
    result = where(isnan(last), last, result)
    return reshape(result, [1 if a in axes else e for a, e in enumerate(tensor.shape)]) if keepdims else result


def _share(share: float, below: int, interpolation: str) -> float:
    """How much of the way from an element to the next one a quantile lies."""
    if interpolation == "linear" or share == 0.0:
        return share
    nearest = float(share > 0.5 or (share == 0.5 and below % 2 == 1))
    return {"lower": 0.0, "higher": 1.0, "midpoint": 0.5, "nearest": nearest}[interpolation]


def median(x: Operand, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
    """The middle element along axes, all of them by default, or the mean of the two in the middle; NaN if there is one.

    So NumPy has it, while PyTorch takes the lower one. Integers are taken as float32.
    """
    axis, keepdims = by_other_names("median", aliases, dim=axis, keepdim=keepdims)
    return quantile(x, 0.5, axis, keepdims)
