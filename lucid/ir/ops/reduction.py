"""Ops that combine elements along axes. Results drop the reduced axes."""

from __future__ import annotations

import functools
import math
import operator
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.base import Array, Reduction, op
from lucid.ir.ops.elementwise import Not, NotEqual, Or
from lucid.ir.ops.structure import Iota
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, Shape, TensorType, bool_, int64, uint8

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")

# NumPy adds in pairs, so that errors hardly grow, only along the last axis in memory: it is brought there from here on.
PAIRWISE_FROM = 128


def kept_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape after a reduction that keeps its axes with extent 1."""
    return tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))


def _reduced_last(x: Array, axes: Sequence[int]) -> Array:
    """x with `axes` flattened into one axis, the last."""
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    return x.transpose((*kept, *axes)).reshape(
        (*(x.shape[axis] for axis in kept), math.prod(x.shape[axis] for axis in axes))
    )


@op
class Sum(Reduction):
    """The sum along axes, in the operand's dtype; 0 over no elements."""

    axes: tuple[int, ...]
    lanes: int = 0

    def result(self, operand: DType) -> DType:
        if operand == bool_:
            raise DTypeError("sum takes numbers, got bool.")
        return operand

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        return (s.constant(0, dtype),)

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        return (x,)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.add(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        (x,) = operands
        axes: tuple[int, ...] | int = self.axes
        if x.dtype.kind == "f" and math.prod(x.shape[axis] for axis in self.axes) > PAIRWISE_FROM:
            x, axes = np.ascontiguousarray(_reduced_last(x, self.axes)), -1
        with np.errstate(all="ignore"):
            return (np.asarray(np.sum(x, axes, dtype=x.dtype)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g.reshape(kept_shape(a.shape, self.axes)).broadcast(a.shape),)


@op
class Prod(Reduction):
    """The product along axes, in the operand's dtype; integers wrap around, 1 over no elements.

    The gradient of an element is the product of the others, also where some are 0.
    """

    axes: tuple[int, ...]
    lanes: int = 0

    def result(self, operand: DType) -> DType:
        if operand == bool_:
            raise DTypeError("prod takes numbers, got bool.")
        return operand

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        return (s.constant(1, dtype),)

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        return (x,)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.multiply(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        (x,) = operands
        with np.errstate(all="ignore"):
            return (np.asarray(np.prod(x, self.axes, dtype=x.dtype)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        kept = tuple(axis for axis in range(len(a.shape)) if axis not in self.axes)
        order = (*kept, *self.axes)
        moved = a.transpose(order)
        rows = moved.reshape((math.prod(y.shape), math.prod(a.shape[axis] for axis in self.axes)))
        others = _product_of_others(rows).reshape(moved.shape)
        back = others.transpose(tuple(order.index(axis) for axis in range(len(order))))
        return (g.reshape(kept_shape(a.shape, self.axes)).broadcast(a.shape) * back,)


def _product_of_others(rows: Expr) -> Expr:
    """For each element the product of all others in its row: those of its own half, which it shares with its partner in
    the other half, times the partner."""
    count, length = rows.shape
    if length <= 1:
        return rows.constant(1.0)
    half = -(-length // 2)
    left = rows.slice((0, 0), (1, 1), (count, half))
    right = rows.slice((0, half), (1, 1), (count, length - half))
    if length - half < half:  # the middle one has 1 for a partner
        right = right.concatenate([rows.slice((0, 0), (1, 1), (count, 1)).constant(1.0)], 1)
    pairs = _product_of_others(left * right)
    both = (pairs * right).concatenate([pairs * left], 1)
    return both.slice((0, 0), (1, 1), (count, length))


def _is_result(x: Expr, extremum: Expr) -> Expr:
    """Whether elements are the largest or the smallest one, which is NaN where one is NaN."""
    equal = x.equal(extremum)
    return equal.apply(Or(), x.apply(NotEqual(), x)) if x.dtype.is_float else equal


class _Extremum(Reduction):
    """The base of max and min: elements equal to the result share its gradient."""

    def result(self, operand: DType) -> DType:
        if operand == bool_:
            raise DTypeError(f"{self.name} takes numbers, got bool.")
        return operand

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        results = super().infer(operands)
        if any(operands[0].shape[axis] == 0 for axis in self.axes):
            raise ShapeError(f"{self.name} takes at least one element along its axes, got {operands[0]}.")
        return results

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        return (x,)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        kept = kept_shape(a.shape, self.axes)
        hit = _is_result(a, y.reshape(kept).broadcast(a.shape)).cast(a.dtype)
        share = g / hit.sum(self.axes)
        return (hit * share.reshape(kept).broadcast(a.shape),)


@op
class Max(_Extremum):
    """The largest element along axes; NaN where there is one. Equal elements share the gradient."""

    axes: tuple[int, ...]
    lanes: int = 0

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        lowest = -np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).min)
        return (s.constant(lowest, dtype),)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.maximum(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.max(operands[0], self.axes)),)


@op
class Min(_Extremum):
    """The smallest element along axes; NaN where there is one. Equal elements share the gradient."""

    axes: tuple[int, ...]
    lanes: int = 0

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        highest = np.inf if dtype.is_float else int(np.iinfo(dtype.numpy).max)
        return (s.constant(highest, dtype),)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.minimum(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.min(operands[0], self.axes)),)


class _Position(_Extremum):
    """The base of argmax and argmin. Not differentiable: the result is no float."""

    extremum: ClassVar[type[Max] | type[Min]]

    @abstractmethod
    def is_before(self, s: Scalars[T], a: T, b: T) -> T:
        """Whether b is the better of two numbers, and not equal."""

    def result(self, operand: DType) -> DType:
        super().result(operand)
        return int64

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        (worst,) = self.extremum(self.axes, self.lanes).identity(s, dtype)
        return worst, s.constant(np.iinfo(np.int64).max, int64)

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        return x, position

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        tie = s.bit_and(s.equal(a[0], b[0]), s.less(b[1], a[1]))
        take_b = s.bit_or(self.is_before(s, a[0], b[0]), tie)
        if s.dtype(a[0]).is_float:
            nan_a, nan_b = s.is_nan(a[0]), s.is_nan(b[0])
            first = s.bit_or(s.bit_not(nan_a), s.less(b[1], a[1]))
            take_b = s.select(s.bit_or(nan_a, nan_b), s.bit_and(nan_b, first), take_b)
        return s.select(take_b, b[0], a[0]), s.select(take_b, b[1], a[1])

    def finish(self, s: Scalars[T], a: tuple[T, ...]) -> T:
        return a[1]

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


@op
class Argmax(_Position):
    """The int64 position, in row-major order along axes, of the first largest element, or of the first NaN."""

    axes: tuple[int, ...]
    lanes: int = 0
    extremum = Max

    def is_before(self, s: Scalars[T], a: T, b: T) -> T:
        return s.less(a, b)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.argmax(_reduced_last(operands[0], self.axes), -1)),)


