"""Hyperbolic functions and the logistic function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import LN2, finish_exp, reduce_exp
from lucid.ir.scalar_math.floats import copy_sign, layout, low_bits, polynomial, power_of_two
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# From here on tanh rounds to 1.
TANH_ONE_FROM = {float32: 10.0, float64: 20.0}

# (e^2r - 1) / 2 = r + r^2 Q(r) for 0 <= r <= ln 2 / 2; the table is Q. Relative error 2^-32 and 2^-61.
EXPM1 = {
    float32: (
        0.99999994,
        0.6666698,
        0.33327472,
        0.13383837,
        0.042275675,
        0.017146904,
    ),
    float64: (
        1.0000000000000002,
        0.6666666666666401,
        0.3333333333349039,
        0.133333333287248,
        0.04444444522781512,
        0.012698404350381992,
        0.0031746612586500324,
        0.0007051997597109446,
        0.00014190095766866852,
        2.412841182294214e-05,
        5.8824573553870835e-06,
    ),
}


# sinh x = x + x w Q(w) with w = x^2, for |x| <= 1; the table is Q. Relative error 2^-34 and 2^-63.
SINH = {
    float32: (
        0.16666667,
        0.00833335,
        0.0001983616,
        2.8169497e-06,
    ),
    float64: (
        0.16666666666666669,
        0.008333333333333148,
        0.00019841269841431864,
        2.7557319157073873e-06,
        2.5052123136455206e-08,
        1.6057259786818723e-10,
        7.758748313048848e-13,
    ),
}


def sinh(s: Scalars[T], x: T) -> T:
    """The hyperbolic sine, within 2 ulp: an odd polynomial up to 1, and (e^|x| - e^-|x|) / 2 above."""
    one, a = s.constant_like(1.0, x), s.absolute(x)
    w = s.multiply(a, a)
    small = s.fma(s.multiply(a, w), polynomial(s, w, SINH), a)
    grown, shrunk = _halves(s, a)
    return copy_sign(s, s.select(s.less(a, one), small, s.subtract(grown, shrunk)), x)


def cosh(s: Scalars[T], x: T) -> T:
    """The hyperbolic cosine (e^|x| + e^-|x|) / 2, within 2 ulp."""
    return s.add(*_halves(s, s.absolute(x)))


def _halves(s: Scalars[T], a: T) -> tuple[T, T]:
    """e^a / 2 and e^-a / 2 for a >= 0; the first does not overflow where e^a just does."""
    r, bits = reduce_exp(s, a)
    grown = finish_exp(s, r, s.subtract(bits, s.constant_like(1, bits)))
    return grown, s.divide(s.constant_like(0.25, a), grown)


def tanh(s: Scalars[T], x: T) -> T:
    """The hyperbolic tangent, within 2 ulp.

    With h = (e^2|x| - 1) / 2, tanh |x| = h / (h + 1). For |x| = n ln 2 / 2 + r, h = 2^n v + (2^n - 1) / 2 with
    v = (e^2r - 1) / 2. Since r >= 0, nothing cancels; near 0, h is v itself.
    """
    dtype = s.dtype(x)
    half, one = s.constant(0.5, dtype), s.constant(1.0, dtype)
    high, low = LN2[dtype]
    limit = s.constant(TANH_ONE_FROM[dtype], dtype)
    a = s.absolute(x)
    a = s.select(s.less(limit, a), limit, a)  # in this order NaN passes
    n = s.floor(s.multiply(a, s.constant(2.0 / math.log(2.0), dtype)))
    r = s.fma(n, s.constant(-0.5 * high, dtype), a)
    r = s.fma(n, s.constant(-0.5 * low, dtype), r)
    v = s.fma(s.multiply(r, r), polynomial(s, r, EXPM1), r)
    power = power_of_two(s, low_bits(s, n, offset=layout(s, x).bias), dtype)
    h = s.fma(power, v, s.fma(power, half, s.negate(half)))
    quotient = s.divide(h, s.add(h, one))
    small = s.fma(s.negate(h), quotient, h)  # the same, but the rounding of h + 1 hardly counts
    return copy_sign(s, s.select(s.less(h, half), small, quotient), x)


def sigmoid(s: Scalars[T], x: T) -> T:
    """1 / (1 + e^-x), within 2 ulp.

    With e = e^-|x| and q = e / (1 + e), it is 1 - q for x >= 0 and q = e - e q below: so nothing overflows, small
    results keep their precision, and the rounding of 1 + e hardly counts.
    """
    zero, one = s.constant_like(0.0, x), s.constant_like(1.0, x)
    e = s.exp(s.negate(s.absolute(x)))
    quotient = s.divide(e, s.add(one, e))
    base = s.select(s.less(x, zero), e, one)
    return s.fma(s.negate(base), quotient, base)


def logit(s: Scalars[T], x: T) -> T:
    """log(x / (1 - x)), the inverse of `sigmoid`, within 4 ulp: infinite at 0 and 1, NaN outside.

    From 1/4 on it is log(1 + d) for d = (2 x - 1) / (1 - x), whose dividend is exact: near 1/2 nothing cancels.
    """
    one = s.constant_like(1.0, x)
    rest = s.subtract(one, x)
    near_zero = s.log(s.divide(x, rest))
    further = s.log1p(s.divide(s.subtract(s.add(x, x), one), rest))
    return s.select(s.less(x, s.constant_like(0.25, x)), near_zero, further)


def asinh(s: Scalars[T], x: T) -> T:
    """The inverse of the hyperbolic sine, within 4 ulp: log(1 + a + a^2 / (1 + sqrt(1 + a^2))) for a = |x|."""
    one, a = s.constant_like(1.0, x), s.absolute(x)
    square = s.multiply(a, a)
    root = s.sqrt(s.add(one, square))
    return copy_sign(s, _log1p_or_log_of_double(s, s.add(a, s.divide(square, s.add(one, root))), a), x)


def acosh(s: Scalars[T], x: T) -> T:
    """The inverse of the hyperbolic cosine, within 4 ulp; NaN below 1: log(1 + t + sqrt(t (t + 2))) for t = x - 1."""
    one = s.constant_like(1.0, x)
    t = s.subtract(x, one)
    root = s.sqrt(s.multiply(t, s.add(x, one)))
    y = _log1p_or_log_of_double(s, s.add(t, root), x)
    return s.select(s.less(x, one), s.constant_like(math.nan, x), y)


def _log1p_or_log_of_double(s: Scalars[T], y: T, x: T) -> T:
    """log(1 + y), or log(2 x) for an x so large that y has overflowed, or that log(1 + x) is log x."""
    is_large = s.less(s.constant_like(2.0**60, x), x)
    rest = s.select(is_large, s.constant_like(math.log(2.0), x), s.constant_like(0.0, x))
    return s.add(s.log1p(s.select(is_large, x, y)), rest)


def atanh(s: Scalars[T], x: T) -> T:
    """The inverse of the hyperbolic tangent, within 4 ulp: log(1 + 2a / (1 - a)) / 2 for a = |x|; infinite at 1, NaN
    above."""
    a = s.absolute(x)
    y = s.log1p(s.divide(s.add(a, a), s.subtract(s.constant_like(1.0, x), a)))
    return copy_sign(s, s.multiply(s.constant_like(0.5, x), s.absolute(y)), x)
