"""The functions that the code of all graphs shares. A graph imports them by name.

Each is made when the first graph uses it: compiled, or loaded from the disk cache. What writes their LLVM IR is
imported only where they are compiled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from lucid.codegen.cpu.assembler import assemble_once, begin_once
from lucid.codegen.cpu.machine import LEVEL, QUICK, Machine, load
from lucid.codegen.cpu.pool import common_parts, pool
from lucid.codegen.cpu.pool_text import PARALLEL, SCRATCH
from lucid.codegen.cpu.runner import RUN_TIMED, run_timed_text
from lucid.codegen.cpu.team_text import team_text
from lucid.ir.types import BY_SHORT_NAME, DType

# What has a function for each dtype: its name, with the short name of the dtype behind it.
PRODUCT = "matmul_"
# By rows and vectors: tiles that products need beside those of all rows and vectors, which are in one module with them.
TILES = {(rows, vectors): f"tile_{rows}x{vectors}_" for rows in (1, 2, 4, 8) for vectors in (1, 2, 3)}
SWEEPS = "sweeps_"
SMALL = "small_"
# By lanes, and by the rows of the factor of few rows that a tile takes.
DOTS = {(lanes, columns): f"dots_{lanes}x{columns}_" for lanes, columns in ((32, 1), *((16, n) for n in range(1, 6)))}
CONVOLVE = "convolve_"
WEIGH = "weigh_"
CONVOLVE_CHANNELS = "channels_convolve_"
CONVOLVE_GROUPED = "grouped_convolve_"
CONVOLVE_LINES = "lines_convolve_"
WEIGH_GROUPED = "grouped_weigh_"

# Those that share code are compiled together.
_TILES = tuple((prefix,) for prefix in TILES.values())
_DOTS = tuple((prefix,) for prefix in DOTS.values())
_CONVOLUTIONS = (WEIGH, CONVOLVE_CHANNELS), (CONVOLVE,), (CONVOLVE_GROUPED, WEIGH_GROUPED), (CONVOLVE_LINES,)
_IN_PARTS = ((PRODUCT,),)  # of which one is the task, which only calls what computes: see `Module.parts`
_MODULES = *_IN_PARTS, *_TILES, (SWEEPS,), (SMALL,), *_DOTS, *_CONVOLUTIONS


def shared_function(machine: Machine, name: str) -> int:
    """The address of a function that graphs import."""
    if (module := _module_of(name)) is not None:
        return _of_dtype(machine, *module)[0][name]
    if name == RUN_TIMED:
        return _timed_runner(machine)[0][name]
    return pool(machine).addresses[name]


def begin(machine: Machine, names: Iterable[str], shares: bool) -> None:
    """Have helpers start on what all programs use, on the workers where a graph shares work among threads, and on
    functions that it imports."""
    for text, level in common_parts(machine):
        begin_once(machine, text, partial(str, text), level)
    modules = [*dict.fromkeys(filter(None, map(_module_of, names)))]
    tiles = [module for module in modules if module[0] in _TILES]
    for module in modules:
        if module not in tiles:
            _begin_module(machine, *module)
    if shares:
        begin_once(machine, text := team_text(*machine.layout()), partial(str, text), QUICK)
    for module in tiles:  # which take LLVM the least, last: so threads end at about the same time
        _begin_module(machine, *module)


def _begin_module(machine: Machine, prefixes: tuple[str, ...], dtype: DType) -> None:
    for text, level in _parts(machine, prefixes, dtype):
        begin_once(machine, _source(prefixes, dtype), text, level)


def _module_of(name: str) -> tuple[tuple[str, ...], DType] | None:
    """The prefixes of the module of a function that there is for each dtype, and its dtype."""
    for prefixes in _MODULES:
        for prefix in prefixes:
            if name.startswith(prefix):
                return prefixes, BY_SHORT_NAME[name.removeprefix(prefix)]
    return None


@functools.cache
def _of_dtype(machine: Machine, prefixes: tuple[str, ...], dtype: DType) -> tuple[dict[str, int], Any]:
    """The addresses of the functions of a module for a dtype, and what keeps its code alive."""
    source = _source(prefixes, dtype)
    codes = [assemble_once(machine, source, text, level) for text, level in _parts(machine, prefixes, dtype)]
    names = [f"{prefix}{dtype.short}" for prefix in prefixes]
    return load(machine, codes, names, {SCRATCH: pool(machine).addresses[SCRATCH]})


@functools.cache
def _timed_runner(machine: Machine) -> tuple[dict[str, int], Any]:
    """The address of the `lucid_run` with a clock, and what keeps its code alive."""
    text = run_timed_text(*machine.layout())
    code = assemble_once(machine, text, lambda: text)
    return load(machine, [code], [RUN_TIMED], {PARALLEL: pool(machine).addresses[PARALLEL]})


def _source(prefixes: tuple[str, ...], dtype: DType) -> str:
    """What the text of a module depends on."""
    return " ".join(f"{prefix}{dtype.short}" for prefix in prefixes)


def _parts(machine: Machine, prefixes: tuple[str, ...], dtype: DType) -> Iterator[tuple[Callable[[], str], int]]:
    """The parts of a module: what gives the text of each, and LLVM's level for it."""
    if prefixes in _IN_PARTS:
        parts = functools.cache(lambda: _module(machine, prefixes, dtype).parts())
        yield lambda: parts()[0], LEVEL
        yield lambda: parts()[1], QUICK
    else:
        yield lambda: str(_module(machine, prefixes, dtype)), LEVEL


