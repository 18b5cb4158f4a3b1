"""Accumulating a reduction, in the order that the kernel states."""

from __future__ import annotations

from lucid.codegen.cuda.scalars import CTerm
from lucid.codegen.cuda.writer import Writer
from lucid.ir.ops.base import Reduction
from lucid.ir.types import DType


class Accumulators:
    """One accumulator of a reduction a thread: the variables `name`, or `name`_0, `name`_1, ... of a tuple."""

    def __init__(self, writer: Writer, op: Reduction, operand: DType, name: str) -> None:
        self.writer = writer
        self.op = op
        start = op.identity(writer.s, operand)
        names = [name] if len(start) == 1 else [f"{name}_{number}" for number in range(len(start))]
        self.variables = tuple(map(writer.variable, names, start))

    def accumulate(self, x: CTerm, position: CTerm) -> None:
        """Combine an element into this thread's accumulator."""
        self.combine(self.op.lift(self.writer.s, x, position))

    def combine(self, other: tuple[CTerm, ...]) -> None:
        self.writer.assign(self.variables, self.op.combine(self.writer.s, self.variables, other))

    def join(self, lanes: int) -> None:
        """Combine the accumulators of the threads that share an element, in the tree, into that of the first.

        Threads of the upper half combine what nobody reads: only so do all of them take part in each shuffle.
        """
        declare = self.writer.s.declare
        with self.writer.block(f"for (int half = {lanes // 2}; half > 0; half /= 2)"):
            self.combine(
                tuple(declare(x.dtype, f"__shfl_down_sync(mask, {x.text}, half, {lanes})") for x in self.variables)
            )

    def tell(self, lanes: int) -> None:
        """Give all threads that share an element what the first has."""
        for variable in self.variables:
            self.writer.line(f"{variable.text} = __shfl_sync(mask, {variable.text}, 0, {lanes});")

    def finish(self) -> CTerm:
        """The result of the reduction."""
        return self.op.finish(self.writer.s, self.variables)
