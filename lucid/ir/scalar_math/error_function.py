"""The error function."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import copy_sign, polynomial
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


def erf(s: Scalars[T], x: T) -> T:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x, within 1.5 ulp; within 2 where fma rounds twice.

    An odd polynomial up to 1. Above, 1 - erf(x) is the exponential of a smooth function; it is below 0.16, so the
    error of the exponential shrinks when it is taken from 1.
    """
    one, limit = s.constant_like(1.0, x), s.constant_like(ONE_FROM[s.dtype(x)], x)
    a = s.absolute(x)
    small = s.fma(a, polynomial(s, s.multiply(a, a), ERF_SMALL), a)
    bounded = s.select(s.less(limit, a), limit, a)  # in this order NaN passes
    large = s.subtract(one, s.exp(polynomial(s, bounded, ERF_LARGE)))
    return copy_sign(s, s.select(s.less(a, one), small, large), x)
