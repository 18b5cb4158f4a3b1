"""Long rows in CUDA C: a block takes each element of the parallel nest, where elements are few.

All threads of the block compute the terms of a tile of the row, and put them into shared memory. Then one warp, of
which thread `lane` is virtual lane `lane`, adds them up in the order that the kernel states, while the others go on to
the next tile. So sums are those of `nest`, and eight warps wait for memory instead of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import prod

from lucid.codegen.cuda.nest import Nest, lane_mask, variable
from lucid.codegen.cuda.plan import BLOCK, WARP
from lucid.codegen.cuda.scalars import C_TYPES, CTerm
from lucid.codegen.kernel import Kernel, Placement, Stage
from lucid.ir.index import Axis
from lucid.ir.types import DType, Extent

TILE = 4 * BLOCK  # terms
WARPS = BLOCK // WARP
SHARED = 48 << 10  # bytes that every block has

# Rows are long from as many steps on as a tile has. There are few where their lanes are fewer threads than it takes to
# keep the memory of a GPU busy.
FEW = 2**16


def has_long_rows(kernel: Kernel, lanes: int) -> bool:
    """Whether a block takes each element of a kernel: by its shape alone."""
    reducing = [stage for stage in kernel.stages if stage.reductions]
    if lanes == 1 or kernel.stages[0] not in reducing or not all(stage.axes for stage in reducing):
        return False
    rows = prod(axis.extent for axis in kernel.axes)
    longest = max(step_count(stage.axes, lanes) for stage in reducing)
    shared = 2 * TILE * sum(dtype.itemsize for dtype in _terms(kernel).values()) + 8 * len(_results(kernel))
    return longest >= TILE and 0 < rows * lanes < FEW and shared <= SHARED


def step_count(axes: Sequence[Axis], lanes: int) -> Extent:
    """The steps of a stage. Where it has several axes, walks along the last one are made of whole rounds of lanes."""
    return prod(_extents(axes, lanes))


def _extents(axes: Sequence[Axis], lanes: int) -> list[Extent]:
    *outer, last = (axis.extent for axis in axes)
    return [*outer, -(-last // lanes) * lanes if outer else last]


def _terms(kernel: Kernel) -> dict[int, DType]:
    """The values that are reduced, and their dtypes."""
    operands = {reduction.operand for stage in kernel.stages for reduction in stage.reductions}
    return {operand: kernel.values[operand].dtype for operand in sorted(operands)}


def _results(kernel: Kernel) -> dict[tuple[int, int], DType]:
    """The dtype of each result of a stage."""
    return {
        (number, turn): reduction.op.result(kernel.values[reduction.operand].dtype)
        for number, stage in enumerate(kernel.stages)
        for turn, reduction in enumerate(stage.reductions)
    }


class RowNest(Nest):
    """Writes the body of a kernel with long rows, for blocks of BLOCK threads."""

    def counts(self) -> Iterator[int]:
        yield from super().counts()
        yield from (step_count(stage.axes, self.lanes) + TILE for stage in self.kernel.stages if stage.axes)

    def share(self) -> tuple[str, str]:
        line = self.writer.line
        for operand, dtype in _terms(self.kernel).items():
            line(f"__shared__ {C_TYPES[dtype]} v{operand}_terms[2][{TILE}];  // one tile is added up, one computed")
        for (number, turn), dtype in _results(self.kernel).items():
            line(f"__shared__ {C_TYPES[dtype]} r{number}_{turn}_result;")
        line("int which = 0;")
        line(f"const unsigned int warp = threadIdx.x / {WARP}, lane = threadIdx.x % {WARP};")
        line(f"const unsigned int mask = {lane_mask(self.lanes)};")
        return "blockIdx.x", "gridDim.x"

    def stage(self, number: int, stage: Stage) -> None:
        writer = self.writer
        if len(self.kernel.stages) > 1:
            writer.line(f"// stage {number}")
        self.evaluate(Placement(number, 0))
        if stage.reductions:
            self.reduce(number, stage)
        elif stage.axes:
            index, count = C_TYPES[writer.index], step_count(stage.axes, self.lanes)
            with (
                writer.block(f"for ({index} at = threadIdx.x; at < {count}; at += {BLOCK})"),
                self.step(stage.axes, "at"),
            ):
                self.compute(number, stage)
        else:
            with writer.block("if (threadIdx.x == 0)"):
                self.store(stage)

    def reduce(self, number: int, stage: Stage) -> None:
        """A stage with reductions, tile by tile."""
        line, block, index = self.writer.line, self.writer.block, C_TYPES[self.writer.index]
        accumulators, count = self.accumulators(number, stage), step_count(stage.axes, self.lanes)
        with block(f"for ({index} start = 0; start < {count}; start += {TILE})"):
            line("which ^= 1;")
            line("#pragma unroll")
            with block(f"for (int i = 0; i < {TILE // BLOCK}; ++i)"):
                line(f"const int at = threadIdx.x + {BLOCK} * i;")
                with self.step(stage.axes, "start + at", count):
                    self.compute(number, stage)
                    for operand in dict.fromkeys(reduction.operand for reduction in stage.reductions):
                        line(f"v{operand}_terms[which][at] = {self.terms[operand].text};")
            line("__syncthreads();  // the terms are there, and those before them have been added up")
            for turn, (reduction, accumulator) in enumerate(zip(stage.reductions, accumulators, strict=True)):
                operand = reduction.operand
                term = CTerm(self.kernel.values[operand].dtype, f"v{operand}_terms[which][at]")
                with (
                    self.lanes_of(turn),
                    block(f"for (int at = lane; at < {TILE}; at += {self.lanes})"),
                    self.step(stage.axes, "start + at", count),
                ):
                    position = self.writer.long_position(reduction.position)
                    accumulator.accumulate(self.writer.s.name(term, f"v{operand}"), position)
        for turn, accumulator in enumerate(accumulators):
            name = f"r{number}_{turn}_result"
            with self.lanes_of(turn):
                accumulator.join(self.lanes)
                line(f"if (lane == 0) {name} = {accumulator.finish().text};")
            self.results[number, turn] = CTerm(_results(self.kernel)[number, turn], name)
        line("__syncthreads();  // the results are there, and all threads have read what one may overwrite")

    def compute(self, number: int, stage: Stage) -> None:
        """What a step of a stage computes and stores."""
        for depth in range(1, len(stage.axes) + 1):
            self.evaluate(Placement(number, depth))
        self.store(stage)

    def lanes_of(self, turn: int) -> AbstractContextManager[None]:
        """Have one warp run what is written meanwhile, with as many threads as there are lanes."""
        idle = f" && lane < {self.lanes}" if self.lanes < WARP else ""
        return self.writer.block(f"if (warp == {turn % WARPS}{idle})")

    @contextmanager
    def step(self, axes: Sequence[Axis], place: str, count: int = 0) -> Iterator[None]:
        """Run what is written meanwhile for the step at a place, where there is one: tiles go past the end of `count`
        steps, walks in whole rounds past the end of an axis."""
        (*outer, last), extents = axes, _extents(axes, self.lanes)
        if outer:
            self.writer.line(f"const {C_TYPES[self.writer.index]} place = {place};")
            self.divide("place", axes, extents)
        else:
            self.divide(place, axes, extents)
        ends = [f"{'place' if outer else variable(last)} < {count}"] if count % TILE else []
        ends += [f"{variable(last)} < {last.extent}"] if extents[-1] != last.extent else []
        with self.writer.block(f"if ({' && '.join(ends)})") if ends else nullcontext():
            yield
