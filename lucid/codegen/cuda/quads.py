"""Maps in quads: a thread takes four neighbouring elements, for one access to memory and one Philox call to serve all.

A map's last parallel axis is cut in two: the outer part, which threads share out, counts quads, and the stage goes over
the four elements of one. Nothing else about the kernel changes, so the bits don't. What stands at four neighbouring
places for the elements of a quad is read and written at once where the address allows it, which the kernel looks up:
buffers may be parts of others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import prod

from lucid.codegen.kernel import Kernel, Load, Placement, RandomElement, indices, operands
from lucid.ir.index import Axis, Index, Known, delinear, of
from lucid.ir.types import DType, bool_, float32, float64, int32, int64, uint8, uint32, uint64

QUAD = 4

# The vector that holds a quad of a dtype, or half of one, and how many of them a quad takes.
VECTORS = {
    bool_: ("uchar4", 1),
    uint8: ("uchar4", 1),
    uint32: ("uint4", 1),
    uint64: ("ulonglong2", 2),
    int32: ("int4", 1),
    int64: ("longlong2", 2),
    float32: ("float4", 1),
    float64: ("double2", 2),
}


# The most words of 32 bits that the quads of a map are: of a thread's 255 registers, others hold what it computes.
MOST_WORDS = 160

# The same for the epilogue of a product, whose threads may have 128 registers, and sums in some of them.
MOST_WORDS_BESIDE_SUMS = 64


def alignment(dtype: DType) -> int:
    """The bytes that the address of a quad must be a multiple of."""
    return QUAD * dtype.itemsize // VECTORS[dtype][1]


def copy_quad(dtype: DType, to: str, source: str) -> list[str]:
    """Copy a quad to an address from another one, both of which allow vectors."""
    vector, count = VECTORS[dtype]
    return [f"(({vector}*){to})[{part}] = ((const {vector}*){source})[{part}];" for part in range(count)]


def first_of_quad(position: Index, within: Axis) -> Index | None:
    """The position where an axis of four is at its first place, if that is a multiple of four and the others are the
    next in memory; else None."""
    if position.coefficient(within) != 1:
        return None
    first = position.substitute({within: Index()})
    numbers = (first.constant, *(coefficient for _, coefficient in first.terms))
    return first if all(number % QUAD == 0 for number in numbers) else None


@dataclass(frozen=True)
class Quads:
    """A map in quads, the axis of its stage, and the place of an element on the axis that was cut, which ends after
    `extent` elements. The last quad may have a rest of them. Buffer number `product` is no memory: what an epilogue
    reads of it are sums in registers."""

    kernel: Kernel
    within: Axis
    element: Index
    extent: int
    product: int | None = None

    @property
    def has_rest(self) -> bool:
        """Whether the last quad is not whole."""
        return self.extent % QUAD > 0

    @property
    def inner(self) -> Placement:
        """Where values are computed that differ between the elements of a quad."""
        return Placement(0, 1)

    @cached_property
    def placed(self) -> tuple[Placement, ...]:
        """The placement of each value."""
        return self.kernel.placements()

    def start(self, position: Index) -> Index | None:
        """The position of the first of four neighbours that the elements of a quad stand for, a multiple of four; None
        where they stand elsewhere."""
        first = first_of_quad(position, self.within)
        if first is None or any(
            isinstance(leaf, Known) and self.placed[leaf.number] == self.inner for leaf in first.leaves()
        ):
            return None
        return first

    @cached_property
    def reads(self) -> dict[int, Index]:
        """The values that are read, or drawn, for all elements of a quad at once, and the position of the first."""
        found = {}
        for number, value in enumerate(self.kernel.values):
            if isinstance(value, Load) and value.buffer.number == self.product:
                continue
            if isinstance(value, Load | RandomElement) and len(indices(value)) == 1:  # no bounds
                start = self.start(value.position)
                if start is not None and all(self.placed[arg] != self.inner for arg in operands(value)[:2]):
                    found[number] = start
        return found

    @cached_property
    def writes(self) -> dict[int, Index]:
        """The stores that write all elements of a quad at once, and the position of the first."""
        starts = (self.start(store.position) for store in self.kernel.stages[0].stores)
        return {number: start for number, start in enumerate(starts) if start is not None}

    @property
    def words(self) -> int:
        """The words that the quads of a thread are together."""
        read = (value.dtype for number, value in enumerate(self.kernel.values) if number in self.reads)
        written = (self.kernel.stages[0].stores[number].buffer.dtype for number in self.writes)
        return sum(QUAD * max(dtype.itemsize // 4, 1) for dtype in (*read, *written))


def in_quads(kernel: Kernel) -> Quads | None:
    """A kernel in quads. None where it is not a map, has nothing that quads would serve, or so much of it that a thread
    lacks the registers."""
    if len(kernel.stages) != 1 or kernel.is_empty or not kernel.axes:
        return None
    (stage,) = kernel.stages
    if stage.axes or stage.reductions:
        return None
    if kernel.axes[-1].extent % QUAD:  # then quads go across the ends of rows
        kernel = _in_one_row(kernel)
    if kernel.axes[-1].extent < QUAD:
        return None
    quads = _cut(kernel)
    return quads if 0 < quads.words <= MOST_WORDS else None


def epilogue_in_quads(kernel: Kernel) -> Quads | None:
    """The epilogue of a product in quads, each of which is in one row. None where rows are not whole quads, or where
    these would take registers that a product lacks."""
    if kernel.axes[-1].extent % QUAD:
        return None
    quads = replace(_cut(kernel), product=kernel.inputs - 1)
    return quads if 0 < quads.words <= MOST_WORDS_BESIDE_SUMS else None


def _cut(kernel: Kernel) -> Quads:
    """A map whose last axis is cut in two."""
    last = kernel.axes[-1]
    outer = Axis(last.number, -(-last.extent // QUAD))
    within = Axis(max(axis.number for axis in kernel.axes) + 1, QUAD)
    element = of(outer) * QUAD + of(within)
    cut = kernel.map_indices(partial(Index.substitute, values={last: element}))
    stages = (replace(cut.stages[0], axes=(within,)),)
    return Quads(replace(cut, axes=(*kernel.axes[:-1], outer), stages=stages), within, element, last.extent)


def _in_one_row(kernel: Kernel) -> Kernel:
    """A map with one parallel axis, of which the others are quotients and remainders."""
    whole = Axis(kernel.axes[0].number, prod(axis.extent for axis in kernel.axes))
    parts = delinear(of(whole), tuple(axis.extent for axis in kernel.axes))
    change = partial(Index.substitute, values=dict(zip(kernel.axes, parts, strict=True)))
    return replace(kernel.map_indices(change), axes=(whole,))
