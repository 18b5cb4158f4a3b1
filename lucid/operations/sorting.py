"""Sorting, and what the positions of sorted elements give. NaN counts as larger than any number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from lucid.core import TensorCore
from lucid.errors import ArgumentError, MissingNameError, ShapeError
from lucid.ir.ops import indexing as ix, movement as mv
from lucid.ir.types import int64, promote
from lucid.missing_names import refuse
from lucid.operations.arguments import as_choice, as_flag, as_integer, by_other_names, normal_axes, one_axis
from lucid.operations.elementwise import (
    add,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    minimum,
    subtract,
    where,
)
from lucid.operations.movement import flatten, reshape, squeeze, transpose
from lucid.operations.operands import Operand, apply_op, as_tensor, cast, constant

if TYPE_CHECKING:
    from lucid.tensor import Tensor


class Sorted(NamedTuple):
    """Elements in order, and the int64 positions along the axis that they come from."""

    values: Tensor
    indices: Tensor


def _refuse_attribute(of: Sorted, name: str) -> NoReturn:
    if not name.startswith("_") and hasattr(TensorCore.result_class, name):
        raise MissingNameError(
            f"what sorting gives has no {name!r}: it is a pair of values and indices.",
            hint=f"write `.values.{name}` or `.indices.{name}`.",
        )
    refuse("what sorting gives", name, Sorted._fields)


if not TYPE_CHECKING:  # type checkers know themselves which attributes there are
    Sorted.__getattr__ = _refuse_attribute


def argsort(x: Operand, axis: int = -1, descending: bool = False, *, stable: bool = True, **aliases: Any) -> Tensor:
    """The int64 positions that put the elements along an axis in order, the smallest or the largest first.

    Equal elements keep their order, whatever `stable` says. Take the elements there with `take_along_axis`.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("argsort", aliases, dim=axis)
    line, along = _with_axis(tensor, axis)
    positions = transpose(
        apply_op(ix.Argsort(as_flag("descending", descending)), transpose(line, along, -1)), along, -1
    )
    return reshape(positions, tensor.shape)


def sort(x: Operand, axis: int = -1, descending: bool = False, *, stable: bool = True, **aliases: Any) -> Sorted:
    """The elements along an axis in order, and the positions that they come from: see `argsort`.

    A gradient of the values goes to the elements that they are.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("sort", aliases, dim=axis)
    line, along = _with_axis(tensor, axis)
    indices = argsort(line, along, descending)
    return Sorted(*(reshape(part, tensor.shape) for part in (apply_op(ix.Gather(along), line, indices), indices)))


def topk(x: Operand, k: int, axis: int = -1, largest: bool = True, sorted: bool = True, **aliases: Any) -> Sorted:
    """The k largest elements along an axis, or the k smallest, in order, and the positions that they come from.

    They are in order whatever `sorted` says, and of equal elements those before come first. A tensor without axes is
    its own largest element, for a k of 1.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("topk", aliases, dim=axis)
    line, along = _with_axis(tensor, axis)
    k = as_integer("topk takes an integer as k", k)
    least = 0 if tensor.ndim else 1
    if not least <= k <= line.shape[along]:
        raise ArgumentError(
            f"topk takes a k from {least} to {line.shape[along]}, the extent of axis {along}, got {k!r}."
        )
    every = argsort(line, along, largest)
    shape = (*line.shape[:along], k, *line.shape[along + 1 :])
    indices = apply_op(mv.Slice((0,) * line.ndim, (1,) * line.ndim, shape), every)
    found = apply_op(ix.Gather(along), line, indices), indices
    return Sorted(*found) if tensor.ndim else Sorted(*(reshape(part, ()) for part in found))


