"""Special functions of each element: of the error function, of the gamma function, and the cardinal sine. Integers and
bools become float32."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lucid.ir.ops import special as sp
from lucid.operations.arguments import as_integer
from lucid.operations.elementwise import absolute, less, where
from lucid.operations.functions import sin
from lucid.operations.operands import Operand, apply_op, as_float

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def erfc(x: Operand) -> Tensor:
    """1 - erf(x), precise also where that is tiny.

    >>> print(erfc([0.0, 5.0]))
    [1.0, 1.5374598e-12]
    """
    return apply_op(sp.Erfc(), as_float(x))


def erfinv(x: Operand) -> Tensor:
    """The inverse of `erf`; infinite where |x| is 1, NaN above.

    >>> print(erfinv([0.0, 0.5, 1.0]))
    [0.0, 0.4769363, inf]
    """
    return apply_op(sp.Erfinv(), as_float(x))


def lgamma(x: Operand) -> Tensor:
    """The natural logarithm of |gamma(x)|; infinite at 0 and at negative integers.

    >>> print(lgamma([1.0, 0.5, 5.0]))
    [0.0, 0.5723649, 3.1780539]
    """
    return apply_op(sp.Lgamma(), as_float(x))


def digamma(x: Operand) -> Tensor:
    """The derivative of `lgamma`; infinite at 0, NaN at negative integers.

    >>> print(digamma([1.0, 2.0]))
    [-0.5772157, 0.42278433]
    """
    return apply_op(sp.Digamma(), as_float(x))


def polygamma(n: int, x: Operand) -> Tensor:
    """The derivative of order n of `digamma`, for n from 0 to 12; infinite at 0 and at negative integers.

    >>> print(polygamma(1, [1.0]))
    [1.644934]
    """
    order = as_integer("polygamma takes an order that is an integer", n)
    return digamma(x) if order == 0 else apply_op(sp.Polygamma(order), as_float(x))


def sinc(x: Operand) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0.

    >>> print(sinc([0.0, 0.5]))
    [1.0, 0.63661975]
    """
    angle = as_float(x) * math.pi
    is_small = less(absolute(angle), 0.5)
    # Taylor's series, exact for float64 there, so that derivatives do not cancel near 0.
    square = where(is_small, angle, 0.0) ** 2
    series: Operand = 1.0 / math.factorial(15)
    for power in range(12, -1, -2):
        series = 1.0 / math.factorial(power + 1) - square * series
    large = where(is_small, 1.0, angle)
    return where(is_small, series, sin(large) / large)
