"""What an element of an op costs, counted in the operations of the scalar vocabulary that its meaning consists of."""

from __future__ import annotations

import functools

from lucid.ir.ops.base import Elementwise, Reduction
from lucid.ir.ops.random import Random
from lucid.ir.philox import philox
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, bool_, int64, uint32

# An addition costs 1; a division or a square root takes the place of several.
SLOW = 4


@functools.cache
def operations(op: Elementwise | Random, operands: tuple[DType, ...]) -> int:
    """The number of scalar operations for one element of an op. That of a random op includes its word.

    >>> from lucid.ir.ops.elementwise import Add, Exp
    >>> from lucid.ir.types import float32
    >>> operations(Add(), (float32, float32)), operations(Exp(), (float32,)) > 10
    (1, True)
    """
    counter = _Counter()
    if isinstance(op, Random):
        _, _, *parameters = operands
        op.scalar(counter, uint32, *parameters)
        return counter.count + word_operations()
    op.scalar(counter, *operands)
    return counter.count


@functools.cache
def word_operations() -> int:
    """The number of scalar operations for one word of the random stream, a quarter of a Philox quad.

    >>> word_operations()
    45
    """
    counter = _Counter()
    philox(counter, (uint32,) * 4, (uint32,) * 2)
    return counter.count // 4


@functools.cache
def combining(op: Reduction, operand: DType) -> int:
    """The number of scalar operations that taking up one more element costs a reduction.

    >>> from lucid.ir.ops.reduction import Sum
    >>> from lucid.ir.types import float32
    >>> combining(Sum((0,)), float32)
    1
    """
    counter = _Counter()
    lifted = op.lift(counter, operand, int64)
    op.combine(counter, lifted, lifted)
    return counter.count


class _Counter(Scalars[DType]):
    """The vocabulary with dtypes for values: it computes nothing and counts."""

    def __init__(self) -> None:
        self.count = 0

    def _counted(self, result: DType, cost: int = 1) -> DType:
        self.count += cost
        return result

    def dtype(self, x: DType) -> DType:
        return x

    def constant(self, value: bool | int | float, dtype: DType) -> DType:
        return dtype

    def add(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def subtract(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def multiply(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def divide(self, x: DType, y: DType) -> DType:
        return self._counted(x, SLOW)

    def fma(self, x: DType, y: DType, z: DType) -> DType:
        return self._counted(x)

    def sqrt(self, x: DType) -> DType:
        return self._counted(x, SLOW)

    def floor(self, x: DType) -> DType:
        return self._counted(x)

    def absolute(self, x: DType) -> DType:
        return self._counted(x)

    def equal(self, x: DType, y: DType) -> DType:
        return self._counted(bool_)

    def less(self, x: DType, y: DType) -> DType:
        return self._counted(bool_)

    def less_equal(self, x: DType, y: DType) -> DType:
        return self._counted(bool_)

    def bit_and(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def bit_or(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def bit_xor(self, x: DType, y: DType) -> DType:
        return self._counted(x)

    def shift_left_by(self, x: DType, count: DType) -> DType:
        return self._counted(x)

    def shift_right_by(self, x: DType, count: DType) -> DType:
        return self._counted(x)

    def select(self, condition: DType, x: DType, y: DType) -> DType:
        return self._counted(x)

    def cast(self, x: DType, dtype: DType) -> DType:
        return self._counted(dtype)

    def bitcast(self, x: DType, dtype: DType) -> DType:
        return dtype
