"""Exponentials, logarithms, trigonometric and other functions of each element. Integers and bools become float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lucid.ir.ops import elementwise as ew
from lucid.ir.ops import functions as fn
from lucid.ir.types import float32
from lucid.operations.arguments import as_number
from lucid.operations.elementwise import clip
from lucid.operations.operands import Operand, apply_op, as_float, cast, common

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
    """The sine of x radians."""
    return apply_op(ew.Sin(), as_float(x))


def cos(x: Operand) -> Tensor:
    """The cosine of x radians."""
    return apply_op(ew.Cos(), as_float(x))


def tan(x: Operand) -> Tensor:
    """The tangent of x radians."""
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
    return log(tensor / (1.0 - tensor))
