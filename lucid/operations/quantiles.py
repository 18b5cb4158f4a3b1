"""Quantiles: what the elements in order give."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lucid.errors import ArgumentError, ShapeError
from lucid.ir.ops.indexing import Gather
from lucid.ir.types import float64, int64
from lucid.operations.arguments import Axes, as_choice, as_flag, as_number, by_other_names, normal_axes
from lucid.operations.elementwise import (
    floor,
    isnan,
    lerp,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    where,
)
from lucid.operations.movement import permute, reshape, squeeze
from lucid.operations.operands import Operand, apply_op, as_float, cast
from lucid.operations.reduction import sum
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
    axis, keepdims = by_other_names("quantile", aliases, dim=axis, keepdim=keepdims)
    share = _checked("quantile", q, interpolation)
    ordered, back = _in_order("quantile", x, axis, keepdims)
    last = ordered[..., -1]
    position = share * (ordered.shape[-1] - 1)
    below = math.floor(position)
    result = ordered[..., below]
    if part := _share(position - below, below, interpolation):
        result = lerp(result, ordered[..., below + 1], part)
    return back(where(isnan(last), last, result))


def nanquantile(
    x: Operand,
    q: float,
    axis: Axes = None,
    keepdims: bool = False,
    *,
    interpolation: str = "linear",
    **aliases: Any,
) -> Tensor:
    """The `quantile` of the elements along axes, all of them by default, that are not NaN; NaN where all are.

    >>> print(nanquantile([4.0, math.nan, 1.0, 2.0], 0.75))
    3.0
    """
    axis, keepdims = by_other_names("nanquantile", aliases, dim=axis, keepdim=keepdims)
    share = _checked("nanquantile", q, interpolation)
    ordered, back = _in_order("nanquantile", x, axis, keepdims)
    last = sum(logical_not(isnan(ordered)), -1, True) - 1  # of the numbers, behind which NaN stand
    position = cast(last, float64) * share
    below = floor(position)
    place = cast(below, int64)
    first, second = (
        apply_op(Gather(ordered.ndim - 1), ordered, maximum(each, 0)) for each in (place, minimum(place + 1, last))
    )
    part = position - below
    if interpolation in ("lower", "higher", "midpoint"):
        part = where(part == 0.0, 0.0, {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}[interpolation])
    elif interpolation == "nearest":
        part = cast(logical_or(part > 0.5, logical_and(part == 0.5, place % 2 == 1)), float64)
    result = where(part == 0.0, first, lerp(first, second, cast(part, ordered.dtype)))
    return back(squeeze(result, -1))


def _checked(name: str, q: float, interpolation: str) -> float:
    """A share from 0 to 1."""
    share = as_number(f"{name} takes a share q from 0 to 1", q)
    if not 0.0 <= share <= 1.0:
        raise ArgumentError(f"{name} takes a share q from 0 to 1, got {q!r}.")
    as_choice(f"{name} takes interpolation={', '.join(map(repr, INTERPOLATIONS))}", interpolation, INTERPOLATIONS)
    return share


def _in_order(name: str, x: Operand, axis: Axes, keepdims: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The elements along axes in order, along the last axis, and what gives a result of the others its shape."""
    tensor = as_float(x)
    axes = normal_axes(axis, tensor.ndim)
    others = [a for a in range(tensor.ndim) if a not in axes]
    moved = permute(tensor, [*others, *axes])
    count = math.prod(moved.shape[len(others) :])
    if not count:
        raise ShapeError(f"{name} takes at least one element along its axes, got shape {tensor.shape}.")
    kept = as_flag("keepdims", keepdims)
    shape = [1 if a in axes else e for a, e in enumerate(tensor.shape)] if kept else moved.shape[: len(others)]
    ordered = sort(reshape(moved, (*moved.shape[: len(others)], count))).values
    return ordered, lambda result: reshape(result, shape)


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


def nanmedian(x: Operand, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
    """The `median` of the elements along axes, all of them by default, that are not NaN; NaN where all are.

    >>> print(nanmedian([4.0, math.nan, 1.0, 2.0]))
    2.0
    """
    axis, keepdims = by_other_names("nanmedian", aliases, dim=axis, keepdim=keepdims)
    return nanquantile(x, 0.5, axis, keepdims)
