"""Calling matrix products, functions that every graph uses."""

from __future__ import annotations

import math
from typing import NamedTuple

from lucid.codegen.cpu.chunks import (
    FLOPS_A_NANOSECOND,
    dots_chunks,
    product_chunks,
    span_of_units,
    sweeps_chunks,
)
from lucid.codegen.cpu.dots import MOST_ROWS, Dots, tile_columns
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.library import DOTS, PRODUCT, SMALL, SWEEPS, TILES
from lucid.codegen.cpu.machine import Machine
from lucid.codegen.cpu.small import Small
from lucid.codegen.cpu.sweeps import Sweeps
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import TensorType

# So many columns at most, of a transposed matrix by a narrow one, are swept over: more fill the lanes of a tile better.
MOST_SWEPT = 7

# A product of so many multiply-adds and columns at most is computed from where its operands lie, one by a transposed
# matrix of so many elements, which are copied one by one.
MOST_SMALL, MOST_COLUMNS, MOST_TURNED = 2**15, 32, 2**7

# So many elements of B at most are fetched for each row of A: more would keep tiles waiting.
MOST_AHEAD = 64


class MatmulCall(NamedTuple):
    """The task of a matrix product: its name, how many chunks it has, its constants, where a name stands for the
    address of a function, the elements that it takes of a worker's memory, and whether its context begins with B rather
    than A."""

    name: str
    chunks: int
    constants: tuple[int | str, ...]
    memory: int
    swapped: bool = False


def matmul_call(op: Matmul, a: TensorType, b: TensorType, machine: Machine, shortest: int) -> MatmulCall:
    """How to compute a matmul of operands of types a and b: in chunks, if it takes so many nanoseconds."""
    m, k = a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]
    n = b.shape[-2 if op.transpose_b else -1]
    batch = math.prod(a.shape[:-2])
    chunk = max(min(op.chunk or k, k), 1)
    a_strides = (1, m) if op.transpose_a else (k, 1)
    b_strides = (1, k) if op.transpose_b else (n, 1)
    if op.lanes > 1:
        swapped = op.transpose_b and (op.transpose_a or m < n)  # then B transposed is the one that has many rows
        of_a, of_b = (m, a_strides), (n, b_strides[::-1])
        (rows, p_strides), (columns, q_strides) = (of_b, of_a) if swapped else (of_a, of_b)
        block, span = dots_chunks(batch, rows, columns, k, MOST_ROWS, shortest)
        units = batch * -(-rows // block)
        c_strides = (1, n) if swapped else (n, 1)
        width = tile_columns(a.dtype, machine.vector_bytes, op.lanes, columns)
        dots = Dots(a.dtype, machine.vector_bytes, op.lanes, width)
        of_q, memory = dots.memory(columns, chunk, p_strides[1], q_strides[1])
        strides: tuple[int, ...] = (*p_strides, *q_strides, *c_strides)
        sizes: tuple[int, ...] = (rows, columns, k, *strides, chunk, block, units, span, of_q)
        return MatmulCall(f"{DOTS[op.lanes, width]}{a.dtype.short}", -(-units // span), sizes, memory, swapped)
    # B transposed has few rows, and A transposed is the matrix.
    swapped = op.transpose_a and n < m
    if k > 0 and (n <= MOST_SWEPT if swapped else m == 1 and not op.transpose_b):
        few, many = (n, m) if swapped else (m, n)
        strides = (*b_strides[::-1], m, 1, n) if swapped else (*a_strides, n, n, 1)
        block, span = sweeps_chunks(batch, few, many, k, shortest)
        units = batch * -(-many // block)
        sizes = (few, many, k, *strides, chunk, block, units, span)
        memory = Sweeps(a.dtype, machine.vector_bytes).memory(few, block, k <= chunk, strides[-1])
        return MatmulCall(f"{SWEEPS}{a.dtype.short}", -(-units // span), sizes, memory, swapped)
    if k <= chunk and _is_small(m, n, k, op.transpose_b):
        span = span_of_units(batch, 2 * m * n * k / FLOPS_A_NANOSECOND, shortest)
        sizes = (m, n, k, *a_strides, *b_strides, batch, span)
        memory = Small(a.dtype, machine.vector_bytes).memory(k)
        return MatmulCall(f"{SMALL}{a.dtype.short}", -(-batch // span), sizes, memory)
    gemm = Gemm(a.dtype, machine.vector_bytes)
    swapped = _is_better_swapped(op, m, n, k, -(-k // chunk))
    c_strides = (1, n) if swapped else (n, 1)
    if swapped:
        m, n, a_strides, b_strides = n, m, b_strides[::-1], a_strides[::-1]
    panels = gemm.panels(m, n)
    width, last = panels[0] * gemm.lanes, sum(panels[:-1]) * gemm.lanes
    down, cuts = product_chunks(batch, m, n, k, gemm.rows, panels, shortest)
    stretches = len(cuts) - 1
    tiles = [f"{TILES[shape]}{a.dtype.short}" if shape else 0 for shape in gemm.other_tiles(m, n)]
    in_place = int(gemm.reads_in_place(m, *b_strides))
    # A transposed panel is followed by the next one, or by the next matrix: fetched while tiles are computed, if the
    # tiles are many.
    ahead = -(-k * width // min(down * gemm.rows, m)) if b_strides == (1, k) and (last > 0 or batch > 1) else 0
    ahead = ahead if ahead <= MOST_AHEAD else 0
    all_strides = (*a_strides, *b_strides, *c_strides)
    constants = (m, n, k, *all_strides, chunk, last, in_place, ahead, down, len(panels), stretches, *tiles, *cuts)
    chunks, memory = batch * stretches, gemm.memory(k, chunk)
    return MatmulCall(f"{PRODUCT}{a.dtype.short}", chunks, constants, memory, swapped)


def _is_small(m: int, n: int, k: int, transpose_b: bool) -> bool:
    """Whether packing and merging would take longer than the product."""
    return m * n * k <= MOST_SMALL and n <= MOST_COLUMNS and (not transpose_b or n * k <= MOST_TURNED)


def _is_better_swapped(op: Matmul, m: int, n: int, k: int, chunks: int) -> bool:
    """Whether the product should be that of B transposed by A transposed: so few rows of A are packed, and many of B
    read where they are. Lines of the result are then turned as they are stored, which long sums outweigh.

    Not where neither is transposed: what is read where it is would be columns of B.
    """
    fills_vectors = 8 * -(-m // 16) * 16 <= 9 * m
    return (op.transpose_a or op.transpose_b) and 4 * m <= n and 0 < 4 * m * chunks <= k and fills_vectors
