"""The statements of kernels in CUDA C, for any launch.

Threads share out the elements of the parallel nest, each going on to another until none is left. Where the reductions
of a kernel have lanes, as many neighbouring threads of a warp take an element together: thread `lane` is virtual lane
`lane`, walks the last axis of each stage from `lane` in steps of the number of lanes, and the tree over the lanes is
one of shuffles. So every sum has the order that the kernel states, whatever the launch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import prod

from lucid.codegen.cuda.accumulators import Accumulators
from lucid.codegen.cuda.indices import bounds_condition, index_expression, magnitude
from lucid.codegen.cuda.plan import WARP
from lucid.codegen.cuda.quads import QUAD, Quads, alignment, copy_quad
from lucid.codegen.cuda.scalars import C_TYPES, CTerm
from lucid.codegen.cuda.stream import random_element, random_words
from lucid.codegen.cuda.writer import Writer
from lucid.codegen.kernel import (
    Apply,
    Bounds,
    Buffer,
    Constant,
    Expression,
    Guard,
    Kernel,
    Load,
    OnAxis,
    Placement,
    Position,
    RandomElement,
    Result,
    Stage,
    indices,
    operands as operands_of,
)
from lucid.ir.index import Axis, Index, Known, constant, of
from lucid.ir.ops.base import on_axis
from lucid.ir.types import Extent, int32, int64, uint32, uint64

# Indices are of 32 bits where they, and the number of threads that `THREADS` bounds, stay below 2^31: a GPU divides
# 64-bit numbers by long sequences of instructions.
NARROW = 2**30
THREADS = 2**30


def epilogue_lines(kernel: Kernel, position: Sequence[str], element: str) -> list[str]:
    """The statements of the epilogue of a product for the element at a position, given as the numbers of its matrix,
    row and column, or of its position, under the kernel's text as a comment."""
    return _positioned(kernel, position, Nest(kernel, lanes=1, product=element))


def epilogue_quad_lines(
    kernel: Kernel, quads: Quads, position: Sequence[str], elements: str
) -> tuple[list[str], list[str]]:
    """The statements of an epilogue in quads: those that look at addresses, and those for the quad whose first element
    is at a position, as for `epilogue_lines`. The elements of the product are an array."""
    nest = Nest(quads.kernel, lanes=1, product=f"{elements}[{variable(quads.within)}]", quads=quads)
    nest.look_at_addresses(quads)
    looked = list(nest.writer.lines)
    nest.writer.lines.clear()
    *others, last = position
    return looked, _positioned(kernel, [*others, f"{last} / {QUAD}"], nest)


def factor_lines(kernel: Kernel, position: Sequence[str], target: str) -> list[str]:
    """The statements that assign to `target` what a prologue computes for an element of a factor, at a position given
    as for `epilogue_lines`, under the kernel's text as a comment."""
    return _positioned(kernel, position, Nest(kernel, lanes=1, target=target))


def _positioned(kernel: Kernel, position: Sequence[str], nest: Nest) -> list[str]:
    index = C_TYPES[nest.writer.index]
    declared = ", ".join(f"{variable(axis)} = {text}" for axis, text in zip(kernel.axes, position, strict=True))
    comment = [f"// {line}" for line in str(kernel).splitlines()]
    return [*comment, f"const {index} {declared};", *nest.element_lines()]


def parameter(buffer: Buffer, is_read: bool) -> str:
    """The parameter of a function that is the pointer to a buffer, which is only read or written."""
    return f"{'const ' if is_read else ''}{C_TYPES[buffer.dtype]}* b{buffer.number}"


