"""The hyperbolic tangent and the logistic function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import LN2
from lucid.ir.scalar_math.floats import copy_sign, nearest_multiple, polynomial, power_of_two
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# From here on tanh rounds to 1.
TANH_ONE_FROM = {float32: 10.0, float64: 20.0}

# (e^2r - 1) / 2 = r + r^2 Q(r) for |r| <= ln 2 / 4; the table is Q. Relative error 2^-32 and 2^-61.
EXPM1 = {
    float32: (
        1.0,
        0.6666666,
        0.33333087,
        0.13333423,
        0.044610303,
        0.012701335,
    ),
    float64: (
        1.0,
        0.6666666666666671,
        0.33333333333333204,
        0.13333333333314573,
        0.04444444444468133,
        0.012698412727172176,
        0.003174603157996433,
        0.0007054654491022938,
        0.0001410939029643733,
        2.5711698864777323e-05,
        4.275268829823321e-06,
    ),
}


def tanh(s: Scalars[T], x: T) -> T:
    """The hyperbolic tangent, within 2 ulp.

    With h = (e^2|x| - 1) / 2, tanh |x| = h / (h + 1). For |x| = n ln 2 / 2 + r, h = 2^n v + (2^n - 1) / 2 with
    v = (e^2r - 1) / 2: nothing cancels, and near 0 h is v itself.
    """
    dtype = s.dtype(x)
    half, one = s.constant(0.5, dtype), s.constant(1.0, dtype)
    high, low = LN2[dtype]
    limit = s.constant(TANH_ONE_FROM[dtype], dtype)
    a = s.absolute(x)
    a = s.select(s.less(limit, a), limit, a)  # in this order NaN passes
    n, bits = nearest_multiple(s, a, 2.0 / math.log(2.0))
    r = s.fma(n, s.constant(-0.5 * high, dtype), a)
    r = s.fma(n, s.constant(-0.5 * low, dtype), r)
    v = s.fma(s.multiply(r, r), polynomial(s, r, EXPM1), r)
    power = power_of_two(s, bits, dtype)
    h = s.fma(power, v, s.fma(power, half, s.negate(half)))
    return copy_sign(s, s.divide(h, s.add(h, one)), x)


def sigmoid(s: Scalars[T], x: T) -> T:
    """1 / (1 + e^-x), within 2 ulp.

    Below 0 it is written e^x / (1 + e^x), which neither overflows nor loses small results.
    """
    one = s.constant_like(1.0, x)
    small = s.exp(s.negate(s.absolute(x)))
    negative = s.less(x, s.constant_like(0.0, x))
    return s.divide(s.select(negative, small, one), s.add(one, small))
