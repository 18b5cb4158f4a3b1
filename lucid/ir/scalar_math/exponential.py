"""The exponential and the natural logarithm, and the reductions that other functions share with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import layout, nearest_multiple, polynomial, power_of_two, to_bits
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# ln 2 as the nearest number of the dtype, and the nearest to what is left.
LN2 = {
    float32: (0.6931472, -1.9046542e-09),
    float64: (0.6931471805599453, 2.3190468138462996e-17),
}

# exp is 0 below the first and infinite above the second.
EXP_ENDS = {float32: (-104.0, 89.0), float64: (-746.0, 710.0)}

# e^r for |r| <= ln 2, as 1 + r + r^2 Q(r); the fit is of Q. Relative error 2^-26 and 2^-56.
EXP = {
    float32: (
        1.0,
        1.0,
        0.50000036,
        0.16666614,
        0.04166126,
        0.008336109,
        0.0014104672,
        0.00019611281,
    ),
    float64: (
        1.0,
        1.0,
        0.4999999999999993,
        0.1666666666666694,
        0.04166666666670236,
        0.00833333333326944,
        0.0013888888883543753,
        0.00019841269893083763,
        2.4801590846788113e-05,
        2.755730057020559e-06,
        2.755615431138441e-07,
        2.505504147472413e-08,
        2.1062631758345184e-09,
        1.5935462166096502e-10,
    ),
}

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
    """e to the power x, within 1.5 ulp; subnormal results are within 1 of their spacing.

    x = 2 m ln 2 + r, and then e^x = e^r 2^m 2^m: the halves of the power of two are normal numbers even where the
    result overflows or is subnormal, and only the last product rounds.
    """
    r, half_power = reduce_exp(s, x)
    return s.multiply(s.multiply(polynomial(s, r, EXP), half_power), half_power)


def reduce_exp(s: Scalars[T], x: T) -> tuple[T, T]:
    """r and 2^m with x = 2 m ln 2 + r and |r| <= ln 2; x is first brought to where exp neither is 0 nor overflows."""
    dtype = s.dtype(x)
    lowest, highest = (s.constant(end, dtype) for end in EXP_ENDS[dtype])
    x = s.select(s.less(highest, x), highest, x)  # in this order NaN passes
    x = s.select(s.less(x, lowest), lowest, x)
    m, bits = nearest_multiple(s, x, 0.5 / math.log(2.0))
    high, low = LN2[dtype]
    r = s.fma(m, s.constant(-2.0 * high, dtype), x)  # exact: the difference has no more bits than x
    return s.fma(m, s.constant(-2.0 * low, dtype), r), power_of_two(s, bits, dtype)


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
    infinity, zero = s.constant(math.inf, dtype), s.constant(0.0, dtype)
    y = s.select(s.equal(x, infinity), x, y)
    at_zero_or_outside = s.select(s.equal(x, zero), s.negate(infinity), s.constant(math.nan, dtype))
    return s.select(s.less(zero, x), y, at_zero_or_outside)


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
