"""What is combined of the elements up to each one along an axis, and the differences of neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lucid.core import Number
from lucid.errors import ArgumentError, ShapeError
from lucid.ir.ops import indexing as ix
from lucid.ir.types import bool_, int64
from lucid.operations.arguments import Axes, as_integer, one_axis
from lucid.operations.creation import arange
from lucid.operations.elementwise import (
    add,
    detach,
    isnan,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    multiply,
    where,
)
from lucid.operations.functions import logaddexp
from lucid.operations.movement import concatenate, flatten, reshape, stack, transpose
from lucid.operations.operands import Operand, apply_op, as_float, as_tensor, broadcast_to, cast
from lucid.operations.reduction import named, sum, wide

if TYPE_CHECKING:
    from lucid.tensor import Tensor

Parts = tuple["Tensor", ...]


class Running(NamedTuple):
    """What is combined up to each element, and the int64 positions along the axis that it comes from."""

    values: Tensor
    indices: Tensor


def cumsum(x: Operand, axis: int | None = None, dtype: object = None, **aliases: Any) -> Tensor:
    """The sums of the elements up to each one along an axis, or of all elements in row-major order.

    Bools and integers are added as int64, uint64 as itself, or, with a dtype, all as that. Sums are built from sums of
    pairs: n elements take about 2 n additions, and the error grows with log n.

    >>> print(cumsum([1, 2, 3, 4, 5]))
    [1, 3, 6, 10, 15]
    """
    chosen, _ = named("cumsum", axis, False, aliases)
    tensor = wide(x, dtype)
    return _of_one(add, tensor, chosen)


def cumprod(x: Operand, axis: int | None = None, dtype: object = None, **aliases: Any) -> Tensor:
    """The products of the elements up to each one along an axis, or of all in row-major order: see `cumsum`.

    >>> print(cumprod([1, 2, 3, 4]))
    [1, 2, 6, 24]
    """
    chosen, _ = named("cumprod", axis, False, aliases)
    tensor = wide(x, dtype)
    return _of_one(multiply, tensor, chosen)


def diff(
    x: Operand,
    n: int = 1,
    axis: int = -1,
    prepend: Operand | None = None,
    append: Operand | None = None,
    **aliases: Any,
) -> Tensor:
    """Each element minus the one before it along an axis, n times; of bools, whether they differ.

    `prepend` and `append` are put before and behind x first.

    >>> print(diff([1, 4, 9, 16]), diff([1, 4, 9, 16], n=2))
    [3, 5, 7] [2, 2]
    """
    chosen, _ = named("diff", axis, False, aliases)
    tensor = as_tensor(x)
    position = one_axis(chosen, tensor.ndim)
    parts = [as_tensor(part) for part in (prepend, tensor, append) if part is not None]
    tensor = concatenate(parts, position) if len(parts) > 1 else tensor
    times = as_integer("diff takes a number of times", n)
    if times < 0:
        raise ArgumentError(f"diff takes a number of times from 0 on, got {times}.")
    moved = transpose(tensor, position, -1)
    for _ in range(min(times, moved.shape[-1])):
        later, earlier = moved[..., 1:], moved[..., :-1]
        moved = later != earlier if moved.dtype == bool_ else later - earlier
    return transpose(moved, position, -1)


def logcumsumexp(x: Operand, axis: int = -1, **aliases: Any) -> Tensor:
    """log(cumsum(exp(x))) along an axis, computed without overflow.

    >>> print(logcumsumexp([1000.0, 1000.0]))
    [1000.0, 1000.6932]
    """
    chosen, _ = named("logcumsumexp", axis, False, aliases)
    return _of_one(logaddexp, as_float(x), chosen)


def cummax(x: Operand, axis: int = -1, **aliases: Any) -> Running:
    """The largest element up to each one along an axis, and its position, the last one of equal elements. From a NaN on
    it is NaN. A gradient of the values goes to the elements that they are.

    >>> print(*cummax([1, 3, 2, 3]))
    [1, 3, 3, 3] [0, 1, 1, 3]
    """
    return _extremes("cummax", x, axis, aliases, less_equal)


def cummin(x: Operand, axis: int = -1, **aliases: Any) -> Running:
    """The smallest element up to each one along an axis, and its position: see `cummax`.

    >>> print(*cummin([3, 1, 2, 1]))
    [3, 1, 1, 1] [0, 1, 1, 3]
    """
    return _extremes("cummin", x, axis, aliases, lambda a, b: less_equal(b, a))


def _extremes(
    name: str, x: Operand, axis: int, aliases: dict[str, Any], is_reached: Callable[[Operand, Operand], Tensor]
) -> Running:
    chosen, _ = named(name, axis, False, aliases)
    tensor = as_tensor(x)
    given = tensor if tensor.ndim else flatten(tensor)
    position = one_axis(chosen, given.ndim)
    moved = transpose(given, position, -1)

    def later(a: Parts, b: Parts) -> Parts:
        takes_b = logical_or(isnan(b[0]), logical_and(logical_not(isnan(a[0])), is_reached(a[0], b[0])))
        return where(takes_b, b[0], a[0]), where(takes_b, b[1], a[1])

    _, indices = running((detach(moved), broadcast_to(arange(moved.shape[-1]), moved.shape)), later)
    values = apply_op(ix.Gather(moved.ndim - 1), moved, indices)
    return Running(*(reshape(transpose(part, position, -1), tensor.shape) for part in (values, indices)))


def trapezoid(y: Operand, x: Operand | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integral along an axis by the trapezoidal rule, of values at the positions x, or at distances dx.

    >>> print(trapezoid([1.0, 2.0, 4.0]))
    4.5
    """
    return sum(_trapezoids("trapezoid", y, x, dx, dim), -1)


