"""Accumulating a reduction in the lanes of vectors, in the order that the kernel states."""

from __future__ import annotations

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I32, Values, first_lanes
from lucid.codegen.cpu.scalars import LLVMScalars, Term
from lucid.ir.ops.base import Reduction
from lucid.ir.types import DType

Accumulator = tuple[Term, ...]


class Accumulators:
    """The accumulators of one reduction, as plain values that a loop can carry.

    Across lanes (`width` of them a step), accumulator i is lane i mod w of vector i // w, with w the smaller of width
    and number of accumulators. Otherwise each lane of the step is a row of its own, with one accumulator.
    """

    def __init__(self, builder: ir.IRBuilder, op: Reduction, operand: DType, width: int, across_lanes: bool) -> None:
        self.builder = builder
        self.op = op
        self.width = width
        self.across_lanes = across_lanes
        self.count = max(op.lanes, 1) if across_lanes else width
        self.part = min(self.count, width)
        start = op.identity(LLVMScalars(builder, self.part), operand)
        self.dtypes = tuple(term.dtype for term in start)
        self.start = [term.value for _ in range(self.count // self.part) for term in start]

    def accumulate(self, values: Values, x: Term, position: Term, offset: int, active: int) -> Values:
        """Combine the elements of a step into the accumulators.

        x and position hold a lane each; the first is `offset` places into a round over the accumulators, and only
        the first `active` count.
        """
        lifted = self.op.lift(LLVMScalars(self.builder, self.width), x, position)
        parts = self._parts(values)
        if not self.across_lanes:
            return self._values([self.op.combine(LLVMScalars(self.builder, self.width), parts[0], lifted)])
        s = LLVMScalars(self.builder, self.part)
        for lane in range(0, min(self.width, active), self.part):
            which = (offset + lane) % self.count // self.part
            combined = self.op.combine(s, parts[which], tuple(self._slice(term, lane, self.part) for term in lifted))
            if active - lane < self.part:
                mask = first_lanes(active - lane, self.part)
                combined = tuple(
                    Term(new.dtype, self.builder.select(mask, new.value, old.value))
                    for new, old in zip(combined, parts[which], strict=True)
                )
            parts[which] = combined
        return self._values(parts)

    def finish(self, values: Values) -> Term:
        """The result of the reduction: of each lane by itself, or a scalar of the tree over the accumulators."""
        parts = self._parts(values)
        if not self.across_lanes:
            return self.op.finish(LLVMScalars(self.builder, self.width), parts[0])
        s = LLVMScalars(self.builder, self.part)
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [self.op.combine(s, parts[n], parts[n + half]) for n in range(half)]
        (last,), lanes = parts, self.part
        while lanes > 1:
            lanes //= 2
            low = tuple(self._slice(term, 0, lanes) for term in last)
            high = tuple(self._slice(term, lanes, lanes) for term in last)
            last = self.op.combine(LLVMScalars(self.builder, lanes), low, high)
        return self.op.finish(LLVMScalars(self.builder, 1), last)

    def _parts(self, values: Values) -> list[Accumulator]:
        each = len(self.dtypes)
        return [
            tuple(Term(dtype, value) for dtype, value in zip(self.dtypes, values[start : start + each], strict=True))
            for start in range(0, len(values), each)
        ]

    def _values(self, parts: list[Accumulator]) -> Values:
        return [term.value for part in parts for term in part]

    def _slice(self, x: Term, start: int, count: int) -> Term:
        """Lanes start, ..., start + count - 1 of a vector."""
        if not isinstance(x.value.type, ir.VectorType) or x.value.type.count == count:
            return x
        if count == 1:
            return Term(x.dtype, self.builder.extract_element(x.value, ir.Constant(I32, start)))
        lanes = ir.Constant(ir.VectorType(I32, count), list(range(start, start + count)))
        return Term(x.dtype, self.builder.shuffle_vector(x.value, x.value, lanes))