@op
class Argmin(_Position):
    """The int64 position, in row-major order along axes, of the first smallest element, or of the first NaN."""

    axes: tuple[int, ...]
    lanes: int = 0
    extremum = Min

    def is_before(self, s: Scalars[T], a: T, b: T) -> T:
        return s.less(b, a)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.argmin(_reduced_last(operands[0], self.axes), -1)),)


@op
class FirstMax(Max):
    """The largest element along axes; NaN where there is one. Of equal elements the first, in row-major order, has
    the gradient.

    With `stride`, `dilation` and `low`, the axes are those of the taps of windows, which `window` has filled with -inf
    where a tap lies before the elements: such a tap is never the first.
    """

    axes: tuple[int, ...]
    lanes: int = 0
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    low: tuple[int, ...] = ()

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        results = super().infer(operands)
        (x,), count = operands, len(self.low)
        taps = tuple(range(x.rank - count, x.rank))
        if {len(self.stride), len(self.dilation)} != {count} or (count and (taps != self.axes or x.rank < 2 * count)):
            raise ShapeError(f"first_max takes windows over its last axes, {self.axes}, got {x}.")
        return results

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        kept, count = kept_shape(a.shape, self.axes), math.prod(a.shape[axis] for axis in self.axes)
        narrow = uint8 if count < 256 else int64  # what is kept for the backward
        below = _is_result(a, y.reshape(kept).broadcast(a.shape)).apply(Not())
        first = below.builder.expr(FirstFalse(self.axes, dtype=narrow), below.value)
        if any(self.low):
            first = y.equal(-math.inf).where(self._first_inside(a).cast(narrow).broadcast(y.shape), first)
        along = tuple(extent if axis in self.axes else 1 for axis, extent in enumerate(a.shape))
        position = a.builder.expr(Iota(0, TensorType(narrow, (count,)))).reshape(along).broadcast(a.shape)
        hit = first.reshape(kept).broadcast(a.shape).equal(position)
        return (hit.where(g.reshape(kept).broadcast(a.shape), a.constant(0.0)),)

    def _first_inside(self, a: Expr) -> Expr:
        """The first tap that lies behind the beginning along each axis, for each position of the windows a, as the
        row-major position among the taps."""
        rank = len(self.low)
        positions, taps = a.shape[-2 * rank : -rank], a.shape[-rank:]
        parts = []
        for axis, (stride, dilation, low) in enumerate(zip(self.stride, self.dilation, self.low, strict=True)):
            count = a.builder.expr(Iota(0, TensorType(int64, positions[axis : axis + 1])))
            missing = (low + dilation - 1 - count * stride).floor_divide(dilation)
            missing = missing.less(0).where(missing.constant(0), missing) * math.prod(taps[axis + 1 :])
            parts.append(missing.reshape((positions[axis], *(1,) * (rank - 1 - axis))).broadcast(positions))
        return functools.reduce(operator.add, parts)


