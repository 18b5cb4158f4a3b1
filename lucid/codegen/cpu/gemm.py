"""The matrix product: register tiles over packed panels, for f32 and f64, any sizes and both transpositions.

An element of the result is, whatever the tiling, what `Matmul` says: the sum, in ascending order, of chunks, each a
chain of fused multiply-adds over ascending k from 0. Tiling only decides which elements are computed side by side.

The columns of B are taken in panels as wide as a tile. A panel of one chunk is packed, unless it can be read where it
is, and stays in cache while the tiles run down the rows of A, whose elements are repeated over the lanes one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from lucid.codegen.cpu.control import I8, I32, I64, POINTER, VOID, Values, element, i64, intrinsic, loop, memory_type
from lucid.ir.types import DType

# Rows and vectors of a tile: as many accumulators as the registers hold beside a row of B and an element of A.
# AVX-512 has 32 registers, AVX2 has 16; a machine of 16-byte vectors has 16 (SSE) or more.
TILES = {64: (8, 3), 32: (4, 3), 16: (4, 3)}

# Columns of B are transposed in groups of so many elements.
QUAD = 4

# Up to this many rows of tiles, a panel that needs no packing is read where it is: packing would not pay.
UNPACKED_TILES = 2


class Gemm:
    """The shape of the tiles for a dtype and a machine, and the functions of the product.

    `write` appends `void name(a, b, c, scratch, batch, m, n, k, a_row, a_column, b_row, b_column, chunk)` to a module,
    and the functions that it calls. C[i, j] is at c + i n + j, A[i, l] at a + i a_row + l a_column, B[l, j] at
    b + l b_row + j b_column, in elements; the matrices of a batch follow each other.
    """

    def __init__(self, dtype: DType, vector_bytes: int) -> None:
        self.dtype = dtype
        self.lanes = vector_bytes // dtype.itemsize
        self.rows, self.vectors = TILES[vector_bytes]
        self.columns = self.vectors * self.lanes
        self.scalar = memory_type(dtype, 1)
        self.vector = memory_type(dtype, self.lanes)

    def write(self, module: ir.Module, name: str) -> None:
        self.module = module
        shapes = (self.rows, self.vectors), (self.rows, 1), (1, self.vectors)
        self.tiles = {(rows, vectors): self.write_tile(rows, vectors) for rows, vectors in shapes}
        self.pack_rows = self.write_pack_rows()
        self.pack_columns = self.write_pack_columns()
        self.merge = self.write_merge()
        self.write_product(name)

    def scratch_bytes(self, chunk: int) -> int:
        """A panel of one chunk, its rows rounded up to whole groups; then a tile."""
        return self.dtype.itemsize * self.columns * (-(-chunk // QUAD) * QUAD + self.rows)

    # Building blocks.

    def begin(self, name: str, pointers: int, sizes: int) -> tuple[ir.Function, ir.IRBuilder]:
        signature = ir.FunctionType(VOID, [POINTER] * pointers + [I64] * sizes)
        function = ir.Function(self.module, signature, name)
        function.linkage = "internal"
        return function, ir.IRBuilder(function.append_basic_block("entry"))

    def at(self, builder: ir.IRBuilder, pointer: ir.Value, *offsets: ir.Value) -> ir.Value:
        """The address of an element at the sum of offsets."""
        total = offsets[0]
        for offset in offsets[1:]:
            total = builder.add(total, offset)
        return element(builder, pointer, total, self.dtype)

    def load(self, builder: ir.IRBuilder, address: ir.Value, type: ir.Type) -> ir.Value:
        return builder.load(address, align=self.dtype.itemsize, typ=type)

    def store(self, builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
        builder.store(value, address, align=self.dtype.itemsize)

    def first(self, builder: ir.IRBuilder, count: ir.Value, lanes: int) -> ir.Value:
        """A mask of the first `count` lanes."""
        numbers = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        return builder.icmp_signed("<", numbers, self.spread(builder, count, lanes))

    def load_masked(self, builder: ir.IRBuilder, address: ir.Value, mask: ir.Value) -> ir.Value:
        """The elements at an address in the lanes of a mask, and zeros."""
        type = ir.VectorType(self.scalar, mask.type.count)
        operands = [address, I32(self.dtype.itemsize), mask, ir.Constant(type, None)]
        name = f"masked.load.v{type.count}{self.scalar.intrinsic_name}.p0"
        return builder.call(intrinsic(self.module, name, type, [x.type for x in operands]), operands)

    def store_masked(self, builder: ir.IRBuilder, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
        operands = [value, address, I32(self.dtype.itemsize), mask]
        name = f"masked.store.v{self.lanes}{self.scalar.intrinsic_name}.p0"
        builder.call(intrinsic(self.module, name, VOID, [x.type for x in operands]), operands)

    def spread(self, builder: ir.IRBuilder, x: ir.Value, lanes: int) -> ir.Value:
        """A scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(x.type, lanes), ir.Undefined)
        first = builder.insert_element(undefined, x, I32(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), None))

    # Functions.

    def write_tile(self, rows: int, vectors: int) -> ir.Function:
        """(a, b, c, a_row, a_column, b_row, c_row, depth, count): a tile of C from `depth` elements of `count` rows of
        A and as many rows of B. Rows from `count` on repeat the last."""
        function, builder = self.begin(f"tile_{rows}x{vectors}", 3, 6)
        a, b, c, a_row, a_column, b_row, c_row, depth, count = function.args
        fma = intrinsic(self.module, f"fma.v{self.lanes}{self.scalar.intrinsic_name}", self.vector, [self.vector] * 3)
        last = builder.sub(count, i64(1))
        starts = []
        for row in range(rows):
            inside = builder.icmp_signed("<", i64(row), last)
            starts.append(self.at(builder, a, builder.mul(builder.select(inside, i64(row), last), a_row)))

        def step(k: ir.Value, sums: Values) -> Values:
            offset, line = builder.mul(k, a_column), builder.mul(k, b_row)
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

    def write_pack_columns(self) -> ir.Function:
        """(b, panel, b_column, depth, columns): a panel from the columns of B, each contiguous. Columns from `columns`
        on repeat the last."""
        function, builder = self.begin("pack_columns", 2, 3)
        b, panel, b_column, depth, columns = function.args
        last = builder.sub(columns, i64(1))
        group = min(QUAD, self.lanes)

        def vectors(j: ir.Value, _: Values) -> Values:
            starts = []
            for lane in range(self.lanes):
                column = self.smaller(builder, builder.add(j, i64(lane)), last)
                starts.append(self.at(builder, b, builder.mul(column, b_column)))

            def block(k: ir.Value, _: Values) -> Values:
                mask = self.first(builder, builder.sub(depth, k), group)
                parts = [self.load_masked(builder, self.at(builder, start, k), mask) for start in starts]
                lines = [self.joined(builder, parts[n::group]) for n in range(group)]
                for n, line in enumerate(self.transposed(builder, lines)):
                    target = builder.mul(builder.add(k, i64(n)), i64(self.columns))
                    self.store(builder, line, self.at(builder, panel, target, j))
                return []

            loop(builder, i64(0), depth, group, [], block)
            return []

        loop(builder, i64(0), columns, self.lanes, [], vectors)
        builder.ret_void()
        return function

    def joined(self, builder: ir.IRBuilder, parts: Sequence[ir.Value]) -> ir.Value:
        """Vectors one after the other in one."""
        parts = list(parts)
        while len(parts) > 1:
            lanes = ir.Constant(ir.VectorType(I32, 2 * parts[0].type.count), list(range(2 * parts[0].type.count)))
            parts = [builder.shuffle_vector(x, y, lanes) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def transposed(self, builder: ir.IRBuilder, lines: Sequence[ir.Value]) -> list[ir.Value]:
        """Lines of as many lanes a group as there are lines, transposed within each group: line i is interleaved with
        line i + half, as often as halving goes."""
        group, half = len(lines), len(lines) // 2

        def interleaving(start: int) -> ir.Constant:
            order = [
                lane - lane % group + start + lane % group // 2 + lane % 2 * self.lanes for lane in range(self.lanes)
            ]
            return ir.Constant(ir.VectorType(I32, self.lanes), order)

        masks = interleaving(0), interleaving(half)
        result = list(lines)
        for _ in range(group.bit_length() - 1):
            pairs = zip(result[:half], result[half:], strict=True)
            result = [builder.shuffle_vector(x, y, mask) for x, y in pairs for mask in masks]
        return result

    def write_merge(self) -> ir.Function:
        """(tile, c, c_row, rows, columns, add): the first rows and columns of a tile stored in C, or added to it."""
        function, builder = self.begin("merge", 2, 4)
        tile, c, c_row, rows, columns, add = function.args
        adds = builder.icmp_signed("!=", add, i64(0))

        def line(row: ir.Value, _: Values) -> Values:
            source, target = builder.mul(row, i64(self.columns)), builder.mul(row, c_row)

            def cells(column: ir.Value, _: Values) -> Values:
                new = self.load(builder, self.at(builder, tile, source, column), self.vector)
                address = self.at(builder, c, target, column)
                mask = self.first(builder, builder.sub(columns, column), self.lanes)
                total = builder.fadd(self.load_masked(builder, address, mask), new)
                self.store_masked(builder, builder.select(adds, total, new), address, mask)
                return []

            loop(builder, i64(0), columns, self.lanes, [], cells)
            return []

        loop(builder, i64(0), rows, 1, [], line)
        builder.ret_void()
        return function

    def write_product(self, name: str) -> None:
        """(a, b, c, scratch, batch, m, n, k, a_row, a_column, b_row, b_column, chunk): C = A B for each batch."""
        function, builder = self.begin(name, 4, 9)
        function.linkage = "external"
        a, b, c, scratch, batch, m, n, k, a_row, a_column, b_row, b_column, chunk = function.args
        a_size, b_size, c_size = builder.mul(m, k), builder.mul(k, n), builder.mul(m, n)
        tile = scratch
        panel = self.at(builder, scratch, i64(self.rows * self.columns))
        few_rows = builder.icmp_signed("<=", m, i64(UNPACKED_TILES * self.rows))
        by_rows = builder.icmp_signed("==", b_column, i64(1))

        def product(number: ir.Value, _: Values) -> Values:
            a_start = self.at(builder, a, builder.mul(number, a_size))
            b_start = self.at(builder, b, builder.mul(number, b_size))
            c_start = self.at(builder, c, builder.mul(number, c_size))

            def chunks(k0: ir.Value, _: Values) -> Values:
                depth = self.smaller(builder, chunk, builder.sub(k, k0))
                a_chunk = self.at(builder, a_start, builder.mul(k0, a_column))
                add = builder.zext(builder.icmp_signed(">", k0, i64(0)), I64)

                def panels(j0: ir.Value, _: Values) -> Values:
                    columns = self.smaller(builder, i64(self.columns), builder.sub(n, j0))
                    source = self.at(builder, b_start, builder.mul(k0, b_row), builder.mul(j0, b_column))
                    whole = builder.icmp_signed("==", columns, i64(self.columns))
                    direct = builder.and_(builder.and_(whole, by_rows), few_rows)
                    with builder.if_then(builder.not_(direct)), builder.if_else(by_rows) as (rows, transposed):
                        with rows:
                            builder.call(self.pack_rows, [source, panel, b_row, depth, columns])
                        with transposed:
                            builder.call(self.pack_columns, [source, panel, b_column, depth, columns])
                    lines = builder.select(direct, source, panel)
                    line = builder.select(direct, b_row, i64(self.columns))

                    def tiles(i0: ir.Value, _: Values) -> Values:
                        rows = self.smaller(builder, i64(self.rows), builder.sub(m, i0))
                        a_tile = self.at(builder, a_chunk, builder.mul(i0, a_row))
                        c_tile = self.at(builder, c_start, builder.mul(i0, n), j0)
                        pointers, strides = (a_tile, lines, c_tile, tile), (a_row, a_column, line, n)
                        self.one_tile(builder, pointers, strides, depth, rows, columns, add)
                        return []

                    loop(builder, i64(0), m, self.rows, [], tiles)
                    return []

                loop(builder, i64(0), n, self.columns, [], panels)
                return []

            loop(builder, i64(0), k, chunk, [], chunks)
            return []

        with builder.if_then(builder.icmp_signed("==", k, i64(0))):  # no chunk will write C
            fill = intrinsic(self.module, "memset.p0.i64", VOID, [POINTER, I8, I64, ir.IntType(1)])
            size = builder.mul(builder.mul(batch, c_size), i64(self.dtype.itemsize))
            builder.call(fill, [c, I8(0), size, ir.IntType(1)(0)])
        loop(builder, i64(0), batch, 1, [], product)
        builder.ret_void()

    def one_tile(
        self,
        builder: ir.IRBuilder,
        pointers: tuple[ir.Value, ir.Value, ir.Value, ir.Value],
        strides: tuple[ir.Value, ir.Value, ir.Value, ir.Value],
        depth: ir.Value,
        rows: ir.Value,
        columns: ir.Value,
        add: ir.Value,
    ) -> None:
        """Compute the tile at (a, b, c): in place where it is whole and not added to C, else in the tile at the fourth
        pointer, which is then merged into C."""
        a, b, c, tile = pointers
        a_row, a_column, b_row, c_row = strides
        narrow = builder.icmp_signed("<=", columns, i64(self.lanes))
        whole = builder.and_(
            builder.icmp_signed("==", rows, i64(self.rows)), builder.icmp_signed("==", columns, i64(self.columns))
        )

        def call(shape: tuple[int, int], target: ir.Value, row: ir.Value) -> None:
            builder.call(self.tiles[shape], [a, b, target, a_row, a_column, b_row, row, depth, rows])

        with builder.if_else(builder.and_(whole, builder.icmp_signed("==", add, i64(0)))) as (direct, indirect):
            with direct:
                call((self.rows, self.vectors), c, c_row)
            with indirect:
                row = i64(self.columns)
                with builder.if_else(narrow) as (one_vector, more_vectors):
                    with one_vector:
                        call((self.rows, 1), tile, row)
                    with more_vectors, builder.if_else(builder.icmp_signed("==", rows, i64(1))) as (one_row, more_rows):
                        with one_row:
                            call((1, self.vectors), tile, row)
                        with more_rows:
                            call((self.rows, self.vectors), tile, row)
                builder.call(self.merge, [tile, c, c_row, rows, columns, add])

    def smaller(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return builder.select(builder.icmp_signed("<", x, y), x, y)
