"""Ops on each element that are constant between steps: division that rounds, rounding, signs and shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lucid.errors import DTypeError
from lucid.ir.ops.base import Binary, Unary, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")


@op
class FloorDivide(Binary):
    """The largest integer that is not above x / y, elementwise. Its gradient is 0.

    Integers divided by 0 give 0, and the smallest one divided by -1 itself. Floats divided by 0 give an infinity, or
    NaN; an infinity divided is NaN. It is `floor_divide` of NumPy, to the bit.
    """

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.floor_divide(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return None, None


@op
class Remainder(Binary):
    """x - y floor(x / y), elementwise: it has the sign of y, as Python's %.

    Integers divided by 0 leave 0. Floats divided by 0 leave NaN, and so do infinities. It is Python's remainder to the
    bit.
    """

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.remainder(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        a, b = x
        return g, -(g * a.floor_divide(b))


@op
class Fmod(Binary):
    """x - y trunc(x / y), elementwise: it has the sign of x, as the `fmod` of C, and is exact.

    Integers divided by 0 leave 0. Floats divided by 0 leave NaN, and so do infinities.
    """

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.fmod(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        a, b = x
        return g, -(g * ((a - y) / b).apply(Round()))


@op
class Sign(Unary):
    """-1, 0 or 1 as x is below, at or above 0, elementwise; NaN stays. Its gradient is 0."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        (a,) = x
        zero, one = s.constant_like(0, a), s.constant_like(1, a)
        sign = s.select(s.less(zero, a), one, zero)
        if not s.dtype(a).signed:
            return sign
        sign = s.select(s.less(a, zero), s.negate(one), sign)
        return s.select(s.is_nan(a), a, sign) if s.dtype(a).is_float else sign

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


@op
class Ceil(Unary):
    """The smallest integral float that is not below x, elementwise. Its gradient is 0."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.ceil(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


@op
class Round(Unary):
    """The integral float nearest to x, elementwise; of two, the even one. Its gradient is 0."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.round(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


@op
class Trunc(Unary):
    """x without its fraction, elementwise. Its gradient is 0."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.truncate(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


class _Shift(Binary):
    """The base of the shifts. Not differentiable: the result is not a float."""

    def result(self, *operands: DType) -> DType:
        dtype = super().result(*operands)
        if not dtype.is_integer:
            raise DTypeError(f"{self.name} takes integers, got {dtype.name}.")
        return dtype

    def in_range(self, s: Scalars[T], count: T) -> T:
        """Whether 0 <= count < bits."""
        below = s.less(count, s.constant_like(s.dtype(count).bits, count))
        return s.bit_and(below, s.less_equal(s.constant_like(0, count), count))


@op
class LeftShift(_Shift):
    """x << y for integers, elementwise; 0 where y is negative or at least the number of bits."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        a, count = x
        zero, inside = s.constant_like(0, a), self.in_range(s, count)
        return s.select(inside, s.shift_left_by(a, s.select(inside, count, zero)), zero)


@op
class RightShift(_Shift):
    """x >> y for integers, elementwise: x / 2^y rounded down. Where y is negative or at least the number of bits, it is
    -1 for a negative x, else 0."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        a, count = x
        inside, last = self.in_range(s, count), s.constant_like(s.dtype(a).bits - 1, a)
        shifted = s.shift_right_by(a, s.select(inside, count, last))
        return s.select(inside, shifted, s.shift_right(shifted, s.dtype(a).bits - 1))
