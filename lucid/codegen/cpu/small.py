"""Small matrix products: a few vectors of sums at a time, from operands where they lie.

Packing panels and merging tiles takes longer than such a product, and its code longer to compile. An element is what
`Matmul` says, with one lane and one chunk: a chain of multiply-adds over ascending k from 0.
"""

from __future__ import annotations

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, POINTER, Values, i64, intrinsic, loop
from lucid.codegen.cpu.pool_text import SCRATCH
from lucid.codegen.cpu.tiles import Tiles

ROWS = 8  # of a tile: as many multiply-adds as are under way at once


class Small(Tiles):
    """The functions of such a product. Columns of B that are not contiguous are copied side by side; where loads take
    no mask, those that fill no vector are as well.

    `write` appends `void name(context, chunk, worker, job)` to a module, a task for the pool, and the function that it
    calls. The context holds the addresses of A, B and C, and of a word each of: m, n, k; a_row, a_column, b_row,
    b_column; how many matrices there are, and how many a chunk of the task has. Elements lie as `Gemm` says, and rows
    of C are contiguous.
    """

    def memory(self, k: int) -> int:
        """The elements of a worker's memory: columns of B for a vector, if any are copied."""
        return k * self.lanes

    def write(self, module: ir.Module, name: str) -> None:
        self.module = module
        self.tile = self.write_tile()
        self.write_product(name)

    def write_tile(self) -> ir.Function:
        """(a, b, c, a_row, a_column, b_row, c_row, depth, rows, columns): a tile of C. Rows from `rows` on are the last
        again, computed and stored. Columns from `columns` on are read as well where loads take no mask."""
        function, builder = self.begin("tile", 3, 7)
        a, b, c, a_row, a_column, b_row, c_row, depth, rows, columns = function.args
        fma = intrinsic(self.module, f"fma.v{self.lanes}{self.scalar.intrinsic_name}", self.vector, [self.vector] * 3)
        mask = self.first(builder, columns, self.lanes)
        last = builder.sub(rows, i64(1))
        lines = [self.smaller(builder, i64(row), last) for row in range(ROWS)]
        starts = [self.at(builder, a, builder.mul(line, a_row)) for line in lines]

        def step(k: ir.Value, sums: Values) -> Values:
            offset = builder.mul(k, a_column)
            address = self.at(builder, b, builder.mul(k, b_row))
            line = self.load_masked(builder, address, mask) if self.masks else self.load(builder, address, self.vector)
            factors = [self.load(builder, self.at(builder, start, offset), self.scalar) for start in starts]
            return [
                builder.call(fma, [self.spread(builder, x, self.lanes), line, total])
                for x, total in zip(factors, sums, strict=True)
            ]

        sums = loop(builder, i64(0), depth, 1, [ir.Constant(self.vector, None)] * ROWS, step)
        for line, total in zip(lines, sums, strict=True):
            self.store_masked(builder, total, self.at(builder, c, builder.mul(line, c_row)), mask)
        builder.ret_void()
        return function

    def write_product(self, name: str) -> None:
        """The task: some matrices of the batch."""
        builder, (a, b, c), sizes, number, worker = self.begin_task(name, 3, 9)
        m, n, k, a_row, a_column, b_row, b_column, units, span = sizes
        contiguous = builder.icmp_signed("==", b_column, i64(1))
        parts = builder.icmp_signed("!=", builder.and_(n, i64(self.lanes - 1)), i64(0))
        packs = builder.not_(contiguous) if self.masks else builder.or_(builder.not_(contiguous), parts)
        panel = builder.call(ir.Function(self.module, ir.FunctionType(POINTER, [I64]), SCRATCH), [worker])

        def matrix(number: ir.Value, _: Values) -> Values:
            of_a = self.at(builder, a, builder.mul(number, builder.mul(m, k)))
            of_b = self.at(builder, b, builder.mul(number, builder.mul(k, n)))
            of_c = self.at(builder, c, builder.mul(number, builder.mul(m, n)))

            def vectors(j: ir.Value, _: Values) -> Values:
                """As many columns as a vector has lanes."""
                columns = self.smaller(builder, builder.sub(n, j), i64(self.lanes))
                source = self.at(builder, of_b, builder.mul(j, b_column))

                def column(lane: ir.Value, _: Values) -> Values:
                    start = self.at(builder, source, builder.mul(lane, b_column))

                    def cell(row: ir.Value, _: Values) -> Values:
                        x = self.load(builder, self.at(builder, start, builder.mul(row, b_row)), self.scalar)
                        self.store(builder, x, self.at(builder, panel, builder.mul(row, i64(self.lanes)), lane))
                        return []

                    loop(builder, i64(0), k, 1, [], cell)
                    return []

                with builder.if_then(packs):
                    loop(builder, i64(0), columns, 1, [], column)
                lines = builder.select(packs, panel, source)
                line = builder.select(packs, i64(self.lanes), b_row)

                def tiles(i: ir.Value, _: Values) -> Values:
                    rows = self.smaller(builder, builder.sub(m, i), i64(ROWS))
                    of_tile = self.at(builder, of_a, builder.mul(i, a_row))
                    target = self.at(builder, of_c, builder.mul(i, n), j)
                    builder.call(self.tile, [of_tile, lines, target, a_row, a_column, line, n, k, rows, columns])
                    return []

                loop(builder, i64(0), m, ROWS, [], tiles)
                return []

            loop(builder, i64(0), n, self.lanes, [], vectors)
            return []

        begin = builder.mul(number, span)
        loop(builder, begin, self.smaller(builder, builder.add(begin, span), units), 1, [], matrix)
        builder.ret_void()
