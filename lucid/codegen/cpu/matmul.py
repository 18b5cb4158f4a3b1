"""Calling the matrix product: its functions are compiled once a process, and every graph uses them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from lucid.codegen.cpu.chunks import product_chunks
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.machine import Machine, link
from lucid.codegen.cpu.pool import SCRATCH, pool
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType


@dataclass(frozen=True)
class MatmulCall:
    """The task of a matrix product: its name and address, how many chunks it has, and what its context holds behind
    the addresses of A, B and C."""

    name: str
    address: int
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
    name, address, _ = _compiled(a.dtype, machine)
    return MatmulCall(name, address, chunks, (m, n, k, *a_strides, *b_strides, chunk, rows, columns))


@functools.cache
def _compiled(dtype: DType, machine: Machine) -> tuple[str, int, Any]:
    """The name and the address of the product for a dtype, and what keeps its code alive."""
    name = f"matmul_{dtype.short}"
    module = ir.Module(name)
    module.triple, module.data_layout = machine.layout()
    Gemm(dtype, machine.vector_bytes).write(module, name)
    addresses, code = link(machine, str(module), [name], {SCRATCH: pool(machine).addresses[SCRATCH]})
    return name, addresses[name], code
