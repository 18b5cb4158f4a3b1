"""Convolutions and their gradients: the tiles of a matrix product over gathered images, for f32 and f64.

An element of a result is, whatever the tiling, what its op says: a sum of chunks, each a chain of fused multiply-adds
from 0. Each unit of work gathers its part of an image, with the padding, in the worker's memory (see
`convolution_plan.py`), where the elements that neighbouring positions read stand side by side. So the rows of B that a
tile multiplies are read where they are, at offsets from a table: nothing is unrolled into columns.

For a convolution and the gradient of x, rows are output channels and columns are positions, counted on through the rows
of the places; what lies between the end of a row and the next is computed and not stored. For the gradient of the
weight, rows are the taps of each channel, columns are output channels, and what is summed are the positions: there, A
is the image, and g is transposed into a panel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import Values, i64, loop
from lucid.codegen.cpu.convolution_plan import AXES, CONVOLVE, SWEEP, WEIGH
from lucid.codegen.cpu.convolution_tiles import ConvolutionTiles, PlanWords


class Convolve(ConvolutionTiles):
    """The task of a convolution and of the gradient of its x: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.scatter = self.write_scatter()
        self.write_task(name, CONVOLVE, self.prepare)

    def write_scatter(self) -> ir.Function:
        """(panel, target, plan, start, columns, places, positions): the columns of a panel that are positions, stored
        in the result. The first is column `start` of rows of `places` columns, of which `positions` are stored."""
        function, builder = self.begin("scatter", 3, 4)
        panel, target, pointer, start, columns, places, positions = function.args
        plan = PlanWords(builder, pointer, CONVOLVE)
        rows, plane, line, by = plan["rows"], plan["plane"], builder.mul(plan["stride1"], plan["by1"]), plan["by2"]
        stop = builder.add(start, columns)

        def row(h: ir.Value, _: Values) -> Values:
            begin = builder.mul(h, places)
            first = self.larger(builder, start, begin)
            count = builder.sub(self.smaller(builder, stop, builder.add(begin, positions)), first)
            source = self.at(builder, panel, builder.sub(first, start))
            to = self.at(builder, target, builder.add(builder.mul(h, line), builder.mul(builder.sub(first, begin), by)))

            builder.call(self.copy, [source, to, rows, count, i64(self.columns), plane, i64(1), by])
            return []

        loop(builder, builder.udiv(start, places), self.divided(builder, stop, places), 1, [], row)
        builder.ret_void()
        return function

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, weight, result = arrays
        rows = plan["rows"]
        places, panel, _ = self.scratch(builder, worker, plan)
        self.fill_zeros(builder, places, plan["gathered"])

        def unit(number: ir.Value) -> None:
            blocks, groups = plan["blocks"], plan["groups"]
            block, which = builder.urem(number, blocks), builder.udiv(number, blocks)
            source = self.at(builder, image, builder.mul(which, plan["image"]))
            factors = self.at(builder, weight, builder.mul(builder.urem(which, groups), plan["weights"]))
            target = builder.add(
                builder.mul(which, builder.mul(rows, plan["plane"])), builder.mul(block, plan["moved"])
            )
            self.gather_block(builder, plan, source, places, block)

            def sweep(which: ir.Value, _: Values) -> Values:
                first = builder.add(plan["records"], builder.mul(which, i64(len(SWEEP))))
                record = PlanWords(builder, plan.address(first), SWEEP)
                counts = [
                    self.smaller(
                        builder,
                        plan[f"block{axis}"],
                        builder.sub(record[f"count{axis}"], builder.mul(block, plan[f"move{axis}"])),
                    )
                    for axis in AXES
                ]
                self.sweep(
                    builder,
                    plan,
                    record,
                    counts,
                    (factors, places, panel),
                    self.at(builder, result, target, record["start"]),
                )
                return []

            loop(builder, i64(0), plan["sweeps"], 1, [], sweep)

        return unit

    def sweep(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        record: PlanWords,
        counts: Sequence[ir.Value],
        memory: tuple[ir.Value, ir.Value, ir.Value],
        target: ir.Value,
    ) -> None:
        """All panels of a sweep over so many positions."""
        weight, places, panel = memory
        height, width = plan["places1"], plan["places2"]
        columns = builder.add(builder.mul(builder.sub(counts[1], i64(1)), width), counts[2])
        rows, row_offsets = plan["rows"], plan.table("row_offsets")
        depth, chunk = record["depth"], record["chunk"]
        table = builder.add(plan["offsets"], record["table"])

        def layer(d: ir.Value, _: Values) -> Values:
            line = self.at(builder, places, builder.mul(d, builder.mul(height, width)))
            to = self.at(builder, target, builder.mul(d, builder.mul(plan["stride0"], plan["by0"])))

            def panels(j: ir.Value, _: Values) -> Values:
                wide = self.smaller(builder, i64(self.columns), builder.sub(columns, j))
                source = self.at(builder, line, j)

                def chunks(k: ir.Value, _: Values) -> Values:
                    length = self.smaller(builder, chunk, builder.sub(depth, k))
                    offsets = plan.address(builder.add(table, builder.shl(k, i64(1))))
                    self.down(builder, rows, wide, (weight, source, panel, row_offsets, offsets), length, k)
                    return []

                # A sum of nothing is stored, too.
                loop(builder, i64(0), self.larger(builder, depth, i64(1)), chunk, [], chunks)
                builder.call(self.scatter, [panel, to, plan.pointer, j, wide, width, counts[2]])
                return []

            loop(builder, i64(0), columns, self.columns, [], panels)
            return []

        loop(builder, i64(0), counts[0], 1, [], layer)


