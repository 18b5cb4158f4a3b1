"""Rounding to integral floats. Exact; signs of zeros, infinities and NaN stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.floats import copy_sign, layout

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")


def ceil(s: Scalars[T], x: T) -> T:
    """The smallest integral float that is not below x."""
    return s.negate(s.floor(s.negate(x)))


def truncate(s: Scalars[T], x: T) -> T:
    """x without its fraction."""
    return copy_sign(s, s.floor(s.absolute(x)), x)


def round(s: Scalars[T], x: T) -> T:
    """The integral float nearest to x; of two, the even one.

    From 2^fraction_bits on every float is integral; below, adding that rounds to an integer, ties to even.
    """
    a, whole = s.absolute(x), s.constant_like(2.0 ** layout(s, x).fraction_bits, x)
    return copy_sign(s, s.select(s.less(a, whole), s.subtract(s.add(a, whole), whole), a), x)
