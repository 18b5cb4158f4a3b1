"""x to the power y, and logarithms to other bases, by a natural logarithm of twice the precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import LN2, at_ends_of_log, finish_exp, reduce_exp, reduce_log
from lucid.ir.scalar_math.floats import layout, polynomial, to_bits
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

TWO_THIRDS = {
    float32: (0.6666667, -1.9868216e-08),
    float64: (0.6666666666666666, 3.700743415417188e-17),
}

# 2 atanh(q) = 2 q + q^3 (2/3 + w Q(w)) with w = q^2, for |q| <= 0.1716; the table is Q. Relative error 2^-37 and 2^-73.
ATANH = {
    float32: (
        0.40000153,
        0.28547058,
        0.23420523,
    ),
    float64: (
        0.39999999999999974,
        0.2857142857144529,
        0.22222222217491738,
        0.18181818875899136,
        0.15384556484213174,
        0.13336332497544265,
        0.11674508835291574,
        0.1199161906448984,
    ),
}

# Where |y log x| is above this, the power is 0 or infinite.
LOG_LIMIT = {float32: 128.0, float64: 1024.0}


# 1 / ln 2 and 1 / ln 10 as the nearest number of the dtype, and the nearest to what is left.
PER_LN2 = {
    float32: (1.442695, 1.925963e-08),
    float64: (1.4426950408889634, 2.0355273740931033e-17),
}
PER_LN10 = {
    float32: (0.4342945, -1.010305e-08),
    float64: (0.4342944819032518, 1.098319650216765e-17),
}


def log2(s: Scalars[T], x: T) -> T:
    """The logarithm to base 2, within 0.51 ulp, exact for powers of two: -inf at 0 and -0, NaN below."""
    return _log_to_base(s, x, PER_LN2[s.dtype(x)])


def log10(s: Scalars[T], x: T) -> T:
    """The logarithm to base 10, within 0.51 ulp, exact for powers of ten: -inf at 0 and -0, NaN below."""
    return _log_to_base(s, x, PER_LN10[s.dtype(x)])


def _log_to_base(s: Scalars[T], x: T, factor: tuple[float, float]) -> T:
    """log x times a factor that is the sum of two numbers."""
    high, low = _log(s, x)
    factor_high, factor_low = (s.constant_like(part, x) for part in factor)
    product, rest = _multiply(s, high, factor_high)
    rest = s.fma(high, factor_low, s.fma(low, factor_high, rest))
    return at_ends_of_log(s, x, s.add(product, rest))


def power(s: Scalars[T], x: T, y: T) -> T:
    """x to the power y: for floats within 1.5 ulp, with the special cases of IEEE 754 and C; for integers exact.

    x^0 = 1^y = 1 even for NaN. A negative x takes integers y, and gives NaN for others. 0 to a negative power is
    infinite; the sign of x counts where y is odd.
    """
    dtype = s.dtype(x)
    if dtype.is_integer:
        return _integer_power(s, x, y)
    zero, one, infinity = (s.constant(value, dtype) for value in (0.0, 1.0, math.inf))
    a = s.absolute(x)

    high, low = _log(s, a)
    high = s.select(s.less(a, infinity), high, a)  # infinity and NaN pass
    high = s.select(s.equal(a, zero), s.negate(infinity), high)
    product, rest = _multiply(s, y, high)
    rest = s.fma(y, low, rest)
    # The rest of an infinite product would be NaN.
    is_moderate = s.less(s.absolute(product), s.constant(LOG_LIMIT[dtype], dtype))
    r, bits = reduce_exp(s, product)
    result = finish_exp(s, s.add(r, s.select(is_moderate, rest, zero)), bits)
    result = s.select(s.equal(a, one), one, result)  # 1 to an infinite power

    half_y = s.multiply(y, s.constant(0.5, dtype))
    y_is_integer = s.equal(s.floor(y), y)
    y_is_odd = s.bit_and(y_is_integer, s.not_equal(s.floor(half_y), half_y))
    x_bits = to_bits(s, x)
    sign = s.select(y_is_odd, s.constant_like(layout(s, x).sign, x_bits), s.constant_like(0, x_bits))
    result = s.bitcast(s.bit_xor(to_bits(s, result), s.bit_and(sign, x_bits)), dtype)
    is_invalid = s.bit_and(s.bit_and(s.less(x, zero), s.less(a, infinity)), s.bit_not(y_is_integer))
    result = s.select(is_invalid, s.constant(math.nan, dtype), result)
    return s.select(s.bit_or(s.equal(x, one), s.equal(y, zero)), one, result)


def _integer_power(s: Scalars[T], x: T, y: T) -> T:
    """The power modulo 2^bits, by squaring. A negative exponent gives the quotient 1 / x^-y rounded towards zero:
    1 and -1 where x is that, else 0, also where x is 0."""
    zero, one = s.constant_like(0, x), s.constant_like(1, x)
    result, square = one, x
    for bit in range(s.dtype(x).bits):
        factor = s.select(s.equal(s.bit_and(s.shift_right(y, bit), one), zero), one, square)
        result, square = s.multiply(result, factor), s.multiply(square, square)
    if not s.dtype(x).signed:
        return result
    # The bits of a negative y are y + 2^bits: that leaves the powers of 1 and -1 right.
    is_unit = s.equal(s.absolute(x), one)
    return s.select(s.bit_and(s.less(y, zero), s.bit_not(is_unit)), zero, result)


def _log(s: Scalars[T], x: T) -> tuple[T, T]:
    """The logarithm of finite x above 0 as an unevaluated sum, with a relative error of about 2^-33 or 2^-64.

    With q = f / (2 + f), log(1 + f) = 2 atanh q. The first two terms of that series are computed as sums of two
    numbers each; what follows is so small that one number does.
    """
    dtype = s.dtype(x)
    one, two = s.constant(1.0, dtype), s.constant(2.0, dtype)
    e, f = reduce_log(s, x)

    divisor = s.add(two, f)
    divisor_rest = s.subtract(f, s.subtract(divisor, two))
    reciprocal = s.divide(one, divisor)
    q = s.multiply(f, reciprocal)
    remainder = s.fma(s.negate(q), divisor_rest, s.fma(s.negate(q), divisor, f))
    q_rest = s.multiply(remainder, reciprocal)

    w, w_rest = _multiply(s, q, q)
    w_rest = s.fma(s.multiply(two, q), q_rest, w_rest)
    cube, cube_rest = _multiply(s, w, q)
    cube_rest = s.fma(w, q_rest, s.fma(w_rest, q, cube_rest))
    two_thirds, two_thirds_rest = (s.constant(part, dtype) for part in TWO_THIRDS[dtype])
    factor, factor_rest = _add(s, two_thirds, s.multiply(w, polynomial(s, w, ATANH)))
    factor_rest = s.add(factor_rest, two_thirds_rest)
    tail, tail_rest = _multiply(s, cube, factor)
    tail_rest = s.fma(cube, factor_rest, s.fma(cube_rest, factor, tail_rest))

    ln2, ln2_rest = (s.constant(part, dtype) for part in LN2[dtype])
    whole, whole_rest = _multiply(s, e, ln2)
    total, rest = _add(s, whole, s.multiply(two, q))
    total, tail_error = _add(s, total, tail)
    for part in (tail_error, s.fma(two, q_rest, tail_rest), s.fma(e, ln2_rest, whole_rest)):
        rest = s.add(rest, part)
    return _add(s, total, rest)


def _multiply(s: Scalars[T], x: T, y: T) -> tuple[T, T]:
    """The product, and its rounding error."""
    product = s.multiply(x, y)
    return product, s.fma(x, y, s.negate(product))


def _add(s: Scalars[T], x: T, y: T) -> tuple[T, T]:
    """The sum, and its rounding error, where |x| >= |y| or x is 0 (Dekker 1971)."""
    total = s.add(x, y)
    return total, s.subtract(y, s.subtract(total, x))
