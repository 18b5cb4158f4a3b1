"""What the machine can do, measured: the peak of fused multiply-adds, and the bandwidth of a copy."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from lucid.codegen.cpu.peaks import bytes_per_second, operations_per_second


def _lanes() -> int:
    features = llvm.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx") else 4


Roofs = dict[str, dict[str, list[float]]]  # by the count of threads: each measurement of FLOPs and bytes a second


def measured(threads: int) -> dict[str, list[float]]:
    """What bounds every computation on so many threads, measured anew: see `Peaks`."""
    return {"flops_per_second": [operations_per_second(threads)], "bytes_per_second": [bytes_per_second(threads)]}


def add(roofs: Roofs, more: Roofs) -> None:
    """Append other measurements."""
    for threads, kinds in more.items():
        for kind, values in kinds.items():
            roofs.setdefault(threads, {}).setdefault(kind, []).extend(values)


def best(roofs: Roofs) -> dict[str, dict[str, float]]:
    """The best of each: whatever else ran on the machine must not pass for a low roof."""
    return {threads: {kind: max(values) for kind, values in kinds.items()} for threads, kinds in roofs.items()}


def processor() -> str:
    """The name of the processor, as far as the system tells it, and LLVM's name for its generation."""
    description = Path("/proc/cpuinfo")
    lines = description.read_text().splitlines() if description.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name} ({llvm.get_host_cpu_name()})"


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
