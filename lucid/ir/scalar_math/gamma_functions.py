"""The logarithm of the gamma function and its derivatives.

Above EIGHT there are asymptotic series; below, the recurrence of the gamma function leads to where a table serves, and
for negative numbers its reflection leads to positive ones. There zeros lie close to each other, and errors are those of
the larger terms.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import polynomial
from lucid.ir.types import float32, float64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

EIGHT = 8

# log gamma(x) = (x - 1) (x - 2) Q(x - 3/2) for 1 <= x <= 2; the table is Q. Relative error 2^-31 and 2^-62.
LGAMMA = {
    float32: (
        0.48312896,
        -0.1459599,
        0.06291141,
        -0.031308,
        0.016796498,
        -0.009436396,
        0.005456471,
        -0.0031164044,
        0.0018483328,
        -0.0015255155,
        0.00095988385,
    ),
    float64: (
        0.4831289505409809,
        -0.14595989591430608,
        0.06291140107456496,
        -0.03130848750100946,
        0.016797098631183286,
        -0.009425622448628953,
        0.005446457844815238,
        -0.003212074069615601,
        0.0019229161302233414,
        -0.0011644146742527453,
        0.0007115224837903485,
        -0.0004379919001383448,
        0.0002712739001302999,
        -0.0001689274795167023,
        0.00010565338484021235,
        -6.609123212668856e-05,
        4.159361049264301e-05,
        -2.7361160298281635e-05,
        1.7466595122291486e-05,
        -8.071133122726505e-06,
        4.920763281427515e-06,
        -7.977279265387618e-06,
        5.2568601998121205e-06,
    ),
}

# log gamma(x) = (x - 1/2) (log x - 1) + (log 2 pi - 1) / 2 + Q(w) / x with w = 1 / x^2, from 8 on; the table is Q.
STIRLING = {
    float32: (
        0.083333276,
        -0.0027624723,
    ),
    float64: (
        0.0833333333333331,
        -0.002777777777358657,
        0.0007936505764957396,
        -0.0005951896865356036,
        0.000836458824625654,
        -0.0016334374962146967,
    ),
}

# digamma(x) = (x - DIGAMMA_ZERO) Q(x - 3/2) for 1 <= x <= 2; the table is Q. Relative error 2^-28 and 2^-58.
DIGAMMA = {
    float32: (
        0.9510559,
        -0.4236275,
        0.24054262,
        -0.14839879,
        0.09498208,
        -0.062057067,
        0.0408794,
        -0.025781054,
        0.016980132,
        -0.016384019,
        0.011119082,
    ),
    float64: (
        0.9510558760318328,
        -0.4236274212814606,
        0.24054248424078722,
        -0.14840492305388028,
        0.09498872445284975,
        -0.061922133275542565,
        0.04076083394339175,
        -0.026975796657628833,
        0.01790724823556881,
        -0.011908220153108186,
        0.00792702332736823,
        -0.005279936636744799,
        0.003518088707146053,
        -0.002345499827811982,
        0.001563503379180657,
        -0.0010364320724726521,
        0.0006902822401449788,
        -0.0004860344137727341,
        0.00032588046030536204,
        -0.00014465685310206567,
        9.329557668378953e-05,
        -0.00017833296260786442,
        0.00012117297907502807,
    ),
}

# The zero as the nearest number of the dtype, and the nearest to what is left.
DIGAMMA_ZERO = {
    float32: (1.4616321, 1.243815e-08),
    float64: (1.4616321449683622, 9.549995429965697e-17),
}

# digamma(x) = log x - 1 / 2x - w Q(w) with w = 1 / x^2, from 8 on; the table is Q.
DIGAMMA_SERIES = {
    float32: (
        0.08333333,
        -0.008332258,
        0.0038479296,
    ),
    float64: (
        0.08333333333332583,
        -0.00833333332390016,
        0.0039682500065185,
        -0.004165897934128688,
        0.007499531489143492,
        -0.017270694002336738,
    ),
}

# The terms of zeta functions that are summed one by one, beside as many as the order, and those of the series behind.
SUMMED, TERMS = 10, 10


def lgamma(s: Scalars[T], x: T) -> T:
    """log |gamma(x)|, within 6 ulp for x from 0 on; below, within 8 ulp of the larger of it and 1. Infinite at 0, at
    negative integers and at both ends.

    gamma(x) gamma(1 - x) = pi / sin(pi x) for negative x.
    """
    dtype = s.dtype(x)
    zero, one, two = (s.constant(value, dtype) for value in (0.0, 1.0, 2.0))
    half, eight = s.constant(0.5, dtype), s.constant(float(EIGHT), dtype)
    is_negative = s.less(x, zero)
    a = s.select(is_negative, s.subtract(one, x), x)

    below_one, is_large = s.less(a, one), s.less_equal(eight, a)
    z, product = a, one
    for _ in range(EIGHT - 2):
        again = s.less_equal(two, z)
        z = s.select(again, s.subtract(z, one), z)
        product = s.select(again, s.multiply(product, z), product)
    log = s.log(s.select(below_one, a, s.select(is_large, a, product)))
    # Of z + 1 for a z below 1: then z itself, and not the rounded sum, is what lies behind 1.
    behind_one = s.select(below_one, z, s.subtract(z, one))
    behind_two = s.subtract(behind_one, one)
    small = polynomial(s, s.subtract(behind_one, half), LGAMMA)
    small = s.multiply(s.multiply(behind_one, behind_two), small)
    small = s.add(small, s.select(below_one, s.negate(log), log))

    per_a = s.divide(one, a)
    series = s.multiply(per_a, polynomial(s, s.multiply(per_a, per_a), STIRLING))
    series = s.add(s.constant((math.log(2.0 * math.pi) - 1.0) / 2.0, dtype), series)
    large = s.fma(s.subtract(a, half), s.subtract(log, one), series)
    result = s.select(is_large, large, small)

    infinity = s.constant(math.inf, dtype)
    sine = s.sin(s.multiply(_from_nearest(s, x), s.constant(math.pi, dtype)))
    reflected = s.log(s.multiply(s.absolute(sine), s.constant(1.0 / math.pi, dtype)))
    reflected = s.negate(s.add(reflected, result))
    at_pole = s.equal(s.floor(x), x)  # also where the logarithm of gamma(1 - x) overflows
    result = s.select(is_negative, s.select(at_pole, infinity, reflected), result)
    return s.select(s.equal(s.absolute(x), infinity), infinity, result)


def digamma(s: Scalars[T], x: T) -> T:
    """The derivative of log gamma(x), within 5 ulp for x from 0 on; below, within 8 ulp of the larger of it and 1. At 0
    it is -inf, at -0 inf, and NaN at negative integers.

    digamma(x) = digamma(1 - x) - pi / tan(pi x) for negative x.
    """
    dtype = s.dtype(x)
    zero, one, two = (s.constant(value, dtype) for value in (0.0, 1.0, 2.0))
    half, eight = s.constant(0.5, dtype), s.constant(float(EIGHT), dtype)
    is_negative = s.less(x, zero)
    a = s.select(is_negative, s.subtract(one, x), x)

    below_one, is_large = s.less(a, one), s.less_equal(eight, a)
    # The sum of 1 / z for what the recurrence meets, as a fraction.
    z, above, below = a, s.select(below_one, s.negate(one), zero), s.select(below_one, a, one)
    for _ in range(EIGHT - 2):
        again = s.less_equal(two, z)
        z = s.select(again, s.subtract(z, one), z)
        above = s.select(again, s.fma(above, z, below), above)
        below = s.select(again, s.multiply(below, z), below)
    behind_one = s.select(below_one, z, s.subtract(z, one))
    high, low = (s.constant(part, dtype) for part in DIGAMMA_ZERO[dtype])
    from_zero = s.select(below_one, s.subtract(behind_one, s.subtract(high, one)), s.subtract(z, high))
    factor = polynomial(s, s.subtract(behind_one, half), DIGAMMA)
    small = s.fma(s.subtract(from_zero, low), factor, s.divide(above, below))

    per_a = s.divide(one, a)
    w = s.multiply(per_a, per_a)
    large = s.subtract(s.log(a), s.fma(per_a, half, s.multiply(w, polynomial(s, w, DIGAMMA_SERIES))))
    result = s.select(is_large, large, small)
    cotangent = s.divide(s.constant(math.pi, dtype), s.tan(s.multiply(_from_nearest(s, x), s.constant(math.pi, dtype))))
    at_pole = s.equal(s.floor(x), x)
    reflected = s.select(at_pole, s.constant(math.nan, dtype), s.subtract(result, cotangent))
    return s.select(is_negative, reflected, result)


def polygamma(s: Scalars[T], n: int, x: T) -> T:
    """The derivative of order n >= 1 of digamma(x), within 4 + 3 n ulp for x above 0; infinite at the poles.

    It is (-1)^(n+1) n! zeta(n + 1, x), and zeta(k, x) the sum of (x + i)^-k over all i from 0 on: the first ones are
    added up, and the formula of Euler and Maclaurin gives the others. The reflection of `digamma` is differentiated.
    """
    dtype = s.dtype(x)
    zero, one = s.constant(0.0, dtype), s.constant(1.0, dtype)
    is_negative = s.less(x, zero)
    a = s.select(is_negative, s.subtract(one, x), x)
    count = SUMMED + n
    last = s.divide(one, s.add(a, s.constant(float(count), dtype)))
    terms = _euler_maclaurin(n)
    w, series = s.multiply(last, last), s.constant(terms[-1], dtype)
    for term in reversed(terms[:-1]):
        series = s.fma(series, w, s.constant(term, dtype))
    # 1 / n + z / 2 + z^2 (...), times z^n, for z = 1 / (a + count)
    series = s.fma(w, series, s.fma(last, s.constant(0.5, dtype), s.constant(1.0 / n, dtype)))
    total = s.multiply(series, _whole_power(s, last, n))
    for i in reversed(range(count)):
        total = s.add(total, _whole_power(s, s.divide(one, s.add(a, s.constant(float(i), dtype))), n + 1))
    sign = -1.0 if n % 2 == 0 else 1.0
    result = s.multiply(total, s.constant(sign * math.factorial(n), dtype))

    tangent = s.tan(s.multiply(_from_nearest(s, x), s.constant(math.pi, dtype)))
    cotangent = s.divide(one, tangent)
    *lower, reflected = (s.constant(value * math.pi ** (n + 1), dtype) for value in _derivative_of_cotangent(n))
    for coefficient in reversed(lower):
        reflected = s.fma(reflected, cotangent, coefficient)
    mirrored = s.negate(result) if n % 2 else result
    return s.select(is_negative, s.subtract(mirrored, reflected), result)


def _from_nearest(s: Scalars[T], x: T) -> T:
    """x minus the integer that is nearest to it."""
    return s.subtract(x, s.round(x))


def _whole_power(s: Scalars[T], x: T, n: int) -> T:
    """x^n for n >= 1, by squaring."""
    half = x if n == 1 else _whole_power(s, x, n // 2)
    square = half if n == 1 else s.multiply(half, half)
    return s.multiply(square, x) if n % 2 and n > 1 else square


@functools.cache
def _euler_maclaurin(n: int) -> tuple[float, ...]:
    """B_2j / (2j)! (n + 1) ... (n + 2j - 1) for j from 1 to TERMS: the coefficients of z^(n + 2j)."""
    numbers = [Fraction(1)]  # of Bernoulli
    for m in range(1, 2 * TERMS + 1):
        numbers.append(-sum((math.comb(m + 1, k) * numbers[k] for k in range(m)), Fraction(0)) / (m + 1))
    rising = [math.prod(range(n + 1, n + 2 * j)) for j in range(1, TERMS + 1)]
    return tuple(float(numbers[2 * j] / math.factorial(2 * j) * rising[j - 1]) for j in range(1, TERMS + 1))


@functools.cache
def _derivative_of_cotangent(n: int) -> tuple[float, ...]:
    """The n-th derivative of cot x as a polynomial in cot x, whose own derivative is -(1 + cot^2 x)."""
    polynomial = [0, 1]
    for _ in range(n):
        slope = [power * value for power, value in enumerate(polynomial)][1:]
        polynomial = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(map(float, polynomial))
