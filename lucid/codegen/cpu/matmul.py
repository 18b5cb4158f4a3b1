"""Calling the matrix product: its functions are compiled once a process, and every graph uses them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from lucid.codegen.cpu.control import I64, POINTER, VOID
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.machine import Machine, link
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType

# What the product takes: A, B, C and scratch memory; then the sizes that `MatmulCall` gives.
SIGNATURE = ir.FunctionType(VOID, [POINTER] * 4 + [I64] * 9)


@dataclass(frozen=True)
class MatmulCall:
    """The name of a function and its address, the sizes to pass, and the bytes of scratch memory that it needs."""

    name: str
    address: int
    sizes: tuple[int, ...]
    scratch_bytes: int


def matmul_call(op: Matmul, a: TensorType, b: TensorType, machine: Machine) -> MatmulCall:
    """How to compute a matmul of operands of types a and b."""
    m, k = a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]
    n = b.shape[-2 if op.transpose_b else -1]
    chunk = max(min(op.chunk or k, k), 1)
    a_strides = (1, m) if op.transpose_a else (k, 1)
    b_strides = (1, k) if op.transpose_b else (n, 1)
    sizes = (math.prod(a.shape[:-2]), m, n, k, *a_strides, *b_strides, chunk)
    name, address, _ = _compiled(a.dtype, machine)
    return MatmulCall(name, address, sizes, Gemm(a.dtype, machine.vector_bytes).scratch_bytes(chunk))


@functools.cache
def _compiled(dtype: DType, machine: Machine) -> tuple[str, int, Any]:
    """The name and the address of the product for a dtype, and what keeps its code alive."""
    name = f"matmul_{dtype.short}"
    module = ir.Module(name)
    module.triple, module.data_layout = machine.layout()
    Gemm(dtype, machine.vector_bytes).write(module, name)
    return name, *link(machine, str(module), name)
