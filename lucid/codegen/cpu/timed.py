"""How long each kernel of a graph takes: the same module, whose steps are taken with a clock."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu import llvm_ir as ir, machine as processors
from lucid.codegen.cpu.control import I32, POINTER, i64
from lucid.codegen.cpu.library import shared_function
from lucid.codegen.cpu.module import ModuleWriter
from lucid.codegen.cpu.pool import pool
from lucid.codegen.cpu.runner import RUN_TIMED
from lucid.codegen.kernel import Kernel
from lucid.codegen.memory import arena_size
from lucid.codegen.target import ALIGNMENT
from lucid.codegen.threads import RUN_LOCK
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node, Value

WARM_UP = 3
MOST_RUNS = 1000
SECONDS = 0.5  # of measuring, if the most runs take longer

_EntryType = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True)
class Timing:
    """Medians over some runs, in nanoseconds: of a whole run, and of all calls of each node in a run."""

    runs: int
    nanoseconds: float
    nodes: Mapping[Node, float]


class TimedWriter(ModuleWriter):
    """Writes a module whose entry adds, after each task, the nanoseconds since the task before to a word of its own:
    that at the place of the step. The address of the words is in the table behind all else."""

    def __init__(self, graph: Graph, machine: processors.Machine, kernel_of: Callable[[Node], Kernel]) -> None:
        super().__init__(graph, machine, kernel_of)
        self.places: list[int] = []  # of the steps of `calls`

    def called(self, node: Node, name: str) -> None:
        super().called(node, name)
        self.places.append(self.steps.latest)

    def run(self, builder: ir.IRBuilder, steps: ir.Value, table: ir.Value, status: ir.Value) -> ir.Value:
        slot = i64(self.arena + 1 + self.slots)
        words = builder.load(builder.gep(table, [slot], source_etype=POINTER), typ=POINTER)
        return builder.call(self.imported(RUN_TIMED, [POINTER] * 4, I32), [steps, table, status, words])


def measure(graph: Graph, kernel_of: Callable[[Node], Kernel]) -> Timing:
    """Run a planned graph many times on inputs that are made up: normal floats of deviation 0.1, zeros for all else.
    States are as at first in every run. Nothing of the caller's is read or written.

    Raises CompileError where a check fails on such inputs.
    """
    machine = processors.machine()
    writer = TimedWriter(graph, machine, kernel_of)
    objects = [processors.assemble(machine, text) for text in writer.write()]
    imports = {name: shared_function(machine, name) for name in writer.imports}
    addresses, loaded = processors.load(machine, objects, [processors.ENTRY], imports)
    entry = _EntryType(addresses[processors.ENTRY])
    pool(machine).reserve(*writer.steps.memory)
    if writer.steps.shares:
        pool(machine).share()
    words, status = np.zeros(writer.steps.at, np.int64), np.zeros(processors.STATUS_WORDS, np.int64)
    arena = np.empty(arena_size(graph) + ALIGNMENT, np.uint8)
    arrays = [*map(_made_up, graph.inputs), *(np.empty(x.type.shape, x.type.dtype.numpy) for x in graph.outputs)]
    aligned = -(-arena.ctypes.data // ALIGNMENT) * ALIGNMENT
    own = [aligned, *[0] * writer.slots, words.ctypes.data]
    table = np.array([*(array.ctypes.data for array in arrays), *own], np.uint64)

    states = [(arrays[graph.inputs.index(state)], _made_up(state)) for state, _ in graph.updates]

    def run() -> int:
        words[:] = 0
        for array, first in states:
            np.copyto(array, first)
        start = time.perf_counter_ns()
        failed = entry(table.ctypes.data, status.ctypes.data)
        nanoseconds = time.perf_counter_ns() - start
        if failed:
            raise CompileError(f"a check of {graph.name} fails on the inputs that are made up for measuring it.")
        return nanoseconds

    with RUN_LOCK:
        for _ in range(WARM_UP):
            run()
        whole: list[int] = []
        each: list[npt.NDArray[Any]] = []
        end = time.perf_counter() + SECONDS
        while len(whole) < MOST_RUNS and (time.perf_counter() < end or not whole):
            whole.append(run())
            each.append(words[writer.places])
    del loaded
    medians = np.median(np.array(each), axis=0).tolist()
    nodes: dict[Node, float] = {}
    for (node, _), nanoseconds in zip(writer.calls, medians, strict=False):
        nodes[node] = nodes.get(node, 0.0) + nanoseconds
    return Timing(len(whole), float(np.median(whole)), nodes)


def _made_up(value: Value) -> npt.NDArray[Any]:
    shape, dtype = value.type.shape, value.type.dtype
    if not dtype.is_float:
        return np.zeros(shape, dtype.numpy)
    return np.asarray(np.random.default_rng(0).standard_normal(shape) * 0.1, dtype.numpy)
