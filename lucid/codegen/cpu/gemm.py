"""The matrix product: register tiles over packed panels, for f32 and f64, any sizes and both transpositions.

An element of the result is, whatever the tiling, what `Matmul` says: the sum, in ascending order, of chunks, each a
chain of fused multiply-adds over ascending k from 0. Tiling only decides which elements are computed side by side.

The columns of B are taken in panels as wide as a tile. A panel of one chunk is packed, unless it can be read where it
is, and stays in cache while the tiles run down the rows of A, whose elements are repeated over the lanes one by one.
"""

from __future__ import annotations

import math

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, POINTER, Values, i64, intrinsic, loop, memory_type
from lucid.codegen.cpu.pool_text import LABEL, SCRATCH
from lucid.codegen.cpu.squares import transposed
from lucid.codegen.cpu.tiles import QUAD, Tiles

# Where panels of B that are whole vectors of its rows are read where they are, since packing would not pay: how many
# rows of tiles, and how many bytes from one row of B to the next, at most. Lines further apart displace each other.
UNPACKED = (2, math.inf), (8, 2048), (math.inf, 1024)

# Panels of up to so many rows of B are kept whole, to be read again by the next chunk.
KEPT = 2048

# Lines of the result are fetched for sums of so many elements at least: for fewer it takes longer than it saves.
FETCHED = 32

# Where A is transposed, each k has another line of it, often far away: it is fetched so many elements of k ahead, fewer
# than the nearest cache has places for lines that are whole pages apart, which otherwise displace each other unread.
AHEAD = 4

# The words by which the task says which tiles below each other are to be computed.
RUN_WORDS = 23


