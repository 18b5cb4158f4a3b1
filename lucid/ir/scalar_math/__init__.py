"""Transcendental functions of floats, written once in the primitives of the scalar vocabulary.

Every target computes the same bits, because the order of operations stands here and every primitive is exact or
correctly rounded. There are no branches, so lanes of a vector never diverge. Bounds are in ulp, units in the last
place of the exact result, and hold where `fma` rounds once. `tests/ir/fit_polynomials.py` derives the coefficients.
"""

from lucid.ir.scalar_math.division import floor_divide, fmod, remainder
from lucid.ir.scalar_math.error_function import erf, erfc, erfinv
from lucid.ir.scalar_math.exponential import exp, exp2, expm1, log, log1p
from lucid.ir.scalar_math.gamma_functions import digamma, lgamma, polygamma
from lucid.ir.scalar_math.hyperbolic import acosh, asinh, atanh, cosh, logit, sigmoid, sinh, tanh
from lucid.ir.scalar_math.inverse_trigonometric import acos, asin, atan, atan2
from lucid.ir.scalar_math.normal_numbers import normal
from lucid.ir.scalar_math.powers import log2, log10, power
from lucid.ir.scalar_math.rounding import ceil, round, truncate
from lucid.ir.scalar_math.trigonometric import TRIGONOMETRIC_RANGE, cos, sin, tan

__all__ = [
    "TRIGONOMETRIC_RANGE",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "floor_divide",
    "fmod",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logit",
    "normal",
    "polygamma",
    "power",
    "remainder",
    "round",
    "sigmoid",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "truncate",
]
