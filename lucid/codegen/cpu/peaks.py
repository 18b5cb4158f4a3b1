"""What the machine can do at most, measured: fused multiply-adds, and bytes of a copy."""

from __future__ import annotations

import ctypes
import functools
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lucid.codegen.cpu.machine import Machine, assemble, load, machine

ACCUMULATORS = 12  # independent chains: enough to hide the latency of two pipes, few enough for 16 registers
TURNS = 4_000_000 // ACCUMULATORS  # a fraction of a millisecond: short enough to escape other work on the machine
COPIED_BYTES = 2**27  # larger than the last cache
FMA_REPEATS, COPY_REPEATS = 200, 15


@dataclass(frozen=True)
class Peaks:
    """What bounds every computation on so many threads: float32 operations a second, a fused multiply-add being two,
    and bytes a second of a large copy, read and written ones both counted."""

    threads: int
    operations: float
    bytes: float


@functools.cache
def peaks(threads: int) -> Peaks:
    """The peaks of this machine; half a second, once a process."""
    return Peaks(threads, operations_per_second(threads), bytes_per_second(threads))


def operations_per_second(threads: int) -> float:
    """The peak of float32 fused multiply-adds that threads keep up while all of them compute: of each, the median. For
    a fraction of a millisecond, the clock of some processors is a tenth faster than what any computation gets."""
    loop = MultiplyAdds()
    typical = [0.0] * threads

    def task(number: int) -> None:
        typical[number] = statistics.median(loop.seconds(TURNS) for _ in range(FMA_REPEATS))

    _together(task, threads)
    return sum(loop.operations(TURNS) / seconds for seconds in typical)


class MultiplyAdds:
    """A loop of fused multiply-adds in registers; any number of threads may run it at once."""

    def __init__(self) -> None:
        target = machine()
        self._lanes = target.vector_bytes // 4
        addresses, self._loaded = load(target, [assemble(target, _fma_loop(target, self._lanes))], ["turns"])
        self._turns = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(addresses["turns"])

    def seconds(self, turns: int) -> float:
        """How long so many turns take."""
        data = np.full(self._lanes * ACCUMULATORS, 0.5, np.float32)
        return _seconds(lambda: self._turns(data.ctypes.data, turns))

    def operations(self, turns: int) -> int:
        """Of float32, a multiply-add being two."""
        return 2 * self._lanes * ACCUMULATORS * turns


def bytes_per_second(threads: int) -> float:
    """The bandwidth of a large copy."""
    count = COPIED_BYTES // 4 // threads
    sources = [np.ones(count, np.float32) for _ in range(threads)]
    copies = [np.ones(count, np.float32) for _ in range(threads)]

    def task(number: int) -> None:
        np.copyto(copies[number], sources[number])

    seconds = min(_seconds(lambda: _together(task, threads)) for _ in range(COPY_REPEATS))
    return 2 * 4 * count * threads / seconds


def _fma_loop(target: Machine, lanes: int) -> str:
    """LLVM IR of a loop that does nothing but multiply and add in registers."""
    triple, layout = target.layout()
    vector = f"<{lanes} x float>"
    numbers = range(ACCUMULATORS)
    loads = "\n".join(
        f"  %p{i} = getelementptr {vector}, ptr %data, i64 {i}\n  %s{i} = load {vector}, ptr %p{i}, align 4"
        for i in numbers
    )
    phis = "\n".join(f"  %a{i} = phi {vector} [ %s{i}, %entry ], [ %b{i}, %turn ]" for i in numbers)
    calls = "\n".join(
        f"  %b{i} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{i}, {vector} %s0, {vector} %s1)" for i in numbers
    )
    stores = "\n".join(f"  store {vector} %b{i}, ptr %p{i}, align 4" for i in numbers)
    return f"""
target triple = "{triple}"
target datalayout = "{layout}"
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define void @turns(ptr %data, i64 %count) {{
entry:
{loads}
  br label %turn
turn:
  %i = phi i64 [ 0, %entry ], [ %next, %turn ]
{phis}
{calls}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %turn, label %end
end:
{stores}
  ret void
}}"""


def _together(task: Callable[[int], None], threads: int) -> None:
    """Run task(0), task(1), ... at the same time."""
    workers = [threading.Thread(target=task, args=(number,)) for number in range(1, threads)]
    for worker in workers:
        worker.start()
    task(0)
    for worker in workers:
        worker.join()


def _seconds(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
