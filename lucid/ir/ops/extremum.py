"""Reductions to the largest or the smallest element along axes, and to its position."""

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
from lucid.ir.ops.reduction import FirstFalse, kept_shape, reduced_last
from lucid.ir.ops.structure import Iota
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, TensorType, bool_, int64, uint8

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")


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
    """The base of argmax and argmin. Not differentiable: the result is not a float."""

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
        return (np.asarray(np.argmax(reduced_last(operands[0], self.axes), -1)),)


@op
class Argmin(_Position):
    """The int64 position, in row-major order along axes, of the first smallest element, or of the first NaN."""

    axes: tuple[int, ...]
    lanes: int = 0
    extremum = Min

    def is_before(self, s: Scalars[T], a: T, b: T) -> T:
        return s.less(b, a)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.asarray(np.argmin(reduced_last(operands[0], self.axes), -1)),)


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
