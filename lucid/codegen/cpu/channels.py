"""Convolutions and the gradients of their images with lanes for channels, for f32 and f64.

Where rows of positions are short, as in images of 14x14 and 7x7, vectors of positions are partly idle. So here the rows
of a tile are positions, whose factors are repeated over the lanes one by one, and its columns are channels of the
result: a panel of the weight, transposed once for a run of images. What a tile has computed is transposed again when it
is stored. An image that needs no padding is read where it is, with any stride.

An element of a result is what its op says, as in `convolution.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.channels_plan import CONVOLVE_CHANNELS
from lucid.codegen.cpu.control import Values, i64, loop
from lucid.codegen.cpu.convolution_plan import AXES, SWEEP
from lucid.codegen.cpu.convolution_tiles import ConvolutionTiles, PlanWords


class Memory(NamedTuple):
    """Where a unit's places, factors and sums are, sums that are turned before they are stored, and the result."""

    places: ir.Value
    factors: ir.Value
    sums: ir.Value
    turned: ir.Value
    target: ir.Value


class ConvolveChannels(ConvolutionTiles):
    """The task of a convolution and of the gradient of its x: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.write_task(name, CONVOLVE_CHANNELS, self.prepare)

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, weight, result = arrays
        gathered, factors, sums, turned = self.scratch(builder, worker, plan)
        self.fill_zeros(builder, gathered, plan["gathered"])

        def unit(number: ir.Value) -> None:
            rows, plane, groups = plan["rows"], plan["plane"], plan["groups"]
            block, number = builder.urem(number, plan["blocks"]), builder.udiv(number, plan["blocks"])
            panel, number = builder.urem(number, plan["panels"]), builder.udiv(number, plan["panels"])
            group, run = builder.urem(number, groups), builder.udiv(number, groups)
            row = builder.mul(panel, plan["width"])
            columns = self.smaller(builder, plan["width"], builder.sub(rows, row))
            of_weight = builder.add(builder.mul(group, plan["weights"]), builder.mul(row, plan["of_row"]))
            self.pack(builder, plan, self.at(builder, weight, of_weight), factors, columns)
            start = builder.mul(run, plan["each"])
            stop = self.smaller(builder, builder.add(start, plan["each"]), plan["images"])

            def one(n: ir.Value, _: Values) -> Values:
                of_group = builder.add(builder.mul(n, groups), group)
                source = self.at(builder, image, builder.mul(of_group, plan["image"]))
                places = self.placed(builder, plan, source, gathered, block)
                first = builder.add(builder.mul(of_group, rows), row)
                target = builder.add(builder.mul(first, plane), builder.mul(block, plan["moved"]))
                target = self.at(builder, result, target)
                memory = Memory(places, factors, sums, turned, target)
                with builder.if_then(builder.icmp_signed("!=", plan["bare"], i64(0))):
                    self.clear_block(builder, plan, target, block, columns)

                def sweep(which: ir.Value, _: Values) -> Values:
                    at = builder.add(plan["records"], builder.mul(which, i64(len(SWEEP))))
                    self.sweep(builder, plan, PlanWords(builder, plan.address(at), SWEEP), block, memory, columns)
                    return []

                loop(builder, i64(0), plan["sweeps"], 1, [], sweep)
                return []

            loop(builder, start, stop, 1, [], one)

        return unit

    def pack(
        self, builder: ir.IRBuilder, plan: PlanWords, weight: ir.Value, factors: ir.Value, columns: ir.Value
    ) -> None:
        """The panel of the weight for so many rows of the result, run by run."""
        taps, run, summed = plan["taps"], plan["run"], plan["summed"]

        def one(channel: ir.Value, _: Values) -> Values:
            source = self.at(builder, weight, builder.mul(channel, plan["of_summed"]))
            target = self.at(builder, factors, builder.mul(builder.mul(channel, taps), i64(self.columns)))
            builder.call(self.pack_columns, [source, target, plan["of_row"], builder.mul(run, taps), columns])
            return []

        loop(builder, i64(0), summed, run, [], one)

    def clear_block(
        self, builder: ir.IRBuilder, plan: PlanWords, target: ir.Value, block: ir.Value, columns: ir.Value
    ) -> None:
        """Zeros in a block of so many channels of the result."""
        plane, moved = plan["plane"], plan["moved"]
        size = self.smaller(builder, moved, builder.sub(plane, builder.mul(block, moved)))

        def channel(column: ir.Value, _: Values) -> Values:
            self.fill_zeros(builder, self.at(builder, target, builder.mul(column, plane)), size)
            return []

        loop(builder, i64(0), columns, 1, [], channel)

    def sweep(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        record: PlanWords,
        block: ir.Value,
        memory: Memory,
        columns: ir.Value,
    ) -> None:
        """The positions of a sweep that lie in a block, for a panel of so many channels."""
        depth, chunk = record["depth"], record["chunk"]
        table = builder.add(plan["offsets"], record["table"])

        def counts(words: PlanWords) -> list[ir.Value]:
            """How many of a count lie in the block."""
            return [
                self.smaller(
                    builder,
                    plan[f"block{axis}"],
                    builder.sub(words[f"count{axis}"], builder.mul(block, plan[f"move{axis}"])),
                )
                for axis in AXES
            ]

        around = counts(plan)
        positions = reduce(builder.mul, around)

        def chunks(k: ir.Value, _: Values) -> Values:
            length = self.smaller(builder, chunk, builder.sub(depth, k))
            offsets = plan.address(builder.add(table, builder.shl(k, i64(1))))
            pointers = memory.places, memory.factors, memory.sums, plan.table("row_offsets"), offsets
            self.down(builder, positions, columns, pointers, length, k)
            return []

        loop(builder, i64(0), depth, chunk, [], chunks)
        memory = memory._replace(target=self.at(builder, memory.target, record["start"]))
        self.store_positions(builder, plan, memory, around, counts(record), columns)

    def store_positions(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        memory: Memory,
        around: Sequence[ir.Value],
        counts: Sequence[ir.Value],
        columns: ir.Value,
    ) -> None:
        """The sums of positions that are `around`, of which `counts` are stored, in the result. What is stored apart is
        turned first, for rows of it."""
        stride, by, plane = plan.triple("stride"), plan.triple("by"), plan["plane"]
        apart = builder.icmp_signed("!=", by[2], i64(1))
        dense = reduce(builder.and_, (builder.icmp_signed("==", step, i64(1)) for step in by))
        # One after the other in the result: all of them are one line.
        lines = [builder.select(dense, i64(1), count) for count in counts[:2]]
        length = builder.select(dense, reduce(builder.mul, counts), counts[2])
        positions = reduce(builder.mul, around)

        def lanes(column: ir.Value, _: Values) -> Values:
            count = self.smaller(builder, i64(self.lanes), builder.sub(columns, column))
            of_column = self.at(builder, memory.sums, column)
            with builder.if_then(apart):
                operands = [of_column, memory.turned, i64(self.columns), positions, count, positions]
                builder.call(self.part, operands)

            def line(index: Sequence[ir.Value]) -> None:
                number = self.position(builder, [*index, i64(0)], [i64(0), *around[1:]])
                offsets = [builder.mul(builder.mul(i, s), b) for i, s, b in zip(index, stride, by, strict=False)]
                to = self.at(builder, memory.target, builder.mul(column, plane), *offsets)
                with builder.if_else(apart) as (from_rows, together):
                    with from_rows:
                        source = self.at(builder, memory.turned, number)
                        builder.call(self.copy, [source, to, count, length, positions, plane, i64(1), by[2]])
                    with together:
                        source = self.at(builder, of_column, builder.mul(number, i64(self.columns)))
                        builder.call(self.part, [source, to, i64(self.columns), plane, count, length])

            self.nest(builder, [(i64(0), count) for count in lines], line)
            return []

        loop(builder, i64(0), columns, self.lanes, [], lanes)
