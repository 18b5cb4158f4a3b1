"""Transcendental functions of floats, written once in the primitives of the scalar vocabulary.

Every target computes the same bits, because the order of operations stands here and every primitive is exact or
correctly rounded. There are no branches, so lanes of a vector never diverge. Bounds are in ulp, units in the last
place of the exact result, and hold where `fma` rounds once. `tests/ir/fit_polynomials.py` derives the coefficients.
"""

from lucid.ir.scalar_math.error_function import erf
from lucid.ir.scalar_math.exponential import exp, log
from lucid.ir.scalar_math.hyperbolic import sigmoid, tanh
from lucid.ir.scalar_math.powers import power
from lucid.ir.scalar_math.trigonometric import cos, sin

__all__ = ["cos", "erf", "exp", "log", "power", "sigmoid", "sin", "tanh"]
