"""The functions that the code of all graphs shares. A graph imports them by name.

Each is made when the first graph uses it: compiled, or loaded from the disk cache. What writes their LLVM IR is
imported only where they are compiled.
"""

from __future__ import annotations

import functools
from typing import Any

from lucid.codegen.cpu.machine import Machine, assemble_once, load
from lucid.codegen.cpu.pool import SCRATCH, pool
from lucid.ir.types import BY_SHORT_NAME, DType

# What has a function for each dtype: its name, with the short name of the dtype behind it.
PRODUCT = "matmul_"
CONVOLVE = "convolve_"
WEIGH = "weigh_"


def shared_function(machine: Machine, name: str) -> int:
    """The address of a function that graphs import."""
    for prefix in (PRODUCT, CONVOLVE, WEIGH):
        if name.startswith(prefix):
            return _of_dtype(machine, prefix, BY_SHORT_NAME[name.removeprefix(prefix)])[0]
    return pool(machine).addresses[name]


@functools.cache
def _of_dtype(machine: Machine, prefix: str, dtype: DType) -> tuple[int, Any]:
    """The address of a function for a dtype, and what keeps its code alive."""
    name = f"{prefix}{dtype.short}"

    def text() -> str:
        from llvmlite import ir

        from lucid.codegen.cpu.convolution import Convolve, Weigh
        from lucid.codegen.cpu.gemm import Gemm

        module = ir.Module(name)
        module.triple, module.data_layout = machine.layout()
        writers: dict[str, type[Gemm | Convolve | Weigh]] = {PRODUCT: Gemm, CONVOLVE: Convolve, WEIGH: Weigh}
        writers[prefix](dtype, machine.vector_bytes).write(module, name)
        return str(module)

    code = assemble_once(machine, name, text)
    addresses, keep_alive = load(machine, code, [name], {SCRATCH: pool(machine).addresses[SCRATCH]})
    return addresses[name], keep_alive
