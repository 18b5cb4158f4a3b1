"""Ops on each element by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from lucid.errors import DTypeError
from lucid.ir.ops.base import Array, Binary, Comparison, Elementwise, Logical, Unary, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, bool_

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")


@op
class Add(Binary):
    """x + y, elementwise; integers wrap around."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.add(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return g, g


@op
class Sub(Binary):
    """x - y, elementwise; integers wrap around."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.subtract(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return g, -g


@op
class Mul(Binary):
    """x * y, elementwise; integers wrap around."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.multiply(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        a, b = x
        return g * b, g * a


@op
class Div(Binary):
    """x / y for floats, elementwise, correctly rounded."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.divide(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        _, b = x
        by_a = g / b
        return by_a, -(by_a * y)


@op
class Pow(Binary):
    """x to the power y, elementwise. Integers wrap around; their negative powers are 1 / x^-y rounded towards zero, and
    0 where x is 0."""

    ulp = 1.5

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.power(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        # d/db a^b = a^b log a, taken as 0 where a is 0 and b is not negative: there y is 0 or 1. For a negative b it is
        # -y, which is infinite. What is not chosen has finite derivatives, too: else theirs, times 0, would be NaN in
        # the second derivative.
        a, b = x
        a_is_zero, b_is_zero = a.equal(0.0), b.equal(0.0)
        log_of_zero = b.less(0.0).where(a.constant(-1.0), a.constant(0.0))
        log_a = a_is_zero.where(log_of_zero, a_is_zero.where(a.constant(1.0), a).log())
        power = a ** (b_is_zero.where(b.constant(1.0), b) - 1.0)
        slope = b_is_zero.where(a.constant(0.0), b * power)  # of a constant, also where a is 0
        return g * slope, g * y * log_a


@op
class Maximum(Binary):
    """The larger of x and y, elementwise; NaN where either is. Equal operands share the gradient."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.maximum(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return _share(g, *x)


@op
class Minimum(Binary):
    """The smaller of x and y, elementwise; NaN where either is. Equal operands share the gradient."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.minimum(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        a, b = x
        return _share(g, b, a)  # that b is the larger means that a is the smaller


def _share(g: Expr, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    """g to the larger of a and b, half of g to each where they are equal, all of it to both where one is NaN."""
    zero, half = g.constant(0.0), a.equal(b).where(g * 0.5, g)
    return a.less(b).where(zero, half), b.less(a).where(zero, half)


@op
class Neg(Unary):
    """-x, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.negate(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (-g,)


@op
class Abs(Unary):
    """|x|, elementwise. The gradient at 0 is 0."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.absolute(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        at_zero = a.equal(0.0).where(g.constant(0.0), g)
        return (a.less(0.0).where(-g, at_zero),)


@op
class Exp(Unary):
    """e to the power x, elementwise."""

    floats_only = True
    ulp = 1.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.exp(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * y,)


@op
class Log(Unary):
    """The natural logarithm, elementwise: -inf at 0, NaN below."""

    floats_only = True
    ulp = 1.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.log(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g / x[0],)


@op
class Sqrt(Unary):
    """The square root, elementwise, correctly rounded; NaN below 0."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.sqrt(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * 0.5 / y,)


@op
class Tanh(Unary):
    """The hyperbolic tangent, elementwise."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.tanh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (1.0 - y * y),)


@op
class Sigmoid(Unary):
    """1 / (1 + exp(-x)), elementwise."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.sigmoid(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * y * (1.0 - y),)


@op
class Erf(Unary):
    """The error function 2 / sqrt(pi) * integral of exp(-t^2) from 0 to x, elementwise."""

    floats_only = True
    ulp = 1.5

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.erf(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g * (-(a * a)).exp() * (2.0 / math.sqrt(math.pi)),)


@op
class Sin(Unary):
    """The sine of x radians, elementwise, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.sin(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].cos(),)


@op
class Cos(Unary):
    """The cosine of x radians, elementwise, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.cos(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (-(g * x[0].sin()),)


@op
class Floor(Unary):
    """The largest integral float that is not above x, elementwise. Its gradient is 0."""

    floats_only = True

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.floor(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)


@op
class Equal(Comparison):
    """x == y, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.equal(*x)


@op
class NotEqual(Comparison):
    """x != y, elementwise; true where either is NaN."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.not_equal(*x)


@op
class Less(Comparison):
    """x < y for numbers, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.less(*x)


@op
class LessEqual(Comparison):
    """x <= y for numbers, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.less_equal(*x)


@op
class And(Logical):
    """x & y on bools or on the bits of integers, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.bit_and(*x)


@op
class Or(Logical):
    """x | y on bools or on the bits of integers, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.bit_or(*x)


@op
class Xor(Logical):
    """x ^ y on bools or on the bits of integers, elementwise."""

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.bit_xor(*x)


@op
class Not(Logical):
    """The complement of a bool or of the bits of an integer, elementwise."""

    arity = 1

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.bit_not(*x)


@op
class Where(Elementwise):
    """x where the condition holds, else y, elementwise: `where condition, x, y`."""

    arity = 3

    def result(self, *operands: DType) -> DType:
        condition, x, y = operands
        if condition != bool_ or x != y:
            names = ", ".join(dtype.name for dtype in operands)
            raise DTypeError(f"where takes a bool and two operands of one dtype, got {names}.")
        return x

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.select(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        condition, zero = x[0], g.constant(0.0)
        return None, condition.where(g, zero), condition.where(zero, g)


@op
class Cast(Elementwise):
    """x converted by value to another dtype: floats to integers truncate and saturate (NaN to 0), numbers to bool
    are x != 0. Floats and integers convert to floats by rounding to nearest."""

    dtype: DType
    arity = 1

    def result(self, *operands: DType) -> DType:
        return self.dtype

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.cast(x[0], self.dtype)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g.cast(x[0].dtype) if x[0].dtype.is_float else None,)


@op
class Detach(Elementwise):
    """x itself, cut off from the backward: its gradient is 0."""

    arity = 1

    def result(self, *operands: DType) -> DType:
        return operands[0]

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return x[0]

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (operands[0],)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (None,)
