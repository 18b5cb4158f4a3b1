"""The matrix product: register tiles over packed panels, for f32 and f64, any sizes and both transpositions.

An element of the result is, whatever the tiling, what `Matmul` says: the sum, in ascending order, of chunks, each a
chain of fused multiply-adds over ascending k from 0. Tiling only decides which elements are computed side by side.

The columns of B are taken in panels as wide as a tile. A panel of one chunk is packed, unless it can be read where it
is, and stays in cache while the tiles run down the rows of A, whose elements are repeated over the lanes one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

from lucid.codegen.cpu.control import I8, I32, I64, POINTER, VOID, Values, element, i64, intrinsic, loop, memory_type
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType

# Rows and vectors of a tile: as many accumulators as the registers hold beside a row of B and an element of A.
# AVX-512 has 32 registers, AVX2 has 16; a machine of 16-byte vectors has 16 (SSE) or more.
TILES = {64: (8, 3), 32: (4, 3), 16: (4, 3)}

# Up to this many rows of tiles, a panel that needs no packing is read where it is: packing would not pay.
UNPACKED_TILES = 2


@dataclass(frozen=True)
class MatmulCall:
    """A function (A, B, C, scratch, sizes...), the sizes to pass, and the scratch memory that it needs."""

    function: ir.Function
    sizes: tuple[int, ...]
    scratch_bytes: int


class MatmulWriter:
    """Writes the functions of a matrix product into a module, once for each dtype."""

    def __init__(self, module: ir.Module, vector_bytes: int) -> None:
        self.module = module
        self.vector_bytes = vector_bytes
        self.products: dict[DType, _Product] = {}

    def call(self, op: Matmul, a: TensorType, b: TensorType) -> MatmulCall:
        """How to compute `op` on operands of types a and b, of which the result has elements."""
        dtype = a.dtype
        if dtype not in self.products:
            self.products[dtype] = _Product(self.module, dtype, self.vector_bytes)
        product = self.products[dtype]
        (m, k), n = (a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]), b.shape[-2 if op.transpose_b else -1]
        chunk = min(op.chunk or k, k)
        a_strides = (1, m) if op.transpose_a else (k, 1)
        b_strides = (1, k) if op.transpose_b else (n, 1)
        sizes = (math.prod(a.shape[:-2]), m, n, k, *a_strides, *b_strides, max(chunk, 1))
        return MatmulCall(product.function, sizes, product.scratch_bytes(chunk))


class _Product:
    """The functions for one dtype."""

    def __init__(self, module: ir.Module, dtype: DType, vector_bytes: int) -> None:
        self.module = module
        self.dtype = dtype
        self.lanes = vector_bytes // dtype.itemsize
        self.rows, self.vectors = TILES[vector_bytes]
        self.columns = self.vectors * self.lanes
        self.scalar = memory_type(dtype, 1)
        self.vector = memory_type(dtype, self.lanes)
        self.tiles = {
            (rows, vectors): self.tile(rows, vectors)
            for rows, vectors in ((self.rows, self.vectors), (self.rows, 1), (1, self.vectors))
        }
        self.pack_rows = self.write_pack_rows()
        self.pack_columns = self.write_pack_columns()
        self.merge = self.write_merge()
        self.function = self.write_product()

    def scratch_bytes(self, chunk: int) -> int:
        """A panel of one chunk, its rows rounded up to whole vectors; then a tile."""
        return self.dtype.itemsize * self.columns * (-(-chunk // self.lanes) * self.lanes + self.rows)

    # Building blocks.

    def begin(self, name: str, pointers: int, sizes: int) -> tuple[ir.Function, ir.IRBuilder]:
        signature = ir.FunctionType(VOID, [POINTER] * pointers + [I64] * sizes)
        function = ir.Function(self.module, signature, f"matmul_{self.dtype.short}_{name}")
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

    def load_first(self, builder: ir.IRBuilder, address: ir.Value, count: ir.Value) -> ir.Value:
        """A vector of the first `count` elements at an address, and zeros."""
        lanes = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        mask = builder.icmp_signed("<", lanes, self.spread(builder, count))
        operands = [address, I32(self.dtype.itemsize), mask, ir.Constant(self.vector, None)]
        name = f"masked.load.v{self.lanes}{self.scalar.intrinsic_name}.p0"
        return builder.call(intrinsic(self.module, name, self.vector, [x.type for x in operands]), operands)

    def spread(self, builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        """A scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(x.type, self.lanes), ir.Undefined)
        first = builder.insert_element(undefined, x, I32(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, self.lanes), None))

    # Functions.

    def tile(self, rows: int, vectors: int) -> ir.Function:
        """(a, b, c, a_row, a_column, b_row, c_row, depth, count, add): a tile of C from `depth` elements of `count`
        rows of A and as many rows of B. It is stored, or added to C where `add` is not 0. Rows from `count` on repeat
        the last."""
        function, builder = self.begin(f"tile_{rows}x{vectors}", 3, 7)
        a, b, c, a_row, a_column, b_row, c_row, depth, count, add = function.args
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
                x = self.spread(builder, self.load(builder, self.at(builder, starts[row], offset), self.scalar))
                results += [builder.call(fma, [x, panel[v], sums[row * vectors + v]]) for v in range(vectors)]
            return results

        zeros = [ir.Constant(self.vector, None)] * (rows * vectors)
        sums = loop(builder, i64(0), depth, 1, zeros, step)
        targets = [
            self.at(builder, c, builder.mul(i64(row), c_row), i64(v * self.lanes))
            for row in range(rows)
            for v in range(vectors)
        ]
        with builder.if_else(builder.icmp_signed("!=", add, i64(0))) as (adding, storing):
            with adding:
                for target, total in zip(targets, sums, strict=True):
                    self.store(builder, builder.fadd(self.load(builder, target, self.vector), total), target)
            with storing:
                for target, total in zip(targets, sums, strict=True):
                    self.store(builder, total, target)
        builder.ret_void()
        return function

    def write_pack_rows(self) -> ir.Function:
        """(b, panel, b_row, depth, columns): a panel from rows of B, with zeros from `columns` on."""
        function, builder = self.begin("pack_rows", 2, 3)
        b, panel, b_row, depth, columns = function.args

        def line(k: ir.Value, _: Values) -> Values:
            source, target = builder.mul(k, b_row), builder.mul(k, i64(self.columns))
            for v in range(self.vectors):
                offset = i64(v * self.lanes)
                loaded = self.load_first(builder, self.at(builder, b, source, offset), builder.sub(columns, offset))
                self.store(builder, loaded, self.at(builder, panel, target, offset))
            return []

        loop(builder, i64(0), depth, 1, [], line)
        builder.ret_void()
        return function

    def write_pack_columns(self) -> ir.Function:
        """(b, panel, b_column, depth, columns): a panel from the columns of B, each contiguous, transposed block by
        block in registers. Columns from `columns` on repeat the last."""
        function, builder = self.begin("pack_columns", 2, 3)
        b, panel, b_column, depth, columns = function.args
        last = builder.sub(columns, i64(1))

        def blocks(k: ir.Value, _: Values) -> Values:
            left = builder.sub(depth, k)

            def block(j: ir.Value, _: Values) -> Values:
                lines = []
                for lane in range(self.lanes):
                    column = builder.add(j, i64(lane))
                    column = builder.select(builder.icmp_signed("<", column, last), column, last)
                    lines.append(self.load_first(builder, self.at(builder, b, builder.mul(column, b_column), k), left))
                for lane, line in enumerate(self.transposed(builder, lines)):
                    target = builder.mul(builder.add(k, i64(lane)), i64(self.columns))
                    self.store(builder, line, self.at(builder, panel, target, j))
                return []

            loop(builder, i64(0), columns, self.lanes, [], block)
            return []

        loop(builder, i64(0), depth, self.lanes, [], blocks)
        builder.ret_void()
        return function

    def transposed(self, builder: ir.IRBuilder, lines: Sequence[ir.Value]) -> list[ir.Value]:
        """The transpose of a square block: interleaving line i with line i + half, as often as halving goes."""
        half, lanes = self.lanes // 2, range(self.lanes)
        low = ir.Constant(ir.VectorType(I32, self.lanes), [n // 2 + n % 2 * self.lanes for n in lanes])
        high = ir.Constant(ir.VectorType(I32, self.lanes), [half + n // 2 + n % 2 * self.lanes for n in lanes])
        result = list(lines)
        for _ in range(self.lanes.bit_length() - 1):
            pairs = zip(result[:half], result[half:], strict=True)
            result = [builder.shuffle_vector(x, y, mask) for x, y in pairs for mask in (low, high)]
        return result

    def write_merge(self) -> ir.Function:
        """(tile, c, c_row, rows, columns, add): the first rows and columns of a tile stored in C, or added to it."""
        function, builder = self.begin("merge", 2, 4)
        tile, c, c_row, rows, columns, add = function.args
        adds = builder.icmp_signed("!=", add, i64(0))

        def line(row: ir.Value, _: Values) -> Values:
            source, target = builder.mul(row, i64(self.columns)), builder.mul(row, c_row)

            def cell(column: ir.Value, _: Values) -> Values:
                new = self.load(builder, self.at(builder, tile, source, column), self.scalar)
                address = self.at(builder, c, target, column)
                with builder.if_else(adds) as (adding, storing):
                    with adding:
                        self.store(builder, builder.fadd(self.load(builder, address, self.scalar), new), address)
                    with storing:
                        self.store(builder, new, address)
                return []

            loop(builder, i64(0), columns, 1, [], cell)
            return []

        loop(builder, i64(0), rows, 1, [], line)
        builder.ret_void()
        return function

    def write_product(self) -> ir.Function:
        """(a, b, c, scratch, batch, m, n, k, a_row, a_column, b_row, b_column, chunk): C = A B for each batch."""
        function, builder = self.begin("product", 4, 9)
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
        return function

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
        """Compute the tile at (a, b, c): in place where it is whole, else in the tile at the fourth pointer, of which
        a part goes to C."""
        a, b, c, tile = pointers
        a_row, a_column, b_row, c_row = strides
        narrow = builder.icmp_signed("<=", columns, i64(self.lanes))
        whole_rows = builder.icmp_signed("==", rows, i64(self.rows))
        whole = builder.and_(whole_rows, builder.icmp_signed("==", columns, i64(self.columns)))

        def call(shape: tuple[int, int], target: ir.Value, target_row: ir.Value, adding: ir.Value) -> None:
            arguments = [a, b, target, a_row, a_column, b_row, target_row, depth, rows, adding]
            builder.call(self.tiles[shape], arguments)

        with builder.if_else(whole) as (inside, edge):
            with inside:
                call((self.rows, self.vectors), c, c_row, add)
            with edge:
                row = i64(self.columns), i64(0)
                with builder.if_else(narrow) as (one_vector, more_vectors):
                    with one_vector:
                        call((self.rows, 1), tile, *row)
                    with more_vectors, builder.if_else(builder.icmp_signed("==", rows, i64(1))) as (one_row, more_rows):
                        with one_row:
                            call((1, self.vectors), tile, *row)
                        with more_rows:
                            call((self.rows, self.vectors), tile, *row)
                builder.call(self.merge, [tile, c, c_row, rows, columns, add])

    def smaller(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return builder.select(builder.icmp_signed("<", x, y), x, y)
