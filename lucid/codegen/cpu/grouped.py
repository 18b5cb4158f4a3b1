"""Convolutions of many small groups and their gradients, for f32 and f64: lanes stand for groups.

A depthwise convolution has one channel and one output in a group. There is no tile of a matrix product to fill, but
neighbouring groups do the same with numbers of their own. So a unit of work brings the channels of as many groups as a
vector has lanes together in the worker's memory, element by element (see `grouped_plan.py`), computes on vectors, and
takes the results apart. Any stride, dilation and padding are but other offsets of vectors.

An element of a result is what its op says, as in `convolution.py`. Where there are fewer groups than lanes, the last is
repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, Values, i64, loop
from lucid.codegen.cpu.convolution_plan import AXES, SWEEP
from lucid.codegen.cpu.convolution_tiles import ConvolutionTiles, PlanWords
from lucid.codegen.cpu.grouped_plan import CONVOLVE_GROUPED, PLACED, WEIGH_GROUPED
from lucid.codegen.cpu.squares import transposed

# Positions, or taps, whose sums are computed side by side: as many at most as registers of the smallest machines hold
# beside the factors, and enough to keep a multiplier busy.
POSITIONS = (1, 2, 4, 8)
TAPS = (1, 3, 6, 9)


class GroupTiles(ConvolutionTiles):
    """What both tasks are made of: groups brought together in lanes and taken apart."""

    @property
    def join(self) -> ir.Function:
        return self.shared("join", self.write_join)

    def vector_at(self, builder: ir.IRBuilder, pointer: ir.Value, *numbers: ir.Value) -> ir.Value:
        """The address of a vector at the sum of numbers of vectors."""
        total = numbers[0]
        for number in numbers[1:]:
            total = builder.add(total, number)
        return builder.gep(pointer, [total], source_etype=self.vector)

    def write_join(self) -> ir.Function:
        """(source, target, distance, groups, count): `count` elements of each of `groups` groups, `distance` apart, as
        vectors; behind fewer than a vector has lanes, up to as many, zeros."""
        function, builder = self.begin("join", 2, 3)
        source, target, distance, groups, count = function.args
        starts = self.lines_of(builder, source, distance, groups)
        few = builder.icmp_signed("<", count, i64(self.lanes))
        mask = self.first(builder, count, self.lanes)
        back = builder.sub(count, i64(self.lanes))

        def square(begin: ir.Value, lines: Values) -> None:
            for n, line in enumerate(transposed(builder, lines)):
                self.store(builder, line, self.vector_at(builder, target, begin, i64(n)))

        def whole(i: ir.Value, _: Values) -> Values:
            begin = self.smaller(builder, i, back)
            square(begin, [self.load(builder, self.at(builder, start, begin), self.vector) for start in starts])
            return []

        with builder.if_else(few) as (masked, unmasked):
            with masked, builder.if_then(builder.icmp_signed(">", count, i64(0))):
                square(i64(0), [self.load_masked(builder, start, mask) for start in starts])
            with unmasked:
                loop(builder, i64(0), count, self.lanes, [], whole)
        builder.ret_void()
        return function

    def write_gather(self) -> ir.Function:
        """(image, places, plan, block, distance, groups): the places of a block that lie in the image, in ascending
        order, so that what `join` writes behind a row is written again, or zeros."""
        function, builder = self.begin("gather", 3, 3)
        image, places, pointer, block, distance, groups = function.args
        plan = PlanWords(builder, pointer, PLACED)
        extents, origins, advances, counts = map(plan.triple, ("extent", "origin", "advance", "places"))
        channel = plan["channel"]
        starts = [builder.add(origins[axis], builder.mul(block, advances[axis])) for axis in AXES]
        spans = []
        for start, extent, count in zip(starts, extents, counts, strict=True):
            first = self.larger(builder, builder.neg(start), i64(0))
            spans.append((first, self.smaller(builder, builder.sub(extent, start), count)))
        length = builder.sub(spans[2][1], spans[2][0])

        def row(index: Sequence[ir.Value]) -> None:
            number, *at = index[0], index[1], index[2], spans[2][0]
            met = [builder.add(start, place) for start, place in zip(starts, at, strict=True)]
            source = self.position(builder, [number, *met], [i64(0), *extents])
            target = builder.add(builder.mul(number, channel), self.position(builder, at, counts))
            ends = self.at(builder, image, source), self.vector_at(builder, places, target)
            builder.call(self.join, [*ends, distance, groups, length])

        self.nest(builder, [(i64(0), plan["channels"]), *spans[:2]], row)
        builder.ret_void()
        return function

    def clear(self, builder: ir.IRBuilder, target: ir.Value, vectors: ir.Value) -> None:
        self.fill_zeros(builder, target, builder.mul(vectors, i64(self.lanes)))

    def team(self, builder: ir.IRBuilder, plan: PlanWords, number: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first group of a team, and how many it has."""
        first = builder.mul(number, i64(self.lanes))
        return first, self.smaller(builder, builder.sub(plan["groups"], first), i64(self.lanes))

    def gather_team(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        pointers: tuple[ir.Value, ir.Value],
        block: ir.Value,
        groups: ir.Value,
    ) -> None:
        """Gather a block of a team's part of an image at the second pointer, where zeros are, or what the same block of
        another team has left."""
        with builder.if_then(builder.icmp_signed("!=", plan["blocks"], i64(1))):
            self.clear(builder, pointers[1], builder.mul(plan["channels"], plan["channel"]))
        builder.call(self.gather, [*pointers, plan.pointer, block, plan["image"], groups])

    def finish(
        self, builder: ir.IRBuilder, sums: Values, cells: Sequence[ir.Value], count: ir.Value, add: ir.Value
    ) -> None:
        """Store sums in cells, or add them to what is there. Those from `count` on repeat the last, and are left."""
        adds = builder.icmp_signed("!=", add, i64(0))
        for number, (total, cell) in enumerate(zip(sums, cells, strict=True)):
            with builder.if_then(builder.icmp_signed("<", i64(number), count)):
                before = self.load(builder, cell, self.vector)
                self.store(builder, builder.select(adds, builder.fadd(before, total), total), cell)