def _module(machine: Machine, prefixes: tuple[str, ...], dtype: DType) -> Any:
    """The module, written anew."""
    names = _source(prefixes, dtype).split()
    from lucid.codegen.cpu import llvm_ir as ir
    from lucid.codegen.cpu.dots import Dots
    from lucid.codegen.cpu.gemm import Gemm
    from lucid.codegen.cpu.small import Small
    from lucid.codegen.cpu.sweeps import Sweeps

    module = ir.Module(names[0])
    module.triple, module.data_layout = machine.layout()
    if PRODUCT in prefixes:
        Gemm(dtype, machine.vector_bytes).write(module, *names)
    elif SWEEPS in prefixes:
        Sweeps(dtype, machine.vector_bytes).write(module, *names)
    elif SMALL in prefixes:
        Small(dtype, machine.vector_bytes).write(module, *names)
    elif prefixes in _TILES:
        shape = next(shape for shape, prefix in TILES.items() if prefix in prefixes)
        Gemm(dtype, machine.vector_bytes).write_one_tile(module, names[0], *shape)
    elif prefixes in _DOTS:
        shape = next(shape for shape, prefix in DOTS.items() if prefix in prefixes)
        Dots(dtype, machine.vector_bytes, *shape).write(module, *names)
    else:
        _write_convolutions(module, machine, dict(zip(prefixes, names, strict=True)), dtype)
    return module


def _write_convolutions(module: Any, machine: Machine, names: dict[str, str], dtype: DType) -> None:
    """Append the tasks of some kinds of convolutions, by their prefixes, to a module."""
    from lucid.codegen.cpu.channels import ConvolveChannels
    from lucid.codegen.cpu.convolution import Convolve, Weigh
    from lucid.codegen.cpu.convolution_tiles import write_tasks
    from lucid.codegen.cpu.grouped import ConvolveGrouped, WeighGrouped
    from lucid.codegen.cpu.lines import ConvolveLines

    kinds = {
        CONVOLVE: Convolve,
        CONVOLVE_CHANNELS: ConvolveChannels,
        WEIGH: Weigh,
        CONVOLVE_GROUPED: ConvolveGrouped,
        CONVOLVE_LINES: ConvolveLines,
        WEIGH_GROUPED: WeighGrouped,
    }
    tasks = {name: kinds[prefix] for prefix, name in names.items()}
    write_tasks(module, dtype, machine.vector_bytes, tasks)
