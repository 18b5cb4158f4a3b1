"""What the tasks of convolutions are made of: tiles that find their factors by tables, and gathering."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I8, I64, POINTER, TASK, VOID, Values, i64, intrinsic, loop
from lucid.codegen.cpu.convolution_copies import Copies
from lucid.codegen.cpu.convolution_plan import AXES, GATHERED, STARTS
from lucid.codegen.cpu.pool_text import SCRATCH
from lucid.ir.types import DType

# Sums of a tile. A tile of fewer takes as long as one of four: a product waits four cycles for the one before.
LEAST_SUMS = 3


def write_tasks(
    module: ir.Module, dtype: DType, vector_bytes: int, tasks: Mapping[str, type[ConvolutionTiles]]
) -> None:
    """Append tasks to a module, by these names. They share what they are made of."""
    written: dict[str, ir.Function] = {}
    for name, kind in tasks.items():
        kind(dtype, vector_bytes, module, written).write(name)


class PlanWords:
    """The words of a plan, loaded by name. A function loads those that it uses at its start."""

    def __init__(self, builder: ir.IRBuilder, pointer: ir.Value, fields: Sequence[str]) -> None:
        self.builder = builder
        self.pointer = pointer
        self.fields = fields

    def __getitem__(self, name: str) -> ir.Value:
        return self.builder.load(self.address(i64(self.fields.index(name))), typ=I64)

    def triple(self, name: str) -> list[ir.Value]:
        return [self[f"{name}{axis}"] for axis in AXES]

    def address(self, word: ir.Value) -> ir.Value:
        return self.builder.gep(self.pointer, [word], source_etype=I64)

    def table(self, name: str) -> ir.Value:
        return self.address(self[name])


class ConvolutionTiles(Copies, ABC):
    """What the tasks are made of: tiles that find their factors by tables, and gathering."""

    def __init__(self, dtype: DType, vector_bytes: int, module: ir.Module, written: dict[str, ir.Function]) -> None:
        super().__init__(dtype, vector_bytes, module, written)
        # How many rows a tile of so many vectors may have.
        heights = [rows for rows in (1, 2, 4, 8) if rows <= self.rows]
        self.heights = {
            vectors: [rows for rows in heights if rows * vectors >= LEAST_SUMS]
            for vectors in range(1, self.vectors + 1)
        }

    @abstractmethod
    def write(self, name: str) -> None:
        """Append the task to the module."""

    @property
    def take(self) -> ir.Function:
        return self.shared("take", lambda: ir.Function(self.module, ir.FunctionType(POINTER, [I64]), SCRATCH))

    @property
    def fma(self) -> ir.Function:
        name = f"fma.v{self.lanes}{self.scalar.intrinsic_name}"
        return intrinsic(self.module, name, self.vector, [self.vector] * 3)

    @property
    def gather(self) -> ir.Function:
        return self.shared("gather", self.write_gather)

    @property
    def pack_columns(self) -> ir.Function:
        return self.shared("pack_columns", self.write_pack_columns)

    def tile(self, rows: int, vectors: int) -> ir.Function:
        return self.shared(f"tile_{rows}x{vectors}", lambda: self.write_tile(rows, vectors))

    def write_tile(self, rows: int, vectors: int) -> ir.Function:
        """(a, b, c, row_offsets, offsets, depth, count, add): a tile of C, `columns` apart, from sums of `depth`
        products of elements of `count` rows of A and vectors of B; stored, or added to what is there. Rows from `count`
        on repeat the last."""
        function, builder = self.begin(f"tile_{rows}x{vectors}", 5, 3)
        a, b, c, row_offsets, offsets, depth, count, add = function.args
        last = builder.sub(count, i64(1))
        starts = []
        for row in range(rows):
            number = self.smaller(builder, i64(row), last)
            offset = builder.load(builder.gep(row_offsets, [number], source_etype=I64), typ=I64)
            starts.append(self.at(builder, a, offset))

        def step(k: ir.Value, sums: Values) -> Values:
            pair = builder.gep(offsets, [builder.shl(k, i64(1))], source_etype=I64)
            of_a = builder.load(pair, typ=I64)
            of_b = builder.load(builder.gep(pair, [i64(1)], source_etype=I64), typ=I64)
            panel = [
                self.load(builder, self.at(builder, b, of_b, i64(v * self.lanes)), self.vector) for v in range(vectors)
            ]
            results = []
            for row in range(rows):
                x = self.load(builder, self.at(builder, starts[row], of_a), self.scalar)
                factor = self.spread(builder, x, self.lanes)
                results += [builder.call(self.fma, [factor, panel[v], sums[row * vectors + v]]) for v in range(vectors)]
            return results

        sums = loop(builder, i64(0), depth, 1, [ir.Constant(self.vector, None)] * (rows * vectors), step)
        cells = [
            self.at(builder, c, i64(n // vectors * self.columns + n % vectors * self.lanes)) for n in range(len(sums))
        ]
        with builder.if_else(builder.icmp_signed("==", add, i64(0))) as (stored, added):
            with stored:
                for total, cell in zip(sums, cells, strict=True):
                    self.store(builder, total, cell)
            with added:
                for total, cell in zip(sums, cells, strict=True):
                    self.store(builder, builder.fadd(self.load(builder, cell, self.vector), total), cell)
        builder.ret_void()
        return function

    def down(
        self,
        builder: ir.IRBuilder,
        rows: ir.Value,
        columns: ir.Value,
        pointers: tuple[ir.Value, ir.Value, ir.Value, ir.Value, ir.Value],
        depth: ir.Value,
        add: ir.Value,
    ) -> None:
        """Run tiles down the rows of a panel of so many columns, at pointers to A, B, C, the offsets of rows and the
        offsets of products."""
        a, b, c, row_offsets, offsets = pointers
        whole = builder.mul(builder.udiv(rows, i64(self.rows)), i64(self.rows))
        rest = builder.sub(rows, whole)

        def one(i: ir.Value, height: int, vectors: int) -> None:
            target = self.at(builder, c, builder.mul(i, i64(self.columns)))
            left = self.smaller(builder, i64(height), builder.sub(rows, i))
            from_row = builder.gep(row_offsets, [i], source_etype=I64)
            builder.call(self.tile(height, vectors), [a, b, target, from_row, offsets, depth, left, add])

        def run(vectors: int) -> None:
            def rows_of(i: ir.Value, _: Values) -> Values:
                one(i, self.rows, vectors)
                return []

            loop(builder, i64(0), whole, self.rows, [], rows_of)
            with builder.if_then(builder.icmp_signed(">", rest, i64(0))):
                self.least(builder, rest, self.heights[vectors], lambda height: one(whole, height, vectors))

        widths = [vectors * self.lanes for vectors in range(1, self.vectors + 1)]
        self.least(builder, columns, widths, lambda width: run(width // self.lanes))

    def write_gather(self) -> ir.Function:
        """(image, places, plan, block): the places of a block that lie in the image."""
        function, builder = self.begin("gather", 3, 1)
        image, places, pointer, block = function.args
        plan = PlanWords(builder, pointer, GATHERED)
        extents, origins, advances, steps = map(plan.triple, ("extent", "origin", "advance", "step"))
        phases, counts = plan.triple("phases"), plan.triple("places")
        channel, plane = plan["channel"], builder.mul(builder.mul(counts[0], counts[1]), counts[2])
        starts = [builder.add(origins[axis], builder.mul(block, advances[axis])) for axis in AXES]

        def inside(axis: int, phase: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
            """Where a phase begins in the image, and its first place in the image and the first behind it."""
            start, step = builder.add(starts[axis], phase), steps[axis]
            round_up = builder.sub(step, i64(1))
            before = builder.udiv(builder.sub(round_up, start), step)
            first = builder.select(builder.icmp_signed("<", start, i64(0)), before, i64(0))
            left = builder.sub(extents[axis], start)
            whole = builder.udiv(builder.add(left, round_up), step)
            last = builder.select(builder.icmp_signed(">", left, i64(0)), whole, i64(0))
            return start, first, self.smaller(builder, last, counts[axis])

        def phase(which: Sequence[ir.Value]) -> None:
            spans = [inside(axis, which[axis]) for axis in AXES]
            number = self.position(builder, which, phases)
            count = builder.sub(spans[2][2], spans[2][1])

            rows = builder.sub(spans[1][2], spans[1][1])

            def layer(index: Sequence[ir.Value]) -> None:
                of_channel, at = index[0], [index[1], spans[1][1], spans[2][1]]
                met = [builder.add(spans[axis][0], builder.mul(at[axis], steps[axis])) for axis in AXES]
                source = self.position(builder, [of_channel, *met], [i64(0), *extents])
                target = builder.add(builder.mul(of_channel, channel), builder.mul(number, plane))
                target = builder.add(target, self.position(builder, at, counts))
                ends = self.at(builder, image, source), self.at(builder, places, target)
                strides = builder.mul(steps[1], extents[2]), counts[2], steps[2], i64(1)
                builder.call(self.copy, [*ends, rows, count, *strides])

            self.nest(builder, [(i64(0), plan_channels), spans[0][1:]], layer)

        plan_channels = plan["channels"]
        self.nest(builder, [(i64(0), count) for count in phases], phase)
        builder.ret_void()
        return function

    def gather_block(
        self, builder: ir.IRBuilder, plan: PlanWords, image: ir.Value, places: ir.Value, block: ir.Value
    ) -> None:
        """Gather a block of an image in places that are zeros, or hold another image's: what lies in an image is the
        same for all, if it is one block. Else padding may be where another block has elements."""
        with builder.if_then(builder.icmp_signed("!=", plan["blocks"], i64(1))):
            self.fill_zeros(builder, places, plan["gathered"])
        builder.call(self.gather, [image, places, plan.pointer, block])

    def placed(
        self, builder: ir.IRBuilder, plan: PlanWords, image: ir.Value, gathered: ir.Value, block: ir.Value
    ) -> ir.Value:
        """Where the places of a block are: in the image, or gathered."""
        direct = builder.icmp_signed("!=", plan["direct"], i64(0))
        with builder.if_then(builder.not_(direct)):
            self.gather_block(builder, plan, image, gathered, block)
        here = self.at(builder, image, plan["begin"], builder.mul(block, plan["onward"]))
        return builder.select(direct, here, gathered)

    def nest(
        self,
        builder: ir.IRBuilder,
        ranges: Sequence[tuple[ir.Value, ir.Value]],
        body: Callable[[Sequence[ir.Value]], None],
    ) -> None:
        """Loops over ranges, the last innermost."""

        def at(outer: list[ir.Value]) -> None:
            if len(outer) == len(ranges):
                body(outer)
                return

            def inner(index: ir.Value, _: Values) -> Values:
                at([*outer, index])
                return []

            loop(builder, *ranges[len(outer)], 1, [], inner)

        at([])

    def position(self, builder: ir.IRBuilder, index: Sequence[ir.Value], shape: Sequence[ir.Value]) -> ir.Value:
        """The row-major position of an element."""
        total = index[0]
        for i, extent in zip(index[1:], shape[1:], strict=True):
            total = builder.add(builder.mul(total, extent), i)
        return total

    def fill_zeros(self, builder: ir.IRBuilder, target: ir.Value, count: ir.Value) -> None:
        fill = intrinsic(self.module, "memset.p0.i64", VOID, [POINTER, I8, I64, ir.IntType(1)])
        builder.call(fill, [target, I8(0), builder.mul(count, i64(self.dtype.itemsize)), ir.IntType(1)(0)])

    def scratch(self, builder: ir.IRBuilder, worker: ir.Value, plan: PlanWords) -> list[ir.Value]:
        """The arrays in the worker's memory, as many as the plan says the starts of."""
        memory = builder.call(self.take, [worker])
        return [memory, *(self.at(builder, memory, plan[start]) for start in STARTS if start in plan.fields)]

    def write_task(self, name: str, fields: Sequence[str], prepare: Callable[..., Callable[[ir.Value], None]]) -> None:
        """The task: its chunk's units. The context holds three arrays and the plan; `prepare` is given a builder, these
        arrays, the plan and the worker, and returns what writes a unit."""
        function = ir.Function(self.module, TASK, name)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        context, number, worker, _ = function.args
        *arrays, words = (
            builder.load(builder.gep(context, [i64(slot)], source_etype=I64), typ=POINTER) for slot in range(4)
        )
        plan = PlanWords(builder, words, fields)
        unit = prepare(builder, arrays, plan, worker)
        start = builder.mul(number, plan["span"])
        stop = self.smaller(builder, builder.add(start, plan["span"]), plan["units"])

        def body(index: ir.Value, _: Values) -> Values:
            unit(index)
            return []

        loop(builder, start, stop, 1, [], body)
        builder.ret_void()
