"""The derivation of every polynomial in lucid.ir.scalar_math: run it to print the tables.

    python -m tests.ir.fit_polynomials

Each is the polynomial of least maximal error, found by Remez's exchange algorithm in 200-bit arithmetic. The error is
weighted so that it is the relative error of the function that the polynomial serves; then coefficients are rounded to
the element type.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

from lucid.ir.scalar_math.error_function import ERFC_FROM, ERFC_MIDDLE, ERFC_ZERO_FROM, ONE_FROM
from lucid.ir.scalar_math.gamma_functions import EIGHT
from lucid.ir.scalar_math.normal_numbers import BITS, CENTRAL, CENTRAL_MIDDLE, TAIL_MIDDLE
from lucid.ir.types import DType, float32, float64

Real = Any  # an mpmath.mpf: mpmath has no types
Function = Callable[[Real], Real]

PRECISION = 200
MARGIN = mpf("1.001")  # intervals are a little wider than the exact reduced ranges, since reduction rounds


@dataclass(frozen=True)
class Problem:
    """Approximate `target(t)` on [low, high]; an error of 1 in it is an error of `weight(t)` in what is served."""

    target: Function
    weight: Function
    low: Real
    high: Real
    degrees: dict[DType, int]
    leading: tuple[float, ...] = ()  # exact coefficients that the table has before the fitted ones


def problems() -> dict[str, Problem]:
    """The fitted tables by their name in lucid.ir.scalar_math."""
    log, exp, sqrt = mpmath.log, mpmath.exp, mpmath.sqrt
    tiny = mpf(10) ** -12
    tables = {
        # e^r = 1 + r + r^2 Q(r)
        "EXP": Problem(
            lambda r: (mpmath.expm1(r) - r) / r**2,
            lambda r: r**2 / exp(r),
            -log(2) / 2 * MARGIN,
            log(2) / 2 * MARGIN,
            {float32: 4, float64: 9},
            leading=(1.0, 1.0),
        ),
        # log(1 + f) = f - f^2 / 2 + f^3 Q(f)
        "LOG": Problem(
            lambda f: (mpmath.log1p(f) - f + f * f / 2) / f**3,
            lambda f: f**3 / mpmath.log1p(f),
            (sqrt(mpf(0.5)) - 1) * MARGIN,
            (sqrt(mpf(2)) - 1) * MARGIN,
            {float32: 8, float64: 19},
        ),
        # 2 atanh(q) = 2 q + q^3 (2/3 + w Q(w)), w = q^2
        "ATANH": Problem(
            lambda w: (2 * mpmath.atanh(sqrt(w)) / sqrt(w) - 2 - 2 * w / 3) / w**2,
            lambda w: w**2 * sqrt(w) / mpmath.atanh(sqrt(w)) / 2,
            tiny,
            (MARGIN * (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2,
            {float32: 2, float64: 7},
        ),
        # (e^(2r) - 1) / 2 = r + r^2 Q(r)
        "EXPM1": Problem(
            lambda r: (mpmath.expm1(2 * r) / 2 - r) / r**2,
            lambda r: r**2 / mpmath.expm1(2 * r) * 2,
            log(2) / 2 * (1 - MARGIN),
            log(2) / 2 * MARGIN,
            {float32: 5, float64: 10},
        ),
        # erf(x) = x + x Q(w), w = x^2
        "ERF_SMALL": Problem(
            lambda w: mpmath.erf(sqrt(w)) / sqrt(w) - 1,
            lambda w: sqrt(w) / mpmath.erf(sqrt(w)),
            tiny,
            mpf(1),
            {float32: 6, float64: 11},
        ),
        # sinh(x) = x + x w Q(w), w = x^2
        "SINH": Problem(
            lambda w: (mpmath.sinh(sqrt(w)) / sqrt(w) - 1) / w,
            lambda w: w * sqrt(w) / mpmath.sinh(sqrt(w)),
            tiny,
            mpf(1),
            {float32: 3, float64: 6},
        ),
        # atan(t) = t + t w Q(w), w = t^2
        "ATAN_SMALL": Problem(
            lambda w: (mpmath.atan(sqrt(w)) / sqrt(w) - 1) / w,
            lambda w: w * sqrt(w) / mpmath.atan(sqrt(w)),
            tiny,
            ((sqrt(mpf(2)) - 1) * MARGIN) ** 2,
            {float32: 4, float64: 10},
        ),
        # sin(r) = r + r w Q(w), w = r^2
        "SIN": Problem(
            lambda w: (mpmath.sin(sqrt(w)) / sqrt(w) - 1) / w,
            lambda w: w * sqrt(w) / mpmath.sin(sqrt(w)),
            tiny,
            mpf("0.8") ** 2,
            {float32: 2, float64: 5},
        ),
        # cos(r) = 1 - w / 2 + w^2 Q(w), w = r^2
        "COS": Problem(
            lambda w: (mpmath.cos(sqrt(w)) - 1 + w / 2) / w**2,
            lambda w: w**2 / mpmath.cos(sqrt(w)),
            tiny,
            mpf("0.8") ** 2,
            {float32: 2, float64: 5},
        ),
        # log gamma(x) = (x - 1) (x - 2) Q(t), t = x - 3/2
        "LGAMMA": Problem(
            lambda t: mpmath.loggamma(t + 1.5) / ((t + 0.5) * (t - 0.5)),
            lambda t: (t + 0.5) * (t - 0.5) / mpmath.loggamma(t + 1.5),
            -mpf(0.5) - tiny,
            mpf(0.5) + tiny,
            {float32: 10, float64: 22},
        ),
        # log gamma(x) = (x - 1/2) (log x - 1) + (log 2 pi - 1) / 2 + Q(w) / x, w = 1 / x^2; it is above 8 from 8 on
        "STIRLING": Problem(
            lambda w: (mpmath.loggamma(1 / sqrt(w)) - _stirling(1 / sqrt(w))) / sqrt(w),
            lambda w: sqrt(w) / 8,
            tiny,
            mpf(1) / EIGHT**2,
            {float32: 1, float64: 5},
        ),
        # digamma(x) = (x - z) Q(t), t = x - 3/2
        "DIGAMMA": Problem(
            lambda t: mpmath.digamma(t + 1.5) / (t + 1.5 - zero_of_digamma()),
            lambda t: (t + 1.5 - zero_of_digamma()) / mpmath.digamma(t + 1.5),
            -mpf(0.5) - tiny,
            mpf(0.5) + tiny,
            {float32: 10, float64: 22},
        ),
        # digamma(x) = log x - 1 / 2x - w Q(w), w = 1 / x^2; it is above 2 from 8 on
        "DIGAMMA_SERIES": Problem(
            lambda w: (log(1 / sqrt(w)) - sqrt(w) / 2 - mpmath.digamma(1 / sqrt(w))) / w,
            lambda w: w / 2,
            tiny,
            mpf(1) / EIGHT**2,
            {float32: 2, float64: 5},
        ),
        # z(q) = q Q(t), t = q^2 - CENTRAL_MIDDLE, for the z that a normal number exceeds in size with probability 1 - q
        "NORMAL_CENTRAL": Problem(
            lambda t: _normal_size(1 - sqrt(t + mpf(CENTRAL_MIDDLE))) / sqrt(t + mpf(CENTRAL_MIDDLE)),
            lambda t: sqrt(t + mpf(CENTRAL_MIDDLE)) / _normal_size(1 - sqrt(t + mpf(CENTRAL_MIDDLE))),
            tiny - mpf(CENTRAL_MIDDLE),
            (mpf(CENTRAL) * MARGIN) ** 2 - mpf(CENTRAL_MIDDLE),
            {float32: 11, float64: 24},
        ),
    }
    # erfc(x) = e^(-x^2) Q(t) / (x + m), t = (x - m) / (x + m), up to where erfc is 0
    middle_of_erfc = mpf(ERFC_MIDDLE)
    for dtype, degree in ((float32, 10), (float64, 23)):
        first, last = mpf(ERFC_FROM) / MARGIN, mpf(ERFC_ZERO_FROM[dtype])
        tables[f"ERFC_LARGE {dtype}"] = Problem(
            lambda t: _scaled_erfc(middle_of_erfc * (1 + t) / (1 - t)),
            lambda t: 1 / _scaled_erfc(middle_of_erfc * (1 + t) / (1 - t)),
            (first - middle_of_erfc) / (first + middle_of_erfc),
            (last - middle_of_erfc) / (last + middle_of_erfc),
            {dtype: degree},
        )
    # erf(x) = 1 - e^Q(x) from 1 up to where erf rounds to 1
    for dtype, degree in ((float32, 6), (float64, 18)):
        tables[f"ERF_LARGE {dtype}"] = Problem(
            lambda t: log(mpmath.erfc(t)),
            lambda t: mpmath.erfc(t) / mpmath.erf(t),
            mpf(1),
            mpf(ONE_FROM[dtype]),
            {dtype: degree},
        )
    # z(1 - 2p) = Q(t), t = sqrt(-2 log p) - TAIL_MIDDLE, down to half the probability of a word
    for dtype, degree in ((float32, 12), (float64, 30)):
        middle = TAIL_MIDDLE[dtype]
        tables[f"NORMAL_TAIL {dtype}"] = Problem(
            lambda t, middle=middle: _normal_size(2 * exp(-((t + middle) ** 2) / 2)),
            lambda t, middle=middle: 1 / _normal_size(2 * exp(-((t + middle) ** 2) / 2)),
            sqrt(-2 * log((1 - mpf(CENTRAL)) / 2)) / MARGIN - middle,
            sqrt(-2 * log(mpf(2) ** -(BITS[dtype] + 1))) * MARGIN - middle,
            {dtype: degree},
        )
    return tables


def _stirling(x: Real) -> Real:
    """The formula of Stirling for log gamma(x), without the series in 1 / x."""
    return (x - mpf(0.5)) * (mpmath.log(x) - 1) + (mpmath.log(2 * mpmath.pi) - 1) / 2


def _scaled_erfc(x: Real) -> Real:
    """What is left of erfc(x) when its size is taken out."""
    return mpmath.exp(x * x) * mpmath.erfc(x) * (x + mpf(ERFC_MIDDLE))


@functools.cache
def zero_of_digamma() -> Real:
    """Where digamma(x) is 0 for an x above 0."""
    return mpmath.findroot(mpmath.digamma, mpf("1.46"))


@functools.cache
def _normal_size(tails: Real) -> Real:
    """What a normal number exceeds in size with probability `tails`."""
    return mpmath.sqrt(2) * mpmath.erfinv(1 - tails)


def fit(problem: Problem, degree: int) -> tuple[list[Real], Real]:
    """The best coefficients, constant first, and the largest weighted error on a dense grid of Chebyshev points."""
    count = degree + 2
    points = 40 * count
    middle, radius = (problem.low + problem.high) / 2, (problem.high - problem.low) / 2
    grid = [middle - radius * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * points)) for i in range(points)]
    target = [problem.target(t) for t in grid]
    weight = [abs(problem.weight(t)) for t in grid]
    reference = [round((points - 1) * i / (count - 1)) for i in range(count)]
    while True:
        # Solve for the polynomial whose error takes alternating signs and one size at the reference points.
        system = mpmath.matrix(count, count)
        right = mpmath.matrix(count, 1)
        for row, i in enumerate(reference):
            for power in range(degree + 1):
                system[row, power] = weight[i] * grid[i] ** power
            system[row, degree + 1] = (-1) ** row
            right[row] = weight[i] * target[i]
        *coefficients, level = mpmath.lu_solve(system, right)
        error = [w * (mpmath.polyval(coefficients[::-1], t) - y) for w, t, y in zip(weight, grid, target, strict=True)]
        largest = max(abs(e) for e in error)
        if largest <= abs(level) * mpf("1.001"):
            return coefficients, largest
        reference = _extrema(error, count)


def _extrema(error: list[Real], count: int) -> list[int]:
    """Where the error is extremal in each run of one sign; the smaller end goes while there are too many."""
    found: list[int] = []
    for i, e in enumerate(error):
        if not found or (error[found[-1]] > 0) != (e > 0):
            found.append(i)
        elif abs(e) > abs(error[found[-1]]):
            found[-1] = i
    while len(found) > count:
        found.pop(0 if abs(error[found[0]]) < abs(error[found[-1]]) else -1)
    assert len(found) == count, "the error of the reference must alternate"
    return found


def tables() -> dict[str, dict[DType, tuple[float, ...]]]:
    """Every table of lucid.ir.scalar_math, derived again."""
    result: dict[str, dict[DType, tuple[float, ...]]] = {}
    with mp.workprec(PRECISION):
        for name, problem in problems().items():
            for dtype, degree in problem.degrees.items():
                coefficients, _ = fit(problem, degree)
                rounded = tuple(round_to(c, dtype) for c in coefficients)
                result.setdefault(name.split()[0], {})[dtype] = problem.leading + rounded
    return result


def round_to(value: Real, dtype: DType) -> float:
    """The nearest number of a float dtype; float32 by way of a decimal that identifies it."""
    return float(value) if dtype == float64 else float(str(np.float32(mpmath.nstr(value, 30))))


if __name__ == "__main__":
    for name, table in tables().items():
        print(f"{name} = {{")
        for dtype, coefficients in table.items():
            print(f"    {dtype}: (")
            for coefficient in coefficients:
                print(f"        {coefficient!r},")
            print("    ),")
        print("}")
