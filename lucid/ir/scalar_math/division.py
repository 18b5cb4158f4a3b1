"""Division that rounds down, and its remainder: the remainder has the divisor's sign, as in Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import copy_sign
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# Below this |x / y|, a quotient that rounded up to an integer is set right.
QUOTIENT_LIMIT = {float32: 2.0**22, float64: 2.0**51}

# Below this |x / y|, the remainder is exact.
REMAINDER_LIMIT = {float32: 2.0**44, float64: 2.0**102}


def floor_divide(s: Scalars[T], x: T, y: T) -> T:
    """The largest integer that is not above x / y.

    Integers divided by 0 give 0; the smallest one divided by -1 wraps around to itself. Floats: exact for |x / y| below
    QUOTIENT_LIMIT, beyond that the floor of the rounded quotient; so division by 0 gives an infinity, or NaN.
    """
    if s.dtype(x).is_integer:
        return _floor_divide_integers(s, x, y)
    quotient = s.divide(x, y)
    down, _ = _divide_once(s, x, y)
    is_small = s.less(s.absolute(quotient), s.constant_like(QUOTIENT_LIMIT[s.dtype(x)], x))
    return s.select(is_small, down, s.floor(quotient))


def remainder(s: Scalars[T], x: T, y: T) -> T:
    """x - y floor(x / y), with the sign of y.

    Integers: 0 where y is 0. Floats: exact but for the rounding where the signs of x and y differ, as in Python, for
    |x / y| below REMAINDER_LIMIT; NaN beyond, rather than a wrong value, and where y is 0.
    """
    dtype = s.dtype(x)
    if dtype.is_integer:
        zero = s.constant_like(0, x)
        rest = s.subtract(x, s.multiply(s.floor_divide(x, y), y))
        return s.select(s.equal(y, zero), zero, rest)
    quotient = s.divide(x, y)
    size = s.absolute(quotient)
    # Taking away the nearest whole quotient leaves the same remainder, and is exact: what is left is a multiple of the
    # last places of both, and at most 3/4 of y times the last place of the quotient.
    less_far = s.fma(s.negate(s.round(quotient)), y, x)
    near = s.select(s.less(size, s.constant(QUOTIENT_LIMIT[dtype], dtype)), x, less_far)
    _, rest = _divide_once(s, near, y)
    return s.select(s.less(size, s.constant(REMAINDER_LIMIT[dtype], dtype)), rest, s.constant(math.nan, dtype))


def _divide_once(s: Scalars[T], x: T, y: T) -> tuple[T, T]:
    """The floor of x / y, and the remainder, for floats with |x / y| below QUOTIENT_LIMIT."""
    zero, one = s.constant_like(0.0, x), s.constant_like(1.0, x)
    down = s.floor(s.divide(x, y))
    is_finite = s.less(s.absolute(y), s.constant_like(math.inf, x))
    rest = s.select(is_finite, s.fma(s.negate(down), y, x), x)  # exact; 0 times an infinity would be NaN
    # The quotient has rounded up to an integer, or to zero from below it, where the remainder has the wrong sign.
    has_wrong_sign = s.select(s.less(y, zero), s.less(zero, rest), s.less(rest, zero))
    down = s.select(has_wrong_sign, s.subtract(down, one), down)
    rest = s.select(has_wrong_sign, s.add(rest, y), rest)
    return down, s.select(s.equal(rest, zero), copy_sign(s, zero, y), rest)


def _floor_divide_integers(s: Scalars[T], x: T, y: T) -> T:
    zero, one = s.constant_like(0, x), s.constant_like(1, x)
    is_zero = s.equal(y, zero)
    if not s.dtype(x).signed:
        return s.select(is_zero, zero, s.divide(x, s.select(is_zero, one, y)))
    is_minus_one = s.equal(y, s.constant_like(-1, x))
    divisor = s.select(s.bit_or(is_zero, is_minus_one), one, y)
    quotient = s.divide(x, divisor)
    rest = s.subtract(x, s.multiply(quotient, divisor))
    signs_differ = s.less(s.bit_xor(rest, divisor), zero)
    rounded_up = s.bit_and(s.not_equal(rest, zero), signs_differ)
    down = s.select(rounded_up, s.subtract(quotient, one), quotient)
    return s.select(is_zero, zero, s.select(is_minus_one, s.negate(x), down))
