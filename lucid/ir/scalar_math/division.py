"""Division and its remainders: `fmod` has the dividend's sign, as in C, `remainder` the divisor's, as in Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import copy_sign, layout, low_bits, power_of_two, to_bits
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# By how many powers of two the largest float is above the smallest one.
WIDEST_GAP = {float32: 127 + 149, float64: 1023 + 1074}


def floor_divide(s: Scalars[T], x: T, y: T) -> T:
    """The largest integer that is not above x / y.

    Integers divided by 0 give 0; the smallest one divided by -1 wraps around to itself. Floats: what is left when
    `fmod` is taken away is divided, as NumPy does, so that up to the rounding of huge quotients it is exact; division
    by 0 gives an infinity, or NaN, and so does an infinity divided.
    """
    if s.dtype(x).is_integer:
        return _floor_divide_integers(s, x, y)
    zero, one, half = (s.constant_like(value, x) for value in (0.0, 1.0, 0.5))
    rest = _rest(s, x, y, 1)  # of quotients so large that this one is not, no remainder shows
    quotient = s.divide(s.subtract(x, rest), y)
    quotient = s.select(_has_wrong_sign(s, rest, y), s.subtract(quotient, one), quotient)
    down = s.floor(quotient)
    down = s.select(s.less(half, s.subtract(quotient, down)), s.add(down, one), down)
    exact = s.divide(x, y)
    down = s.select(s.equal(quotient, zero), copy_sign(s, zero, exact), down)
    return s.select(s.equal(y, zero), exact, down)


def remainder(s: Scalars[T], x: T, y: T) -> T:
    """x - y floor(x / y), with the sign of y.

    Integers: 0 where y is 0. Floats: exact but for the rounding where the signs of x and y differ, as in Python; NaN
    where y is 0 or x is infinite.
    """
    if s.dtype(x).is_integer:
        zero = s.constant_like(0, x)
        rest = s.subtract(x, s.multiply(s.floor_divide(x, y), y))
        return s.select(s.equal(y, zero), zero, rest)
    zero = s.constant_like(0.0, x)
    rest = s.fmod(x, y)
    rest = s.select(_has_wrong_sign(s, rest, y), s.add(rest, y), rest)
    return s.select(s.equal(rest, zero), copy_sign(s, zero, y), rest)


def fmod(s: Scalars[T], x: T, y: T) -> T:
    """x - y trunc(x / y), with the sign of x.

    Integers: 0 where y is 0. Floats: exact; NaN where y is 0 or x is infinite.
    """
    if s.dtype(x).is_integer:
        divisor = _divisor(s, y)
        return s.subtract(x, s.multiply(s.divide(x, divisor), divisor))
    return _rest(s, x, y, WIDEST_GAP[s.dtype(x)] // _bits_of_a_turn(s, x))


def _bits_of_a_turn(s: Scalars[T], x: T) -> int:
    return layout(s, x).fraction_bits - 1


def _rest(s: Scalars[T], x: T, y: T, turns: int) -> T:
    """The `fmod` of floats; 0 where it takes more turns, as it does not for |x / y| < 2^(turns (fraction_bits - 1)).

    With |x| = 2^e u and |y| = 2^f v for u and v from 1 to 2, the remainder of u 2^(e-f) is built up from that of u: of
    a remainder times 2^k the nearest multiple of v is taken away, turn by turn. What is left is a multiple of the last
    places of both, and below 3/4 v, so that it is exact while quotients are, which are below 2^(k+1).
    """
    dtype = s.dtype(x)
    zero, one = s.constant(0.0, dtype), s.constant(1.0, dtype)
    width, height = s.absolute(x), s.absolute(y)
    (e, u), (f, v) = _taken_apart(s, width), _taken_apart(s, height)
    gap, each = s.maximum(s.subtract(e, f), zero), float(_bits_of_a_turn(s, x))
    needed = s.floor(s.multiply(s.add(gap, s.constant(0.5, dtype)), s.constant(1.0 / each, dtype)))
    first = s.subtract(gap, s.multiply(needed, s.constant(each, dtype)))
    per_v = s.divide(one, v)
    rest = _near_rest(s, s.multiply(u, _power(s, first)), v, per_v)
    for turn in range(turns):
        further = _near_rest(s, s.multiply(rest, s.constant(2.0**each, dtype)), v, per_v)
        rest = s.select(s.less(s.constant(float(turn), dtype), needed), further, rest)
    rest = s.select(s.less(rest, zero), s.add(rest, v), rest)
    rest = s.select(s.less(s.constant(float(turns), dtype), needed), zero, rest)
    # Two halves of a power of two are normal numbers where the whole is not.
    half = s.floor(s.multiply(f, s.constant(0.5, dtype)))
    rest = s.multiply(s.multiply(rest, _power(s, half)), _power(s, s.subtract(f, half)))
    is_number = s.bit_and(s.less(zero, height), s.less(width, s.constant(math.inf, dtype)))
    rest = s.select(is_number, rest, s.constant(math.nan, dtype))
    return copy_sign(s, s.absolute(s.select(s.less(width, height), width, rest)), x)


def _near_rest(s: Scalars[T], x: T, v: T, per_v: T) -> T:
    """x without the multiple of v that is nearest, or nearly so, for quotients up to 2^(fraction_bits - 1)."""
    rounder = s.constant_like(layout(s, x).rounder, x)
    quotient = s.subtract(s.fma(x, per_v, rounder), rounder)
    return s.fma(s.negate(quotient), v, x)


def _taken_apart(s: Scalars[T], a: T) -> tuple[T, T]:
    """The whole number e and the u from 1 to 2 with a = 2^e u, for finite a above 0."""
    dtype, form = s.dtype(a), layout(s, a)
    subnormal = s.less(a, s.constant(form.smallest_normal, dtype))
    bits = to_bits(s, s.select(subnormal, s.multiply(a, s.constant(2.0**form.fraction_bits, dtype)), a))
    exponent = s.cast(s.shift_right(bits, form.fraction_bits), dtype)
    bias = (s.constant(float(shift), dtype) for shift in (form.bias + form.fraction_bits, form.bias))
    fraction = s.bit_and(bits, s.constant((1 << form.fraction_bits) - 1, form.integer))
    one = s.constant(form.bias << form.fraction_bits, form.integer)
    return s.subtract(exponent, s.select(subnormal, *bias)), s.bitcast(s.bit_or(fraction, one), dtype)


def _power(s: Scalars[T], n: T) -> T:
    """2^n for a whole number n, where that is a normal number."""
    return power_of_two(s, low_bits(s, n, offset=layout(s, n).bias), s.dtype(n))


def _has_wrong_sign(s: Scalars[T], rest: T, y: T) -> T:
    """Whether a remainder has not the sign of y; 0 has it."""
    zero = s.constant_like(0.0, y)
    return s.select(s.less(y, zero), s.less(zero, rest), s.less(rest, zero))


def _divisor(s: Scalars[T], y: T) -> T:
    """y, or 1 in the place of the 0 and the -1 that division of integers can't take."""
    one = s.constant_like(1, y)
    unsafe = s.equal(y, s.constant_like(0, y))
    if s.dtype(y).signed:
        unsafe = s.bit_or(unsafe, s.equal(y, s.constant_like(-1, y)))
    return s.select(unsafe, one, y)


def _floor_divide_integers(s: Scalars[T], x: T, y: T) -> T:
    zero, one, divisor = s.constant_like(0, x), s.constant_like(1, x), _divisor(s, y)
    quotient = s.divide(x, divisor)
    is_zero = s.equal(y, zero)
    if not s.dtype(x).signed:
        return s.select(is_zero, zero, quotient)
    rest = s.subtract(x, s.multiply(quotient, divisor))
    signs_differ = s.less(s.bit_xor(rest, divisor), zero)
    rounded_up = s.bit_and(s.not_equal(rest, zero), signs_differ)
    down = s.select(rounded_up, s.subtract(quotient, one), quotient)
    is_minus_one = s.equal(y, s.constant_like(-1, x))
    return s.select(is_zero, zero, s.select(is_minus_one, s.negate(x), down))