class ConvolveGrouped(GroupTiles):
    """The task of a convolution and of the gradient of its x: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.of_positions = {positions: self.write_positions(positions) for positions in POSITIONS}
        self.write_task(name, CONVOLVE_GROUPED, self.prepare)

    def write_positions(self, positions: int) -> ir.Function:
        """(weight, places, results, offsets, step, by, depth, count, add): sums of `depth` products for `count`
        positions, of which the places are `step` apart and the results `by`."""
        function, builder = self.begin(f"positions_{positions}", 4, 5)
        weight, places, results, offsets, step, by, depth, count, add = function.args
        last = builder.sub(count, i64(1))
        numbers = [self.smaller(builder, i64(number), last) for number in range(positions)]
        starts = [self.vector_at(builder, places, builder.mul(number, step)) for number in numbers]

        def product(k: ir.Value, sums: Values) -> Values:
            pair = builder.gep(offsets, [builder.shl(k, i64(1))], source_etype=I64)
            of_weight = builder.load(pair, typ=I64)
            of_place = builder.load(builder.gep(pair, [i64(1)], source_etype=I64), typ=I64)
            factor = self.load(builder, self.vector_at(builder, weight, of_weight), self.vector)
            met = [self.load(builder, self.vector_at(builder, start, of_place), self.vector) for start in starts]
            return [builder.call(self.fma, [factor, x, total]) for x, total in zip(met, sums, strict=True)]

        zeros = [ir.Constant(self.vector, None)] * positions
        sums = loop(builder, i64(0), depth, 1, zeros, product)
        cells = [self.vector_at(builder, results, builder.mul(number, by)) for number in numbers]
        self.finish(builder, sums, cells, count, add)
        builder.ret_void()
        return function

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, weight, result = arrays
        placed, size = builder.mul(plan["channels"], plan["channel"]), plan["result"]
        places, factors, results = self.scratch(builder, worker, plan)
        self.clear(builder, places, placed)

        def unit(number: ir.Value) -> None:
            blocks, teams, rows, plane = plan["blocks"], plan["teams"], plan["rows"], plan["plane"]
            block, which = builder.urem(number, blocks), builder.udiv(number, blocks)
            n, of_team = builder.udiv(which, teams), builder.urem(which, teams)
            first, groups = self.team(builder, plan, of_team)
            of_image = builder.add(builder.mul(n, plan["groups"]), first)
            source = self.at(builder, image, builder.mul(of_image, plan["image"]))
            self.gather_team(builder, plan, (source, places), block, groups)
            weights = plan["weights"]
            source = self.at(builder, weight, builder.mul(first, weights))
            builder.call(self.join, [source, factors, weights, groups, weights])

            def sweep(which: ir.Value, _: Values) -> Values:
                at = builder.add(plan["records"], builder.mul(which, i64(len(SWEEP))))
                record = PlanWords(builder, plan.address(at), SWEEP)
                self.sweep(builder, plan, record, block, (factors, places, results))
                return []

            loop(builder, i64(0), plan["sweeps"], 1, [], sweep)
            moved, stride = builder.mul(block, plan["moved"]), builder.mul(rows, plane)
            count = self.smaller(builder, size, builder.sub(plane, moved))

            def row(number: ir.Value, _: Values) -> Values:
                source = self.vector_at(builder, results, builder.mul(number, size))
                to = builder.add(builder.mul(of_image, stride), builder.add(builder.mul(number, plane), moved))
                builder.call(self.part, [source, self.at(builder, result, to), i64(self.lanes), stride, groups, count])
                return []

            loop(builder, i64(0), rows, 1, [], row)

        return unit

    def sweep(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        record: PlanWords,
        block: ir.Value,
        memory: tuple[ir.Value, ir.Value, ir.Value],
    ) -> None:
        """The positions of a sweep that lie in a block, for all rows."""
        factors, places, results = memory
        sizes, moves, counts = plan.triple("block"), plan.triple("move"), record.triple("count")
        counts = [
            self.smaller(builder, size, builder.sub(count, builder.mul(block, move)))
            for size, count, move in zip(sizes, counts, moves, strict=True)
        ]
        step, by, around, shape = map(plan.triple, ("step", "by", "places", "results"))
        depth, chunk, start, table = (record[name] for name in ("depth", "chunk", "start", "table"))

        def row(index: Sequence[ir.Value]) -> None:
            number, *line = index

            def tiles(w: ir.Value, _: Values) -> Values:
                at = [*line, w]
                from_place = self.position(builder, list(map(builder.mul, at, step)), around)
                to = builder.add(start, self.position(builder, list(map(builder.mul, at, by)), shape))
                to = builder.add(builder.mul(number, plan["result"]), to)
                weight = self.vector_at(builder, factors, builder.mul(number, plan["of_row"]))
                ends = weight, self.vector_at(builder, places, from_place), self.vector_at(builder, results, to)
                left = self.smaller(builder, i64(POSITIONS[-1]), builder.sub(counts[2], w))

                def chunks(k: ir.Value, _: Values) -> Values:
                    offsets = plan.address(builder.add(builder.add(plan["offsets"], table), builder.shl(k, i64(1))))
                    length = self.smaller(builder, chunk, builder.sub(depth, k))
                    operands = [*ends, offsets, step[2], by[2], length, left, k]
                    self.least(builder, left, POSITIONS, lambda many: builder.call(self.of_positions[many], operands))
                    return []

                # A sum of nothing is stored, too.
                loop(builder, i64(0), self.larger(builder, depth, i64(1)), chunk, [], chunks)
                return []

            loop(builder, i64(0), counts[2], POSITIONS[-1], [], tiles)

        self.nest(builder, [(i64(0), plan["rows"]), (i64(0), counts[0]), (i64(0), counts[1])], row)


class WeighGrouped(GroupTiles):
    """The task of the gradient of a convolution's weight: see `ConvolutionTiles.write_task`."""

    def write(self, name: str) -> None:
        self.of_taps = {taps: self.write_taps(taps) for taps in TAPS}
        self.write_task(name, WEIGH_GROUPED, self.prepare)

    def write_taps(self, taps: int) -> ir.Function:
        """(places, gradient, sums, row_offsets, plan, block, count, add): the sums over the positions of a block for
        `count` taps of channels."""
        function, builder = self.begin(f"taps_{taps}", 5, 3)
        places, gradient, sums, row_offsets, pointer, block, count, add = function.args
        plan = PlanWords(builder, pointer, WEIGH_GROUPED)
        last = builder.sub(count, i64(1))
        numbers = [self.smaller(builder, i64(number), last) for number in range(taps)]
        offsets = [builder.load(builder.gep(row_offsets, [number], source_etype=I64), typ=I64) for number in numbers]
        starts = [self.vector_at(builder, places, offset) for offset in offsets]
        step, around = plan.triple("step"), plan.triple("places")
        _, height, width = plan.triple("block")
        counts = self.block_counts(builder, plan, block)

        def along(outer: list[ir.Value], carried: Values) -> Values:
            """Positions along the axes behind the outer ones."""

            def inner(index: ir.Value, carried: Values) -> Values:
                return along([*outer, index], carried)

            if len(outer) < len(AXES):
                return loop(builder, i64(0), counts[len(outer)], 1, carried, inner)
            number = self.position(builder, outer, [i64(0), height, width])
            place = self.position(builder, list(map(builder.mul, outer, step)), around)
            factor = self.load(builder, self.vector_at(builder, gradient, number), self.vector)
            met = [self.load(builder, self.vector_at(builder, start, place), self.vector) for start in starts]
            return [builder.call(self.fma, [factor, x, total]) for x, total in zip(met, carried, strict=True)]

        totals = along([], [ir.Constant(self.vector, None)] * taps)
        cells = [self.vector_at(builder, sums, number) for number in numbers]
        self.finish(builder, totals, cells, count, add)
        builder.ret_void()
        return function

    def block_counts(self, builder: ir.IRBuilder, plan: PlanWords, block: ir.Value) -> list[ir.Value]:
        """The positions of a block along each axis."""
        return [
            self.smaller(builder, size, builder.sub(count, builder.mul(block, move)))
            for size, count, move in zip(*map(plan.triple, ("block", "count", "move")), strict=True)
        ]

    def prepare(
        self, builder: ir.IRBuilder, arrays: Sequence[ir.Value], plan: PlanWords, worker: ir.Value
    ) -> Callable[[ir.Value], None]:
        image, gradient, result = arrays
        placed, size = builder.mul(plan["channels"], plan["channel"]), plan["size"]
        all_rows = builder.mul(plan["outputs"], plan["rows"])
        places, factors, sums = self.scratch(builder, worker, plan)
        self.clear(builder, places, placed)

        def unit(number: ir.Value) -> None:
            teams, outputs, rows = plan["teams"], plan["outputs"], plan["rows"]
            part, of_team = builder.udiv(number, teams), builder.urem(number, teams)
            first, groups = self.team(builder, plan, of_team)
            start = builder.mul(part, plan["each"])
            stop = self.smaller(builder, builder.add(start, plan["each"]), plan["images"])
            self.clear(builder, sums, all_rows)

            def one(index: Sequence[ir.Value]) -> None:
                n, block = index
                of_image = builder.add(builder.mul(n, plan["groups"]), first)
                source = self.at(builder, image, builder.mul(of_image, plan["image"]))
                self.gather_team(builder, plan, (source, places), block, groups)
                positions, done = plan["positions"], builder.mul(block, size)
                count = self.smaller(builder, size, builder.sub(positions, done))
                add = builder.or_(builder.sub(n, start), block)  # 0 for the first

                def output(o: ir.Value, _: Values) -> Values:
                    at = builder.add(builder.mul(of_image, outputs), o)
                    g = self.at(builder, gradient, builder.mul(at, positions), done)
                    builder.call(self.join, [g, factors, builder.mul(outputs, positions), groups, count])
                    target = self.vector_at(builder, sums, builder.mul(o, rows))
                    self.all_taps(builder, plan, (places, factors, target), block, add)
                    return []

                loop(builder, i64(0), outputs, 1, [], output)

            self.nest(builder, [(start, stop), (i64(0), plan["blocks"])], one)
            at = builder.add(builder.mul(part, plan["groups"]), first)
            target = self.at(builder, result, builder.mul(at, all_rows))
            builder.call(self.part, [sums, target, i64(self.lanes), all_rows, groups, all_rows])

        return unit

    def all_taps(
        self,
        builder: ir.IRBuilder,
        plan: PlanWords,
        memory: tuple[ir.Value, ir.Value, ir.Value],
        block: ir.Value,
        add: ir.Value,
    ) -> None:
        """All taps of channels, for an output and a block."""
        places, factors, sums = memory
        rows, table = plan["rows"], plan.table("row_offsets")

        def tile(i: ir.Value, _: Values) -> Values:
            left = self.smaller(builder, i64(TAPS[-1]), builder.sub(rows, i))
            offsets = builder.gep(table, [i], source_etype=I64)
            ends = places, factors, self.vector_at(builder, sums, i), offsets, plan.pointer
            operands = [*ends, block, left, add]
            self.least(builder, left, TAPS, lambda taps: builder.call(self.of_taps[taps], operands))
            return []

        loop(builder, i64(0), rows, TAPS[-1], [], tile)
