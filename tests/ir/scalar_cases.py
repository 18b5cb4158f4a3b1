"""The transcendental functions of a float: their stated bounds, references, and special values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from lucid.ir.types import DType, float32, float64
from tests.codegen.elementwise_loop import compile_elementwise

Array = npt.NDArray[Any]

POINTS = 20_000  # random points a float64 function
BINARY = ("power", "atan2")

inf, nan = math.inf, math.nan


@cache
def compiled(name: str, dtype: DType, width: int) -> Callable[..., Array]:
    operands = (dtype, dtype) if name in BINARY else (dtype,)
    return compile_elementwise(lambda s, *x: getattr(s, name)(*x), operands, width)


@dataclass(frozen=True)
class Case:
    """A function with its stated bound in ulp, its references, and where it is interesting."""

    bound: float
    exact: Callable[..., Any]  # in mpmath
    double: Callable[..., Array]  # in float64
    low: dict[DType, float]  # where results are neither constant nor infinite
    high: dict[DType, float]
    dense: tuple[float, ...]  # spots with many points around them
    special: tuple[tuple[float, float], ...]  # arguments and exact results
    points: int = POINTS
    rounded_twice: float | None = None  # the bound in NumPy where that is another, since its multiply-add rounds twice

    @property
    def interpreted(self) -> float:
        """The bound in NumPy, whose own functions are not held to less than 1 ulp."""
        return self.rounded_twice or max(self.bound, 1.0)


def both(value32: float, value64: float) -> dict[DType, float]:
    return {float32: value32, float64: value64}


LN2 = math.log(2.0)
CASES = {
    "exp": Case(
        bound=1.0,
        exact=mpmath.exp,
        double=np.exp,
        low=both(-104.0, -745.2),
        high=both(88.73, 709.8),
        dense=(0.0, LN2 / 2, -LN2 / 2, 10.5 * LN2, -7.2754, -17.6637, -87.34, -103.9, 88.7, 709.7, -708.4, -745.1),
        special=((0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, 0.0), (1e30, inf), (-1e30, 0.0), (710.0, inf), (nan, nan)),
    ),
    "log": Case(
        bound=1.0,
        exact=mpmath.log,
        double=np.log,
        low=both(0.0, 0.0),
        high=both(3e38, 1e308),
        dense=(1.0, math.sqrt(0.5), math.sqrt(2.0), 0.7931, 2.0, 0.5, 1e-38, 1e-45, 1e-308, 1e-320),
        special=(
            (1.0, 0.0),
            (0.0, -inf),
            (-0.0, -inf),
            (-1.0, nan),
            (-1e-45, nan),
            (-inf, nan),
            (inf, inf),
            (nan, nan),
        ),
    ),
    "tanh": Case(
        bound=2.0,
        exact=mpmath.tanh,
        double=np.tanh,
        low=both(-10.0, -20.0),
        high=both(10.0, 20.0),
        dense=(0.0, 1e-3, 0.25, LN2 / 2, LN2, 9.01, 19.06, 1e-40, 1e-310),
        special=(
            (0.0, 0.0),
            (-0.0, -0.0),
            (inf, 1.0),
            (-inf, -1.0),
            (50.0, 1.0),
            (-1e30, -1.0),
            (1e-45, 1e-45),
            (nan, nan),
        ),
    ),
    "sigmoid": Case(
        bound=2.0,
        exact=lambda x: 1 / (1 + mpmath.exp(-x)),
        double=lambda x: np.where(x < 0, np.exp(x), 1.0) / (1.0 + np.exp(-np.abs(x))),
        low=both(-104.0, -745.2),
        high=both(20.0, 40.0),
        dense=(0.0, -4.85, -9.12, -87.34, -103.9, -708.4, -745.1, 17.0, 37.0),
        special=((0.0, 0.5), (-0.0, 0.5), (inf, 1.0), (-inf, 0.0), (-1e30, 0.0), (1e30, 1.0), (nan, nan)),
    ),
    "logit": Case(
        bound=4.0,
        exact=lambda x: mpmath.log(x / (1 - x)),
        double=lambda x: np.log(x) - np.log1p(-x),
        low=both(0.0, 0.0),
        high=both(0.99999994, 0.9999999999999999),
        dense=(0.25, 0.3, 0.5, 0.5000001, 0.75, 1.0, 1e-3, 1e-40, 1e-310),
        special=(
            *((0.0, -inf), (-0.0, -inf), (1.0, inf), (0.5, 0.0)),
            *((-0.1, nan), (1.1, nan), (-1e-45, nan), (inf, nan), (-inf, nan), (nan, nan)),
        ),
    ),
    "erf": Case(
        bound=1.5,
        exact=mpmath.erf,
        double=np.vectorize(math.erf, otypes=[np.float64]),
        low=both(-4.0, -6.0),
        high=both(4.0, 6.0),
        dense=(0.0, 1e-3, 1.0, -1.0, 0.5, 3.92, 5.92, 1e-40, 1e-310),
        special=((0.0, 0.0), (-0.0, -0.0), (inf, 1.0), (-inf, -1.0), (6.0, 1.0), (-1e30, -1.0), (nan, nan)),
        rounded_twice=2.0,
    ),
    "erfc": Case(
        bound=5.0,
        exact=mpmath.erfc,
        double=np.vectorize(math.erfc, otypes=[np.float64]),
        low=both(-4.0, -6.0),
        high=both(10.05, 27.2),
        dense=(0.0, 1e-3, 0.46875, 0.54, -0.5, 1.0, 9.2, 10.0, 26.5, 1e-40, 1e-310),
        special=((0.0, 1.0), (-0.0, 1.0), (inf, 0.0), (-inf, 2.0), (28.0, 0.0), (1e30, 0.0), (-1e30, 2.0), (nan, nan)),
        rounded_twice=6.0,
    ),
    "erfinv": Case(
        bound=6.0,
        exact=mpmath.erfinv,
        double=lambda x: compiled("erfinv", float64, 16)(x),
        low=both(-0.99999994, -0.9999999999999999),
        high=both(0.99999994, 0.9999999999999999),
        dense=(0.0, 0.5, 0.8, 0.83, -0.9, 0.999, 1.0, -1.0, 1e-40, 1e-310),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (1.0, inf), (-1.0, -inf)),
            *((1.5, nan), (-1.5, nan), (1e30, nan), (inf, nan), (-inf, nan), (nan, nan)),
        ),
        points=2000,
        rounded_twice=7.0,
    ),
    "lgamma": Case(
        bound=6.0,
        exact=mpmath.loggamma,
        double=np.vectorize(math.lgamma, otypes=[np.float64]),
        low=both(0.0, 0.0),
        high=both(1e36, 1e305),
        dense=(0.5, 1.0, 2.0, 2.01, 3.0, 7.0, 8.0, 30.0, 1e-3, 1e-40, 1e-310),
        special=(
            *((0.0, inf), (-0.0, inf), (1.0, 0.0), (2.0, 0.0), (-1.0, inf), (-2.0, inf), (-1e30, inf)),
            *((-1e38, inf), (inf, inf), (-inf, inf), (nan, nan)),
        ),
        points=4000,
    ),
    "digamma": Case(
        bound=5.0,
        exact=mpmath.digamma,
        double=lambda x: compiled("digamma", float64, 16)(x),
        low=both(1e-38, 1e-307),
        high=both(3e38, 1e308),
        dense=(0.5, 1.0, 1.4616321449683622, 2.0, 3.0, 7.0, 8.0, 30.0, 1e-3),
        special=(
            *((0.0, -inf), (-0.0, inf), (-1.0, nan), (-2.0, nan), (-1e30, nan)),
            *((inf, inf), (-inf, nan), (nan, nan)),
        ),
        points=4000,
    ),
    "sin": Case(
        bound=2.0,
        exact=mpmath.sin,
        double=np.sin,
        low=both(-(2.0**17), -(2.0**30)),
        high=both(2.0**17, 2.0**30),
        dense=(0.0, *(k * math.pi / 4 for k in (1, 2, 3, 4, 5, 8, 1000, 2001, 160000)), 1e-40, 1e-310),
        special=(
            (0.0, 0.0),
            (-0.0, -0.0),
            (1e-45, 1e-45),
            (inf, nan),
            (-inf, nan),
            (2e9, nan),
            (-2e9, nan),
            (nan, nan),
        ),
    ),
    "cos": Case(
        bound=2.0,
        exact=mpmath.cos,
        double=np.cos,
        low=both(-(2.0**17), -(2.0**30)),
        high=both(2.0**17, 2.0**30),
        dense=(0.0, *(k * math.pi / 4 for k in (1, 2, 3, 4, 5, 8, 1000, 2001, 160000)), 1e-40, 1e-310),
        special=((0.0, 1.0), (-0.0, 1.0), (1e-45, 1.0), (inf, nan), (-inf, nan), (2e9, nan), (-2e9, nan), (nan, nan)),
    ),
}
EVERYWHERE = both(-3e38, -8e307), both(3e38, 8e307)
CASES |= {
    "exp2": Case(
        bound=1.5,
        exact=lambda x: mpmath.mpf(2) ** x,
        double=np.exp2,
        low=both(-149.5, -1074.5),
        high=both(127.99, 1023.99),
        dense=(0.0, 0.5, -0.5, 10.5, -126.0, -148.9, 127.5, -1022.0, -1073.9, 1023.5),
        special=(
            *((0.0, 1.0), (-0.0, 1.0), (3.0, 8.0), (-2.0, 0.25), (100.0, 2.0**100), (inf, inf), (-inf, 0.0)),
            *((1e30, inf), (-1e30, 0.0), (1024.0, inf), (-1100.0, 0.0), (nan, nan)),
        ),
    ),
    "expm1": Case(
        bound=2.0,
        exact=mpmath.expm1,
        double=np.expm1,
        low=both(-20.0, -40.0),
        high=both(88.72, 709.7),
        dense=(0.0, 1e-3, -1e-3, LN2 / 2, -LN2 / 2, LN2, -LN2, 1.5 * LN2, 1e-40, 1e-310, 87.03, 88.7, 709.7),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1.0), (1e30, inf), (-1e30, -1.0), (1e-45, 1e-45)),
            (nan, nan),
        ),
    ),
    "log1p": Case(
        bound=2.0,
        exact=mpmath.log1p,
        double=np.log1p,
        low=both(-0.9999999, -0.9999999999999999),
        high=both(3e38, 1e308),
        dense=(0.0, 1e-3, -1e-3, -0.3, 0.4, -0.5, 1.0, -0.9999, 1e-7, 1e-16, 1e-40, 1e-310),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (-1.0, -inf), (-1.5, nan), (-inf, nan), (inf, inf), (1e-45, 1e-45)),
            (nan, nan),
        ),
    ),
    "log2": Case(
        bound=0.51,
        exact=lambda x: mpmath.log(x, 2),
        double=np.log2,
        low=both(0.0, 0.0),
        high=both(3e38, 1e308),
        dense=(1.0, math.sqrt(0.5), math.sqrt(2.0), 2.0, 0.5, 1e-38, 1e-45, 1e-308, 1e-320),
        special=(
            *((1.0, 0.0), (0.0, -inf), (-0.0, -inf), (-1.0, nan), (-inf, nan), (inf, inf), (nan, nan)),
            *((2.0**k, float(k)) for k in (1, 2, 3, 29, 100, -1, -3, -126)),
        ),
    ),
    "log10": Case(
        bound=0.51,
        exact=lambda x: mpmath.log(x, 10),
        double=np.log10,
        low=both(0.0, 0.0),
        high=both(3e38, 1e308),
        dense=(1.0, math.sqrt(0.5), math.sqrt(2.0), 2.0, 0.5, 1e-38, 1e-45, 1e-308, 1e-320),
        special=(
            *((1.0, 0.0), (0.0, -inf), (-0.0, -inf), (-1.0, nan), (-inf, nan), (inf, inf), (nan, nan)),
            *((10.0**k, float(k)) for k in (1, 2, 3, 5, 10)),
        ),
    ),
    "sinh": Case(
        bound=2.0,
        exact=mpmath.sinh,
        double=np.sinh,
        low=both(-89.4, -710.4),
        high=both(89.4, 710.4),
        dense=(0.0, 1e-3, 1.0, -1.0, 2.0, 9.0, 88.8, 89.4, 710.0, 1e-40, 1e-310),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (1e30, inf), (-1e30, -inf), (1e-45, 1e-45)),
            (nan, nan),
        ),
    ),
    "cosh": Case(
        bound=2.0,
        exact=mpmath.cosh,
        double=np.cosh,
        low=both(-89.4, -710.4),
        high=both(89.4, 710.4),
        dense=(0.0, 1e-3, 1.0, -1.0, 2.0, 9.0, 88.8, 89.4, 710.0),
        special=((0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, inf), (1e30, inf), (-1e30, inf), (nan, nan)),
    ),
    "tan": Case(
        bound=4.0,
        exact=mpmath.tan,
        double=np.tan,
        low=both(-(2.0**17), -(2.0**30)),
        high=both(2.0**17, 2.0**30),
        dense=(0.0, *(k * math.pi / 4 for k in (1, 2, 3, 4, 5, 8, 1000, 2001, 160000)), 1e-40, 1e-310),
        special=((0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45), (inf, nan), (-inf, nan), (2e9, nan), (nan, nan)),
    ),
    "asin": Case(
        bound=4.0,
        exact=mpmath.asin,
        double=np.arcsin,
        low=both(-1.0, -1.0),
        high=both(1.0, 1.0),
        dense=(0.0, 0.5, 0.38, 0.7, -0.7, 0.92, 1.0, -1.0, 1e-40, 1e-310),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45), (1.0, math.pi / 2), (-1.0, -math.pi / 2)),
            *((1.5, nan), (-1.5, nan), (inf, nan), (-inf, nan), (nan, nan)),
        ),
    ),
    "acos": Case(
        bound=4.0,
        exact=mpmath.acos,
        double=np.arccos,
        low=both(-1.0, -1.0),
        high=both(1.0, 1.0),
        dense=(0.0, 0.5, 0.38, 0.7, -0.7, 0.92, 1.0, -1.0),
        special=(
            *((1.0, 0.0), (-1.0, math.pi), (0.0, math.pi / 2), (-0.0, math.pi / 2)),
            *((1.5, nan), (-1.5, nan), (inf, nan), (-inf, nan), (nan, nan)),
        ),
    ),
    "atan": Case(
        bound=4.0,
        exact=mpmath.atan,
        double=np.arctan,
        low=EVERYWHERE[0],
        high=EVERYWHERE[1],
        dense=(0.0, 0.414, 1.0, 2.414, -1.0, 1e3, 1e8, 1e-40, 1e-310, 1e38),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45), (inf, math.pi / 2), (-inf, -math.pi / 2)),
            *((1.0, math.pi / 4), (nan, nan)),
        ),
    ),
    "asinh": Case(
        bound=4.0,
        exact=mpmath.asinh,
        double=np.arcsinh,
        low=EVERYWHERE[0],
        high=EVERYWHERE[1],
        dense=(0.0, 1e-3, 0.5, 1.0, -1.0, 1e8, 1e18, 1.2e18, -1e30, 1e-40, 1e-310, 1e38),
        special=((0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45), (inf, inf), (-inf, -inf), (nan, nan)),
    ),
    "acosh": Case(
        bound=4.0,
        exact=mpmath.acosh,
        double=np.arccosh,
        low=both(1.0, 1.0),
        high=EVERYWHERE[1],
        dense=(1.0, 1.001, 1.5, 2.0, 10.0, 1e8, 1e18, 1.2e18, 1e38),
        special=((1.0, 0.0), (0.5, nan), (-2.0, nan), (-1e30, nan), (inf, inf), (-inf, nan), (nan, nan)),
    ),
    "atanh": Case(
        bound=4.0,
        exact=mpmath.atanh,
        double=np.arctanh,
        low=both(-0.99999994, -0.9999999999999999),
        high=both(0.99999994, 0.9999999999999999),
        dense=(0.0, 1e-3, 0.25, 0.5, -0.5, 0.9, 1.0, -1.0, 1e-40, 1e-310),
        special=(
            *((0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45), (1.0, inf), (-1.0, -inf)),
            *((1.5, nan), (-1.5, nan), (1e30, nan), (inf, nan), (-inf, nan), (nan, nan)),
        ),
    ),
}
