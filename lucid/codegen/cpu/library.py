"""The functions that the code of all graphs shares. A graph imports them by name.

Each is made when the first graph uses it: compiled, or loaded from the disk cache. What writes their LLVM IR is
imported only where they are compiled.
"""

from __future__ import annotations

import functools
from typing import Any

from lucid.codegen.cpu.machine import Machine, assemble_once, load
from lucid.codegen.cpu.pool import SCRATCH, pool
from lucid.codegen.cpu.runner import COPY, RUN, RUN_TIMED, runner
from lucid.ir.types import BY_SHORT_NAME, DType

# What has a function for each dtype: its name, with the short name of the dtype behind it.
PRODUCT = "matmul_"
CONVOLVE = "convolve_"
WEIGH = "weigh_"
CONVOLVE_CHANNELS = "channels_convolve_"
CONVOLVE_GROUPED = "grouped_convolve_"
WEIGH_GROUPED = "grouped_weigh_"

# Those that share code are compiled together.
_MODULES = (PRODUCT,), (WEIGH, CONVOLVE_CHANNELS), (CONVOLVE,), (CONVOLVE_GROUPED, WEIGH_GROUPED)


def shared_function(machine: Machine, name: str) -> int:
    """The address of a function that graphs import."""
    for prefixes in _MODULES:
        for prefix in prefixes:
            if name.startswith(prefix):
                return _of_dtype(machine, prefixes, BY_SHORT_NAME[name.removeprefix(prefix)])[0][name]
    if name in (RUN, RUN_TIMED, COPY):
        return runner(machine, name == RUN_TIMED)[0][name]
    return pool(machine).addresses[name]


@functools.cache
def _of_dtype(machine: Machine, prefixes: tuple[str, ...], dtype: DType) -> tuple[dict[str, int], Any]:
    """The addresses of the functions of a module for a dtype, and what keeps its code alive."""
    names = [f"{prefix}{dtype.short}" for prefix in prefixes]

    def text() -> str:
        from llvmlite import ir

        from lucid.codegen.cpu.channels import ConvolveChannels
        from lucid.codegen.cpu.convolution import Convolve, Weigh
        from lucid.codegen.cpu.convolution_tiles import write_tasks
        from lucid.codegen.cpu.gemm import Gemm
        from lucid.codegen.cpu.grouped import ConvolveGrouped, WeighGrouped

        module = ir.Module(names[0])
        module.triple, module.data_layout = machine.layout()
        if PRODUCT in prefixes:
            Gemm(dtype, machine.vector_bytes).write(module, *names)
        else:
            kinds = {
                CONVOLVE: Convolve,
                CONVOLVE_CHANNELS: ConvolveChannels,
                WEIGH: Weigh,
                CONVOLVE_GROUPED: ConvolveGrouped,
                WEIGH_GROUPED: WeighGrouped,
            }
            tasks = {name: kinds[prefix] for name, prefix in zip(names, prefixes, strict=True)}
            write_tasks(module, dtype, machine.vector_bytes, tasks)
        return str(module)

    code = assemble_once(machine, " ".join(names), text)
    return load(machine, code, names, {SCRATCH: pool(machine).addresses[SCRATCH]})
