"""The kernels of ops that are no loop nest: a table of what writes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from lucid.codegen.cpu.machine import Machine
from lucid.codegen.cpu.scatter import write_scatter_add
from lucid.ir.ops.base import Irregular
from lucid.ir.ops.indexing import ScatterAdd
from lucid.ir.types import TensorType

# Writes the body of a task for the pool, `void task(context, chunk, worker)`, for an op and the types of its operands;
# gives the number of its chunks. The context holds the addresses of the operands, then of the results.
Writer = Callable[[ir.Function, Any, Sequence[TensorType], Machine], int]

WRITERS: Mapping[type[Irregular], Writer] = {
    ScatterAdd: write_scatter_add,
}
