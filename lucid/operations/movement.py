"""Operations that move elements, and change none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lucid.errors import ArgumentError, ShapeError
from lucid.ir.ops import movement as mv
from lucid.ir.types import (
    promote,
)
from lucid.operations.operands import (
    Axes,
    Operand,
    apply_op,
    as_tensor,
    broadcast_to,
    by_other_names,
    cast,
    normal_axes,
)

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def expand(x: Operand, shape: Sequence[int]) -> Tensor:
    """x stretched to a shape, in which -1 keeps an extent."""
    tensor = as_tensor(x)
    new = len(shape) - tensor.ndim
    return broadcast_to(tensor, tuple(tensor.shape[i - new] if e == -1 else e for i, e in enumerate(shape)))


def reshape(x: Operand, shape: Sequence[int]) -> Tensor:
    """The same elements in row-major order under another shape, in which one extent may be -1."""
    tensor, target = as_tensor(x), list(shape)
    if target.count(-1) > 1 or any(extent < -1 for extent in target):
        raise ShapeError(f"reshape takes extents with at most one -1, got {tuple(target)}.")
    if -1 in target:
        known = math.prod(extent for extent in target if extent != -1)
        if known == 0 or tensor.size % known:
            raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}.")
        target[target.index(-1)] = tensor.size // known
    if math.prod(target) != tensor.size:
        raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}: the sizes differ.")
    return tensor if tensor.shape == tuple(target) else apply_op(mv.Reshape(tuple(target)), tensor)


def flatten(x: Operand, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """x with the axes from start_axis to end_axis joined to one."""
    tensor = as_tensor(x)
    if not tensor.ndim:
        return reshape(tensor, (1,))
    (start,), (end,) = normal_axes(start_axis, tensor.ndim), normal_axes(end_axis, tensor.ndim)
    joined = math.prod(tensor.shape[start : end + 1])
    return reshape(tensor, (*tensor.shape[:start], joined, *tensor.shape[end + 1 :]))


def permute(x: Operand, axes: Sequence[int]) -> Tensor:
    """x with its axes in another order: axis i of the result is axis axes[i] of x."""
    tensor = as_tensor(x)
    order = tuple(axis % tensor.ndim if -tensor.ndim <= axis < tensor.ndim else axis for axis in axes)
    if sorted(order) != list(range(tensor.ndim)):
        raise ShapeError(f"permute takes each axis of shape {tensor.shape} once, got {tuple(axes)}.")
    return tensor if order == tuple(range(tensor.ndim)) else apply_op(mv.Transpose(order), tensor)


def transpose(x: Operand, first: int, second: int) -> Tensor:
    """x with two axes swapped."""
    tensor = as_tensor(x)
    (a,), (b,) = normal_axes(first, tensor.ndim), normal_axes(second, tensor.ndim)
    order = list(range(tensor.ndim))
    order[a], order[b] = b, a
    return permute(tensor, order)


def squeeze(x: Operand, axis: Axes = None) -> Tensor:
    """x without the given axes of extent 1, or without all of them."""
    tensor = as_tensor(x)
    axes = normal_axes(axis, tensor.ndim)
    if axis is None:
        axes = tuple(a for a in axes if tensor.shape[a] == 1)
    if any(tensor.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze takes axes of extent 1, got {axis} of shape {tensor.shape}.")
    return reshape(tensor, tuple(e for a, e in enumerate(tensor.shape) if a not in axes))


def expand_dims(x: Operand, axis: int) -> Tensor:
    """x with a new axis of extent 1 at a position."""
    tensor = as_tensor(x)
    (position,) = normal_axes(axis, tensor.ndim + 1)
    return reshape(tensor, (*tensor.shape[:position], 1, *tensor.shape[position:]))


def concatenate(items: Sequence[Operand], axis: int = 0, **aliases: Any) -> Tensor:
    """Tensors one after the other along an axis, promoted to one dtype."""
    if not items:
        raise ArgumentError("concatenate takes at least one tensor, got none.")
    parts = [as_tensor(x) for x in items]
    dtype = parts[0].dtype
    for part in parts[1:]:
        dtype = promote(dtype, part.dtype)
    (axis,) = by_other_names("concatenate", aliases, dim=axis)
    (position,) = normal_axes(axis, parts[0].ndim)
    return apply_op(mv.Concatenate(position), *(cast(part, dtype) for part in parts))


def stack(items: Sequence[Operand], axis: int = 0, **aliases: Any) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    (position,) = by_other_names("stack", aliases, dim=axis)
    return concatenate([expand_dims(x, position) for x in items], position)
