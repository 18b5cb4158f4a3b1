"""Sorting, and what the positions of sorted elements give. NaN counts as larger than any number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lucid.errors import ArgumentError
from lucid.ir.ops import indexing as ix
from lucid.ir.ops import movement as mv
from lucid.operations.arguments import by_other_names, one_axis
from lucid.operations.movement import transpose
from lucid.operations.operands import Operand, apply_op, as_tensor

if TYPE_CHECKING:
    from lucid.tensor import Tensor


class Sorted(NamedTuple):
    """Elements in order, and the int64 positions along the axis that they come from."""

    values: Tensor
    indices: Tensor


def argsort(x: Operand, axis: int = -1, descending: bool = False, stable: bool = True, **aliases: Any) -> Tensor:
    """The int64 positions that put the elements along an axis in order, the smallest or the largest first.

    Equal elements keep their order, whatever `stable` says. Take the elements there with `take_along_axis`.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("argsort", aliases, dim=axis)
    along = one_axis(axis, tensor.ndim)
    return transpose(apply_op(ix.Argsort(bool(descending)), transpose(tensor, along, -1)), along, -1)


def sort(x: Operand, axis: int = -1, descending: bool = False, stable: bool = True, **aliases: Any) -> Sorted:
    """The elements along an axis in order, and the positions that they come from: see `argsort`.

    A gradient of the values goes to the elements that they are.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("sort", aliases, dim=axis)
    along = one_axis(axis, tensor.ndim)
    indices = argsort(tensor, along, descending)
    return Sorted(apply_op(ix.Gather(along), tensor, indices), indices)


def topk(x: Operand, k: int, axis: int = -1, largest: bool = True, sorted: bool = True, **aliases: Any) -> Sorted:
    """The k largest elements along an axis, or the k smallest, in order, and the positions that they come from.

    They are in order whatever `sorted` says, and of equal elements those before come first.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("topk", aliases, dim=axis)
    along = one_axis(axis, tensor.ndim)
    if not 0 <= k <= tensor.shape[along]:
        raise ArgumentError(f"topk takes a k from 0 to {tensor.shape[along]}, the extent of axis {along}, got {k!r}.")
    every = argsort(tensor, along, largest)
    shape = (*tensor.shape[:along], k, *tensor.shape[along + 1 :])
    indices = apply_op(mv.Slice((0,) * tensor.ndim, (1,) * tensor.ndim, shape), every)
    return Sorted(apply_op(ix.Gather(along), tensor, indices), indices)
