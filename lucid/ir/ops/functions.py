"""Functions of floats on each element, beside those of `elementwise`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.errors import DTypeError
from lucid.ir.ops.base import Binary, Unary, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, float64, uint64

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")


@op
class NormalNumber(Unary):
    """The standard normal number of float64 that random bits of uint64 stand for, elementwise: the z below which one
    lies with probability (w + 1/2) / 2^53, where w is the upper 53 bits, within 4 ulp. They are symmetric, reach from
    -8.29 to 8.29, and are the same in every bit in the interpreter. Not differentiable."""

    def result(self, *operands: DType) -> DType:
        if operands != (uint64,):
            raise DTypeError(f"normal_number takes uint64, got {operands[0].name}.")
        return float64

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.normal(x[0], float64)


@op
class Exp2(Unary):
    """2 to the power x, elementwise; exact for integers."""

    floats_only = True
    ulp = 1.5

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.exp2(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * y * math.log(2.0),)


@op
class Expm1(Unary):
    """e to the power x, minus 1, elementwise: precise near 0."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.expm1(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (y + 1.0),)


@op
class Log1p(Unary):
    """The natural logarithm of 1 + x, elementwise: precise near 0, -inf at -1, NaN below."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.log1p(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g / (x[0] + 1.0),)


@op
class Log2(Unary):
    """The logarithm to base 2, elementwise: exact for powers of two, -inf at 0, NaN below."""

    floats_only = True
    ulp = 0.51

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.log2(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (1.0 / math.log(2.0)) / x[0],)


@op
class Log10(Unary):
    """The logarithm to base 10, elementwise: exact for powers of ten, -inf at 0, NaN below."""

    floats_only = True
    ulp = 0.51

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.log10(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (1.0 / math.log(10.0)) / x[0],)


@op
class Logit(Unary):
    """log(x / (1 - x)), the inverse of sigmoid, elementwise: infinite at 0 and 1, NaN outside. At its ends the
    derivative is infinite, too."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.logit(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (a * (1.0 - a)),)


@op
class Sinh(Unary):
    """The hyperbolic sine, elementwise."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.sinh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].cosh(),)


@op
class Cosh(Unary):
    """The hyperbolic cosine, elementwise."""

    floats_only = True
    ulp = 2.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.cosh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].sinh(),)


@op
class Asinh(Unary):
    """The inverse of the hyperbolic sine, elementwise."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.asinh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (a * a + 1.0).sqrt(),)


@op
class Acosh(Unary):
    """The inverse of the hyperbolic cosine, elementwise; NaN where x is below 1."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.acosh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (a * a - 1.0).sqrt(),)


@op
class Atanh(Unary):
    """The inverse of the hyperbolic tangent, elementwise; infinite where |x| is 1, NaN where it is above."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.atanh(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (1.0 - a * a),)


@op
class Tan(Unary):
    """The tangent of x radians, elementwise, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.tan(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (y * y + 1.0),)


@op
class Asin(Unary):
    """The angle between -pi / 2 and pi / 2 whose sine is x, elementwise; NaN where |x| is above 1."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.asin(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (1.0 - a * a).sqrt(),)


@op
class Acos(Unary):
    """The angle between 0 and pi whose cosine is x, elementwise; NaN where |x| is above 1."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.acos(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (-g / (1.0 - a * a).sqrt(),)


@op
class Atan(Unary):
    """The angle between -pi / 2 and pi / 2 whose tangent is x, elementwise."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.atan(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g / (a * a + 1.0),)


@op
class Atan2(Binary):
    """The angle of the point (y, x) between -pi and pi, elementwise: `atan2 x, y` takes the ordinate x first. Its
    gradient at the origin is 0."""

    floats_only = True
    ulp = 4.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.atan2(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        ordinate, abscissa = x
        square = ordinate * ordinate + abscissa * abscissa
        by_square = g / square.equal(0.0).where(square.constant(1.0), square)
        return by_square * abscissa, -(by_square * ordinate)
