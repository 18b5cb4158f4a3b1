"""The CUDA C printer of kernels: one `__global__` function for each, and its launch.

Few long rows are taken by a block each, other elements by as many threads as there are lanes: see `rows` and `nest`.
"""

from __future__ import annotations

from math import prod

from lucid.codegen.cuda.nest import Nest, parameter
from lucid.codegen.cuda.plan import BLOCK, MOST_BLOCKS, WARP, line_of_blocks
from lucid.codegen.cuda.quads import in_quads
from lucid.codegen.cuda.rows import RowNest, has_long_rows
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.codegen.kernel import Kernel
from lucid.errors import CompileError


def print_kernel(kernel: Kernel, name: str, guarded: bool = False, where: tuple[str, int] | None = None) -> str:
    """The CUDA C function of a kernel, under its text as a comment: it takes a pointer for each buffer.

    Any grid of blocks of whole warps runs it, of THREADS threads at most; blocks of BLOCK threads where it has long
    rows. A buffer may be written in place of one that is read, where each element is read only in the step that writes
    it. A `guarded` function takes the device's status as its last parameter, and does nothing where a check has failed.
    Raises CompileError as `kernel_lanes`.
    """
    comment = [f"// {line}" for line in str(kernel).splitlines()]
    lanes, quads, bounds = kernel_lanes(kernel, where), in_quads(kernel), ""
    if has_long_rows(kernel, lanes):
        nest: Nest = RowNest(kernel, lanes)
        bounds = f"__launch_bounds__({BLOCK}) "
    else:
        nest = Nest(quads.kernel if quads else kernel, lanes, quads=quads)
    parameters = [parameter(buffer, number < kernel.inputs) for number, buffer in enumerate(kernel.buffers)]
    body = [INDENT + line for line in (*([GUARD] if guarded else []), *nest.lines())]
    return "\n".join([*comment, *function_head(name, parameters, guarded, bounds=bounds), *body, "}"]) + "\n"


def kernel_label(kernel: Kernel) -> str:
    """What the name of the function of a kernel begins with."""
    return "rows" if has_long_rows(kernel, kernel_lanes(kernel)) else "kernel"


def kernel_grid(kernel: Kernel, where: tuple[str, int] | None = None) -> tuple[int, int]:
    """The blocks and the threads of each that a kernel is launched on. Raises CompileError as `kernel_lanes`."""
    lanes, quads = kernel_lanes(kernel, where), in_quads(kernel)
    elements = prod(axis.extent for axis in (quads.kernel if quads else kernel).axes)
    return (min(elements, MOST_BLOCKS), BLOCK) if has_long_rows(kernel, lanes) else line_of_blocks(elements * lanes)


def kernel_lanes(kernel: Kernel, where: tuple[str, int] | None = None) -> int:
    """The number of threads that add up the terms of an element together.

    Raises CompileError where the reductions have more lanes than a warp has threads, or different numbers of lanes;
    `where` is the user's line for it.
    """
    lanes = {max(reduction.op.lanes, 1) for stage in kernel.stages for reduction in stage.reductions} or {1}
    if len(lanes) == 1 and max(lanes) <= WARP:
        return max(lanes)
    got = ", ".join(map(str, sorted(lanes)))
    raise CompileError(f"a CUDA kernel reduces in one number of lanes, at most {WARP}; got {got}.", where=where)
