"""Angles in radians from their tangent, sine or cosine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import copy_sign, layout, polynomial, to_bits
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# pi / 4 as the nearest number of the dtype, and the nearest to what is left.
QUARTER_PI = {
    float32: (0.7853982, -2.1855694e-08),
    float64: (0.7853981633974483, 3.061616997868383e-17),
}

# atan t = t + t w Q(w) with w = t^2, for |t| <= tan(pi / 8); the table is Q. Relative error 2^-30 and 2^-59.
ATAN_SMALL = {
    float32: (
        -0.33333316,
        0.19998461,
        -0.14243312,
        0.105920896,
        -0.060736366,
    ),
    float64: (
        -0.3333333333333319,
        0.19999999999952392,
        -0.1428571428007588,
        0.11111110777430759,
        -0.0909089758456626,
        0.07692057137631055,
        -0.06663069079633913,
        0.05847634735286665,
        -0.05038156362627863,
        0.0380353380874791,
        -0.017875144755928316,
    ),
}


def atan2(s: Scalars[T], y: T, x: T) -> T:
    """The angle of the point (x, y) between -pi and pi, within 4 ulp, with the special cases of IEEE 754 and C: zeros
    and infinities have signs.

    The smaller coordinate over the larger is the tangent of an angle up to pi / 4, or after a turn by pi / 4 of one up
    to pi / 8. Mirrored at the diagonal and at the axes, it is j pi / 4 plus or minus that.
    """
    dtype = s.dtype(x)
    zero, one, infinity = (s.constant(value, dtype) for value in (0.0, 1.0, math.inf))
    width, height = s.absolute(x), s.absolute(y)
    small, large = s.minimum(width, height), s.maximum(width, height)
    # The tangent of two infinities is 1 and that of two zeros is 0; the sum of two large coordinates must not overflow.
    both_infinite = s.equal(small, infinity)
    small, large = s.select(both_infinite, one, small), s.select(both_infinite, one, large)
    large = s.select(s.equal(large, zero), one, large)
    huge = s.less(s.constant(2.0**100, dtype), large)
    scale = s.select(huge, s.constant(0.25, dtype), one)
    small, large = s.multiply(small, scale), s.multiply(large, scale)

    is_turned = s.less(s.multiply(large, s.constant(math.sqrt(2.0) - 1.0, dtype)), small)
    above = s.select(is_turned, s.subtract(small, large), small)
    below = s.select(is_turned, s.add(small, large), large)
    t = s.divide(above, below)
    w = s.multiply(t, t)
    angle = s.fma(s.multiply(t, w), polynomial(s, w, ATAN_SMALL), t)

    eighths = s.select(is_turned, one, zero)
    is_steep = s.less(width, height)
    angle = s.select(is_steep, s.negate(angle), angle)
    eighths = s.select(is_steep, s.subtract(s.constant(2.0, dtype), eighths), eighths)
    is_left = s.less(to_bits(s, x), s.constant(0, layout(s, x).integer))
    angle = s.select(is_left, s.negate(angle), angle)
    eighths = s.select(is_left, s.subtract(s.constant(4.0, dtype), eighths), eighths)
    high, low = (s.constant(part, dtype) for part in QUARTER_PI[dtype])
    return copy_sign(s, s.absolute(s.fma(eighths, high, s.fma(eighths, low, angle))), y)


def atan(s: Scalars[T], x: T) -> T:
    """The angle between -pi / 2 and pi / 2 whose tangent is x, within 4 ulp."""
    return s.atan2(x, s.constant_like(1.0, x))


def asin(s: Scalars[T], x: T) -> T:
    """The angle between -pi / 2 and pi / 2 whose sine is x, within 4 ulp; NaN where |x| is above 1."""
    return s.atan2(x, _other_side(s, x))


def acos(s: Scalars[T], x: T) -> T:
    """The angle between 0 and pi whose cosine is x, within 4 ulp; NaN where |x| is above 1."""
    return s.atan2(_other_side(s, x), x)


def _other_side(s: Scalars[T], x: T) -> T:
    """sqrt(1 - x^2), within 1 ulp since the multiply-add rounds once."""
    return s.sqrt(s.fma(s.negate(x), x, s.constant_like(1.0, x)))