class Nest:
    """Writes the body of one kernel. Where it is an epilogue, `product` is the element of the product, in C; where it
    is a prologue, `target` is what it assigns to. Where it is in quads, `quads` says so."""

    def __init__(
        self, kernel: Kernel, lanes: int, product: str = "", target: str = "", quads: Quads | None = None
    ) -> None:
        self.kernel = kernel
        self.quads = quads
        self.product = product
        self.target = target
        self.lanes = lanes
        self.numbers: dict[Placement, list[int]] = {}
        for number, place in enumerate(kernel.placements()):
            self.numbers.setdefault(place, []).append(number)
        self.writer = Writer(int32 if max(self.counts()) <= NARROW else int64)
        self.terms: dict[int, CTerm] = {}
        self.results: dict[tuple[int, int], CTerm] = {}

    def counts(self) -> Iterator[int]:
        """What no index and no count of threads exceeds."""
        yield from map(magnitude, self.kernel.indices())
        yield from (axis.extent for stage in self.kernel.stages for axis in stage.axes)
        yield prod(axis.extent for axis in self.kernel.axes) * self.lanes

    def lines(self) -> list[str]:
        if not self.kernel.is_empty:
            if self.quads:
                self.look_at_addresses(self.quads)
            with self.elements():
                for number, stage in enumerate(self.kernel.stages):
                    self.stage(number, stage)
        return self.writer.lines

    def element_lines(self) -> list[str]:
        """What is done for one element of a kernel without loops, where its axes are variables."""
        for depth in range(len(self.kernel.axes) + 1):
            self.evaluate(Placement(-1, depth))
        for number, stage in enumerate(self.kernel.stages):
            self.stage(number, stage)
        return self.writer.lines

    # Loops.

    @contextmanager
    def elements(self) -> Iterator[None]:
        """Run what is written meanwhile for each element of the parallel nest."""
        axes, line, index = self.kernel.axes, self.writer.line, C_TYPES[self.writer.index]
        first, step = self.share()
        line(f"const {index} first = {first};")
        line(f"const {index} step = {step};")
        name = variable(axes[0]) if len(axes) == 1 else "element"
        size = prod(axis.extent for axis in axes)
        if self.quads:
            line("#pragma unroll 1")  # four elements are enough at a time
        with self.writer.block(f"for ({index} {name} = first; {name} < {size}; {name} += step)"):
            if len(axes) > 1:
                self.divide("element", axes, [axis.extent for axis in axes])
            for depth in range(len(axes) + 1):  # a thread without an element reads nothing, as another may write there
                self.evaluate(Placement(-1, depth))
            yield

    def share(self) -> tuple[str, str]:
        """Declare which lane a thread is. Returns the element that it takes first, and how many further on the next."""
        wide = f"({C_TYPES[int64]})" if self.writer.index == int64 else ""
        thread, threads = f"blockIdx.x * {wide}blockDim.x + threadIdx.x", f"gridDim.x * {wide}blockDim.x"
        if self.lanes == 1:
            return thread, threads
        self.writer.line(f"const unsigned int lane = threadIdx.x % {self.lanes};")
        self.writer.line(f"const unsigned int mask = {lane_mask(self.lanes)} << (threadIdx.x % {WARP} - lane);")
        return f"({thread}) / {self.lanes}", f"{threads} / {self.lanes}"

    def divide(self, number: str, axes: Sequence[Axis], extents: Sequence[Extent]) -> None:
        """Declare axes from a number that counts places along them, of such extents, the last being the fastest."""
        inner = prod(extents)
        for which, (axis, extent) in enumerate(zip(axes, extents, strict=True)):
            inner //= extent
            quotient = f"{number} / {inner}" if inner > 1 else number
            remainder = f" % {extent}" if which else ""
            self.writer.line(f"const {C_TYPES[self.writer.index]} {variable(axis)} = {quotient}{remainder};")

    def stage(self, number: int, stage: Stage) -> None:
        if self.quads:
            self.quad(self.quads, stage)
            return
        if len(self.kernel.stages) > 1:
            self.writer.line(f"// stage {number}")
        self.evaluate(Placement(number, 0))
        accumulators = self.accumulators(number, stage)
        if self.lanes > 1 and stage.stores:
            self.writer.line("__syncwarp(mask);  // all lanes have read what one may overwrite")
        with self.steps(number, stage.axes):
            for reduction, accumulator in zip(stage.reductions, accumulators, strict=True):
                accumulator.accumulate(self.terms[reduction.operand], self.writer.long_position(reduction.position))
            self.store(stage)
        for which, accumulator in enumerate(accumulators):
            if self.lanes > 1:
                accumulator.join(self.lanes)
                accumulator.tell(self.lanes)
            self.results[number, which] = accumulator.finish()

    def accumulators(self, number: int, stage: Stage) -> list[Accumulators]:
        """Declare the accumulators of a stage."""
        return [
            Accumulators(self.writer, reduction.op, self.kernel.values[reduction.operand].dtype, f"r{number}_{which}")
            for which, reduction in enumerate(stage.reductions)
        ]

    def store(self, stage: Stage) -> None:
        """Write what a step of a stage stores."""
        for store in stage.stores:
            target = self.target or f"b{store.buffer.number}[{index_expression(store.position)}]"
            self.writer.line(f"{target} = {self.terms[store.value].text};")

    @contextmanager
    def steps(self, stage: int, axes: Sequence[Axis]) -> Iterator[None]:
        """Run what is written meanwhile at each step of a stage: of those along the last axis, a lane takes its own."""
        with ExitStack() as loops:
            for depth, axis in enumerate(axes, 1):
                spread = self.lanes > 1 and depth == len(axes)
                i, index = variable(axis), C_TYPES[self.writer.index]
                start, step = ("lane", f"{i} += {self.lanes}") if spread else ("0", f"++{i}")
                loops.enter_context(self.writer.block(f"for ({index} {i} = {start}; {i} < {axis.extent}; {step})"))
                self.evaluate(Placement(stage, depth))
            if not axes and self.lanes > 1:
                loops.enter_context(self.writer.block("if (lane == 0)"))
            yield

    # Quads.

    def look_at_addresses(self, quads: Quads) -> None:
        """Declare whether all quads can be accessed at once."""
        addresses: dict[int, dict[int, str]] = {}
        for buffer, _, _ in (*self.quad_reads(quads), *self.quad_writes(quads)):
            addresses.setdefault(alignment(buffer.dtype), {})[buffer.number] = f"(size_t)b{buffer.number}"
        aligned = [f"({' | '.join(texts.values())}) % {number} == 0" for number, texts in addresses.items()]
        if aligned:
            self.writer.line(f"const bool aligned = {' && '.join(aligned)};")

    def quad_reads(self, quads: Quads) -> Iterator[tuple[Buffer, Index, str]]:
        """The buffers that quads are read from, the position of the first element, and the variable for them."""
        for number, start in quads.reads.items():
            value = self.kernel.values[number]
            if isinstance(value, Load):
                yield value.buffer, start, f"v{number}_quad"

    def quad_writes(self, quads: Quads) -> Iterator[tuple[Buffer, Index, str]]:
        """The buffers that quads are written to, the position of the first element, and the variable for them."""
        for number, start in quads.writes.items():
            yield self.kernel.stages[0].stores[number].buffer, start, f"store{number}_quad"

    def quad(self, quads: Quads, stage: Stage) -> None:
        """The elements of a quad: what is read at once, the map for each, what is written at once."""
        writer, i = self.writer, variable(quads.within)
        reads, writes = list(self.quad_reads(quads)), list(self.quad_writes(quads))
        for buffer, _, name in (*reads, *writes):
            writer.line(f"__align__({alignment(buffer.dtype)}) {C_TYPES[buffer.dtype]} {name}[{QUAD}];")
        self.move(quads, reads, reads=True)
        for number, start in quads.reads.items():
            value, name = self.kernel.values[number], f"v{number}"
            if isinstance(value, RandomElement):
                given = [self.terms[operand] for operand in value.args]
                block = writer.position(start // QUAD, uint64)
                words = ", ".join(word.text for word in random_words(writer, value, given, block, name))
                writer.line(f"const unsigned int {name}_words[{QUAD}] = {{{words}}};")
        with self.each_of_quad(quads):
            self.evaluate(quads.inner)
            for number, store in enumerate(stage.stores):
                at = f"b{store.buffer.number}[{index_expression(store.position)}]"
                target = f"store{number}_quad[{i}]" if number in quads.writes else at
                writer.line(f"{target} = {self.terms[store.value].text};")
        self.move(quads, writes, reads=False)

    @contextmanager
    def each_of_quad(self, quads: Quads) -> Iterator[None]:
        """Run what is written meanwhile for each element of a quad: all in registers, as the loop is unrolled."""
        i, rest = variable(quads.within), ""
        if quads.has_rest:
            rest = f" && {index_expression(quads.element)} < {quads.extent}"
        self.writer.line("#pragma unroll")
        with self.writer.block(f"for (int {i} = 0; {i} < {QUAD}{rest}; ++{i})"):
            yield

    def move(self, quads: Quads, quad: Sequence[tuple[Buffer, Index, str]], reads: bool) -> None:
        """Copy quads from buffers, or to them, each at once where that is allowed."""
        if not quad:
            return
        line, i, rest = self.writer.line, variable(quads.within), ""
        if quads.has_rest:
            last = quads.element.substitute({quads.within: constant(QUAD - 1)})
            rest = f" && {index_expression(last)} < {quads.extent}"
        with self.writer.block(f"if (aligned{rest})"):
            for buffer, start, name in quad:
                there = f"(b{buffer.number} + {index_expression(start)})"
                self.writer.lines.extend(copy_quad(buffer.dtype, *((name, there) if reads else (there, name))))
        with self.writer.block("else"), self.each_of_quad(quads):
            for buffer, start, name in quad:
                there = f"b{buffer.number}[{index_expression(start + of(quads.within))}]"
                line(f"{name}[{i}] = {there};" if reads else f"{there} = {name}[{i}];")

    # Values.

    def evaluate(self, place: Placement) -> None:
        """Write the values of a placement, in order; value number n is the constant `v<n>`."""
        for number in self.reading_late(self.numbers.get(place, ())):
            value, name = self.kernel.values[number], f"v{number}"
            if self.quads and number in self.quads.reads:
                term = self.element_of_quad(value, name, variable(self.quads.within))
            else:
                term = self.term(value, name)
            self.terms[number] = term if isinstance(value, Constant) else self.writer.s.name(term, name)

    def reading_late(self, numbers: Sequence[int]) -> list[int]:
        """The numbers of values; of a map with those that are read where one first needs them: before, they would take
        registers, which a map of many operands lacks. Reductions keep few, and their threads wait for all at once."""
        if any(stage.reductions for stage in self.kernel.stages):
            return list(numbers)
        values, order = self.kernel.values, list[int]()
        waiting = {number for number in numbers if isinstance(values[number], Load)}
        computed = [number for number in numbers if number not in waiting]

        def add(number: int) -> None:
            waiting.discard(number)
            known = (
                leaf.number for index in indices(values[number]) for leaf in index.leaves() if isinstance(leaf, Known)
            )
            for needed in (*operands_of(values[number]), *known):
                if needed in waiting:
                    add(needed)
            order.append(number)

        for number in computed:
            add(number)
        while waiting:  # for another placement, or to be stored as they are
            add(min(waiting))
        return order

    def element_of_quad(self, value: Expression, name: str, i: str) -> CTerm:
        """The value for an element of a quad, of what has been read or drawn for all."""
        if not isinstance(value, RandomElement):
            return CTerm(value.dtype, f"{name}_quad[{i}]")
        word = self.writer.s.declare(uint32, f"{name}_words[{i}]")
        return value.op.scalar(self.writer.s, word, *(self.terms[operand] for operand in value.args[2:]))

    def term(self, value: Expression, name: str) -> CTerm:
        writer, s = self.writer, self.writer.s
        operands = [self.terms[operand] for operand in operands_of(value)]
        match value:
            case Load(buffer) if self.product and buffer.number == self.kernel.inputs - 1:
                return CTerm(buffer.dtype, self.product)
            case Load(buffer, position, bounds):
                element = CTerm(buffer.dtype, f"b{buffer.number}[{index_expression(position)}]")
                return self.guarded(bounds, element, s.constant(0, buffer.dtype)) if bounds else element
            case Position(index, dtype):
                return writer.position(index, dtype)
            case OnAxis(extent=extent):
                return on_axis(s, operands[0], extent)
            case Constant(number, dtype):
                return s.constant(number, dtype)
            case Apply(op):
                return op.scalar(s, *operands)
            case RandomElement():
                return random_element(writer, value, operands, name)
            case Guard(bounds):
                inside, outside = operands
                return self.guarded(bounds, inside, outside)
            case Result(stage, number):
                return self.results[stage, number]

    def guarded(self, bounds: Bounds, inside: CTerm, outside: CTerm) -> CTerm:
        """What is inside where the bounds hold, else what is outside: C evaluates only the one."""
        return self.writer.s.declare(inside.dtype, f"{bounds_condition(bounds)} ? {inside.text} : {outside.text}")


def variable(axis: Axis) -> str:
    """The variable that is an axis."""
    return f"i{axis.number}"


def lane_mask(lanes: int) -> str:
    """The mask of the first lanes of a warp."""
    return f"{(1 << lanes) - 1:#x}u"
