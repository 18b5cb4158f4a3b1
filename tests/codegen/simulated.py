"""Graphs as CUDA C on the simulator: many functions in a library, for a compiler takes half a second to begin."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch, LaunchPlan, Step
from lucid.codegen.cuda.simulator.library import FORWARD, HEADER, Library, build, compiler, options
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.codegen.cuda.simulator.target import SimulatorExecutable
from lucid.codegen.target import Code
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from tests.codegen.written import NAME, renamed
from tests.oracle import Array, bits, run_executable

ORDERS = (0, 1, 2, 3)  # forward, in reverse, and two that are shuffled
PER_LIBRARY = 100  # functions
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


@dataclass(frozen=True)
class Found:
    """A function in a library, where it has a name of its own."""

    library: Library
    name: str


class SharedLibrary(Library):
    """The functions of a graph, each in some library."""

    def __init__(self, functions: Mapping[str, Found]) -> None:
        self._functions = functions

    def launch(self, launch: Launch, addresses: Sequence[int], order: int = FORWARD) -> None:
        """See `Library.launch`."""
        found = self._functions[launch.function]
        found.library.launch(replace(launch, function=found.name), addresses, order)


class Simulated:
    """Some graphs, compiled for the simulator: a function that several have is compiled once."""

    def __init__(self, graphs: Iterable[Graph]) -> None:
        need_compiler()
        self.modules = {graph: write_module(graph) for graph in dict.fromkeys(graphs)}
        names: dict[str, str] = {}  # by the code, in which the function is called NAME
        for module in self.modules.values():
            for name, text in module.functions.items():
                names.setdefault(renamed(text, name, NAME), f"g{len(names)}_{name}")
        items = list(names.items())
        parts = [items[start : start + PER_LIBRARY] for start in range(0, len(items), PER_LIBRARY)]
        self._found: dict[str, Found] = {}
        with ThreadPoolExecutor(COMPILERS) as pool:
            for part, image in zip(parts, pool.map(_image, parts), strict=True):
                library = Library(image)
                self._found.update((code, Found(library, name)) for code, name in part)

    def executable(self, graph: Graph, order: int = FORWARD) -> SimulatorExecutable:
        """One of the graphs, to be run with threads and blocks in an order."""
        module = self.modules[graph]
        functions = {name: self._found[renamed(text, name, NAME)] for name, text in module.functions.items()}
        return SimulatorExecutable(Code(module.plan.to_json(), b""), lambda: module, order, SharedLibrary(functions))

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

    def moved(step: Step[Launch]) -> Step[Launch]:
        if isinstance(step, Launch) and "kernel" in step.function:
            return replace(step, blocks=(blocks, 1), threads=threads)
        return replace(step, blocks=(blocks, 1)) if isinstance(step, Launch) and "rows" in step.function else step

    return replace(plan, steps=tuple(map(moved, plan.steps)))


def _image(part: Sequence[tuple[str, str]]) -> bytes:
    return build("\n".join(renamed(code, NAME, name) for code, name in part), [name for _, name in part])


def same_bits(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal, bit for bit but for NaNs."""
    pairs = zip((*a.outputs, *a.updates), (*b.outputs, *b.updates), strict=True)
    return all((bits(x) == bits(y)).all() for x, y in pairs)