class Weigh(ConvolutionTiles):
    """The task of the gradient of a convolution's weight: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.write_task(name, WEIGH, self.prepare)

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, gradient, result = arrays
        rows, block_size = plan["rows"], plan["block"]
        places, sums, panel = self.scratch(builder, worker, plan)
        self.fill_zeros(builder, places, plan["gathered"])

        def unit(number: ir.Value) -> None:
            groups, outputs, positions = plan["groups"], plan["outputs"], plan["positions"]
            which, first = builder.udiv(number, plan["panels"]), builder.urem(number, plan["panels"])
            part, group = builder.udiv(which, groups), builder.urem(which, groups)
            first = builder.mul(first, i64(self.columns))
            columns = self.smaller(builder, i64(self.columns), builder.sub(outputs, first))
            start = builder.mul(part, plan["each"])
            stop = self.smaller(builder, builder.add(start, plan["each"]), plan["images"])
            self.fill_zeros(builder, sums, builder.sub(plan["third"], plan["second"]))

            def one(index: Sequence[ir.Value]) -> None:
                n, block = index
                of_group = builder.add(builder.mul(n, groups), group)
                source = self.at(builder, image, builder.mul(of_group, plan["image"]))
                met = self.placed(builder, plan, source, places, block)
                done = builder.mul(block, block_size)
                count = self.smaller(builder, block_size, builder.sub(positions, done))
                channel = builder.add(builder.mul(of_group, outputs), first)
                g = self.at(builder, gradient, builder.mul(channel, positions), done)
                builder.call(self.pack_columns, [g, panel, positions, count, columns])
                add = builder.or_(builder.sub(n, start), block)  # 0 for the first
                pointers = met, panel, sums, plan.table("row_offsets"), plan.table("offsets")
                self.down(builder, rows, columns, pointers, count, add)

            self.nest(builder, [(start, stop), (i64(0), plan["blocks"])], one)
            row = builder.add(builder.mul(which, outputs), first)
            target = self.at(builder, result, builder.mul(row, rows))

            def lanes(column: ir.Value, _: Values) -> Values:
                ends = self.at(builder, sums, column), self.at(builder, target, builder.mul(column, rows))
                count = self.smaller(builder, i64(self.lanes), builder.sub(columns, column))
                builder.call(self.part, [*ends, i64(self.columns), rows, count, rows])
                return []

            loop(builder, i64(0), columns, self.lanes, [], lanes)

        return unit
