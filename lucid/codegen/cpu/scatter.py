"""The ordered scatter-add: rows of sums, each made of its updates in the order of their indices."""

from __future__ import annotations

import math
from collections.abc import Callable

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.access import Access
from lucid.codegen.cpu.chunks import scatter_chunks
from lucid.codegen.cpu.control import I8, I64, POINTER, VOID, element, i64, intrinsic, loop, memory_type
from lucid.codegen.cpu.scalars import LLVMScalars, Term
from lucid.codegen.cpu.task import Task
from lucid.codegen.cpu.uniform import UniformScalars
from lucid.ir.index import Axis, Index, delinear, linear, of
from lucid.ir.ops.base import on_axis
from lucid.ir.ops.indexing import ScatterAdd

# Vectors of a row that one step of the loop over it takes.
UNROLLED = 4


def write_scatter_add(task: Task, op: ScatterAdd) -> tuple[int, int]:
    """Write the task of a scatter-add; return the number of its chunks, which take none of a worker's memory.

    A chunk owns a part of the result: a range of what lies before the axis, and a range of the rows along it. It clears
    its part, then walks the updates in order and adds those whose row is its own. So who owns what makes no difference
    to a sum.
    """
    return _Scatter(task, op).write(), 0


class _Scatter:
    def __init__(self, task: Task, op: ScatterAdd) -> None:
        updates, indices = task.operands
        self.dtype, self.index_type, self.extent = updates.dtype, indices, op.extent
        self.lanes = task.machine.vector_bytes // updates.dtype.itemsize
        self.before = Axis(0, math.prod(updates.shape[: op.axis]))
        self.along = Axis(1, updates.shape[op.axis])
        self.after = Axis(2, math.prod(updates.shape[op.axis + 1 :]))
        place = (
            *delinear(of(self.before), updates.shape[: op.axis]),
            of(self.along),
            *delinear(of(self.after), updates.shape[op.axis + 1 :]),
        )
        self.update_at = linear(place, updates.shape)
        own = [Index() if extent == 1 else at for at, extent in zip(place, indices.shape, strict=True)]
        self.index_at = linear(own, indices.shape)
        self.builder = ir.IRBuilder(task.function.append_basic_block("entry"))
        _, self.chunk, *_ = task.function.args
        self.updates, self.indices, self.result = (task.address(self.builder, slot) for slot in range(3))
        scalars = UniformScalars(self.builder, self.builder.block, 1)
        self.access = Access(self.builder, scalars, (), {}, task.machine.vector_bytes)

    def write(self) -> int:
        builder = self.builder
        row = self.after.extent
        shape = self.before.extent, self.along.extent, row
        before_parts, rows_parts = scatter_chunks(*shape, self.extent, self.dtype.itemsize)
        first, last = self.part(builder.udiv(self.chunk, i64(rows_parts)), self.before.extent, before_parts)
        self.low, self.high = self.part(builder.urem(self.chunk, i64(rows_parts)), self.extent, rows_parts)
        self.is_divided = rows_parts > 1

        def each_before(before: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            start = builder.mul(before, i64(self.extent * row))
            with self.access.at(self.before, before):
                if self.is_divided:
                    self.clear(builder.add(start, builder.mul(self.low, i64(row))), builder.sub(self.high, self.low))
                loop(builder, i64(0), i64(self.along.extent), 1, [], lambda along, _: self.update(along, start))
            return []

        if not self.is_divided:
            whole = self.extent * row
            self.clear(builder.mul(first, i64(whole)), builder.mul(builder.sub(last, first), i64(self.extent)))
        loop(builder, first, last, 1, [], each_before)
        builder.ret_void()
        return before_parts * rows_parts

    def part(self, number: ir.Value, extent: int, parts: int) -> tuple[ir.Value, ir.Value]:
        """Begin and end of one of the parts of an axis."""
        grain = -(-extent // parts)
        begin = self.builder.mul(number, i64(grain))
        end = self.builder.add(begin, i64(grain))
        return begin, self.builder.select(self.builder.icmp_signed("<", end, i64(extent)), end, i64(extent))

    def clear(self, start: ir.Value, rows: ir.Value) -> None:
        """Write zeros to rows of the result, from the element `start` on."""
        fill = intrinsic(self.builder.module, "memset.p0.i64", VOID, [POINTER, I8, I64, ir.IntType(1)])
        size = self.builder.mul(rows, i64(self.after.extent * self.dtype.itemsize))
        self.builder.call(fill, [self.at(self.result, start), I8(0), size, ir.IntType(1)(0)])

    def update(self, along: ir.Value, start: ir.Value) -> list[ir.Value]:
        """Add the updates at a position along the axis to the rows that their indices name."""
        with self.access.at(self.along, along):
            if self.after not in self.index_at.axes():
                with self.access.at(self.after, i64(0)):
                    self.when_owned(self.add_row, start)
                return []

            def each_after(after: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
                with self.access.at(self.after, after):
                    self.when_owned(self.add_one, self.builder.add(start, after))
                return []

            loop(self.builder, i64(0), i64(self.after.extent), 1, [], each_after)
        return []

    def when_owned(self, add: Callable[[ir.Value, ir.Value], None], start: ir.Value) -> None:
        """Add from the current update to the row that its index names, where that is this chunk's; `start` is the
        element of row 0."""
        builder, dtype = self.builder, self.index_type.dtype
        address = element(builder, self.indices, self.access.first(self.index_at), dtype)
        index = Term(dtype, builder.load(address, align=dtype.itemsize, typ=memory_type(dtype, 1)))
        row = on_axis(LLVMScalars(builder, 1), index, self.extent).value
        source = self.access.first(self.update_at)
        target = builder.add(start, builder.mul(row, i64(self.after.extent)))
        if not self.is_divided:
            add(source, target)
            return
        above, below = builder.icmp_signed(">=", row, self.low), builder.icmp_signed("<", row, self.high)
        with builder.if_then(builder.and_(above, below)):
            add(source, target)

    def add_row(self, source: ir.Value, target: ir.Value) -> None:
        """Add a row of updates to a row of the result."""
        builder, row, lanes = self.builder, self.after.extent, self.lanes

        def add(offset: ir.Value, width: int) -> None:
            self.add_vector(builder.add(source, offset), builder.add(target, offset), width)

        def step(offset: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
            for number in range(UNROLLED):
                add(builder.add(offset, i64(number * lanes)), lanes)
            return []

        done = row // (UNROLLED * lanes) * UNROLLED * lanes
        if done:
            loop(builder, i64(0), i64(done), UNROLLED * lanes, [], step)
        while done < row:
            width = lanes if row - done >= lanes else 1 << ((row - done).bit_length() - 1)
            add(i64(done), width)
            done += width

    def add_one(self, source: ir.Value, target: ir.Value) -> None:
        self.add_vector(source, target, 1)

    def add_vector(self, source: ir.Value, target: ir.Value, width: int) -> None:
        builder, type = self.builder, memory_type(self.dtype, width)
        place = self.at(self.result, target)
        sum, update = (
            Term(self.dtype, builder.load(address, align=self.dtype.itemsize, typ=type))
            for address in (place, self.at(self.updates, source))
        )
        builder.store(LLVMScalars(builder, width).add(sum, update).value, place, align=self.dtype.itemsize)

    def at(self, pointer: ir.Value, position: ir.Value) -> ir.Value:
        return element(self.builder, pointer, position, self.dtype)
