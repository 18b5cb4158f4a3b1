"""Ops that multiply and sum over a shared axis. Targets have hand-made kernels for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.base import Array, Product, expect_operands, op
from lucid.ir.types import TensorType, bool_

if TYPE_CHECKING:
    from lucid.ir.build import Expr

LONGEST_CHUNK = 2**31  # loops count to it in 64 bits, with room to spare

# The numbers of lanes that a sum of products may have: one; those of a register; those that keep a processor busy with
# a single sum.
LANES = 1, 16, 32


@op
class Matmul(Product):
    """The matrix product over the last two axes, one product for each element of the leading (batch) axes.

    `transpose_a` and `transpose_b` read an operand with its last two axes swapped. An element of the result is a sum
    of chunks of `chunk` products, added in ascending order. Product t of a chunk goes to accumulator t mod `lanes`;
    in each, fused multiply-adds run over ascending t, starting from 0. At the end of a chunk, while there is more than
    one, accumulator i + half is added to accumulator i, for every i below half of their number. `chunk` is 0 until the
    pass `order` has chosen both from shape and layout. Products of integers wrap around; since they are the same in any
    order, `order` writes them out as sums of products.
    """

    transpose_a: bool = False
    transpose_b: bool = False
    chunk: int = 0
    lanes: int = 1

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        a, b = operands
        if a.dtype != b.dtype or a.dtype == bool_:
            raise DTypeError(f"matmul takes numbers of one dtype, got {a} and {b}.")
        if a.rank < 2 or a.rank != b.rank or a.shape[:-2] != b.shape[:-2]:
            raise ShapeError(f"matmul takes operands of equal leading axes and two more, got {a} and {b}.")
        m, k = a.shape[-2:][::-1] if self.transpose_a else a.shape[-2:]
        inner, n = b.shape[-2:][::-1] if self.transpose_b else b.shape[-2:]
        if k != inner:
            raise ShapeError(f"matmul takes operands that share the summed axis, got {a} and {b} ({k} and {inner}).")
        if not 0 <= self.chunk < LONGEST_CHUNK:
            raise ShapeError(f"matmul takes a chunk from 0 to {LONGEST_CHUNK - 1}, got {self.chunk}.")
        if self.lanes not in LANES:
            raise ShapeError(f"matmul takes lanes of {', '.join(map(str, LANES))}, got {self.lanes}.")
        return (a.with_shape((*a.shape[:-2], m, n)),)

    def products(self, operands: Sequence[TensorType]) -> int:
        a, b = operands
        return a.size * b.shape[-2 if self.transpose_b else -1]

    @property
    def is_tiled(self) -> bool:  # few results of long sums come out one by one, if there are lanes
        return self.lanes == 1

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        a, b = operands
        with np.errstate(all="ignore"):
            product = np.matmul(
                a.swapaxes(-1, -2) if self.transpose_a else a, b.swapaxes(-1, -2) if self.transpose_b else b
            )
        return (product,)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        # With y = A B: dA = g B^T and dB = A^T g; an operand that is read transposed gets its gradient transposed.
        a, b = x
        ta, tb = self.transpose_a, self.transpose_b
        to_a = b.matmul(g, tb, True) if ta else g.matmul(b, False, not tb)
        to_b = g.matmul(a, True, ta) if tb else a.matmul(g, not ta, False)
        return to_a, to_b
