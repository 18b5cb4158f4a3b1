"""Convolutions of many small groups and the gradients of their images, for f32 and f64: lanes stand for positions.

Where the rows of a depthwise convolution's result fill vectors, and its stride is 1, neighbouring positions meet
neighbouring elements of the image. So nothing need be brought together, as in `grouped.py`, or taken apart: a tile is a
vector of positions of a few rows, each of whose factors is repeated over the lanes. The last vector of a row ends where
the row does, and computes again what the one before has computed already.

An element of a result is what its op says, as in `convolution.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, Values, i64, loop
from lucid.codegen.cpu.convolution_tiles import ConvolutionTiles, PlanWords
from lucid.codegen.cpu.lines_plan import CONVOLVE_LINES, LINES


class ConvolveLines(ConvolutionTiles):
    """The task of a convolution and of the gradient of its x: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.by_table = self.write_by_table()
        self.by_3x3 = self.write_by_3x3()
        self.write_task(name, CONVOLVE_LINES, self.prepare)

    def write_by_table(self) -> ir.Function:
        """(weight, places, result, offsets, around, stride, depth, count, width): `width` positions of `count` rows, as
        sums of `depth` products. The rows are `around` elements apart in the places and `stride` in the result. Those
        from `count` on repeat the last."""
        function, builder = self.begin("by_table", 4, 5)
        weight, places, result, offsets, around, stride, depth, count, width = function.args
        last = builder.sub(count, i64(1))
        numbers = [self.smaller(builder, i64(number), last) for number in range(LINES)]
        starts = [self.at(builder, places, builder.mul(number, around)) for number in numbers]
        ends = [self.at(builder, result, builder.mul(number, stride)) for number in numbers]
        back = builder.sub(width, i64(self.lanes))

        def tile(w: ir.Value, _: Values) -> Values:
            begin = self.smaller(builder, w, back)
            first = [self.at(builder, start, begin) for start in starts]

            def product(k: ir.Value, sums: Values) -> Values:
                pair = builder.gep(offsets, [builder.shl(k, i64(1))], source_etype=I64)
                of_weight = builder.load(pair, typ=I64)
                of_place = builder.load(builder.gep(pair, [i64(1)], source_etype=I64), typ=I64)
                x = self.load(builder, self.at(builder, weight, of_weight), self.scalar)
                factor = self.spread(builder, x, self.lanes)
                met = [self.load(builder, self.at(builder, place, of_place), self.vector) for place in first]
                return [builder.call(self.fma, [factor, x, total]) for x, total in zip(met, sums, strict=True)]

            sums = loop(builder, i64(0), depth, 1, [ir.Constant(self.vector, None)] * LINES, product)
            for end, total in zip(ends, sums, strict=True):
                self.store(builder, total, self.at(builder, end, begin))
            return []

        loop(builder, i64(0), width, self.lanes, [], tile)
        builder.ret_void()
        return function

    def write_by_3x3(self) -> ir.Function:
        """(weight, places, result, around, stride, aside, width): `width` positions of LINES rows, as sums of 3x3
        products. What a position meets lies in three rows, `around` elements apart, of three elements, `aside` apart;
        the rows of the result are `stride` apart. Each element is loaded once for all rows."""
        function, builder = self.begin("by_3x3", 3, 4)
        weight, places, result, around, stride, aside, width = function.args
        numbers = [self.load(builder, self.at(builder, weight, i64(tap)), self.scalar) for tap in range(9)]
        factors = [self.spread(builder, number, self.lanes) for number in numbers]
        back = builder.sub(width, i64(self.lanes))

        def tile(w: ir.Value, _: Values) -> Values:
            begin = self.smaller(builder, w, back)
            sums: Values = [ir.Constant(self.vector, None)] * LINES
            for row in range(LINES + 2):
                for column in range(3):
                    offsets = builder.mul(i64(row), around), builder.mul(i64(column), aside), begin
                    x = self.load(builder, self.at(builder, places, *offsets), self.vector)
                    for line in range(max(row - 2, 0), min(row + 1, LINES)):
                        factor = factors[3 * (row - line) + column]
                        sums[line] = builder.call(self.fma, [factor, x, sums[line]])
            for line, total in enumerate(sums):
                self.store(builder, total, self.at(builder, result, builder.mul(i64(line), stride), begin))
            return []

        loop(builder, i64(0), width, self.lanes, [], tile)
        builder.ret_void()
        return function

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, weight, result = arrays
        (places,) = self.scratch(builder, worker, plan)
        self.fill_zeros(builder, places, plan["gathered"])

        def unit(number: ir.Value) -> None:
            blocks, rows = plan["blocks"], plan["rows"]
            block, of_image = builder.urem(number, blocks), builder.udiv(number, blocks)
            source = self.at(builder, image, builder.mul(of_image, plan["image"]))
            self.gather_block(builder, plan, source, places, block)
            of_group = builder.mul(builder.urem(of_image, plan["groups"]), plan["weights"])

            def channel(row: ir.Value, _: Values) -> Values:
                factors = self.at(builder, weight, of_group, builder.mul(row, plan["of_row"]))
                of_channel = builder.mul(builder.add(builder.mul(of_image, rows), row), plan["plane"])
                target = self.at(builder, result, of_channel, builder.mul(block, plan["moved"]))
                self.sweep(builder, plan, (factors, places, target), block)
                return []

            loop(builder, i64(0), rows, 1, [], channel)

        return unit

    def sweep(
        self, builder: ir.IRBuilder, plan: PlanWords, memory: tuple[ir.Value, ir.Value, ir.Value], block: ir.Value
    ) -> None:
        """The positions of a block, for a channel of the result."""
        factors, places, result = memory
        offsets, depth = plan.table("offsets"), plan["depth"]
        around, stride = plan.triple("places"), plan.triple("stride")
        sizes, moves, counts = map(plan.triple, ("block", "move", "count"))
        layers, rows, width = (
            self.smaller(builder, size, builder.sub(count, builder.mul(block, move)))
            for size, count, move in zip(sizes, counts, moves, strict=True)
        )

        # A sum adds its products in the order of the taps. In the gradient of an image, the first tap meets the last
        # place and the last tap the first. So there, the code for 3x3 taps, which loads one place after the other,
        # begins with the last place of the last row, and every step is one back.
        direction = plan["direction"]
        backwards = builder.icmp_signed("<", direction, i64(0))

        def starts(d: ir.Value, h: ir.Value, last: tuple[int, int, int]) -> list[ir.Value]:
            """Where to begin among the places and in the result, for row h of layer d and those behind it: there, or,
            backwards, at the last, so many rows of places, elements of these and rows of the result further on."""
            place_rows, elements, result_rows = (builder.select(backwards, i64(number), i64(0)) for number in last)
            of_place = builder.add(builder.add(builder.mul(d, around[1]), h), place_rows)
            of_result = builder.mul(builder.add(h, result_rows), stride[1])
            return [
                self.at(builder, places, builder.mul(of_place, around[2]), elements),
                self.at(builder, result, builder.mul(d, stride[0]), of_result),
            ]

        def layer(d: ir.Value, _: Values) -> Values:
            def tile(h: ir.Value, _: Values) -> Values:
                with builder.if_else(builder.icmp_signed("==", direction, i64(0))) as (any_taps, taps_3x3):
                    with any_taps:
                        count = self.smaller(builder, i64(LINES), builder.sub(rows, h))
                        ends = [factors, *starts(d, h, (0, 0, 0)), offsets]
                        builder.call(self.by_table, [*ends, around[2], stride[1], depth, count, width])
                    with taps_3x3:
                        # The last rows may be computed again, too.
                        first = self.smaller(builder, h, builder.sub(rows, i64(LINES)))
                        steps = [builder.mul(step, direction) for step in (around[2], stride[1], i64(1))]
                        ends = [factors, *starts(d, first, (LINES + 1, 2, LINES - 1))]
                        builder.call(self.by_3x3, [*ends, *steps, width])
                return []

            loop(builder, i64(0), rows, LINES, [], tile)
            return []

        loop(builder, i64(0), layers, 1, [], layer)
