"""Values put together at integer tensors: sums, means, products and extremes of those that one element gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lucid.errors import DTypeError, ShapeError
from lucid.ir.types import bool_, int64, uint64
from lucid.operations.arguments import as_choice, as_flag, one_axis
from lucid.operations.assignment import scatter
from lucid.operations.bounds import check_position
from lucid.operations.creation import ones, zeros
from lucid.operations.elementwise import divide, floor_divide, maximum, minimum, multiply, where
from lucid.operations.gathering import covered, elements, scatter_add, start
from lucid.operations.movement import concatenate
from lucid.operations.operands import Operand, as_tensor, cast
from lucid.operations.sorting import sort

if TYPE_CHECKING:
    from lucid.tensor import Tensor

COMBINED = {"prod": multiply, "amax": maximum, "amin": minimum}


def scatter_reduce(
    x: Operand, dim: int, index: Operand, src: Operand, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x, with its element [..., j, ...] combined with all src[..., i, ...] for which index[..., i, ...] is j.

    `reduce` says how: "sum", "mean", "prod", "amax" or "amin"; a mean of integers is rounded down. Without
    `include_self`, elements that the index names are combined of src alone; others stay. x, the index and src have as
    many axes; the index is no longer than src, nor than x along others than `dim`. What one element gets is sorted by i
    and combined in pairs; two equal extremes share a gradient. PyTorch's `scatter_reduce`.

    >>> print(scatter_reduce([1, 2], 0, [0, 0, 1], [5, 6, -7], "amax"))
    [6, 2]
    """
    choices = 'scatter_reduce takes reduce="sum", "mean", "prod", "amax" or "amin"'
    reduce = as_choice(choices, reduce, ("sum", "mean", *COMBINED))
    include_self = as_flag("include_self", include_self)
    tensor, positions, updates = as_tensor(x), as_tensor(index), as_tensor(src)
    along = one_axis(dim, tensor.ndim)
    covered("scatter_reduce", tensor, positions, along)
    if updates.ndim != positions.ndim or any(i > e for i, e in zip(positions.shape, updates.shape, strict=True)):
        raise ShapeError(
            f"scatter_reduce takes an index that is no longer than src, got shapes {positions.shape} and "
            f"{updates.shape}."
        )
    if tensor.dtype != updates.dtype or tensor.dtype == bool_:
        raise DTypeError(f"scatter_reduce takes numbers of one dtype, got {tensor.dtype} and {updates.dtype}.")
    check_position(positions, tensor.shape[along], along)
    counts = scatter_add(zeros(tensor.shape, dtype="int64"), along, positions, ones(positions.shape, dtype="int64"))
    if reduce in COMBINED:
        updates = start(updates, positions.shape)
        found = scatter(tensor, along, *_combined(COMBINED[reduce], positions, updates, along, tensor.shape[along]))
        return where(counts > 0, COMBINED[reduce](tensor, found), tensor) if include_self else found
    wide = tensor.dtype
    if reduce == "mean" and not wide.is_float:  # neither a sum nor a count has to fit the dtype
        wide = int64 if wide.signed else uint64
    before = cast(tensor if include_self else where(counts > 0, 0, tensor), wide)
    total = scatter_add(before, along, positions, cast(updates, wide))
    if reduce == "sum":
        return total
    number = cast(counts + 1 if include_self else maximum(counts, 1), wide)
    return divide(total, number) if wide.is_float else cast(floor_divide(total, number), tensor.dtype)


def _combined(
    combine: Callable[[Operand, Operand], Tensor], index: Tensor, values: Tensor, axis: int, extent: int
) -> tuple[Tensor, Tensor]:
    """An index in order along an axis, and values of which the last one for each place is the combination of all.

    In each step, an element is combined with the one that lies twice as far before it as in the step before, where that
    is for the same place. (Hillis and Steele, "Data parallel algorithms", 1986.)
    """
    index = cast(index, int64)
    places, order = sort(where(index < 0, index + extent, index), axis)
    values = elements(values, order, axis)
    step = 1
    while step < places.shape[axis]:
        before, behind, first = (
            (*(slice(None),) * axis, part) for part in (slice(-step), slice(step, None), slice(step))
        )
        later = where(places[before] == places[behind], combine(values[before], values[behind]), values[behind])
        values = concatenate([values[first], later], axis)
        step *= 2
    return places, values
