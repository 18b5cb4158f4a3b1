"""Exponentials and the natural logarithm, and the reductions that other functions share with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import (
    copy_sign,
    layout,
    low_bits,
    nearest_multiple,
    polynomial,
    power_of_two,
    to_bits,
)
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# ln 2 as the nearest number of the dtype, and the nearest to what is left.
LN2 = {
    float32: (0.6931472, -1.9046542e-09),
    float64: (0.6931471805599453, 2.3190468138462996e-17),
}

# exp is 0 below the first, and exp / 2 infinite above the second.
EXP_ENDS = {float32: (-104.0, 90.0), float64: (-746.0, 711.0)}
EXP2_ENDS = {float32: (-151.0, 129.0), float64: (-1076.0, 1025.0)}

# expm1 is -1 below the first and infinite above the second.
EXPM1_ENDS = {float32: (-20.0, 89.0), float64: (-40.0, 710.0)}

# e^r for |r| <= ln 2 / 2, as 1 + r + r^2 Q(r); the fit is of Q. Relative error 2^-29 and 2^-57.
EXP = {
    float32: (
        1.0,
        1.0,
        0.49999994,
        0.1666652,
        0.041668393,
        0.008368779,
        0.0013814457,
    ),
    float64: (
        1.0,
        1.0,
        0.5000000000000011,
        0.1666666666666641,
        0.0416666666665292,
        0.00833333333349564,
        0.0013888888943920383,
        0.00019841269504737648,
        2.4801492765103714e-05,
        2.755758736239165e-06,
        2.76303777888387e-07,
        2.4999959878650727e-08,
    ),
}

EXPM1_TAIL = {dtype: coefficients[2:] for dtype, coefficients in EXP.items()}  # Q alone

# log(1 + f) = f - f^2 / 2 + f^3 Q(f) for 1/sqrt(2) <= 1 + f <= sqrt(2); the table is Q. Relative error 2^-30 and 2^-59.
LOG = {
    float32: (
        0.33333313,
        -0.2500001,
        0.20002134,
        -0.16668007,
        0.14219226,
        -0.124051474,
        0.11890319,
        -0.116795935,
        0.06746546,
    ),
    float64: (
        0.33333333333333454,
        -0.249999999999989,
        0.19999999999945162,
        -0.16666666666918487,
        0.14285714293971985,
        -0.12499999981765118,
        0.11111110507688761,
        -0.10000000387222657,
        0.09090933798566986,
        -0.08333345934094638,
        0.0769170859202671,
        -0.0714199158208797,
        0.06675214243631582,
        -0.06269948675766995,
        0.058174251919579645,
        -0.05325591507340895,
        0.05416287052837235,
        -0.06278742044736912,
        0.05699921433862851,
        -0.02427604521376092,
    ),
}

# The bits of sqrt(1/2).
SQRT_HALF = {float32: 0x3F3504F3, float64: 0x3FE6A09E667F3BCD}


def exp(s: Scalars[T], x: T) -> T:
    """e to the power x, within 1 ulp: infinite where the largest float is exceeded, subnormal near the smallest."""
    lowest, _ = EXP_ENDS[s.dtype(x)]
    return finish_exp(s, *reduce_exp(s, x), s.less(x, s.constant_like(lowest, x)))


def exp_of_moderate(s: Scalars[T], x: T) -> T:
    """exp of what has a normal number for its exponential, with the same bits, in fewer operations."""
    r, bits = _reduced(s, x, layout(s, x).bias)
    return s.multiply(polynomial(s, r, EXP), power_of_two(s, bits, s.dtype(x)))


def reduce_exp(s: Scalars[T], x: T) -> tuple[T, T]:
    """r and n with x = n ln 2 + r and |r| <= ln 2 / 2; n stands as `low_bits` of n + 2 bias.

    First x is brought to the range where the result neither is 0 nor overflows.
    """
    return _reduced(s, _between(s, x, EXP_ENDS[s.dtype(x)]), 2 * layout(s, x).bias)


def _reduced(s: Scalars[T], x: T, offset: int) -> tuple[T, T]:
    """r and n for a moderate x; n stands as `low_bits` of n + offset."""
    n, bits = nearest_multiple(s, x, 1.0 / math.log(2.0), offset)
    return _take_ln2(s, x, n), bits


def _between(s: Scalars[T], x: T, ends: tuple[float, float]) -> T:
    """x, brought into a range; NaN passes."""
    lowest, highest = (s.constant_like(end, x) for end in ends)
    x = s.select(s.less(highest, x), highest, x)  # in this order NaN passes
    return s.select(s.less(x, lowest), lowest, x)


def _take_ln2(s: Scalars[T], x: T, n: T) -> T:
    """x - n ln 2, for the n that leaves at most ln 2 / 2."""
    high, low = LN2[s.dtype(x)]
    r = s.fma(n, s.constant_like(-high, x), x)  # exact: a multiple of the last place of x or of ln 2, and below 1
    return s.fma(n, s.constant_like(-low, x), r)


def finish_exp(s: Scalars[T], r: T, bits: T, vanishes: T | None = None) -> T:
    """e^r 2^n, or 0 where it `vanishes`. The power of two is applied in two halves, which are normal numbers even where
    the result overflows or is subnormal; only the last product rounds.

    A product with 0 takes processors no longer than others, one that underflows several times as long: half of causal
    attention is exponentials of -infinity.
    """
    dtype = s.dtype(r)
    half = s.shift_right(bits, 1)
    first, second = (power_of_two(s, exponent, dtype) for exponent in (half, s.subtract(bits, half)))
    if vanishes is not None:
        second = s.select(vanishes, s.constant(0.0, dtype), second)
    return s.multiply(s.multiply(polynomial(s, r, EXP), first), second)


def exp2(s: Scalars[T], x: T) -> T:
    """2 to the power x, within 1.5 ulp, exact for integers."""
    x = _between(s, x, EXP2_ENDS[s.dtype(x)])
    n, bits = nearest_multiple(s, x, 1.0, offset=2 * layout(s, x).bias)
    return finish_exp(s, s.multiply(s.subtract(x, n), s.constant_like(math.log(2.0), x)), bits)


def expm1(s: Scalars[T], x: T) -> T:
    """e^x - 1, within 2 ulp.

    With x = n ln 2 + r and v = e^r - 1, it is 2 (2^(n-1) v + 2^(n-1) - 1/2), and v itself where n is 0.
    """
    dtype, form = s.dtype(x), layout(s, x)
    bounded = _between(s, x, EXPM1_ENDS[dtype])
    n, _ = nearest_multiple(s, bounded, 1.0 / math.log(2.0))
    r = _take_ln2(s, bounded, n)
    v = s.fma(s.multiply(r, r), polynomial(s, r, EXPM1_TAIL), r)
    power = power_of_two(s, low_bits(s, n, offset=form.bias - 1), dtype)
    half = s.fma(power, v, s.add(power, s.constant(-0.5, dtype)))
    result = s.select(s.equal(n, s.constant(0.0, dtype)), v, s.add(half, half))
    return copy_sign(s, s.absolute(result), x)  # -0 stays


def log(s: Scalars[T], x: T) -> T:
    """The natural logarithm, within 1 ulp: -inf at 0 and -0, NaN below.

    x = 2^e (1 + f), and then log x = e ln 2 + log(1 + f).
    """
    dtype = s.dtype(x)
    e, f = reduce_log(s, x)
    high, low = (s.constant(part, dtype) for part in LN2[dtype])
    square = s.multiply(f, f)
    y = s.fma(s.multiply(f, square), polynomial(s, f, LOG), s.multiply(e, low))
    y = s.fma(square, s.constant(-0.5, dtype), y)
    y = s.fma(e, high, s.add(f, y))
    return at_ends_of_log(s, x, y)


def at_ends_of_log(s: Scalars[T], x: T, y: T) -> T:
    """y, the logarithm of x where that is a positive number; the special values of a logarithm elsewhere."""
    infinity, zero = s.constant_like(math.inf, x), s.constant_like(0.0, x)
    y = s.select(s.equal(x, infinity), x, y)
    at_zero_or_outside = s.select(s.equal(x, zero), s.negate(infinity), s.constant_like(math.nan, x))
    return s.select(s.less(zero, x), y, at_zero_or_outside)


def log1p(s: Scalars[T], x: T) -> T:
    """log(1 + x), within 2 ulp: -inf at -1, NaN below.

    With u = 1 + x as it rounds and c what the rounding lost, it is log(u) + c / u.
    """
    one = s.constant_like(1.0, x)
    u = s.add(one, x)
    lost_of_x, lost_of_one = s.subtract(x, s.subtract(u, one)), s.subtract(one, s.subtract(u, x))
    lost = s.select(s.less(s.absolute(x), one), lost_of_x, lost_of_one)
    y = s.log(u)
    is_number = s.less(s.absolute(y), s.constant_like(math.inf, x))  # there c / u is one, too
    y = s.select(is_number, s.add(y, s.divide(lost, u)), y)
    return s.select(s.equal(u, one), x, y)


def reduce_log(s: Scalars[T], x: T) -> tuple[T, T]:
    """e and f with x = 2^e (1 + f) exactly and 1/sqrt(2) <= 1 + f < sqrt(2), for finite x above 0."""
    dtype, form = s.dtype(x), layout(s, x)
    subnormal = s.less(x, s.constant(form.smallest_normal, dtype))
    x = s.select(subnormal, s.multiply(x, s.constant(2.0**form.fraction_bits, dtype)), x)
    bits = to_bits(s, x)
    # Above sqrt(1/2), the exponent field counts the powers of two.
    above = s.subtract(bits, s.constant_like(SQRT_HALF[dtype], bits))
    exponent = s.shift_right(above, form.fraction_bits)
    scaled = s.bitcast(s.subtract(bits, s.shift_left(exponent, form.fraction_bits)), dtype)
    shift = s.select(subnormal, s.constant(float(form.fraction_bits), dtype), s.constant(0.0, dtype))
    e = s.subtract(s.cast(exponent, dtype), shift)
    return e, s.subtract(scaled, s.constant(1.0, dtype))
