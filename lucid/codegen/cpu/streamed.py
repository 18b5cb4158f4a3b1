"""Results that go past the caches: they are too large to be found there by whoever reads them.

An ordinary store fetches the line that it is about to overwrite. One with a hint does not, and leaves the caches to
what is read: two thirds of the bytes move where a kernel reads as much as it writes. Machines have it for vectors that
are aligned, so the address decides when a kernel runs.
"""

from __future__ import annotations

from collections.abc import Collection

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, i64
from lucid.codegen.kernel import Kernel, Load
from lucid.codegen.target import ALIGNMENT

# A kernel that reads and writes so many bytes leaves nothing in the last cache of current server processors.
BYTES = 2**25


def streamed(kernel: Kernel, in_place: Collection[int]) -> frozenset[int]:
    """The numbers of the buffers that a kernel writes past the caches: those that it does not read, of which some lie
    where others do that it reads."""
    if sum(buffer.type.nbytes for buffer in kernel.buffers) <= BYTES:
        return frozenset()
    read = {value.buffer.number for value in kernel.values if isinstance(value, Load)}
    written = {store.buffer.number for stage in kernel.stages for store in stage.stores}
    return frozenset(written - read - {*in_place})


def store_streamed(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, itemsize: int) -> None:
    """Store neighbouring elements past the caches if they are aligned, or else as usual."""
    if value.type.count * itemsize % ALIGNMENT:
        builder.store(value, address, align=itemsize)
        return
    rest = builder.and_(builder.ptrtoint(address, I64), i64(ALIGNMENT - 1))
    with builder.if_else(builder.icmp_signed("==", rest, i64(0))) as (aligned, askew):
        with aligned:
            builder.store(value, address, align=ALIGNMENT, streamed=True)
        with askew:
            builder.store(value, address, align=itemsize)
