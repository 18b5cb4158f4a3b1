"""A task for the pool that is being written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, POINTER, i64
from lucid.codegen.cpu.machine import Machine
from lucid.ir.types import TensorType


class Task(NamedTuple):
    """`void function(context, chunk, worker, job)` for operands of some types. The context holds the addresses of the
    operands, then of the results. `imported` declares a function that graphs share: its name, operands and result."""

    function: ir.Function
    operands: Sequence[TensorType]
    machine: Machine
    imported: Callable[[str, Sequence[ir.Type], ir.Type], ir.Function]

    def address(self, builder: ir.IRBuilder, slot: int) -> ir.Value:
        """An address in the context."""
        return builder.load(builder.gep(self.function.args[0], [i64(slot)], source_etype=I64), typ=POINTER)
