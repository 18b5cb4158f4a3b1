"""Sine, cosine and tangent of radians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import layout, nearest_multiple, polynomial, to_bits
from lucid.ir.types import bool_, float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# The largest |x|: up to here, three parts of pi / 2 leave a remainder that is good to the last place.
TRIGONOMETRIC_RANGE = {float32: 2.0**17, float64: 2.0**30}

# pi / 2 as the nearest number of the dtype, and twice the nearest to what is left (Cody and Waite 1980).
HALF_PI = {
    float32: (1.5707964, -4.371139e-08, -1.7151245e-15),
    float64: (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}

# sin r = r + r w Q(w) with w = r^2, for |r| <= 0.8; the table is Q. Relative error 2^-28 and 2^-58.
SIN = {
    float32: (
        -0.16666654,
        0.008332071,
        -0.00019503075,
    ),
    float64: (
        -0.1666666666666662,
        0.00833333333331984,
        -0.00019841269827729284,
        2.7557312965394615e-06,
        -2.5050643662241975e-08,
        1.5890128918437673e-10,
    ),
}

# cos r = 1 - w / 2 + w^2 Q(w) with w = r^2, for |r| <= 0.8; the table is Q. Relative error 2^-33 and 2^-63.
COS = {
    float32: (
        0.04166664,
        -0.0013887194,
        2.4419207e-05,
    ),
    float64: (
        0.041666666666666574,
        -0.0013888888888869805,
        2.480158728680223e-05,
        -2.7557313582926205e-07,
        2.0875619312499806e-09,
        -1.1354296456065746e-11,
    ),
}


def sin(s: Scalars[T], x: T) -> T:
    """The sine, within 2 ulp for |x| <= 2^17 in float32 and 2^30 in float64; NaN beyond, rather than a wrong value."""
    return _sine(s, x, 0, to_bits(s, x))


def cos(s: Scalars[T], x: T) -> T:
    """The cosine, with the bounds and the range of the sine."""
    return _sine(s, x, 1, s.constant(0, layout(s, x).integer))


def tan(s: Scalars[T], x: T) -> T:
    """The tangent, within 4 ulp, in the range of the sine."""
    sine, cosine, is_odd, _ = _reduced(s, x, 0)
    tangent = s.divide(s.select(is_odd, s.negate(cosine), sine), s.select(is_odd, sine, cosine))
    sign = s.bit_and(to_bits(s, x), s.constant(layout(s, x).sign, layout(s, x).integer))
    return s.bitcast(s.bit_xor(to_bits(s, tangent), sign), s.dtype(x))


def _sine(s: Scalars[T], x: T, quarters: int, sign: T) -> T:
    """sin(|x| + quarters * pi / 2), with the sign bit flipped where `sign` has it."""
    sine, cosine, is_odd, quadrant = _reduced(s, x, quarters)
    # Odd quadrants take the cosine; the upper two are negative.
    flip = s.bit_xor(s.shift_left(quadrant, layout(s, x).integer.bits - 2), sign)
    flip = s.bit_and(flip, s.constant_like(layout(s, x).sign, quadrant))
    return s.bitcast(s.bit_xor(to_bits(s, s.select(is_odd, cosine, sine)), flip), s.dtype(x))


def _reduced(s: Scalars[T], x: T, quarters: int) -> tuple[T, T, T, T]:
    """For |x| = n pi / 2 + r and |r| <= pi / 4: sine and cosine of r, whether n + quarters is odd, and an integer whose
    lowest bits are those of n + quarters."""
    dtype = s.dtype(x)
    a = s.absolute(x)
    a = s.select(s.less_equal(a, s.constant(TRIGONOMETRIC_RANGE[dtype], dtype)), a, s.constant(math.nan, dtype))
    n, quadrant = nearest_multiple(s, a, 2.0 / math.pi, offset=quarters)
    r = a
    for part in HALF_PI[dtype]:
        r = s.fma(n, s.constant(-part, dtype), r)

    w = s.multiply(r, r)
    sine = s.fma(s.multiply(r, w), polynomial(s, w, SIN), r)
    cosine = s.fma(w, s.constant(-0.5, dtype), s.constant(1.0, dtype))
    cosine = s.fma(s.multiply(w, w), polynomial(s, w, COS), cosine)
    is_odd = s.cast(s.bit_and(quadrant, s.constant_like(1, quadrant)), bool_)
    return sine, cosine, is_odd, quadrant
