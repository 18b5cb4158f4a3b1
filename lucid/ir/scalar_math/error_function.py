"""The error function, what it leaves of 1, and its inverse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import EXP, exp_of_moderate
from lucid.ir.scalar_math.floats import copy_sign, layout, polynomial, to_bits
from lucid.ir.scalar_math.normal_numbers import CENTRAL, CENTRAL_MIDDLE, NORMAL_CENTRAL, NORMAL_TAIL, TAIL_MIDDLE
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# From here on erf rounds to 1.
ONE_FROM = {float32: 3.93, float64: 5.93}

# erf(x) = x + x Q(x^2) for |x| <= 1; the table is Q. Relative error 2^-30 and 2^-57.
ERF_SMALL = {
    float32: (
        0.12837917,
        -0.37612626,
        0.112835854,
        -0.026853813,
        0.005188328,
        -0.0008010198,
        7.8538775e-05,
    ),
    float64: (
        0.12837916709551256,
        -0.3761263890318352,
        0.11283791670944185,
        -0.026866170643111597,
        0.005223977606119715,
        -0.0008548325929378773,
        0.00012055293578917282,
        -1.4924712341968503e-05,
        1.644713207422667e-06,
        -1.6206317657114914e-07,
        1.3710997367565473e-08,
        -7.779500223581111e-10,
    ),
}

# erf(x) = 1 - e^Q(x) from 1 to ONE_FROM; the table is Q. Relative error 2^-30 and 2^-59.
ERF_LARGE = {
    float32: (
        -0.00034160513,
        -1.1270889,
        -0.6381454,
        -0.10310628,
        0.02183784,
        -0.0029476024,
        0.00018637354,
    ),
    float64: (
        -1.7961812628484653e-07,
        -1.1283773292812336,
        -0.6366284888579558,
        -0.10274725222668082,
        0.019078154987676947,
        0.00028049009854674167,
        -0.0017690027207218262,
        0.0006411748064689581,
        -4.4824125491180825e-05,
        -7.036558630104707e-05,
        4.5036847796233634e-05,
        -1.6513733086758042e-05,
        4.32698200457571e-06,
        -8.50561403528176e-07,
        1.257029717482992e-07,
        -1.3626487583042325e-08,
        1.0256848703756503e-09,
        -4.7959650474670576e-11,
        1.04960588150769e-12,
    ),
}

# From ERFC_FROM to where erfc is 0, erfc(x) = e^(-x^2) Q(t) / (x + 2) with t = (x - 2) / (x + 2): Shepherd and
# Laframboise, Mathematics of Computation 36 (1981). The table is Q. Relative error 2^-33 and 2^-59.
ERFC_FROM = 0.46875  # erf is below 1/2 here
ERFC_MIDDLE = 2.0
ERFC_ZERO_FROM = {float32: 10.1, float64: 27.3}
ERFC_LARGE = {
    float32: (
        1.0215827,
        -0.6871607,
        0.27947208,
        -0.03644232,
        -0.021510513,
        0.0064805658,
        0.0030888154,
        -0.00084609917,
        -0.0006533699,
        6.03875e-05,
        0.00012058641,
    ),
    float64: (
        1.021582705242023,
        -0.6871606844138106,
        0.2794720925560553,
        -0.03644223150688276,
        -0.02151066188953933,
        0.006479185067958305,
        0.003090612061044594,
        -0.0008372960683583797,
        -0.0006630735365913389,
        3.437152365011838e-05,
        0.00014447103677126785,
        3.41480971486696e-05,
        -2.1697729717651616e-05,
        -1.611622352694557e-05,
        -1.121290206293083e-06,
        3.625869422758478e-06,
        1.997591976497771e-06,
        4.590001706827169e-08,
        -5.804546802843928e-07,
        -3.9015519795715495e-07,
        3.099404191251857e-08,
        1.653318436953093e-07,
        1.6836654312406407e-08,
        -3.129352456342512e-08,
    ),
}


def erf(s: Scalars[T], x: T) -> T:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x, within 1.5 ulp; within 2 where fma rounds twice.

    An odd polynomial up to 1. Above, 1 - erf(x) is the exponential of a smooth function; it is below 0.16, so the
    error of the exponential shrinks when it is taken from 1.
    """
    one, limit = s.constant_like(1.0, x), s.constant_like(ONE_FROM[s.dtype(x)], x)
    a = s.absolute(x)
    small = s.fma(a, polynomial(s, s.multiply(a, a), ERF_SMALL), a)
    bounded = s.select(s.less(limit, a), limit, a)  # in this order NaN passes
    large = s.subtract(one, exp_of_moderate(s, polynomial(s, bounded, ERF_LARGE)))
    return copy_sign(s, s.select(s.less(a, one), small, large), x)


def erfc(s: Scalars[T], x: T) -> T:
    """1 - erf(x), within 5 ulp, also where that is tiny; within 6 where fma rounds twice.

    With h for the upper half of the digits of x, e^(-x^2) = e^(-h^2) e^(-(x - h) (x + h)): h^2 is exact, and the rest
    so small that a polynomial serves.
    """
    dtype, form = s.dtype(x), layout(s, x)
    one, two, limit = (s.constant(value, dtype) for value in (1.0, 2.0, ERFC_ZERO_FROM[dtype]))
    a = s.absolute(x)
    near = s.subtract(one, s.fma(x, polynomial(s, s.multiply(x, x), ERF_SMALL), x))
    a = s.select(s.less(limit, a), limit, a)  # in this order NaN passes
    middle = s.constant(ERFC_MIDDLE, dtype)
    per_sum = s.divide(one, s.add(a, middle))
    tail = s.multiply(polynomial(s, s.multiply(s.subtract(a, middle), per_sum), ERFC_LARGE), per_sum)
    upper_half = s.constant(-(1 << (form.fraction_bits // 2 + 1)), form.integer)
    high = s.bitcast(s.bit_and(to_bits(s, a), upper_half), dtype)
    rest = s.multiply(s.subtract(high, a), s.add(high, a))
    tail = s.multiply(s.multiply(tail, polynomial(s, rest, EXP)), s.exp(s.negate(s.multiply(high, high))))
    tail = s.select(s.less(x, s.constant(0.0, dtype)), s.subtract(two, tail), tail)
    return s.select(s.less(a, s.constant(ERFC_FROM, dtype)), near, tail)


def erfinv(s: Scalars[T], x: T) -> T:
    """The number whose erf is x, within 6 ulp, within 7 where fma rounds twice: infinite at -1 and 1, NaN beyond.

    A normal number exceeds sqrt(2) erfinv(x) in size with probability 1 - x: the tables are those of normal numbers.
    """
    dtype = s.dtype(x)
    one, half = s.constant(1.0, dtype), s.constant(0.5, dtype)
    a = s.absolute(x)
    small = s.multiply(a, polynomial(s, s.fma(a, a, s.constant(-CENTRAL_MIDDLE, dtype)), NORMAL_CENTRAL))
    distance = s.sqrt(s.multiply(s.log(s.multiply(s.subtract(one, a), half)), s.constant(-2.0, dtype)))
    large = polynomial(s, s.subtract(distance, s.constant(TAIL_MIDDLE[dtype], dtype)), NORMAL_TAIL)
    size = s.multiply(s.select(s.less(a, s.constant(CENTRAL, dtype)), small, large), s.constant(math.sqrt(0.5), dtype))
    size = s.select(s.equal(a, one), s.constant(math.inf, dtype), size)
    return copy_sign(s, s.absolute(size), x)
