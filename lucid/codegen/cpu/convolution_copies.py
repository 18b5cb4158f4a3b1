"""How the tasks of convolutions copy: rows of elements, also of every second one, and vectors taken apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I32, I64, Values, i64, loop
from lucid.codegen.cpu.squares import transposed
from lucid.codegen.cpu.tiles import Tiles
from lucid.ir.types import DType

# A number that no count of elements reaches.
NEVER = 2**62


class Copies(Tiles):
    """Functions of a module that copy. Each function is written when the first task of the module asks for it, and is
    in `written` from then on."""

    def __init__(self, dtype: DType, vector_bytes: int, module: ir.Module, written: dict[str, ir.Function]) -> None:
        super().__init__(dtype, vector_bytes)
        self.module = module
        self.written = written

    def shared(self, name: str, write: Callable[[], ir.Function]) -> ir.Function:
        """A function that the tasks of a module share."""
        if name not in self.written:
            self.written[name] = write()
        return self.written[name]

    @property
    def copy(self) -> ir.Function:
        return self.shared("copy", self.write_copy)

    @property
    def part(self) -> ir.Function:
        return self.shared("part", self.write_part)

    def write_copy(self) -> ir.Function:
        """(source, target, rows, count, source_row, target_row, source_step, target_step): `rows` rows of `count`
        elements copied, from one row and one element to the next so many elements on."""
        function, builder = self.begin("copy", 2, 6)
        source, target, rows, count, source_row, target_row, source_step, target_step = function.args
        few = builder.icmp_signed("<", count, i64(self.lanes))
        back = builder.sub(count, i64(self.lanes))

        def lines(move: Callable[[ir.Value, ir.Value], None]) -> None:
            def line(row: ir.Value, _: Values) -> Values:
                ends = builder.mul(row, source_row), builder.mul(row, target_row)
                move(self.at(builder, source, ends[0]), self.at(builder, target, ends[1]))
                return []

            loop(builder, i64(0), rows, 1, [], line)

        def vectors(of_source: int, of_target: int) -> None:
            """Vectors of elements, whose steps are these. The last one ends where a row does, and copies again what the
            one before has copied; masks are for shorter rows."""
            full = [
                [None] if step == 1 else self.every(builder, i64(self.lanes), step) for step in (of_source, of_target)
            ]
            short = [self.every(builder, count, step) for step in (of_source, of_target)]

            def move(x: ir.Value, y: ir.Value) -> None:
                def at(i: ir.Value) -> tuple[ir.Value, ir.Value]:
                    return (
                        self.at(builder, x, builder.mul(i, i64(of_source))),
                        self.at(builder, y, builder.mul(i, i64(of_target))),
                    )

                def vector(i: ir.Value, _: Values) -> Values:
                    self.move_vector(builder, at(self.smaller(builder, i, back)), full)
                    return []

                loop(builder, i64(0), count, self.lanes, [], vector)

            with builder.if_else(few) as (masked, unmasked):
                with masked:
                    lines(lambda x, y: self.move_vector(builder, (x, y), short))
                with unmasked:
                    lines(move)

        def elements() -> None:
            def move(x: ir.Value, y: ir.Value) -> None:
                def one(i: ir.Value, _: Values) -> Values:
                    value = self.load(builder, self.at(builder, x, builder.mul(i, source_step)), self.scalar)
                    self.store(builder, value, self.at(builder, y, builder.mul(i, target_step)))
                    return []

                loop(builder, i64(0), count, 1, [], one)

            lines(move)

        def choose(steps: Sequence[tuple[int, int]]) -> None:
            if not steps:
                elements()
                return
            same = [
                builder.icmp_signed("==", step, i64(of))
                for step, of in zip((source_step, target_step), steps[0], strict=True)
            ]
            with builder.if_else(builder.and_(*same)) as (so, otherwise):
                with so:
                    vectors(*steps[0])
                with otherwise:
                    choose(steps[1:])

        choose(((1, 1), (1, 2), (2, 1)))
        builder.ret_void()
        return function

    def move_vector(
        self, builder: ir.IRBuilder, ends: tuple[ir.Value, ir.Value], masks: Sequence[Sequence[ir.Value | None]]
    ) -> None:
        """A vector of elements copied that lie as far apart, at either end, as there are masks, each of a vector. None
        stands for all lanes."""
        (source, target), (to_load, to_store) = ends, masks
        parts = []
        for number, mask in enumerate(to_load):
            address = self.at(builder, source, i64(number * self.lanes))
            part = self.load_masked(builder, address, mask) if mask else self.load(builder, address, self.vector)
            parts.append(part)
        elements = self.joined(builder, parts)
        for number, mask in enumerate(to_store):
            address = self.at(builder, target, i64(number * self.lanes))
            lanes = range(number * self.lanes, (number + 1) * self.lanes)
            taken = [lane * len(to_load) // len(to_store) for lane in lanes]
            line = builder.shuffle_vector(elements, elements, ir.Constant(ir.VectorType(I32, self.lanes), taken))
            if mask:
                self.store_masked(builder, line, address, mask)
            else:
                self.store(builder, line, address)

    def every(self, builder: ir.IRBuilder, count: ir.Value, step: int) -> list[ir.Value]:
        """The masks of `step` vectors in which `count` elements lie `step` lanes apart."""
        masks = []
        for number in range(step):
            lanes = range(number * self.lanes, (number + 1) * self.lanes)
            numbers = [lane // step if lane % step == 0 else NEVER for lane in lanes]
            counted = ir.Constant(ir.VectorType(I64, self.lanes), numbers)
            masks.append(builder.icmp_signed("<", counted, self.spread(builder, count, self.lanes)))
        return masks

    def lines_of(self, builder: ir.IRBuilder, pointer: ir.Value, distance: ir.Value, count: ir.Value) -> Values:
        """Where the elements of each lane begin, `distance` apart. Lanes from `count` on repeat the last."""
        last = builder.sub(count, i64(1))
        numbers = [self.smaller(builder, i64(lane), last) for lane in range(self.lanes)]
        return [self.at(builder, pointer, builder.mul(number, distance)) for number in numbers]

    def write_part(self) -> ir.Function:
        """(source, target, step, distance, lanes, count): vectors, from one to the next `step` elements on, taken
        apart: the first `count` elements of each of the first `lanes` lanes stored as a row, and the rows `distance`
        apart. As many vectors are read as that rounded up to a whole number of vectors' lanes; the lanes behind the
        first ones repeat the last of them."""
        function, builder = self.begin("part", 2, 4)
        source, target, step, distance, lanes, count = function.args
        starts = self.lines_of(builder, target, distance, lanes)
        few = builder.icmp_signed("<", count, i64(self.lanes))
        mask = self.first(builder, count, self.lanes)
        back = builder.select(few, i64(0), builder.sub(count, i64(self.lanes)))

        def square(i: ir.Value, _: Values) -> Values:
            begin = self.smaller(builder, i, back)
            numbers = [builder.mul(builder.add(begin, i64(n)), step) for n in range(self.lanes)]
            lines = [self.load(builder, self.at(builder, source, number), self.vector) for number in numbers]
            turned = transposed(builder, lines)
            with builder.if_else(few) as (masked, unmasked):
                with masked:
                    for start, line in zip(starts, turned, strict=True):
                        self.store_masked(builder, line, start, mask)
                with unmasked:
                    for start, line in zip(starts, turned, strict=True):
                        self.store(builder, line, self.at(builder, start, begin))
            return []

        loop(builder, i64(0), count, self.lanes, [], square)
        builder.ret_void()
        return function
