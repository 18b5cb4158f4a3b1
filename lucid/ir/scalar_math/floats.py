"""Floats taken apart and put together, and polynomials: what the functions of this package are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.types import DType, float32, float64, int32, int64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")
Table = Mapping[DType, tuple[float, ...]]


@dataclass(frozen=True)
class Layout:
    """How the numbers of a float dtype are stored: a sign bit, then the exponent plus `bias`, then the fraction."""

    integer: DType  # the signed integer of the same width
    fraction_bits: int
    bias: int

    @property
    def sign(self) -> int:
        """The integer of the sign bit alone."""
        return -(1 << (self.integer.bits - 1))

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def rounder(self) -> float:
        """A number whose neighbours are the integers near it: x + rounder holds x rounded in its lowest bits."""
        return 1.5 * 2.0**self.fraction_bits


LAYOUTS = {float32: Layout(int32, 23, 127), float64: Layout(int64, 52, 1023)}


def layout(s: Scalars[T], x: T) -> Layout:
    return LAYOUTS[s.dtype(x)]


def to_bits(s: Scalars[T], x: T) -> T:
    """The bits of a float as a signed integer."""
    return s.bitcast(x, layout(s, x).integer)


def nearest_multiple(s: Scalars[T], x: T, per_unit: float, offset: int = 0) -> tuple[T, T]:
    """n = x * per_unit rounded to an integer, as a float; and `low_bits` of n + offset."""
    rounder = s.constant_like(layout(s, x).rounder + offset, x)
    shifted = s.fma(x, s.constant_like(per_unit, x), rounder)
    return s.subtract(shifted, rounder), to_bits(s, shifted)


def low_bits(s: Scalars[T], n: T, offset: int = 0) -> T:
    """An integer as wide as the integral float n, whose lowest bits are those of n + offset; what stands above them
    is not zero. For |n| + |offset| < 2^(fraction_bits - 1)."""
    return to_bits(s, s.add(n, s.constant_like(layout(s, n).rounder + offset, n)))


def power_of_two(s: Scalars[T], biased_exponent: T, dtype: DType) -> T:
    """2^n of dtype for `low_bits` of n + bias, where that is a normal number."""
    return s.bitcast(s.shift_left(biased_exponent, LAYOUTS[dtype].fraction_bits), dtype)


def copy_sign(s: Scalars[T], magnitude: T, x: T) -> T:
    """`magnitude`, which has no sign yet, with the sign bit of x."""
    sign = s.bit_and(to_bits(s, x), s.constant(layout(s, x).sign, layout(s, x).integer))
    return s.bitcast(s.bit_or(to_bits(s, magnitude), sign), s.dtype(x))


def polynomial(s: Scalars[T], x: T, table: Table) -> T:
    """The polynomial with the coefficients that `table` has for x's dtype, constant first, by Horner's rule."""
    *lower, result = (s.constant_like(coefficient, x) for coefficient in table[s.dtype(x)])
    for coefficient in reversed(lower):
        result = s.fma(result, x, coefficient)
    return result
