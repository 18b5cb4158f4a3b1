"""Calling the matrix product, a function that every graph uses."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lucid.codegen.cpu.chunks import product_chunks
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.library import PRODUCT
from lucid.codegen.cpu.machine import Machine
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import TensorType


@dataclass(frozen=True)
class MatmulCall:
    """The task of a matrix product: its name, how many chunks it has, and its constants."""

    name: str
    chunks: int
    sizes: tuple[int, ...]


def matmul_call(op: Matmul, a: TensorType, b: TensorType, machine: Machine) -> MatmulCall:
    """How to compute a matmul of operands of types a and b."""
    m, k = a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]
    n = b.shape[-2 if op.transpose_b else -1]
    batch = math.prod(a.shape[:-2])
    chunk = max(min(op.chunk or k, k), 1)
    a_strides = (1, m) if op.transpose_a else (k, 1)
    b_strides = (1, k) if op.transpose_b else (n, 1)
    gemm = Gemm(a.dtype, machine.vector_bytes)
    rows, columns = product_chunks(batch, m, n, k, gemm.rows, gemm.columns)
    chunks = batch * -(-m // rows) * -(-n // columns)
    return MatmulCall(f"{PRODUCT}{a.dtype.short}", chunks, (m, n, k, *a_strides, *b_strides, chunk, rows, columns))
