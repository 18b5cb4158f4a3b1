"""What the machine can do, measured: the peak of fused multiply-adds, and the bandwidth of a copy."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np

ACCUMULATORS = 12  # independent chains: enough to hide the latency of two pipes, few enough for 16 registers
TURNS = 4_000_000 // ACCUMULATORS  # a fraction of a millisecond: short enough to escape other work on the machine
COPIED_BYTES = 2**27  # larger than the last cache
FMA_REPEATS, COPY_REPEATS = 200, 15


def _lanes() -> int:
    features = llvm.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


def _fma_loop(lanes: int) -> str:
    """LLVM IR of a loop that does nothing but multiply and add in registers."""
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


def flops_per_second(threads: int) -> float:
    """The peak of float32 fused multiply-adds, two FLOPs each: the best of each thread while all of them compute."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    lanes = _lanes()
    with llvm.create_mcjit_compiler(llvm.parse_assembly(_fma_loop(lanes)), target) as engine:
        engine.finalize_object()
        turns = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(engine.get_function_address("turns"))
        data = [np.full(lanes * ACCUMULATORS, 0.5, np.float32) for _ in range(threads)]
        best = [float("inf")] * threads

        def task(number: int) -> None:
            for _ in range(FMA_REPEATS):
                seconds = _seconds(lambda: turns(data[number].ctypes.data, TURNS))
                best[number] = min(best[number], seconds)

        _together(task, threads)
    return sum(2 * lanes * ACCUMULATORS * TURNS / seconds for seconds in best)


def bytes_per_second(threads: int) -> float:
    """The bandwidth of a large copy, bytes read and bytes written both counted."""
    count = COPIED_BYTES // 4 // threads
    sources = [np.ones(count, np.float32) for _ in range(threads)]
    copies = [np.ones(count, np.float32) for _ in range(threads)]

    def task(number: int) -> None:
        np.copyto(copies[number], sources[number])

    seconds = min(_seconds(lambda: _together(task, threads)) for _ in range(COPY_REPEATS))
    return 2 * 4 * count * threads / seconds


def roofs(threads: int) -> dict[str, float]:
    """What bounds every computation on so many threads."""
    return {"flops_per_second": flops_per_second(threads), "bytes_per_second": bytes_per_second(threads)}


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def setting() -> dict[str, Any]:
    """What a reader of figures needs to know of where they were measured."""
    return {
        "processor": processor(),
        "lanes": _lanes(),
        "cores": len(cores()),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
