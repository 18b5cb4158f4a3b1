"""Indexing by integers, slices, `...`, None and integer tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from lucid.conversion import copied
from lucid.core import TensorCore, tensor_over
from lucid.errors import ArgumentError, ArgumentTypeError, CheckError, DTypeError, ShapeError
from lucid.ir.ops import movement as mv
from lucid.ir.types import Shape, bool_, broadcast_shapes, int64
from lucid.operations.arguments import checked_slice
from lucid.operations.bounds import check_position
from lucid.operations.elementwise import add, less, multiply, where
from lucid.operations.gathering import rows
from lucid.operations.movement import permute, reshape
from lucid.operations.operands import apply_op, as_tensor, broadcast_to, cast

if TYPE_CHECKING:
    from lucid.tensor import Tensor

# What stands in a key for one axis of the tensor, or, where it is None, for a new axis.
Item: TypeAlias = "int | slice | Tensor | None"


SELECT = "use lucid.where(mask, x, 0.0), or multiply by the mask"


def get_item(x: Tensor, key: Any) -> Tensor:
    """x[key] for integers, slices, `...`, None, and integer tensors, arrays and lists, as in NumPy.

    Integer tensors are broadcast to one shape, which replaces the axes that they index: where they stand, if they stand
    side by side, else in front. Integers beside them count as tensors. Raises CheckError for an index out of range, in
    a compiled step before anything is written.
    """
    items = items_of(x, key)
    if any(isinstance(item, TensorCore) for item in items):
        found = looked_up(x, items)
        return rows(found.joined, found.positions, found.axis)
    start, step, counts, shape = basic_index(x, items)
    if (start, counts) == ((0,) * x.ndim, x.shape) and all(s == 1 for s in step):
        return reshape(x, shape)
    return reshape(apply_op(mv.Slice(start, step, counts), x), shape)


def items_of(x: Tensor, key: Any, instead_of_mask: str = SELECT) -> list[Item]:
    """What a key says for each axis of x, with the slices that `...` and missing items stand for. The error for a mask
    has the hint `instead_of_mask`."""
    keys = key if isinstance(key, tuple) else (key,)
    used = sum(item is not None and item is not Ellipsis for item in keys)
    ellipses = [at for at, item in enumerate(keys) if item is Ellipsis]  # keys may be tensors, which == would compare
    if used > x.ndim or len(ellipses) > 1:
        raise CheckError(f"too many indices for a tensor of shape {x.shape}: {used}.")
    at = ellipses[0] if ellipses else len(keys)
    before, behind = ([_item(item, instead_of_mask) for item in part] for part in (keys[:at], keys[at + 1 :]))
    return [*before, *[slice(None)] * (x.ndim - used), *behind]


def _item(item: Any, instead_of_mask: str) -> Item:
    """What an item of a key is, or the error that says why it is none."""
    if isinstance(item, slice):
        return checked_slice(item)
    if item is None:
        return item
    if isinstance(item, list | tuple):
        item = tensor_over(copied(item, None if item else int64))
    is_array = isinstance(item, np.ndarray | TensorCore)
    if is_array:
        index = as_tensor(item)
        if index.dtype == bool_:
            raise ArgumentError(
                "a tensor can't be indexed by a mask: how many elements that selects is only known when it runs.",
                hint=instead_of_mask,
            )
        if not index.dtype.is_integer:
            raise DTypeError(f"only integer tensors can index, got {index.dtype}.")
        return index
    if isinstance(item, bool | np.bool_ | type) or not hasattr(item, "__index__"):
        raise ArgumentTypeError(
            f"tensors are indexed by integers, slices, `...`, None and integer tensors, got {item!r}."
        )
    return int(item.__index__())


def basic_index(x: Tensor, items: Sequence[Item]) -> tuple[tuple[int, ...], tuple[int, ...], Shape, Shape]:
    """Start, step and count along each axis of x, and the shape of the result; a tensor counts as `:`."""
    start, step, counts, shape, axis = [], [], [], [], 0
    for item in items:
        if item is None:
            shape.append(1)
            continue
        extent = x.shape[axis]
        if isinstance(item, int):
            if not -extent <= item < extent:
                raise CheckError(f"index {item} is out of range for axis {axis} with extent {extent}.")
            start.append(item % extent)
            step.append(1)
            counts.append(1)
        else:
            first, last, stride = (item if isinstance(item, slice) else slice(None)).indices(extent)
            count = len(range(first, last, stride))
            start.append(first if count else 0)
            step.append(stride if count else 1)
            counts.append(count)
            shape.append(count)
        axis += 1
    return tuple(start), tuple(step), tuple(counts), tuple(shape)


class LookedUp(NamedTuple):
    """How integer tensors index a tensor: one index along one axis, to which those that they index are joined."""

    joined: Tensor  # the tensor, of which integers and slices have taken their part
    axis: int
    positions: Tensor
    shape: Shape  # of the result
    order: tuple[int, ...]  # the axes of the part as they were moved
    moved: Shape  # and their extents before they were joined


def looked_up(x: Tensor, items: Sequence[Item]) -> LookedUp:
    """What x[items] reads, where some items are tensors, whose bounds are checked."""
    tensors = [item for item in items if isinstance(item, TensorCore)]
    try:
        shape = broadcast_shapes(*(tensor.shape for tensor in tensors))
    except ValueError:
        shapes = " and ".join(str(tensor.shape) for tensor in tensors)
        raise ShapeError(f"indices of shapes {shapes} do not broadcast to one shape.") from None
    axes = [
        axis for axis, item in enumerate(item for item in items if item is not None) if isinstance(item, TensorCore)
    ]
    for axis, tensor in zip(axes, tensors, strict=True):
        check_position(tensor, x.shape[axis], axis)
    start, step, counts, kept = basic_index(x, items)
    part = reshape(apply_op(mv.Slice(start, step, counts), x), kept)  # the axes of integers are gone
    left = [item for item in items if not isinstance(item, int)]
    indexed = [axis for axis, item in enumerate(left) if isinstance(item, TensorCore)]
    others = [axis for axis in range(part.ndim) if axis not in indexed]
    places = [at for at, item in enumerate(items) if isinstance(item, int | TensorCore)]
    side_by_side = places[-1] - places[0] == len(places) - 1
    before = sum(not isinstance(item, int | TensorCore) for item in items[: places[0]]) if side_by_side else 0
    order = (*others[:before], *indexed, *others[before:])
    part = permute(part, order)
    first, extents, last = part.shape[:before], part.shape[before:][: len(tensors)], part.shape[before + len(tensors) :]
    joined = reshape(part, (*first, math.prod(extents), *last))
    index = _joined(tensors, extents, shape)
    return LookedUp(joined, before, index, (*first, *shape, *last), order, part.shape)


def _joined(indices: Sequence[Tensor], extents: Shape, shape: Shape) -> Tensor:
    """Indices along several axes, broadcast to a shape, as one along these axes joined."""
    if len(indices) == 1:
        return indices[0]
    total: Tensor | None = None
    for index, extent in zip(indices, extents, strict=True):
        wide = cast(index, int64)
        positive = where(less(wide, 0), add(wide, extent), wide) if index.dtype.signed else wide
        part = broadcast_to(positive, shape)
        total = part if total is None else add(multiply(total, extent), part)
    assert total is not None
    return total
