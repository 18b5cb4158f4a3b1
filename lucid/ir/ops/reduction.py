"""Ops that combine elements along axes; `extremum.py` has the largest and the smallest. Results drop those axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.base import Array, Reduction, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, Shape, TensorType, bool_, int64

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")

# NumPy adds in pairs, so that errors hardly grow, only along the last axis in memory: it is brought there from here on.
PAIRWISE_FROM = 128


def kept_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape after a reduction that keeps its axes with extent 1."""
    return tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))


def reduced_last(x: Array, axes: Sequence[int]) -> Array:
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
            x, axes = np.ascontiguousarray(reduced_last(x, self.axes)), -1
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


class _Logical(Reduction):
    """The base of any and all. Not differentiable: the result is not a float."""

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
        flat = reduced_last(operands[0], self.axes)
        if flat.shape[-1] == 0:
            return (np.full(flat.shape[:-1], -1).astype(self.dtype.numpy),)
        return (np.where(np.all(flat, -1), -1, np.argmin(flat, -1)).astype(self.dtype.numpy),)
