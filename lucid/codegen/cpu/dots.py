"""Matrix products whose sums have lanes: few rows or columns of a result, and long rows of both factors.

An element is what `Matmul` says: a sum of chunks, each of as many chains as there are lanes, added in a tree. So the
lanes of a register stand for products of one sum, and both factors are read along their rows.

C[i, j] is the sum over row i of P and row j of Q, where P has many rows and Q has few: P is A and Q is B transposed, or
the other way round, since a product does not ask which factor comes first.
"""

from __future__ import annotations

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I32, I64, POINTER, Values, i64, intrinsic, loop
from lucid.codegen.cpu.pool_text import SCRATCH
from lucid.codegen.cpu.tiles import TILES, Tiles
from lucid.ir.types import DType

# The most rows of P in a tile, and of Q, by how many sums the registers hold: the squarer a tile is, the less it loads.
MOST_ROWS = 8
MOST_COLUMNS = {24: 5, 12: 3, 6: 3, 3: 3}
LANES, LANES_OF_ONE = 16, 32  # the latter have tiles of one element: see `passes.order`

SHUFFLED_BYTES = 16  # instructions that take elements from two registers mostly stay within so many bytes of them


def tile_columns(dtype: DType, vector_bytes: int, lanes: int, rows: int) -> int:
    """How many rows of Q a tile takes, where there are so many: panels of Q are about as wide as each other."""
    most = 1 if lanes == LANES_OF_ONE else MOST_COLUMNS.get(_sums(dtype, vector_bytes), 1)
    return -(-rows // -(-rows // most))


def _sums(dtype: DType, vector_bytes: int) -> int:
    """The sums of LANES lanes that the registers hold beside what is loaded."""
    rows, vectors = TILES[vector_bytes]
    return rows * vectors * vector_bytes // (LANES * dtype.itemsize)


class Dots(Tiles):
    """The functions of a product whose sums have so many lanes, with tiles of so many rows of Q.

    `write` appends `void name(context, chunk, worker, job)` to a module, a task for the pool, and the functions that it
    calls. The context holds the addresses of P, Q and C, and of a word each of: the rows of P, the rows of Q, k; p_row,
    p_column, q_row, q_column, c_row, c_column; the elements of k in a chunk of the sum; the rows of P in a unit of
    work, how many units there are, and how many a chunk of the task has; where in the worker's memory rows of Q are
    packed. C[i, j] is at c + i c_row + j c_column, in elements, and likewise for P and Q; the matrices of a batch
    follow each other.
    """

    def __init__(self, dtype: DType, vector_bytes: int, lanes: int, columns: int) -> None:
        super().__init__(dtype, vector_bytes)
        self.registers = lanes // self.lanes  # of one sum
        self.width = columns
        self.height = 1 if lanes == LANES_OF_ONE else max(min(_sums(dtype, vector_bytes) // columns, MOST_ROWS), 1)

    def memory(self, n: int, chunk: int, p_column: int, q_column: int) -> tuple[int, int]:
        """Where rows of Q are packed in a worker's memory, behind those of P, and the elements of all: rows that are
        contiguous stay where they are."""
        of_p, of_q = (0 if p_column == 1 else self.height * chunk), (0 if q_column == 1 else n * chunk)
        return of_p, of_p + of_q

    def write(self, module: ir.Module, name: str) -> None:
        self.module = module
        self.tile = self.write_tile(self.height, self.width)
        self.pack = self.write_pack()
        self.write_product(name)

    # Functions.

    def write_tile(self, rows: int, columns: int) -> ir.Function:
        """(p, q, c, p_row, q_row, c_row, c_column, depth, count, width, add): the sums of `depth` products of `count`
        rows of P and `width` rows of Q, stored in C, or added to it. Rows from there on repeat the last."""
        function, builder = self.begin("tile", 3, 8)
        p, q, c, p_row, q_row, c_row, c_column, depth, count, width, add = function.args
        fma = intrinsic(self.module, f"fma.v{self.lanes}{self.scalar.intrinsic_name}", self.vector, [self.vector] * 3)
        memory = builder.alloca(self.vector, -(-rows * columns // self.lanes))

        def starts(pointer: ir.Value, stride: ir.Value, number: int, count: ir.Value) -> Values:
            last = builder.sub(count, i64(1))
            numbers = [self.smaller(builder, i64(n), last) for n in range(number)]
            return [self.at(builder, pointer, builder.mul(n, stride)) for n in numbers]

        of_p, of_q = starts(p, p_row, rows, count), starts(q, q_row, columns, width)

        def step(k: ir.Value, sums: Values, left: ir.Value | None = None) -> Values:
            """Products from k on in all lanes, or in the first ones of as many as are left."""
            results = list(sums)
            for part in range(self.registers):
                done = i64(part * self.lanes)
                place = builder.add(k, done)
                mask = self.first(builder, builder.sub(left, done), self.lanes) if left else None

                def read(start: ir.Value, place: ir.Value = place, mask: ir.Value | None = mask) -> ir.Value:
                    address = self.at(builder, start, place)
                    return (
                        self.load_masked(builder, address, mask) if mask else self.load(builder, address, self.vector)
                    )

                factors = [read(start) for start in of_q]
                for row, start in enumerate(of_p):
                    x = read(start)
                    for column, y in enumerate(factors):
                        number = (row * columns + column) * self.registers + part
                        total = builder.call(fma, [x, y, results[number]])
                        # A lane without a product keeps its sum: adding 0 would turn -0 into 0.
                        results[number] = builder.select(mask, total, results[number]) if mask else total
            return results

        whole = builder.and_(depth, i64(-self.registers * self.lanes))
        zeros = [ir.Constant(self.vector, None)] * (rows * columns * self.registers)
        sums = loop(builder, i64(0), whole, self.registers * self.lanes, zeros, step)
        sums = loop(
            builder,
            whole,
            depth,
            self.registers * self.lanes,
            sums,
            lambda k, sums: step(k, sums, builder.sub(depth, k)),
        )
        each = [self.joined_halves(builder, sums[n : n + self.registers]) for n in range(0, len(sums), self.registers)]
        totals = self.totals(builder, each)

        def store(new: ir.Value, address: ir.Value, mask: ir.Value) -> None:
            """Store vectors, or add them, in the lanes of a mask."""
            total = builder.fadd(self.load_masked(builder, address, mask), new)
            new = builder.select(builder.icmp_signed("!=", add, i64(0)), total, new)
            self.store_masked(builder, new, address, mask)

        def row(i: ir.Value, _: Values) -> Values:
            """Store a row of the totals from memory, by a vector or one by one."""
            target, start = self.at(builder, c, builder.mul(i, c_row)), builder.mul(i, i64(columns))

            def part(j: ir.Value, lanes: int) -> Values:
                mask = self.first(builder, builder.sub(width, j), lanes)
                new = self.load_masked(builder, self.at(builder, memory, start, j), mask)
                store(new, self.at(builder, target, builder.mul(j, c_column)), mask)
                return []

            with builder.if_else(builder.icmp_signed("==", c_column, i64(1))) as (dense, apart):
                with dense:
                    part(i64(0), self.lanes)
                with apart:
                    loop(builder, i64(0), width, 1, [], lambda j, _: part(j, 1))
            return []

        def store_rows() -> None:
            for number, total in enumerate(totals):
                self.store(builder, total, self.at(builder, memory, i64(number * self.lanes)))
            loop(builder, i64(0), count, 1, [], row)

        if columns > 1:
            store_rows()
        else:
            with builder.if_else(builder.icmp_signed("==", c_row, i64(1))) as (together, apart):
                with together:
                    store(totals[0], c, self.first(builder, count, self.lanes))
                with apart:
                    store_rows()
        builder.ret_void()
        return function

    def joined_halves(self, builder: ir.IRBuilder, parts: Values) -> ir.Value:
        """The sum of the registers of one accumulator, by halves."""
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [builder.fadd(x, y) for x, y in zip(parts[:half], parts[half:], strict=True)]
        return parts[0]

    def totals(self, builder: ir.IRBuilder, sums: Values) -> Values:
        """The sum of the lanes of each vector, by halves: as vectors of totals, in order.

        Two vectors are folded into one, in whose lanes are half as many parts of each of their sums, until one vector
        is left of as many as there are lanes.
        """
        widths = [self.lanes >> level for level in range(self.lanes.bit_length() - 1)]
        of_lane = [[number] * self.lanes for number in range(self.lanes)]  # the sums whose parts are in a vector
        for width in widths:
            order = self.half(width, 0)
            of_lane = [[(x + y)[lane] for lane in order] for x, y in zip(of_lane[::2], of_lane[1::2], strict=True)]
        results = []
        for start in range(0, len(sums), self.lanes):
            vectors: Values = [ir.Constant(self.vector, ir.Undefined)] * self.lanes
            for place, total in zip(of_lane[0], sums[start : start + self.lanes], strict=False):
                vectors[place] = total
            for width in widths:
                masks = [ir.Constant(ir.VectorType(I32, self.lanes), self.half(width, which)) for which in (0, 1)]
                vectors = [
                    builder.fadd(*(builder.shuffle_vector(x, y, mask) for mask in masks))
                    for x, y in zip(vectors[::2], vectors[1::2], strict=True)
                ]
            results += vectors
        return results

    def half(self, width: int, which: int) -> list[int]:
        """The lanes of two vectors that are in the first or the second half of their group, where groups have so many
        lanes."""
        block = self.lanes if width * self.dtype.itemsize > SHUFFLED_BYTES else SHUFFLED_BYTES // self.dtype.itemsize
        return [
            vector + group + which * (width // 2) + lane
            for start in range(0, self.lanes, block)
            for vector in (0, self.lanes)
            for group in range(start, start + block, width)
            for lane in range(width // 2)
        ]

    def write_pack(self) -> ir.Function:
        """(source, target, step, line, count, depth): rows of `depth` elements that are `step` apart, while the rows
        are one apart, side by side, `line` apart."""
        function, builder = self.begin("pack", 2, 4)
        source, target, step, line, count, depth = function.args

        def along(k: ir.Value, _: Values) -> Values:
            def element(j: ir.Value, _: Values) -> Values:
                x = self.load(builder, self.at(builder, source, builder.mul(k, step), j), self.scalar)
                self.store(builder, x, self.at(builder, target, builder.mul(j, line), k))
                return []

            loop(builder, i64(0), count, 1, [], element)
            return []

        loop(builder, i64(0), depth, 1, [], along)
        builder.ret_void()
        return function

    def write_product(self, name: str) -> None:
        """The task: some rows of P by all of Q, for one matrix of the batch."""
        builder, (p, q, c), sizes, number, worker = self.begin_task(name, 3, 14)
        m, n, k, p_row, p_column, q_row, q_column, c_row, c_column, chunk, block, units, span, of_q = sizes
        blocks = self.divided(builder, m, block)

        # Where rows are not contiguous, they are packed: those of Q once a chunk, those of P tile by tile.
        p_direct, q_direct = (builder.icmp_signed("==", column, i64(1)) for column in (p_column, q_column))
        p_memory = builder.call(ir.Function(self.module, ir.FunctionType(POINTER, [I64]), SCRATCH), [worker])
        q_memory = self.at(builder, p_memory, of_q)

        def packed(
            direct: ir.Value, source: ir.Value, memory: ir.Value, strides: tuple[ir.Value, ir.Value], *sizes: ir.Value
        ) -> tuple[ir.Value, ir.Value]:
            """Where rows lie side by side, and how far apart."""
            with builder.if_then(builder.not_(direct)):
                builder.call(self.pack, [source, memory, strides[1], chunk, *sizes])
            return builder.select(direct, source, memory), builder.select(direct, strides[0], chunk)

        def unit(number: ir.Value, _: Values) -> Values:
            matrix, start = builder.udiv(number, blocks), builder.mul(builder.urem(number, blocks), block)
            stop = self.smaller(builder, builder.add(start, block), m)
            matrices = [
                self.at(builder, pointer, builder.mul(matrix, builder.mul(rows, columns)))
                for pointer, rows, columns in ((p, m, k), (q, k, n), (c, m, n))
            ]
            loop(
                builder,
                i64(0),
                self.larger(builder, k, i64(1)),
                chunk,
                [],
                lambda k0, _: part(k0, start, stop, *matrices),
            )
            return []

        def part(k0: ir.Value, start: ir.Value, stop: ir.Value, p: ir.Value, q: ir.Value, c: ir.Value) -> Values:
            """One chunk of the sums of some rows of P. A sum of nothing is stored, too."""
            depth = self.smaller(builder, chunk, builder.sub(k, k0))
            q_chunk = self.at(builder, q, builder.mul(k0, q_column))
            q_rows, q_line = packed(q_direct, q_chunk, q_memory, (q_row, q_column), n, depth)

            def tiles(i: ir.Value, _: Values) -> Values:
                count = self.smaller(builder, i64(self.height), builder.sub(stop, i))
                p_chunk = self.at(builder, p, builder.mul(i, p_row), builder.mul(k0, p_column))
                p_rows, p_line = packed(p_direct, p_chunk, p_memory, (p_row, p_column), count, depth)

                def across(j: ir.Value, _: Values) -> Values:
                    left = self.smaller(builder, i64(self.width), builder.sub(n, j))
                    panel = self.at(builder, q_rows, builder.mul(j, q_line))
                    target = self.at(builder, c, builder.mul(i, c_row), builder.mul(j, c_column))
                    sizes = [p_line, q_line, c_row, c_column, depth, count, left, k0]
                    builder.call(self.tile, [p_rows, panel, target, *sizes])
                    return []

                loop(builder, i64(0), n, self.width, [], across)
                return []

            loop(builder, start, stop, self.height, [], tiles)
            return []

        first = builder.mul(number, span)
        loop(builder, first, self.smaller(builder, builder.add(first, span), units), 1, [], unit)
        builder.ret_void()
