"""Philox4x32-10, the counter-based generator behind every random op.

Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC11. Written once in the scalar
vocabulary: the interpreter and every target run this very function.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lucid.ir.scalar import Scalars
from lucid.ir.types import uint32

T = TypeVar("T")
Words = tuple[T, T, T, T]
Key = tuple[T, T]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(s: Scalars[T], counter: Words[T], key: Key[T]) -> Words[T]:
    """Four random 32-bit words for a counter of four words and a key of two."""
    for _ in range(ROUNDS):
        counter, key = philox_round(s, counter, key)
    return counter


def philox_round(s: Scalars[T], counter: Words[T], key: Key[T]) -> tuple[Words[T], Key[T]]:
    """One of the rounds, for a target that has them in a loop: the next counter and key."""
    x0, x1, x2, x3 = counter
    k0, k1 = key
    m0, m1 = (s.constant(m, uint32) for m in MULTIPLIERS)
    w0, w1 = (s.constant(w, uint32) for w in WEYL)
    low0, high0 = s.multiply_wide(x0, m0)
    low1, high1 = s.multiply_wide(x2, m1)
    mixed = s.bit_xor(s.bit_xor(high1, x1), k0), low1, s.bit_xor(s.bit_xor(high0, x3), k1), low0
    return mixed, (s.add(k0, w0), s.add(k1, w1))


def words(seed: int, draw: int, count: int) -> npt.NDArray[np.uint32]:
    """The first `count` words of a draw, as the random stream is specified.

    Word i is word i mod 4 of Philox with counter (lo32(i // 4), hi32(i // 4), lo32(draw), hi32(draw)) and key
    (lo32(seed), hi32(seed)).

    >>> [hex(word) for word in words(seed=0, draw=0, count=4)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    from lucid.ir.scalar_numpy import NumpyScalars

    groups = np.arange((count + 3) // 4, dtype=np.uint64)

    def halves(x: Any) -> tuple[Any, Any]:
        x = np.asarray(x, dtype=np.uint64)
        return (x & np.uint64(0xFFFFFFFF)).astype(np.uint32), (x >> np.uint64(32)).astype(np.uint32)

    quads = philox(NumpyScalars(), (*halves(groups), *halves(draw)), halves(seed))
    return np.stack(np.broadcast_arrays(*quads), axis=-1).reshape(-1)[:count]
