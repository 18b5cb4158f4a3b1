"""The keys that every target sorts by: unsigned integers in the order of the elements."""

from __future__ import annotations

from typing import TypeVar

from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, uint8, uint32, uint64

T = TypeVar("T")

_UNSIGNED = {1: uint8, 4: uint32, 8: uint64}  # by the bytes of an element


def key_type(dtype: DType) -> DType:
    """The dtype of the key of an element."""
    return _UNSIGNED[dtype.itemsize]


def sort_key(s: Scalars[T], x: T, descending: bool) -> T:
    """The key of an element, larger where it comes later: of a float, the bits with the sign turned round, one pattern
    for 0.0 and -0.0 and one, above all others, for NaN; all of them inverted where the order is descending."""
    dtype = s.dtype(x)
    unsigned = key_type(dtype)
    sign, ones = (s.constant(word, unsigned) for word in (1 << (dtype.bits - 1), (1 << dtype.bits) - 1))
    if dtype.is_float:
        nan = s.is_nan(x)
        bits = s.bitcast(s.add(x, s.constant(0.0, dtype)), unsigned)  # -0.0 + 0.0 is 0.0
        negative = s.less_equal(sign, bits)
        bits = s.select(negative, s.bit_xor(bits, ones), s.bit_or(bits, sign))
        key = s.select(nan, ones, bits)
    else:
        key = s.cast(x, unsigned)
        key = s.bit_xor(key, sign) if dtype.signed else key
    return s.bit_xor(key, ones) if descending else key