class _Logical(Reduction):
    """The base of any and all. Not differentiable: the result is no float."""

    def result(self, operand: DType) -> DType:
        if operand != bool_:
            raise DTypeError(f"{self.name} takes bools, got {operand.name}.")
        return bool_

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        return (x,)


@op
class Any(_Logical):
    """Whether any element along axes is true; false over no elements."""

    axes: tuple[int, ...]
    lanes: int = 0

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        return (s.constant(False, dtype),)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.bit_or(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.any(operands[0], self.axes)),)


@op
class All(_Logical):
    """Whether all elements along axes are true; true over no elements."""

    axes: tuple[int, ...]
    lanes: int = 0

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        return (s.constant(True, dtype),)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.bit_and(a[0], b[0]),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.all(operands[0], self.axes)),)


@op
class FirstFalse(Reduction):
    """The row-major position of the first false element along axes, of an integer dtype that holds their number; -1
    where all are true, which is the largest value of an unsigned one."""

    axes: tuple[int, ...]
    lanes: int = 0
    dtype: DType = int64

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (result,) = super().infer(operands)
        count = operands[0].size // max(result.size, 1)
        if count > np.iinfo(self.dtype.numpy).max:
            raise ShapeError(f"first_false in {self.dtype.name} takes no {count} elements along axes {self.axes}.")
        return (result,)

    def result(self, operand: DType) -> DType:
        if operand != bool_:
            raise DTypeError(f"first_false takes bools, got {operand.name}.")
        if not self.dtype.is_integer:
            raise DTypeError(f"first_false gives positions of an integer dtype, not of {self.dtype.name}.")
        return self.dtype

    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        return (self._none(s),)

    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        place = position if self.dtype == int64 else s.cast(position, self.dtype)
        return (s.select(x, self._none(s), place),)

    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        return (s.minimum(a[0], b[0]),)

    def finish(self, s: Scalars[T], a: tuple[T, ...]) -> T:
        if not self.dtype.signed:
            return a[0]
        return s.select(s.equal(a[0], self._none(s)), s.constant(-1, self.dtype), a[0])

    def _none(self, s: Scalars[T]) -> T:
        """What is larger than any position."""
        return s.constant(int(np.iinfo(self.dtype.numpy).max), self.dtype)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        flat = _reduced_last(operands[0], self.axes)
        if flat.shape[-1] == 0:
            return (np.full(flat.shape[:-1], -1).astype(self.dtype.numpy),)
        return (np.where(np.all(flat, -1), -1, np.argmin(flat, -1)).astype(self.dtype.numpy),)