def cumulative_trapezoid(y: Operand, x: Operand | None = None, *, dx: Number = 1, dim: int = -1) -> Tensor:
    """The integrals up to each value but the first along an axis: see `trapezoid`.

    >>> print(cumulative_trapezoid([1.0, 2.0, 4.0]))
    [1.5, 4.5]
    """
    parts = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return transpose(cumsum(parts, -1), one_axis(dim, parts.ndim), -1)


def _trapezoids(name: str, y: Operand, x: Operand | None, dx: Number, dim: int) -> Tensor:
    """The area between each value and the next one, along the last axis."""
    values = as_float(y)
    position = one_axis(dim, values.ndim)
    moved = transpose(values, position, -1)
    width: Operand = dx
    if x is not None:
        places = as_tensor(x)
        if places.shape not in (values.shape, moved.shape[-1:]):
            raise ShapeError(
                f"{name} takes an x of one axis or of the shape of y, got {places.shape} for {values.shape}."
            )
        if not places.dtype.is_float:  # unsigned ones have no negative differences
            places = cast(places, int64)
        width = diff(transpose(places, position, -1) if places.ndim == values.ndim else places)
    return multiply((moved[..., 1:] + moved[..., :-1]) * 0.5, width)


def _of_one(combine: Callable[[Operand, Operand], Tensor], x: Tensor, axis: Axes) -> Tensor:
    """What is combined along an axis, or of all elements in row-major order."""
    tensor = flatten(x) if axis is None or not x.ndim else x
    position = one_axis(-1 if axis is None else axis, tensor.ndim)
    (found,) = running((transpose(tensor, position, -1),), lambda a, b: (combine(a[0], b[0]),))
    return transpose(found, position, -1) if axis is None or x.ndim else reshape(found, ())


def running(parts: Parts, combine: Callable[[Parts, Parts], Parts]) -> Parts:
    """The combinations of the elements up to each one along the last axis (Blelloch 1990): of pairs first, then of what
    lies between. Elements may have several parts, which are combined together."""
    count = parts[0].shape[-1]
    if count <= 1:
        return parts
    pairs = count // 2
    first = tuple(x[..., 0 : 2 * pairs : 2] for x in parts)
    up_to_second = running(combine(first, tuple(x[..., 1::2] for x in parts)), combine)
    later = tuple(x[..., 2::2] for x in parts)  # the first of all pairs but one, and a last element without a partner
    further = combine(tuple(x[..., : later[0].shape[-1]] for x in up_to_second), later)
    every = zip(parts, up_to_second, further, strict=True)
    return tuple(_interleaved(concatenate([x[..., :1], rest], -1), seconds, count) for x, seconds, rest in every)


def _interleaved(firsts: Tensor, seconds: Tensor, count: int) -> Tensor:
    """The elements of two tensors in turn along the last axis, the first of which may have one more."""
    pairs = count // 2
    mixed = reshape(stack([firsts[..., :pairs], seconds], -1), (*firsts.shape[:-1], 2 * pairs))
    return concatenate([mixed, firsts[..., pairs:]], -1) if count % 2 else mixed
