"""The CPU printer of kernels: explicitly vectorized loop nests in LLVM IR.

A kernel whose reductions have lanes spreads the last axis of each stage over a vector; any other kernel spreads its
last parallel axis. The results do not depend on the choice: the arithmetic of a lane never looks at the others, and
reductions follow the order that the kernel states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.access import Access
from lucid.codegen.cpu.accumulators import Accumulators
from lucid.codegen.cpu.chunks import kernel_chunks
from lucid.codegen.cpu.control import I64, POINTER, TASK, Values, i64, loop
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.cpu.squares import Square, squares_of
from lucid.codegen.cpu.stream import is_aligned, random_element
from lucid.codegen.cpu.uniform import UniformScalars
from lucid.codegen.kernel import (
    Apply,
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
    operands as operands_of,
)
from lucid.ir.index import Axis, Index
from lucid.ir.ops.base import on_axis
from lucid.ir.types import int64, uint32, uint64

# A vector register of the widest machines. Others need several, and a result never depends on the width.
VECTOR_BYTES = 64

# How many of them a kernel computes on side by side where its neighbouring elements have work in common.
REGISTERS = 4

# A kernel begins a line of the code's cache: at some other addresses, large loops take twice as long.
LINE = 64

# A stage of so few steps is written out, where its loops would cost as much as what is in them.
WRITTEN_OUT = 9

# What runs at each step of a nest: from carried values, and how far into a group of lanes it starts, to new ones.
Step = Callable[[Values, int], Values]


class KernelFunction(NamedTuple):
    """A kernel in LLVM IR: a task whose context holds the address of each buffer, whose constants are the draws of its
    random elements, and whose chunks are parts of the first parallel axis."""

    function: ir.Function
    chunks: int


def with_numbered_draws(kernel: Kernel) -> tuple[Kernel, tuple[int, ...]]:
    """A kernel whose random elements name their draws by their numbers among these: so kernels that differ in nothing
    else, such as those of equal layers with Dropout, are one."""
    draws = [*dict.fromkeys(value.op.draw for value in kernel.values if isinstance(value, RandomElement))]
    if not draws:
        return kernel, ()

    def numbered(value: Expression) -> Expression:
        if not isinstance(value, RandomElement):
            return value
        return replace(value, op=replace(value.op, draw=draws.index(value.op.draw)))  # type: ignore[type-var]

    return replace(kernel, values=tuple(map(numbered, kernel.values))), tuple(draws)


def write_kernel(
    module: ir.Module, kernel: Kernel, name: str, register: int, streamed: Collection[int], shortest: int
) -> KernelFunction:
    """Append the function of a kernel with numbered draws to a module, for a machine whose vectors have so many bytes.
    Some buffers are written past the caches. It is cut into chunks if it takes so many nanoseconds as the shortest."""
    function = ir.Function(module, TASK, name)
    function.alignment = LINE
    nest = _Nest(function, kernel, register, streamed, shortest)
    nest.write()
    return KernelFunction(function, nest.chunks)


class _Nest:
    """Writes one kernel."""

    def __init__(
        self, function: ir.Function, kernel: Kernel, register: int, streamed: Collection[int], shortest: int
    ) -> None:
        self.kernel = kernel
        placements = kernel.placements()
        self.numbers: dict[Placement, list[int]] = {}
        for number, place in enumerate(placements):
            self.numbers.setdefault(place, []).append(number)
        self.lanes = max((r.op.lanes for stage in kernel.stages for r in stage.reductions), default=1)
        nests = [stage.axes for stage in kernel.stages] if self.lanes > 1 else [kernel.axes]
        self.lane_axes = {axes[-1] for axes in nests if axes}
        short = (stage.axes for stage in kernel.stages if math.prod(axis.extent for axis in stage.axes) <= WRITTEN_OUT)
        self.written_out = {axis for axes in short for axis in axes}
        width = self.choose_width(placements)
        self.entry = function.append_basic_block("entry")
        self.builder = ir.IRBuilder(function.append_basic_block("start"))
        self.s = UniformScalars(self.builder, self.entry, width)
        context, chunk, *_ = function.args
        entry = ir.IRBuilder(self.entry)

        def word(place: ir.Value, number: int, type: ir.Type) -> ir.Value:
            return entry.load(entry.gep(place, [i64(number)], source_etype=I64), typ=type)

        buffers = [word(context, slot, POINTER) for slot in range(len(kernel.buffers))]
        draws = range(len({value.op.draw for value in kernel.values if isinstance(value, RandomElement)}))
        self.draws = []
        if draws:
            constants = word(context, len(buffers), POINTER)
            self.draws = [Term(uint64, word(constants, number, I64)) for number in draws]
        self.terms: dict[int, Term] = {}
        self.access = Access(self.builder, self.s, buffers, self.terms, register, streamed)
        self.results: dict[tuple[int, int], Term] = {}
        self.squares = squares_of(kernel, width)
        self.turned: dict[int, tuple[Square, ir.Value]] = {}
        by_vectors = {*self.lane_axes, *([self.squares.axis] if self.squares else [])}
        step = width if by_vectors.intersection(kernel.axes[:1]) else 1
        self.chunks, steps = kernel_chunks(kernel, step, shortest)
        if self.chunks > 1:  # from begin to end; each is a multiple of the vectors' width, or the axis's own

            def start(number: ir.Value) -> ir.Value:
                return entry.mul(entry.udiv(entry.mul(number, i64(steps)), i64(self.chunks)), i64(step))

            extent = i64(kernel.axes[0].extent)
            self.begin, end = start(chunk), start(entry.add(chunk, i64(1)))
            self.end = entry.select(entry.icmp_signed("<", end, extent), end, extent)

    def choose_width(self, placements: Sequence[Placement]) -> int:
        """The lanes of a vector: one register of the widest machines, or several where that pays."""
        width = VECTOR_BYTES // _largest_itemsize(self.kernel, placements)
        if not self.lane_axes:
            return 1
        random = [value.position for value in self.kernel.values if isinstance(value, RandomElement)]
        if random:  # a register of quads of words
            several = all(is_aligned(position, axis) for position in random for axis in self._lane_axes_of(position))
        else:  # columns: neighbouring cache lines together
            several = self.lanes <= 1 and any(stage.axes for stage in self.kernel.stages)
        width = width * REGISTERS if several else width if self.lanes <= 1 else min(width, self.lanes)
        return min(width, 1 << max(max(axis.extent for axis in self.lane_axes) - 1, 0).bit_length())

    def _lane_axes_of(self, position: Index) -> list[Axis]:
        """The axes that lanes may stand for where a position is used."""
        return [axis for axis in position.axes() if axis in self.lane_axes]

    def write(self) -> None:
        start = self.builder.block
        if not self.kernel.is_empty:
            self.builder.position_at_end(self.entry)
            self.evaluate(Placement(-1, 0))
            self.builder.position_at_end(start)
            self.nest(-1, self.kernel.axes, self.s.width, [], self.stages)
            if self.access.has_streamed:
                self.builder.fence()  # before others are told that the chunk is done
        self.builder.ret_void()
        ir.IRBuilder(self.entry).branch(start)

    def stages(self, carried: Values, offset: int) -> Values:
        for number, stage in enumerate(self.kernel.stages):
            self.stage(number, stage)
        return carried

    def stage(self, number: int, stage: Stage) -> None:
        across_lanes = self.lanes > 1
        accumulators = [
            Accumulators(self.builder, r.op, self.kernel.values[r.operand].dtype, self.s.width, across_lanes)
            for r in stage.reductions
        ]

        def step(carried: Values, offset: int) -> Values:
            carried = list(carried)
            for reduction, accumulator in zip(stage.reductions, accumulators, strict=True):
                count = len(accumulator.start)
                x = self.s.splat(self.terms[reduction.operand])
                position = self.s.splat(self.access.position(reduction.position, int64))
                values, carried = carried[:count], carried[count:]
                carried += accumulator.accumulate(values, x, position, offset, self.access.active)
            for store in stage.stores:
                self.access.store(store.buffer, store.position, self.terms[store.value])
            return carried

        self.evaluate(Placement(number, 0))
        group = max(self.lanes, self.s.width) if across_lanes and stage.reductions else self.s.width
        values = self.nest(number, stage.axes, group, [value for a in accumulators for value in a.start], step)
        for which, accumulator in enumerate(accumulators):
            count = len(accumulator.start)
            self.results[number, which] = accumulator.finish(values[:count])
            values = values[count:]

    # Loops.

    def nest(
        self,
        stage: int,
        axes: Sequence[Axis],
        group: int,
        carried: Values,
        innermost: Step,
        offset: int = 0,
        depth: int = 0,
    ) -> Values:
        """Open the axes of a stage from `depth` on, compute what becomes computable on the way, and run a step."""
        if depth == len(axes):
            return innermost(carried, offset)
        if self.squares and axes[depth] is self.squares.axis:
            self.walk_in_blocks(axes, depth, innermost)
            return carried

        def body(carried: Values, offset: int) -> Values:
            self.evaluate(Placement(stage, depth + 1))
            return self.nest(stage, axes, group, carried, innermost, offset, depth + 1)

        return self.open(axes[depth], group, carried, body)

    def open(self, axis: Axis, group: int, carried: Values, body: Step) -> Values:
        """Run a body along an axis, by vectors or one by one."""
        return self.spread(axis, group, carried, body) if axis in self.lane_axes else self.walk(axis, carried, body)

    def walk(self, axis: Axis, carried: Values, body: Step) -> Values:
        """Run a body at each value of an axis."""

        def once(index: ir.Value, carried: Values) -> Values:
            with self.access.at(axis, index):
                return body(carried, 0)

        if self.is_first(axis):
            return loop(self.builder, self.begin, self.end, 1, carried, once)
        if axis in self.written_out:
            for value in range(axis.extent):
                carried = once(i64(value), carried)
            return carried
        return self.repeat(axis.extent, 1, carried, once)

    def walk_in_blocks(self, axes: Sequence[Axis], depth: int, innermost: Step) -> None:
        """Walk the axis at `depth` in blocks, inside the axes behind it."""
        assert self.squares
        axis, loads = self.squares.axis, self.squares.loads
        entry = ir.IRBuilder(self.entry)
        squares = {number: Square(entry, load, self.s.width) for number, load in loads}
        begin, end = (self.begin, self.end) if self.is_first(axis) else (i64(0), i64(axis.extent))

        def block(start: ir.Value, _: Values) -> Values:
            left = self.builder.sub(end, start)
            whole = self.builder.icmp_signed("<", left, i64(self.s.width))
            count = self.builder.select(whole, left, i64(self.s.width))

            def line(number: ir.Value, _: Values) -> Values:
                self.turned = {load: (square, number) for load, square in squares.items()}
                with self.access.at(axis, self.builder.add(start, number)):
                    for opened in range(depth, len(axes)):
                        self.evaluate(Placement(-1, opened + 1))
                    innermost([], 0)
                return []

            def inside(inner: int) -> Values:
                """Open the axes from `inner` on, and walk the block there."""
                if inner < len(axes):
                    return self.open(axes[inner], self.s.width, [], lambda *_: inside(inner + 1))
                with self.access.at(axis, start):
                    for square in squares.values():
                        square.fill(self.access, count)
                return loop(self.builder, i64(0), count, 1, [], line)

            return inside(depth + 1)

        loop(self.builder, begin, end, self.s.width, [], block)

    def spread(self, axis: Axis, group: int, carried: Values, body: Step) -> Values:
        """Run a body for each vector along an axis, `group` elements a loop iteration. The body is told how far into
        its group the vector starts."""
        whole, rest = divmod(axis.extent, group)

        def vectors(start: ir.Value, carried: Values, count: int) -> Values:
            for offset in range(0, count, self.s.width):
                at = self.builder.add(start, i64(offset)) if offset else start
                with self.access.lanes_at(axis, at, min(self.s.width, count - offset)):
                    carried = body(carried, offset)
            return carried

        def full(start: ir.Value, carried: Values) -> Values:
            return vectors(start, carried, group)

        if self.is_first(axis):
            self.spread_part(axis, whole * group, full, vectors)
            return carried
        if whole:
            carried = self.repeat(whole, group, carried, full)
        return vectors(i64(whole * group), carried, rest)

    def is_first(self, axis: Axis) -> bool:
        """Whether an axis is the one of which a chunk covers a part. Nothing is carried along it."""
        return self.chunks > 1 and axis is self.kernel.axes[0]

    def spread_part(
        self,
        axis: Axis,
        whole: int,
        full: Callable[[ir.Value, Values], Values],
        vectors: Callable[[ir.Value, Values, int], Values],
    ) -> None:
        """Spread the part of the first axis: its whole groups, which end at `whole`, and where it has the axis's end,
        the rest behind them."""
        if whole:
            last = self.builder.icmp_signed("<", self.end, i64(whole))
            loop(self.builder, self.begin, self.builder.select(last, self.end, i64(whole)), self.s.width, [], full)
        if axis.extent > whole:
            with self.builder.if_then(self.builder.icmp_signed("==", self.end, i64(axis.extent))):
                vectors(i64(whole), [], axis.extent - whole)

    def repeat(self, count: int, step: int, carried: Values, body: Callable[[ir.Value, Values], Values]) -> Values:
        """Run a body at 0, step, 2 * step, ...: `count` times; without a loop where that is once."""
        if count == 1:
            return body(i64(0), carried)
        return loop(self.builder, i64(0), i64(count * step), step, carried, body)

    # Values.

    def evaluate(self, place: Placement) -> None:
        """Compute the values of a placement, in order."""
        for number in self.numbers.get(place, ()):
            if number in self.turned:
                square, line = self.turned[number]
                self.terms[number] = square.line(self.access, line)
            else:
                self.terms[number] = self.term(self.kernel.values[number])

    def term(self, value: Expression) -> Term:
        operands = [self.terms[operand] for operand in operands_of(value)]
        match value:
            case Load(buffer, position, bounds):
                return self.access.load(buffer, position, bounds)
            case Position(index, dtype):
                return self.access.position(index, dtype)
            case OnAxis(extent=extent):
                return on_axis(self.s, operands[0], extent)
            case Constant(number, dtype):
                return self.s.constant(number, dtype)
            case Apply(op):
                return op.scalar(self.s, *operands)
            case RandomElement():
                return random_element(self.access, value, operands, self.draws[value.op.draw])
            case Guard(bounds):
                return self.s.select(self.access.holds(bounds), *operands)
            case Result(stage, number):
                return self.results[stage, number]


def _largest_itemsize(kernel: Kernel, placements: Sequence[Placement]) -> int:
    """The largest item that is computed in the loops, not before them."""
    sizes = [1]
    for value, place in zip(kernel.values, placements, strict=True):
        if place > Placement(-1, 0):
            word = uint32.itemsize if isinstance(value, RandomElement) else 1
            sizes.append(max(value.dtype.itemsize, word))
    return max(sizes)
