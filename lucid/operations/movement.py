"""Operations that move elements, and change none."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.core import TensorCore
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.ir.ops import movement as mv
from lucid.ir.types import (
    promote,
)
from lucid.operations.arguments import Axes, as_integers, as_shape, by_other_names, normal_axes, one_axis
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to, cast

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def expand(x: Operand, shape: Sequence[int]) -> Tensor:
    """x stretched to a shape, in which -1 keeps an extent."""
    tensor, target = as_tensor(x), as_integers("a shape consists of integers", shape)
    new = len(target) - tensor.ndim
    kept = {i for i, extent in enumerate(target) if extent == -1 and i >= new}
    return broadcast_to(tensor, tuple(tensor.shape[i - new] if i in kept else e for i, e in enumerate(target)))


def reshape(x: Operand, shape: Sequence[int]) -> Tensor:
    """The same elements in row-major order under another shape, in which one extent may be -1."""
    tensor, target = as_tensor(x), list(as_integers("a shape consists of integers", shape))
    if target.count(-1) > 1 or any(extent < -1 for extent in target):
        raise ShapeError(f"reshape takes extents with at most one -1, got {tuple(target)}.")
    if -1 in target:
        known = math.prod(extent for extent in target if extent != -1)
        if known == 0 or tensor.size % known:
            raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}.")
        target[target.index(-1)] = tensor.size // known
    if math.prod(target) != tensor.size:
        raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}: the sizes differ.")
    if not tensor.size:
        as_shape(target)  # or the error of extents beside a 0 that no array has
    return tensor if tensor.shape == tuple(target) else apply_op(mv.Reshape(tuple(target)), tensor)


def flatten(x: Operand, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the axes from start_dim to end_dim joined to one."""
    tensor = as_tensor(x)
    if not tensor.ndim:
        return reshape(tensor, (1,))
    start, end = one_axis(start_dim, tensor.ndim), one_axis(end_dim, tensor.ndim)
    if start > end:
        raise ShapeError(f"flatten joins axes from a first one to a later one, got {start_dim} and {end_dim}.")
    joined = math.prod(tensor.shape[start : end + 1])
    return reshape(tensor, (*tensor.shape[:start], joined, *tensor.shape[end + 1 :]))


def permute(x: Operand, dims: Sequence[int]) -> Tensor:
    """x with its axes in another order: axis i of the result is axis dims[i] of x."""
    tensor = as_tensor(x)
    axes = as_integers("an axis is an integer", dims)
    order = tuple(axis % tensor.ndim if -tensor.ndim <= axis < tensor.ndim else axis for axis in axes)
    if sorted(order) != list(range(tensor.ndim)):
        raise ShapeError(f"permute takes each axis of shape {tensor.shape} once, got {axes}.")
    return tensor if order == tuple(range(tensor.ndim)) else apply_op(mv.Transpose(order), tensor)


def transpose(x: Operand, dim0: int, dim1: int) -> Tensor:
    """x with two axes swapped."""
    tensor = as_tensor(x)
    a, b = one_axis(dim0, tensor.ndim), one_axis(dim1, tensor.ndim)
    order = list(range(tensor.ndim))
    order[a], order[b] = b, a
    return permute(tensor, order)


def squeeze(x: Operand, axis: Axes = None, **aliases: Any) -> Tensor:
    """x without the given axes of extent 1, or without all of them."""
    tensor = as_tensor(x)
    (axis,) = by_other_names("squeeze", aliases, dim=axis)
    axes = normal_axes(axis, tensor.ndim)
    if axis is None:
        axes = tuple(a for a in axes if tensor.shape[a] == 1)
    if any(tensor.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze takes axes of extent 1, got {axis} of shape {tensor.shape}.")
    return reshape(tensor, tuple(e for a, e in enumerate(tensor.shape) if a not in axes))


def expand_dims(x: Operand, axis: int) -> Tensor:
    """x with a new axis of extent 1 at a position."""
    tensor = as_tensor(x)
    position = one_axis(axis, tensor.ndim + 1)
    return reshape(tensor, (*tensor.shape[:position], 1, *tensor.shape[position:]))


def unsqueeze(x: Operand, dim: int) -> Tensor:
    """x with a new axis of extent 1 at a position: PyTorch's name of `expand_dims`."""
    return expand_dims(x, dim)


def concatenate(tensors: Sequence[Operand], axis: int = 0, **aliases: Any) -> Tensor:
    """Tensors one after the other along an axis, promoted to one dtype."""
    (axis,) = by_other_names("concatenate", aliases, dim=axis)
    parts = [as_tensor(x) for x in _several("concatenate", tensors, axis)]
    if (0,) in (shapes := [part.shape for part in parts]) and any(len(shape) != 1 for shape in shapes):
        raise ShapeError(
            f"concatenate takes tensors of as many axes, got shapes {', '.join(map(str, shapes))}.",
            hint="leave out the empty vector: collect the tensors in a list, and concatenate that.",
        )
    dtype = parts[0].dtype
    for part in parts[1:]:
        dtype = promote(dtype, part.dtype)
    position = one_axis(axis, parts[0].ndim)
    return apply_op(mv.Concatenate(position), *(cast(part, dtype) for part in parts))


def stack(tensors: Sequence[Operand], axis: int = 0, **aliases: Any) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    (position,) = by_other_names("stack", aliases, dim=axis)
    parts = [as_tensor(x) for x in _several("stack", tensors, position)]
    if len({part.shape for part in parts}) > 1:
        raise ShapeError(f"stack takes tensors of one shape, got shapes {', '.join(str(x.shape) for x in parts)}.")
    return concatenate([expand_dims(x, position) for x in parts], position)


def _several(name: str, items: Sequence[Operand], axis: object) -> list[Operand]:
    """The tensors that a function joins along an axis, of which there is one at least."""
    if isinstance(axis, TensorCore | np.ndarray) and axis.ndim:
        raise ArgumentTypeError(
            f"{name} takes tensors in a list, and an axis that is an integer, got shape {axis.shape}.",
            hint=f"write lucid.{name}([x, y]).",
        )
    if not isinstance(items, Iterable) or not getattr(items, "ndim", 1):
        raise ArgumentError(f"{name} takes a sequence of tensors, got {reprlib.repr(items)}.")
    found = list(items)
    if not found:
        raise ArgumentError(f"{name} takes at least one tensor, got none.")
    return found
