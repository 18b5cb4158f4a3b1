"""Ops that turn words of the specified random stream into elements."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir import philox
from lucid.ir.ops.base import Array, Op, op
from lucid.ir.scalar import Scalars
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType, Shape, TensorType, bool_, float32, float64, uint32, uint64

T = TypeVar("T")


class Random(Op):
    """An op whose element i is a function of word i of one draw, and of scalars.

    Operands are the seed and the first draw of the program (u64[]), then float64 scalars. `draw` is the op's own
    number among the draws of the program, given at trace time. Random ops are never merged. Not differentiable.
    """

    draw: int
    shape: Shape
    is_cheap = True
    parameters = 0

    @abstractmethod
    def result(self) -> DType:
        """The element type of the result."""

    @abstractmethod
    def scalar(self, s: Scalars[T], word: T, *parameters: T) -> T:
        """One element from its uint32 word."""

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expected = [TensorType(uint64, ())] * 2 + [TensorType(float64, ())] * self.parameters
        if list(operands) != expected:
            raise DTypeError(f"{self.name} takes {', '.join(map(str, expected))}, got {', '.join(map(str, operands))}.")
        if any(extent < 0 for extent in self.shape) or self.draw < 0:
            raise ShapeError(f"{self.name} takes a shape and a draw number, got {self.shape} and {self.draw}.")
        return (TensorType(self.result(), self.shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        seed, first, *parameters = operands
        draw = (int(first) + self.draw) % 2**64
        words = philox.words(int(seed), draw, math.prod(self.shape)).reshape(self.shape)
        return (np.asarray(self.scalar(NumpyScalars(), words, *parameters)),)


@op
class RandomKeep(Random):
    """True with probability 1 - p: where the word, as an unsigned integer, is at least round(p * 2^32)."""

    draw: int
    shape: Shape
    parameters = 1

    def result(self) -> DType:
        return bool_

    def scalar(self, s: Scalars[T], word: T, *parameters: T) -> T:
        (p,) = parameters
        magic = s.constant(2.0**52, float64)  # adding and subtracting it rounds to an integer, ties to even
        one = s.constant(2.0**32, float64)
        threshold = s.subtract(s.add(s.multiply(p, one), magic), magic)
        # 2^32 is not a word: the cast gives the largest, which then no word may reach.
        reached = s.select(s.less_equal(one, threshold), s.constant(2**32 - 2, uint32), s.constant(2**32 - 1, uint32))
        return s.less_equal(s.cast(threshold, uint32), s.bit_and(word, reached))


@op
class RandomWord(Random):
    """The words of the draw themselves: each of the 2^32 numbers is equally likely."""

    draw: int
    shape: Shape

    def result(self) -> DType:
        return uint32

    def scalar(self, s: Scalars[T], word: T, *parameters: T) -> T:
        return word


@op
class RandomNormal(Random):
    """Standard normal numbers of float32: the z below which one lies with probability (word + 1/2) / 2^32, within 4
    ulp. They are symmetric, reach from -6.34 to 6.34, and are the same in every bit in the interpreter.

    With `low` and `high`, words are spread over a part of all: low + floor(word * (high - low) / 2^32) takes the place
    of the word, and what lies outside of the part is cut off.
    """

    draw: int
    shape: Shape
    low: int = 0
    high: int = 2**32

    def result(self) -> DType:
        if not 0 <= self.low < self.high <= 2**32:
            raise ShapeError(f"random_normal takes words from 0 to 2^32, got {self.low} to {self.high}.")
        return float32

    def scalar(self, s: Scalars[T], word: T, *parameters: T) -> T:
        if (self.low, self.high) != (0, 2**32):
            product = s.multiply(s.cast(word, uint64), s.constant(self.high - self.low, uint64))
            word = s.add(s.cast(s.shift_right(product, 32), uint32), s.constant(self.low, uint32))
        return s.normal(word, float32)
