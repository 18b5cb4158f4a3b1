"""Exponentials, logarithms, trigonometric and other functions of each element. Integers and bools become float32."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lucid.ir.ops import elementwise as ew, functions as fn, stepwise as st
from lucid.ir.types import float32, float64
from lucid.operations.arguments import as_number
from lucid.operations.elementwise import (
    absolute,
    clip,
    detach,
    logical_and,
    logical_or,
    maximum,
    power,
    subtract,
    trunc,
    where,
)
from lucid.operations.operands import Operand, apply_op, as_float, as_tensor, cast, common

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def exp(x: Operand) -> Tensor:
    """e to the power x."""
    return apply_op(ew.Exp(), as_float(x))


def exp2(x: Operand) -> Tensor:
    """2 to the power x."""
    return apply_op(fn.Exp2(), as_float(x))


def expm1(x: Operand) -> Tensor:
    """exp(x) - 1, precise near 0."""
    return apply_op(fn.Expm1(), as_float(x))


def log(x: Operand) -> Tensor:
    """The natural logarithm of x."""
    return apply_op(ew.Log(), as_float(x))


def log1p(x: Operand) -> Tensor:
    """log(1 + x), precise near 0."""
    return apply_op(fn.Log1p(), as_float(x))


def log2(x: Operand) -> Tensor:
    """The logarithm of x to base 2."""
    return apply_op(fn.Log2(), as_float(x))


def log10(x: Operand) -> Tensor:
    """The logarithm of x to base 10."""
    return apply_op(fn.Log10(), as_float(x))


def sqrt(x: Operand) -> Tensor:
    """The square root of x."""
    return apply_op(ew.Sqrt(), as_float(x))


def rsqrt(x: Operand) -> Tensor:
    """1 / sqrt(x), within 1.5 ulp."""
    return 1.0 / sqrt(x)


def sin(x: Operand) -> Tensor:
    """The sine of x radians, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""
    return apply_op(ew.Sin(), as_float(x))


def cos(x: Operand) -> Tensor:
    """The cosine of x radians, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""
    return apply_op(ew.Cos(), as_float(x))


def tan(x: Operand) -> Tensor:
    """The tangent of x radians, for |x| up to 2^17 in float32 and 2^30 in float64; NaN beyond."""
    return apply_op(fn.Tan(), as_float(x))


def asin(x: Operand) -> Tensor:
    """The angle between -pi / 2 and pi / 2 whose sine is x."""
    return apply_op(fn.Asin(), as_float(x))


def acos(x: Operand) -> Tensor:
    """The angle between 0 and pi whose cosine is x."""
    return apply_op(fn.Acos(), as_float(x))


def atan(x: Operand) -> Tensor:
    """The angle between -pi / 2 and pi / 2 whose tangent is x."""
    return apply_op(fn.Atan(), as_float(x))


def atan2(y: Operand, x: Operand) -> Tensor:
    """The angle of the point (x, y) between -pi and pi."""
    a, b = common((y, x))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return apply_op(fn.Atan2(), a, b)


def sinh(x: Operand) -> Tensor:
    """The hyperbolic sine of x."""
    return apply_op(fn.Sinh(), as_float(x))


def cosh(x: Operand) -> Tensor:
    """The hyperbolic cosine of x."""
    return apply_op(fn.Cosh(), as_float(x))


def asinh(x: Operand) -> Tensor:
    """The inverse of the hyperbolic sine of x."""
    return apply_op(fn.Asinh(), as_float(x))


def acosh(x: Operand) -> Tensor:
    """The inverse of the hyperbolic cosine of x; NaN below 1."""
    return apply_op(fn.Acosh(), as_float(x))


def atanh(x: Operand) -> Tensor:
    """The inverse of the hyperbolic tangent of x; infinite where |x| is 1, NaN above."""
    return apply_op(fn.Atanh(), as_float(x))


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent of x."""
    return apply_op(ew.Tanh(), as_float(x))


def sigmoid(x: Operand) -> Tensor:
    """1 / (1 + exp(-x))."""
    return apply_op(ew.Sigmoid(), as_float(x))


def erf(x: Operand) -> Tensor:
    """The error function of x."""
    return apply_op(ew.Erf(), as_float(x))


