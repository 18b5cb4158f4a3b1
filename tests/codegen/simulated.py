"""Graphs as CUDA C on the simulator: many of them in a library, for a compiler takes half a second to begin."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lucid.codegen.cuda.module import Module, write_module
from lucid.codegen.cuda.plan import Launch, LaunchPlan, Step
from lucid.codegen.cuda.simulator.library import FORWARD, HEADER, Library, build, compiler, options
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.codegen.cuda.simulator.target import SimulatorExecutable
from lucid.codegen.target import Code
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from tests.oracle import Array, bits, run_executable

ORDERS = (0, 1, 2, 3)  # forward, in reverse, and two that are shuffled
PER_LIBRARY = 60  # graphs
COMPILERS = 2  # at a time


def need_compiler() -> None:
    """Skip the test where there is no C++ compiler."""
    try:
        compiler()
    except CompileError as error:
        pytest.skip(error.sentence)


def compile_on_host(text: str, folder: Path) -> ctypes.CDLL:
    """The library of C++ functions that use the vocabulary of CUDA C."""
    need_compiler()
    (folder / "functions.cpp").write_text(f'#include "{HEADER}"\n{text}')
    command = [compiler(), *options(), "-shared", "-fPIC", "-o", "functions.so", "functions.cpp"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "functions.so"))


class Simulated:
    """Some graphs, compiled for the simulator."""

    def __init__(self, graphs: Iterable[Graph]) -> None:
        need_compiler()
        self.modules: dict[Graph, Module] = {}
        self._libraries: dict[Graph, Library] = {}
        for graph in graphs:
            if graph not in self.modules:
                self.modules[graph] = write_module(graph, f"g{len(self.modules)}_")
        items = list(self.modules.items())
        parts = [items[start : start + PER_LIBRARY] for start in range(0, len(items), PER_LIBRARY)]
        with ThreadPoolExecutor(COMPILERS) as pool:
            for part, image in zip(parts, pool.map(_image, parts), strict=True):
                library = Library(image)
                self._libraries.update((graph, library) for graph, _ in part)

    def executable(self, graph: Graph, order: int = FORWARD) -> SimulatorExecutable:
        """One of the graphs, to be run with threads and blocks in an order."""
        module = self.modules[graph]
        return SimulatorExecutable(Code(module.plan.to_json(), b""), lambda: module, order, self._libraries[graph])

    def run(
        self, graph: Graph, arrays: Sequence[Array], order: int = FORWARD, grid: tuple[int, int] | None = None
    ) -> Outcome:
        """What one of the graphs computes; its loop nests on another grid of blocks and threads if one is given."""
        executable = self.executable(graph, order)
        if order % 2:
            lay_in_one_arena(executable)
        if grid is not None:
            executable.plan = on_grid(executable.plan, *grid)
        return run_executable(executable, graph, arrays)


def lay_in_one_arena(executable: SimulatorExecutable) -> None:
    """Have what is in the arena lie there, as on a GPU, where one value may overwrite another: by itself each lies
    between forbidden pages of its own."""
    arena = Guarded(executable.plan.arena)
    for storage, stretch in enumerate(executable.plan.stretches, executable.plan.slots):
        executable._addresses[storage] = arena.address + stretch.offset
    executable._own.append(arena)


def on_grid(plan: LaunchPlan, blocks: int, threads: int) -> LaunchPlan:
    """A plan without loops whose loop nests run on another grid; those with long rows in blocks as large as before."""

    def moved(step: Step) -> Step:
        if isinstance(step, Launch) and "kernel" in step.function:
            return replace(step, blocks=(blocks, 1), threads=threads)
        return replace(step, blocks=(blocks, 1)) if isinstance(step, Launch) and "rows" in step.function else step

    return replace(plan, steps=tuple(map(moved, plan.steps)))


def _image(part: Sequence[tuple[Graph, Module]]) -> bytes:
    names = [name for _, module in part for name in module.functions]
    return build("\n".join(module.text for _, module in part), names)


def same_bits(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal, bit for bit but for NaNs."""
    pairs = zip((*a.outputs, *a.updates), (*b.outputs, *b.updates), strict=True)
    return all((bits(x) == bits(y)).all() for x, y in pairs)
