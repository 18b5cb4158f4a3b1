"""Matrix products of few rows by a matrix: rows of the result are swept over in memory, some products at a time.

An element is what `Matmul` says, with one lane: a chain of multiply-adds may rest in memory between two of them. So the
matrix is read as it lies, some whole rows at a time, where a tile of registers would read a short piece of every row.

C[i, j] is the sum over row i of S, which has few rows, and column j of M, whose rows are contiguous: they are A and B,
or B and A transposed.
"""

from __future__ import annotations

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, POINTER, Values, i64, intrinsic, loop
from lucid.codegen.cpu.pool_text import SCRATCH
from lucid.codegen.cpu.tiles import Tiles

PRODUCTS = 8  # of an element at a time: as many factors stay in registers


class Sweeps(Tiles):
    """The functions of such a product.

    `write` appends `void name(context, chunk, worker, job)` to a module, a task for the pool, and the functions that it
    calls. The context holds the addresses of S, M and C, and of a word each of: the rows of S, the columns of M, k, 1
    at least; s_row, s_column, m_row, c_row, c_column; the elements of k in a chunk of the sum; the columns in a unit of
    work, how many units there are, and how many a chunk of the task has. C[i, j] is at c + i c_row + j c_column, in
    elements, and likewise for S and M; the matrices of a batch follow each other.
    """

    def memory(self, rows: int, block: int, one_chunk: bool, c_column: int) -> int:
        """The elements of a worker's memory: the sums of a unit, unless they are in C itself."""
        return 0 if one_chunk and c_column == 1 else rows * block

    def write(self, module: ir.Module, name: str) -> None:
        self.module = module
        self.sweeps = {products: self.write_sweep(products) for products in (1, PRODUCTS)}
        self.merge = self.write_merge()
        self.write_product(name)

    # Functions.

    def write_sweep(self, products: int) -> ir.Function:
        """(s, m, sums, s_column, m_row, columns, start): so many products added to each sum, or to 0 at the start."""
        function, builder = self.begin(f"sweep_{products}", 3, 4)
        s, m, sums, s_column, m_row, columns, start = function.args
        fma = intrinsic(self.module, f"fma.v{self.lanes}{self.scalar.intrinsic_name}", self.vector, [self.vector] * 3)
        word = ir.IntType(self.dtype.bits)
        bits = ir.VectorType(word, self.lanes)
        goes_on = builder.sext(builder.icmp_signed("==", start, i64(0)), word)
        kept = self.spread(builder, goes_on, self.lanes)  # of the bits that are in memory: none at the start
        factors, rows = [], []
        for number in range(products):
            x = self.load(builder, self.at(builder, s, builder.mul(i64(number), s_column)), self.scalar)
            factors.append(self.spread(builder, x, self.lanes))
            rows.append(self.at(builder, m, builder.mul(i64(number), m_row)))

        def vector(j: ir.Value, mask: ir.Value | None) -> Values:
            def read(start: ir.Value) -> ir.Value:
                address = self.at(builder, start, j)
                return self.load_masked(builder, address, mask) if mask else self.load(builder, address, self.vector)

            total = builder.bitcast(builder.and_(builder.bitcast(read(sums), bits), kept), self.vector)
            for x, row in zip(factors, rows, strict=True):
                total = builder.call(fma, [x, read(row), total])
            target = self.at(builder, sums, j)
            if mask:
                self.store_masked(builder, total, target, mask)
            else:
                self.store(builder, total, target)
            return []

        def rest(j: ir.Value, _: Values) -> Values:
            return vector(j, self.first(builder, builder.sub(columns, j), self.lanes))

        whole = builder.and_(columns, i64(-self.lanes))
        loop(builder, i64(0), whole, self.lanes, [], lambda j, _: vector(j, None))
        loop(builder, whole, columns, self.lanes, [], rest)
        builder.ret_void()
        return function

    def write_merge(self) -> ir.Function:
        """(sums, c, c_column, columns, add): the sums of a row stored in C, or added to it."""
        function, builder = self.begin("merge", 2, 3)
        sums, c, c_column, columns, add = function.args
        adds = builder.icmp_signed("!=", add, i64(0))

        def cell(j: ir.Value, _: Values) -> Values:
            new = self.load(builder, self.at(builder, sums, j), self.scalar)
            address = self.at(builder, c, builder.mul(j, c_column))
            total = builder.fadd(self.load(builder, address, self.scalar), new)
            self.store(builder, builder.select(adds, total, new), address)
            return []

        loop(builder, i64(0), columns, 1, [], cell)
        builder.ret_void()
        return function

    def write_product(self, name: str) -> None:
        """The task: some columns of one matrix of the batch."""
        builder, (s, m, c), sizes, number, worker = self.begin_task(name, 3, 12)
        rows, columns, k, s_row, s_column, m_row, c_row, c_column, chunk, block, units, span = sizes
        blocks = self.divided(builder, columns, block)
        # One chunk is summed in C itself, if its rows are contiguous.
        one_chunk, contiguous = builder.icmp_signed("<=", k, chunk), builder.icmp_signed("==", c_column, i64(1))
        in_place = builder.and_(one_chunk, contiguous)
        memory = builder.call(ir.Function(self.module, ir.FunctionType(POINTER, [I64]), SCRATCH), [worker])

        def unit(number: ir.Value, _: Values) -> Values:
            matrix, first = builder.udiv(number, blocks), builder.mul(builder.urem(number, blocks), block)
            count = self.smaller(builder, block, builder.sub(columns, first))
            of_s = self.at(builder, s, builder.mul(matrix, builder.mul(rows, k)))
            of_m = self.at(builder, m, builder.mul(matrix, builder.mul(k, columns)), first)
            place = builder.add(builder.mul(matrix, builder.mul(rows, columns)), builder.mul(first, c_column))
            of_c = self.at(builder, c, place)
            sums, sums_row = builder.select(in_place, of_c, memory), builder.select(in_place, c_row, block)

            def part(k0: ir.Value, _: Values) -> Values:
                """A chunk of the sums."""
                depth = self.smaller(builder, chunk, builder.sub(k, k0))
                whole = builder.and_(depth, i64(-PRODUCTS))

                def some(products: int, begin: ir.Value, end: ir.Value) -> None:
                    def at_once(t: ir.Value, _: Values) -> Values:
                        product = builder.add(k0, t)
                        start = builder.zext(builder.icmp_signed("==", t, i64(0)), I64)

                        def row(i: ir.Value, _: Values) -> Values:
                            factors = self.at(builder, of_s, builder.mul(i, s_row), builder.mul(product, s_column))
                            lines = self.at(builder, of_m, builder.mul(product, m_row))
                            target = self.at(builder, sums, builder.mul(i, sums_row))
                            strides = [s_column, m_row, count, start]
                            builder.call(self.sweeps[products], [factors, lines, target, *strides])
                            return []

                        loop(builder, i64(0), rows, 1, [], row)
                        return []

                    loop(builder, begin, end, products, [], at_once)

                some(PRODUCTS, i64(0), whole)
                some(1, whole, depth)

                def store(i: ir.Value, _: Values) -> Values:
                    source = self.at(builder, sums, builder.mul(i, sums_row))
                    target = self.at(builder, of_c, builder.mul(i, c_row))
                    builder.call(self.merge, [source, target, c_column, count, k0])
                    return []

                with builder.if_then(builder.not_(in_place)):
                    loop(builder, i64(0), rows, 1, [], store)
                return []

            loop(builder, i64(0), k, chunk, [], part)
            return []

        begin = builder.mul(number, span)
        loop(builder, begin, self.smaller(builder, builder.add(begin, span), units), 1, [], unit)
        builder.ret_void()