def logit(x: Operand, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of `sigmoid`. With eps, x is limited to the range from eps to 1 - eps first."""
    tensor = as_float(x)
    if eps is not None:
        eps = as_number("logit takes a number as eps", eps)
        tensor = clip(tensor, eps, 1.0 - eps)
    return apply_op(fn.Logit(), tensor)


def logaddexp(x: Operand, y: Operand) -> Tensor:
    """log(exp(x) + exp(y)), computed without overflow.

    >>> print(logaddexp(0.0, 0.0))
    0.6931472
    """
    a, b = _floats(x, y)
    larger, below = _larger_and_below(a, b)
    return larger + log1p(exp(below))


def _larger_and_below(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The larger of two, and the other minus it. They are chosen by a comparison, not by maximum and |a - b|: then the
    second derivative of what is symmetric in them is right where they are equal, too."""
    first = b <= a
    larger, smaller = where(first, a, b), where(first, b, a)
    same = logical_and(larger == smaller, absolute(larger) == math.inf)
    return larger, where(same, 0.0, smaller - larger)


def logaddexp2(x: Operand, y: Operand) -> Tensor:
    """log2(2^x + 2^y), computed without overflow.

    >>> print(logaddexp2(3.0, 3.0))
    4.0
    """
    a, b = _floats(x, y)
    larger, below = _larger_and_below(a, b)
    return larger + log2(1.0 + exp2(below))


def deg2rad(x: Operand) -> Tensor:
    """Degrees as radians."""
    return as_float(x) * (math.pi / 180.0)


def rad2deg(x: Operand) -> Tensor:
    """Radians as degrees."""
    return as_float(x) * (180.0 / math.pi)


def ldexp(x: Operand, y: Operand) -> Tensor:
    """x * 2^y; integers become float32.

    >>> print(ldexp(3.0, 4))
    48.0
    """
    tensor, exponent = as_float(x), as_tensor(y)
    return tensor * exp2(exponent if exponent.dtype.is_float else cast(exponent, tensor.dtype))


def float_power(x: Operand, exponent: Operand) -> Tensor:
    """x to the power of an exponent, computed in float64.

    >>> print(float_power([2, 3], -1))
    [0.5, 0.3333333333333333]
    """
    return power(as_tensor(x, float64), as_tensor(exponent, float64))


def xlogy(x: Operand, y: Operand) -> Tensor:
    """x * log(y), which is 0 where x is 0 and y is a number.

    >>> print(xlogy([0.0, 2.0], [0.0, 1.0]))
    [0.0, 0.0]
    """
    a, b = _floats(x, y)
    zero = logical_and(a == 0, logical_or(b <= 0, b == math.inf))
    return where(zero, 0.0, a * log(where(zero, 1.0, b)))


def hypot(x: Operand, y: Operand) -> Tensor:
    """sqrt(x * x + y * y), computed without overflow. Its gradient is 0 where both are 0, and imprecise where both are
    subnormal or 0.

    >>> print(hypot(3e30, 4e30) / 1e30)
    5.0
    """
    a, b = _floats(x, y)
    lengths = [absolute(detach(z)) for z in (a, b)]
    infinite = logical_or(*(length == math.inf for length in lengths))
    larger = maximum(*lengths)
    trivial = logical_or(infinite, larger == 0)
    scale = where(trivial, 1.0, larger)  # which cancels out, so that it needs no gradient
    u, v = (where(trivial, 1.0, z / scale) for z in (a, b))
    return where(trivial, where(infinite, math.inf, larger), scale * sqrt(u * u + v * v))


def fmod(x: Operand, y: Operand) -> Tensor:
    """The remainder of x / y with the sign of x, as C has it; `remainder` has that of y. Integers modulo 0 give 0,
    floats NaN. Bools raise DTypeError, as in `floor_divide`.

    >>> print(fmod([-5, 5], 3), [-5 % 3, 5 % 3])
    [-2, 2] [1, 2]
    """
    return apply_op(st.Fmod(), *common((x, y)))


def frac(x: Operand) -> Tensor:
    """x - trunc(x), the fraction of x with its sign.

    >>> print(frac([-1.5, 2.25]))
    [-0.5, 0.25]
    """
    tensor = as_float(x)
    return subtract(tensor, trunc(tensor))


def _floats(x: Operand, y: Operand) -> tuple[Tensor, Tensor]:
    """Two operands of one shape and one dtype of floats."""
    a, b = common((x, y))
    return as_float(a), as_float(b)