def kthvalue(x: Operand, k: int, dim: int = -1, keepdim: bool = False) -> Sorted:
    """The k-th smallest element along an axis, from 1 on, and the position that it comes from; of equal elements those
    before come first.

    >>> print(*kthvalue([3.0, 1.0, 2.0], 2))
    2.0 2
    """
    tensor = as_tensor(x)
    line, along = _with_axis(tensor, dim)
    k = as_integer("kthvalue takes an integer as k", k)
    if not 1 <= k <= line.shape[along]:
        raise ArgumentError(f"kthvalue takes a k from 1 to {line.shape[along]}, the extent of axis {along}, got {k!r}.")
    before, shape = (0,) * along, (*line.shape[:along], 1, *line.shape[along + 1 :])
    start = (*before, k - 1, *(0,) * (line.ndim - along - 1))
    indices = apply_op(mv.Slice(start, (1,) * line.ndim, shape), argsort(line, along))
    found = Sorted(apply_op(ix.Gather(along), line, indices), indices)
    return found if as_flag("keepdim", keepdim) and tensor.ndim else Sorted(*(squeeze(part, along) for part in found))


def _with_axis(x: Tensor, axis: int) -> tuple[Tensor, int]:
    """What is sorted along an axis, and that axis: a tensor without axes is a line of one element."""
    if x.ndim:
        return x, one_axis(axis, x.ndim)
    normal_axes(as_integer("one axis is an integer", axis), 0)  # or an error
    return reshape(x, (1,)), 0


def bucketize(x: Operand, boundaries: Operand, *, right: bool = False) -> Tensor:
    """The int64 number of the bucket of each value: how many boundaries, which ascend, lie below it; or, where `right`
    is set, how many are not above it.

    >>> print(bucketize([0.5, 1.0, 9.0], [1.0, 2.0]))
    [0, 0, 2]
    """
    edges = as_tensor(boundaries)
    if edges.ndim != 1:
        raise ShapeError(f"bucketize takes boundaries of one axis, got shape {edges.shape}.")
    return searchsorted(edges, x, right)


def searchsorted(sorted_sequence: Operand, input: Operand, right: bool = False, *, side: str | None = None) -> Tensor:
    """The int64 position at which each value would keep a sequence in ascending order: before the elements that are
    equal to it, or behind them where `right` is set, or `side` is "right".

    The sequence has one axis, and values any shape; or their leading axes are the same, and the values of a row are
    looked for in the same row. The number of steps of a binary search follows from the length: they are one kernel.
    """
    right = as_flag("right", right)
    if side is not None:
        as_choice('searchsorted takes side="left" or "right"', side, ("left", "right"))
    if right and side == "left":
        raise ArgumentError('searchsorted takes side="right" with right=True, got side="left".')
    right = right or side == "right"
    sequence, wanted = as_tensor(sorted_sequence), as_tensor(input)
    if not sequence.ndim or (sequence.ndim > 1 and sequence.shape[:-1] != wanted.shape[:-1]):
        raise ShapeError(
            "searchsorted takes a sequence of one axis, or values of the same leading axes, got shapes "
            f"{sequence.shape} and {wanted.shape}."
        )
    dtype = promote(sequence.dtype, wanted.dtype)
    sequence, sought = cast(sequence, dtype), cast(wanted, dtype)
    if sequence.ndim == 1:
        sought = flatten(sought)
    length = sequence.shape[-1]
    found: Tensor = constant(0, sought.type.with_dtype(int64))
    for step in (1 << bit for bit in reversed(range(length.bit_length()))):
        # The elements before `found` come before the value; do those before `further` as well?
        further = add(found, step)
        last = apply_op(ix.Gather(sequence.ndim - 1), sequence, minimum(subtract(further, 1), length - 1))
        comes_before = logical_and(less_equal(further, length), _precedes(last, sought, right))
        found = where(comes_before, further, found)
    return reshape(found, wanted.shape)


def _precedes(element: Tensor, value: Tensor, or_equals: bool) -> Tensor:
    """Whether an element of a sequence comes before a value, where NaN comes behind all numbers."""
    if or_equals:
        return logical_or(less_equal(element, value), isnan(value))
    return logical_or(less(element, value), logical_and(isnan(value), logical_not(isnan(element))))