class Gemm(Tiles):
    """The functions of the product.

    `write` appends `void name(context, chunk, worker, job)` to a module, a task for the pool, and the functions that it
    calls. The context holds the addresses of A, B and C, and of a word each of: m, n, k; a_row, a_column, b_row,
    b_column, c_row, c_column; the elements of k in a chunk of the sum; the first column of the last panel;
    whether panels of whole vectors are read where they are; how many elements behind a panel of B are fetched for each
    row of A; how many tiles lie below each other in a part of C, how many panels there are, and into how many stretches
    C is cut; then the addresses of two more tiles, which `other_tiles` names: products have them compiled that need
    them; and the number of the tile that each stretch begins with, and of the one behind all.
    C[i, j] is at c + i c_row + j c_column, in elements, and likewise for A and B; one stride of C is 1. The matrices of
    a batch follow each other.

    A chunk of the task is a stretch of the tiles of C, which are counted part by part, panel by panel, and down in
    each. Where a worker takes both sides of a cut inside of a panel, it packs the panel once.
    """

    def reads_in_place(self, m: int, b_row: int, b_column: int) -> bool:
        """Whether panels of B are read where they are, if they are whole vectors."""
        tiles, step = -(-m // self.rows), b_row * self.dtype.itemsize
        return b_column == 1 and any(tiles <= most and step <= apart for most, apart in UNPACKED)

    def memory(self, k: int, chunk: int) -> int:
        """The elements of a worker's memory: a tile, then a panel, of which rows are packed in whole groups."""
        return (self.rows + QUAD + (k if k <= KEPT else chunk)) * self.columns

    @property
    def low_rows(self) -> int:
        """Up to so many rows are computed in a tile of fewer than all, where they are as wide as a panel, or nearly."""
        return self.rows // 2

    def write(self, module: ir.Module, name: str) -> None:
        self.module = module
        self.tile = self.write_tile(f"tile_{self.rows}x{self.vectors}", self.rows, self.vectors)
        self.pack_rows = self.write_pack_rows()
        self.pack_columns = self.write_pack_columns()
        self.fetch_lines = self.write_fetch_lines()
        self.merge = self.write_merge()
        self.run = self.write_run()
        self.write_product(name)

    def write_one_tile(self, module: ir.Module, name: str, rows: int, vectors: int) -> None:
        """Append one of the other tiles."""
        self.module = module
        self.write_tile(name, rows, vectors)

    def other_tiles(self, m: int, n: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """The rows and vectors of the tiles that a product needs beside that of all rows and vectors: for its last
        panels where they are narrow, with as many vectors as there are; and for the last rows of the others, with as
        few rows as there are, or nearly. None where there are no such columns or rows."""
        panels = self.panels(m, n)
        edge = (self.rows, panels[-1]) if panels[-1] < self.vectors else None
        rows, is_narrow = m % self.rows, panels[0] < self.vectors
        low = 1 << (rows - 1).bit_length() if 0 < rows <= self.low_rows and not is_narrow else 0
        return edge, (low, self.vectors) if low else None

    # Functions.

    def write_tile(self, name: str, rows: int, vectors: int) -> ir.Function:
        """(a, b, c, a_row, a_column, b_row, c_row, depth, count): a tile of C from `depth` elements of `count` rows of
        A and as many rows of B. Rows from `count` on repeat the last."""
        function, builder = self.begin(name, 3, 6)
        a, b, c, a_row, a_column, b_row, c_row, depth, count = function.args
        fma = intrinsic(self.module, f"fma.v{self.lanes}{self.scalar.intrinsic_name}", self.vector, [self.vector] * 3)
        last = builder.sub(count, i64(1))
        starts = []
        for row in range(rows):
            inside = builder.icmp_signed("<", i64(row), last)
            starts.append(self.at(builder, a, builder.mul(builder.select(inside, i64(row), last), a_row)))

        def step(k: ir.Value, sums: Values) -> Values:
            offset, line = builder.mul(k, a_column), builder.mul(k, b_row)
            self.fetch(builder, self.at(builder, starts[0], builder.mul(builder.add(k, i64(AHEAD)), a_column)))
            panel = [
                self.load(builder, self.at(builder, b, line, i64(v * self.lanes)), self.vector) for v in range(vectors)
            ]
            results = []
            for row in range(rows):
                x = self.spread(
                    builder, self.load(builder, self.at(builder, starts[row], offset), self.scalar), self.lanes
                )
                results += [builder.call(fma, [x, panel[v], sums[row * vectors + v]]) for v in range(vectors)]
            return results

        zeros = [ir.Constant(self.vector, None)] * (rows * vectors)
        sums = loop(builder, i64(0), depth, 1, zeros, step)
        for number, total in enumerate(sums):
            row, v = divmod(number, vectors)
            self.store(builder, total, self.at(builder, c, builder.mul(i64(row), c_row), i64(v * self.lanes)))
        builder.ret_void()
        return function

    def write_pack_rows(self) -> ir.Function:
        """(b, panel, b_row, depth, columns): a panel from rows of B, with zeros from `columns` on."""
        function, builder = self.begin("pack_rows", 2, 3)
        b, panel, b_row, depth, columns = function.args
        masks = [
            self.first(builder, builder.sub(columns, i64(v * self.lanes)), self.lanes) for v in range(self.vectors)
        ]

        def line(k: ir.Value, _: Values) -> Values:
            source, target = builder.mul(k, b_row), builder.mul(k, i64(self.columns))
            for v, mask in enumerate(masks):
                offset = i64(v * self.lanes)
                loaded = self.load_masked(builder, self.at(builder, b, source, offset), mask)
                self.store(builder, loaded, self.at(builder, panel, target, offset))
            return []

        loop(builder, i64(0), depth, 1, [], line)
        builder.ret_void()
        return function

    def write_fetch_lines(self) -> ir.Function:
        """(c, stride, lines, elements): bring lines of C near before their sums are computed. Stored to where they are
        far away, one after the other, they would hold up the next tile."""
        function, builder = self.begin("fetch_lines", 1, 3)
        c, stride, lines, elements = function.args

        def line(number: ir.Value, _: Values) -> Values:
            start = self.at(builder, c, builder.mul(number, stride))
            self.fetch(builder, start, to_write=True)
            with builder.if_then(builder.icmp_signed(">", elements, i64(self.lanes))):
                for v in range(1, self.vectors):
                    self.fetch(builder, self.at(builder, start, i64(v * self.lanes)), to_write=True)
            return []

        loop(builder, i64(0), lines, 1, [], line)
        builder.ret_void()
        return function

    def write_merge(self) -> ir.Function:
        """(tile, c, c_row, c_column, rows, columns, add): the first rows and columns of a tile stored in C, or added to
        it."""
        function, builder = self.begin("merge", 2, 5)
        tile, c, c_row, c_column, rows, columns, add = function.args
        adds = builder.icmp_signed("!=", add, i64(0))

        def merge(new: ir.Value, address: ir.Value, mask: ir.Value) -> None:
            total = builder.fadd(self.load_masked(builder, address, mask), new)
            self.store_masked(builder, builder.select(adds, total, new), address, mask)

        def row(i: ir.Value, _: Values) -> Values:
            source, target = builder.mul(i, i64(self.columns)), builder.mul(i, c_row)

            def cells(j: ir.Value, _: Values) -> Values:
                new = self.load(builder, self.at(builder, tile, source, j), self.vector)
                merge(new, self.at(builder, c, target, j), self.first(builder, builder.sub(columns, j), self.lanes))
                return []

            loop(builder, i64(0), columns, self.lanes, [], cells)
            return []

        group = min(self.rows, self.lanes)

        def vectors(j: ir.Value, _: Values) -> Values:
            """As many columns as a vector has lanes. Lines of the tile are turned where they are, in squares."""
            left = self.smaller(builder, builder.sub(columns, j), i64(self.lanes))
            for start in range(0, self.rows, group):
                places = [self.at(builder, tile, j, i64((start + n) * self.columns)) for n in range(group)]
                lines = transposed(builder, [self.load(builder, place, self.vector) for place in places])
                for place, line in zip(places, lines, strict=True):
                    self.store(builder, line, place)
                mask = self.first(builder, builder.sub(rows, i64(start)), group)

                def column(
                    number: ir.Value, _: Values, first: ir.Value = places[0], start: int = start, mask: ir.Value = mask
                ) -> Values:
                    line = builder.and_(number, i64(group - 1))
                    source = builder.add(builder.mul(line, i64(self.columns)), builder.sub(number, line))
                    new = self.load(builder, self.at(builder, first, source), memory_type(self.dtype, group))
                    target = builder.mul(builder.add(j, number), c_column)
                    merge(new, self.at(builder, c, target, i64(start)), mask)
                    return []

                loop(builder, i64(0), left, 1, [], column)
            return []

        with builder.if_else(builder.icmp_signed("==", c_column, i64(1))) as (by_rows, by_columns):
            with by_rows:
                loop(builder, i64(0), rows, 1, [], row)
            with by_columns:
                loop(builder, i64(0), columns, self.lanes, [], vectors)
        builder.ret_void()
        return function

    def write_run(self) -> ir.Function:
        """(words): the tiles of one panel below each other, for one chunk of the sum."""
        function, builder = self.begin("run", 1, 0)

        def word(place: int, type: ir.Type) -> ir.Value:
            return builder.load(builder.gep(function.args[0], [i64(place)], source_etype=I64), typ=type)

        a_chunk, lines, tile, target, behind, of_rows, of_few_rows = (word(place, POINTER) for place in range(7))
        a_row, a_column, line, c_row, c_column, c_line, *words = (word(place, I64) for place in range(7, RUN_WORDS))
        depth, columns, i_begin, i_end, i_start, ahead, *flags, add = words
        stores, like_c, fetches = (builder.icmp_signed("!=", flag, i64(0)) for flag in flags)

        def tiles(i0: ir.Value, _: Values) -> Values:
            rows = self.smaller(builder, i64(self.rows), builder.sub(i_end, i0))
            a_tile = self.at(builder, a_chunk, builder.mul(i0, a_row))
            c_tile = self.at(builder, target, builder.mul(i0, c_row))
            count, length = (builder.select(like_c, x, y) for x, y in ((rows, columns), (columns, rows)))
            with builder.if_then(fetches):
                builder.call(self.fetch_lines, [c_tile, c_line, count, length])
            part = self.at(builder, behind, builder.mul(builder.sub(i0, i_start), ahead))

            def fetch(place: ir.Value, _: Values) -> Values:
                self.fetch(builder, self.at(builder, part, place))
                return []

            loop(builder, i64(0), builder.mul(rows, ahead), self.lanes, [], fetch)
            direct = builder.and_(builder.icmp_signed("==", rows, i64(self.rows)), stores)
            result = builder.select(direct, c_tile, tile)
            result_row = builder.select(direct, c_row, i64(self.columns))
            few = builder.icmp_signed("<=", rows, i64(self.low_rows))
            compute = builder.select(few, of_few_rows, of_rows)
            operands = [a_tile, lines, result, a_row, a_column, line, result_row, depth, rows]
            builder.call_at(compute, self.tile.signature, operands)
            with builder.if_then(builder.not_(direct)):
                builder.call(self.merge, [tile, c_tile, c_row, c_column, rows, columns, add])
            return []

        loop(builder, i_begin, i_end, self.rows, [], tiles)
        builder.ret_void()
        return function

    def write_product(self, name: str) -> None:
        """The task: one chunk of C = A B, a stretch of the tiles of one matrix of the batch."""
        builder, (a, b, c), constants, number, worker = self.begin_task(name, 3, 16, 2)
        self.module.globals[name].is_brief = True
        m, n, k, a_row, a_column, b_row, b_column, c_row, c_column, chunk, last, *constants = constants
        in_place, ahead, down, count, stretches, edge, low = constants
        tile = builder.call(ir.Function(self.module, ir.FunctionType(POINTER, [I64]), SCRATCH), [worker])
        run = builder.alloca(I64, RUN_WORDS)
        label = [builder.gep(tile, [i64(word)], source_etype=I64) for word in LABEL]
        panel = self.at(builder, tile, i64(self.rows * self.columns))

        stretch, matrix = builder.urem(number, stretches), builder.udiv(number, stretches)
        begin, end = (
            builder.load(builder.gep(self.behind, [builder.add(stretch, i64(side))], source_etype=I64), typ=I64)
            for side in (0, 1)
        )
        a_start = self.at(builder, a, builder.mul(matrix, builder.mul(m, k)))
        b_start = self.at(builder, b, builder.mul(matrix, builder.mul(k, n)))
        c_start = self.at(builder, c, builder.mul(matrix, builder.mul(m, n)))
        by_rows = builder.icmp_signed("==", b_column, i64(1))
        readable = builder.icmp_signed("!=", in_place, i64(0))
        keeps = builder.icmp_signed("<=", k, i64(KEPT))
        like_c = builder.icmp_signed("==", c_column, i64(1))
        c_line = builder.select(like_c, c_row, c_column)
        fetches = builder.icmp_signed(">=", k, i64(FETCHED))

        def panels(of_all: ir.Value, _: Values) -> Values:
            which, part = builder.urem(of_all, count), builder.udiv(of_all, count)
            i_start = builder.mul(part, builder.mul(down, i64(self.rows)))
            j0 = self.smaller(builder, builder.mul(which, i64(self.columns)), last)
            left = builder.sub(builder.select(builder.icmp_signed("<", j0, last), last, n), j0)
            columns = self.smaller(builder, i64(self.columns), left)
            before = builder.mul(of_all, down)
            above = self.larger(builder, builder.sub(begin, before), i64(0))
            below = self.smaller(builder, builder.sub(end, before), down)
            i_begin = builder.add(i_start, builder.mul(above, i64(self.rows)))
            i_end = self.smaller(builder, builder.add(i_start, builder.mul(below, i64(self.rows))), m)
            source = self.at(builder, b_start, builder.mul(j0, b_column))
            behind = self.at(builder, source, builder.mul(columns, k))
            target = self.at(builder, c_start, builder.mul(j0, c_column))
            vectors = builder.icmp_signed("==", builder.and_(columns, i64(self.lanes - 1)), i64(0))
            unpacked = builder.and_(readable, vectors)
            packs = builder.not_(builder.or_(unpacked, self.is_held(builder, label, source)))
            narrow = builder.icmp_signed("<=", columns, i64(self.columns - self.lanes))
            of_rows, of_few_rows = builder.select(narrow, edge, self.tile), builder.select(narrow, edge, low)

            def chunks(k0: ir.Value, _: Values) -> Values:
                depth = self.smaller(builder, chunk, builder.sub(k, k0))
                a_chunk = self.at(builder, a_start, builder.mul(k0, a_column))
                b_chunk = self.at(builder, source, builder.mul(k0, b_row))
                packed = self.at(builder, panel, builder.select(keeps, builder.mul(k0, i64(self.columns)), i64(0)))
                with builder.if_then(packs), builder.if_else(by_rows) as (rows, transposed):
                    with rows:
                        builder.call(self.pack_rows, [b_chunk, packed, b_row, depth, columns])
                    with transposed:
                        builder.call(self.pack_columns, [b_chunk, packed, b_column, depth, columns])
                lines = builder.select(unpacked, b_chunk, packed)
                line = builder.select(unpacked, b_row, i64(self.columns))
                first = builder.icmp_signed("==", k0, i64(0))
                # A tile of all its rows, in whole vectors, is computed where it belongs; others are merged into C.
                stores = builder.and_(builder.and_(vectors, first), like_c)

                words = [
                    *(a_chunk, lines, tile, target, behind, of_rows, of_few_rows),
                    *(a_row, a_column, line, c_row, c_column, c_line, depth, columns, i_begin, i_end, i_start, ahead),
                    *(builder.zext(flag, I64) for flag in (stores, like_c, fetches, builder.not_(first))),
                ]
                for place, word in enumerate(words):
                    builder.store(word, builder.gep(run, [i64(place)], source_etype=I64))
                builder.call(self.run, [run])
                return []

            # A sum of nothing is stored, too.
            loop(builder, i64(0), self.larger(builder, k, i64(1)), chunk, [], chunks)
            job = builder.select(keeps, self.job, i64(0))
            for place, word in zip(label, (job, source), strict=True):
                builder.store(word, place)
            return []

        loop(builder, builder.udiv(begin, down), self.divided(builder, end, down), 1, [], panels)
        builder.ret_void()

    def is_held(self, builder: ir.IRBuilder, label: Values, source: ir.Value) -> ir.Value:
        """Whether the panel from `source` on is what the worker packed last, in this job. A task of one chunk is in
        none: its number is 0."""
        job, last = (builder.load(place, typ=type) for place, type in zip(label, (I64, POINTER), strict=True))
        same_job = builder.and_(builder.icmp_signed("==", job, self.job), builder.icmp_signed("!=", job, i64(0)))
        return builder.and_(same_job, builder.icmp_signed("==", last, source))
