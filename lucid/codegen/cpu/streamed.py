"""Results that go past the caches: they are too large to be found there by whoever reads them.

An ordinary store fetches the line that it is about to overwrite. One with a hint does not, and leaves the caches to
what is read: two thirds of the bytes move where a kernel reads as much as it writes. Machines have it for vectors that
are aligned, so the address decides when a kernel runs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, i64
from lucid.codegen.kernel import Buffer, Kernel, Load
from lucid.codegen.target import ALIGNMENT
from lucid.ir.index import Axis, Index, Known

# A kernel that reads and writes so many bytes leaves nothing in the last cache of current server processors.
BYTES = 2**25

# A buffer of which it writes fewer bytes gains nothing, and may be found there in part.
SHORTEST = 2**22


def streamed(kernel: Kernel, in_place: Collection[int]) -> frozenset[int]:
    """The numbers of the buffers that a kernel writes past the caches: those that it does not read, of which some lie
    where others do that it reads."""
    if sum(buffer.type.nbytes for buffer in kernel.buffers) <= BYTES:
        return frozenset()  # as nearly always
    read, written = _bytes_reached(kernel)
    if sum(read.values()) + sum(written.values()) <= BYTES:
        return frozenset()
    return frozenset(n for n in written.keys() - read.keys() - {*in_place} if written[n] >= SHORTEST)


def _bytes_reached(kernel: Kernel) -> tuple[dict[int, int], dict[int, int]]:
    """For each buffer that a kernel reads, and for each that it writes, how many bytes of it at most.

    Positions reach as many elements as the axes that they depend on have places, and as lie between their bounds.
    Those with the same bounds are taken for the same, as a row is that several stages read.
    """
    placements = kernel.placements()

    def axes_of(leaf: Axis | Known) -> Sequence[Axis]:
        if isinstance(leaf, Axis):
            return (leaf,)
        place = placements[leaf.number]
        if place.stage < 0:
            return kernel.axes[: place.depth]
        return kernel.axes + kernel.stages[place.stage].axes[: place.depth]

    def bytes_of(places: Collection[tuple[Buffer, Index]]) -> dict[int, int]:
        reached: dict[Buffer, dict[tuple[int, int], int]] = {}
        for buffer, position in places:
            low, high = position.bounds
            axes = {axis for leaf in position.leaves() for axis in axes_of(leaf)}
            count = min(math.prod(axis.extent for axis in axes), high + 1 - low)
            found = reached.setdefault(buffer, {})
            found[low, high] = max(found.get((low, high), 0), count)
        return {
            buffer.number: min(sum(found.values()) * buffer.dtype.itemsize, buffer.type.nbytes)
            for buffer, found in reached.items()
        }

    read = bytes_of([(value.buffer, value.position) for value in kernel.values if isinstance(value, Load)])
    return read, bytes_of([(store.buffer, store.position) for stage in kernel.stages for store in stage.stores])


def can_stream(count: int, itemsize: int) -> bool:
    """Whether machines store so many neighbouring elements past the caches."""
    return count * itemsize % ALIGNMENT == 0


def store_streamed(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, itemsize: int) -> None:
    """Store neighbouring elements past the caches if they are aligned, or else as usual."""
    rest = builder.and_(builder.ptrtoint(address, I64), i64(ALIGNMENT - 1))
    with builder.if_else(builder.icmp_signed("==", rest, i64(0))) as (aligned, askew):
        with aligned:
            builder.store(value, address, align=ALIGNMENT, streamed=True)
        with askew:
            builder.store(value, address, align=itemsize)
