"""Tensors with some elements replaced: what `x[key] = value` assigns, and functions that give it as a new tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.core import Number, TensorCore
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.ops import elementwise as ew, indexing as ix, movement as mv
from lucid.ir.types import TensorType, bool_, int64
from lucid.operations.arguments import as_flag, one_axis
from lucid.operations.arrangement import moveaxis
from lucid.operations.bounds import check_position
from lucid.operations.elementwise import add, less, maximum, not_equal, subtract, where
from lucid.operations.gathering import covered, elements, line, rows
from lucid.operations.indexing import Item, basic_index, items_of, looked_up
from lucid.operations.movement import concatenate, flatten, permute, reshape
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to, cast, constant
from lucid.operations.sorting import sort

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def with_item(x: Tensor, key: Any, value: Operand, accumulate: bool = False) -> Tensor:
    """x with x[key] replaced by a value that broadcasts to it and is cast to its dtype, or, with `accumulate`, added.

    Keys are those of x[key]; where integer tensors name an element several times, the last value stays, and all are
    added. Besides, a mask of bools may stand for the leading axes: then the value broadcasts to the axes behind them.
    """
    values = cast(as_tensor(value), x.dtype)
    is_array = isinstance(key, np.ndarray | TensorCore)
    if is_array and as_tensor(key).dtype == bool_:
        return _masked(x, as_tensor(key), values, accumulate)
    items = items_of(x, key, "use x = lucid.where(mask, 0.0, x), with what you assign in the place of 0.0")
    if any(isinstance(item, TensorCore) for item in items):
        return _at_tensors(x, items, values, accumulate)
    start, step, counts, shape = basic_index(x, items)
    part = reshape(broadcast_to(values, shape), counts)
    spread = apply_op(mv.ScatterSlice(start, step, x.shape), part)
    if accumulate:
        return add(x, spread)
    inside = apply_op(mv.ScatterSlice(start, step, x.shape), constant(True, TensorType(bool_, counts)))
    return apply_op(ew.Where(), inside, spread, x)


def _masked(x: Tensor, mask: Tensor, values: Tensor, accumulate: bool) -> Tensor:
    """x with one value, or one for each element behind the axes of a mask, where the mask is true."""
    if mask.shape != x.shape[: mask.ndim]:
        raise ShapeError(f"a mask has the leading extents of what it selects from, {x.shape}, got {mask.shape}.")
    behind = x.shape[mask.ndim :]
    if values.ndim > len(behind):
        raise ArgumentError(
            f"x[mask] = value takes a value that broadcasts to {behind}, got shape {values.shape}: how many elements "
            "a mask selects is only known when it runs.",
            hint="select from values of the shape of x: x = lucid.where(mask, values, x).",
        )
    everywhere = broadcast_to(broadcast_to(values, behind), x.shape)
    wide = broadcast_to(reshape(mask, (*mask.shape, *(1,) * len(behind))), x.shape)
    return apply_op(ew.Where(), wide, add(x, everywhere) if accumulate else everywhere, x)


def _at_tensors(x: Tensor, items: Sequence[Item], values: Tensor, accumulate: bool) -> Tensor:
    """`with_item` where some items are integer tensors: along the axes that they index, joined to one."""
    found = looked_up(x, items)
    axis, extent = found.axis, found.joined.shape[found.axis]
    given = broadcast_to(values, found.shape)
    given = reshape(given, (*found.shape[:axis], found.positions.size, *found.joined.shape[axis + 1 :]))
    index = flatten(cast(found.positions, int64))
    index = where(less(index, 0), add(index, extent), index)
    if not index.size:
        return x
    if accumulate:
        sums = apply_op(ix.ScatterAdd(axis, extent), given, line(index, axis, given.ndim))
        joined = add(found.joined, sums)
    else:
        number = _last_at(index, 0, extent)
        taken = rows(given, maximum(subtract(number, 1), 0), axis)
        written = broadcast_to(line(less(0, number), axis, given.ndim), found.joined.shape)
        joined = where(written, taken, found.joined)
    moved = reshape(joined, found.moved)
    back = tuple(found.order.index(at) for at in range(moved.ndim))
    rest = tuple(slice(None) if isinstance(item, TensorCore) else item for item in items)
    return with_item(x, rest, permute(moved, back))


def _last_at(index: Tensor, axis: int, extent: int) -> Tensor:
    """For each of `extent` places along an axis, 1 + the position of the last index that names it, or 0
    where none does."""
    places, positions = sort(index, axis)  # stable: of equal ones, the last comes last
    before, behind = (_but_for(places, axis, first) for first in (False, True))
    last = constant(True, TensorType(bool_, (*index.shape[:axis], 1, *index.shape[axis + 1 :])))
    is_last = concatenate([not_equal(behind, before), last], axis)
    return apply_op(ix.ScatterAdd(axis, extent), where(is_last, add(positions, 1), 0), places)


def _but_for(x: Tensor, axis: int, first: bool) -> Tensor:
    """x without its first element along an axis, or without its last."""
    return x[(*(slice(None),) * axis, slice(1, None) if first else slice(-1))]


def index_put(x: Operand, indices: Sequence[Any], values: Operand, accumulate: bool = False) -> Tensor:
    """x with x[indices] replaced by values that broadcast to it, or, with `accumulate`, with them added.

    indices: a tuple with an item for each of the leading axes, as in x[indices]: integer tensors, slices, or one mask.
    Where an element is named several times, the last value stays, and all are added. PyTorch's `index_put`.

    >>> print(index_put([1, 2, 3], ([2, 0],), [7, 8]))
    [8, 2, 7]
    """
    if not isinstance(indices, tuple | list):
        raise ArgumentError(
            f"index_put takes a tuple of indices, got {type(indices).__name__}.", hint="write (index,)."
        )
    key = indices[0] if len(indices) == 1 else tuple(indices)
    return with_item(as_tensor(x), key, values, as_flag("accumulate", accumulate))


def scatter(x: Operand, dim: int, index: Operand, src: Operand) -> Tensor:
    """x, with its element [..., index[..., i, ...], ...] replaced by src[..., i, ...]: the reverse of `gather`.

    x, the index and src have as many axes; the index is no longer than src, nor than x along others than `dim`. Or src
    is one number. It is cast to the dtype of x. Of several for one element, the one with the largest i stays.
    PyTorch's `scatter`.

    >>> print(scatter([[1, 2], [3, 4]], 1, [[1], [0]], [[7], [8]]))
    [[1, 7], [8, 4]]
    """
    tensor, positions, updates = as_tensor(x), as_tensor(index), as_tensor(src)
    along = one_axis(dim, tensor.ndim)
    covered("scatter", tensor, positions, along)
    if not updates.ndim:
        updates = broadcast_to(updates, positions.shape)
    if updates.ndim != positions.ndim or any(i > e for i, e in zip(positions.shape, updates.shape, strict=True)):
        raise ShapeError(
            f"scatter takes an index that is no longer than src, got shapes {positions.shape} and {updates.shape}."
        )
    check_position(positions, tensor.shape[along], along)
    if not positions.size:
        return tensor
    index, extent = cast(positions, int64), tensor.shape[along]
    index = where(less(index, 0), add(index, extent), index)
    part = cast(updates[tuple(slice(extent) for extent in index.shape)], tensor.dtype)
    number = _last_at(index, along, extent)
    taken = elements(part, maximum(subtract(number, 1), 0), along)
    written = less(0, number)
    if taken.shape != tensor.shape:
        corner = mv.ScatterSlice((0,) * tensor.ndim, (1,) * tensor.ndim, tensor.shape)
        taken, written = apply_op(corner, taken), apply_op(corner, written)
    return where(written, taken, tensor)


def index_copy(x: Operand, dim: int, index: Operand, source: Operand) -> Tensor:
    """x with the slices along an axis that an index of one axis names replaced by those of a source of x's dtype.

    PyTorch's `index_copy`; of several slices for one place, the last stays.

    >>> print(index_copy([[1, 2], [3, 4]], 0, [1], [[7, 8]]))
    [[1, 2], [7, 8]]
    """
    tensor, positions, updates = as_tensor(x), as_tensor(index), as_tensor(source)
    along = one_axis(dim, tensor.ndim)
    expected = (*tensor.shape[:along], positions.size, *tensor.shape[along + 1 :])
    if positions.ndim != 1 or updates.shape != expected:
        raise ShapeError(
            f"index_copy to axis {along} of shape {tensor.shape} takes an index of one axis and a source of shape "
            f"{expected}, got {positions.shape} and {updates.shape}."
        )
    if updates.dtype != tensor.dtype:
        raise DTypeError(f"index_copy takes a source of the dtype of x, {tensor.dtype}, got {updates.dtype}.")
    return moveaxis(with_item(moveaxis(tensor, along, 0), positions, moveaxis(updates, along, 0)), 0, along)


def index_fill(x: Operand, dim: int, index: Operand, value: Number | Tensor) -> Tensor:
    """x with one value in the slices along an axis that an integer index names. PyTorch's `index_fill`.

    >>> print(index_fill([[1, 2], [3, 4]], 1, [0], 9))
    [[9, 2], [9, 4]]
    """
    tensor, filler, positions = as_tensor(x), as_tensor(value), as_tensor(index)
    along = one_axis(dim, tensor.ndim)
    if not positions.dtype.is_integer:
        raise DTypeError(f"only integer tensors can index, got {positions.dtype}.")
    if positions.ndim > 1:
        raise ShapeError(f"index_fill takes an index of one axis, got shape {positions.shape}.")
    if filler.ndim:
        raise ShapeError(f"index_fill takes one value, got shape {filler.shape}.", hint="use lucid.index_copy")
    return moveaxis(with_item(moveaxis(tensor, along, 0), positions, filler), 0, along)
