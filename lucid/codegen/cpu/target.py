"""The CPU target: one native function for a graph."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu import machine as processors
from lucid.codegen.cpu.module import ENTRY, ModuleWriter
from lucid.codegen.cpu.repeat import repeater
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower
from lucid.codegen.memory import ALIGNMENT, arena_size, plan
from lucid.ir.graph import Graph, Node

# int entry(void **table, int64_t *status); ctypes releases the interpreter's lock around the call.
_EntryType = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
STATUS_WORDS = 3


class CPUTarget:
    """Compiles for the processor at hand, or for the one that the environment variable LUCID_CPU names."""

    name = "cpu"

    def compile(self, graph: Graph) -> CPUExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the target does not support."""
        kernel_of = functools.cache(lower)  # asked by the plan, then by the writer
        return CPUExecutable(graph if graph.places else plan(graph, kernel_of), processors.machine(), kernel_of)


class CPUExecutable:
    """The compiled graph. Its entry keeps the machine code and the arena alive; one call at a time may run.

    `graph` is the planned graph, `kernels` the distinct kernels by the name of their function, `calls` the nodes that
    the entry runs, in order, each with the name of the function it calls.
    """

    def __init__(self, graph: Graph, machine: processors.Machine, kernel_of: Callable[[Node], Kernel] = lower) -> None:
        writer = ModuleWriter(graph, machine, kernel_of)
        self.graph = graph
        self._machine = machine
        self._text = writer.write()
        self.kernels: dict[str, Kernel] = {f.function.name: kernel for kernel, f in writer.functions.items()}
        self.calls: tuple[tuple[Node, str], ...] = tuple(writer.calls)
        self._checks = writer.checks
        addresses, code = processors.link(machine, self._text, [ENTRY], writer.imports)
        storage = np.empty(arena_size(graph) + ALIGNMENT, np.uint8)
        self.arena = -(-storage.ctypes.data // ALIGNMENT) * ALIGNMENT
        self._status = np.zeros(STATUS_WORDS, np.int64)
        self._status_address = self._status.ctypes.data
        self._entry_address = addresses[ENTRY]
        self.entry = _EntryType(self._entry_address)
        self.entry.owns = (code, storage)  # type: ignore[attr-defined]

    @property
    def may_fail(self) -> bool:
        """Whether the graph has checks."""
        return bool(self._checks)

    def new_table(self) -> npt.NDArray[np.uint64]:
        """A table for `run` and `entry` with the address of the arena in its last entry, and zeros before."""
        table = np.zeros(len(self.graph.inputs) + len(self.graph.outputs) + 1, np.uint64)
        table[-1] = self.arena
        return table

    def run(self, table: int) -> None:
        """Run once on the arrays of the table at an address: see `Executable.run`."""
        if self.entry(table, self._status_address):
            self._fail()

    def repeat(self, table: int, times: int, slots: npt.NDArray[np.int64], strides: npt.NDArray[np.int64]) -> None:
        """Run many times, each on arrays further on: see `Executable.repeat`."""
        run = repeater(self._machine)
        where = slots.ctypes.data, strides.ctypes.data, len(slots)
        if run(self._entry_address, table, self._status_address, times, *where):
            self._fail()

    def _fail(self) -> NoReturn:
        """Raise the error of the check that `entry` has reported."""
        number, position, bits = self._status.tolist()
        check, values = self._checks[number]
        value = np.int64(bits).astype(values.type.dtype.numpy).item()
        raise check.error(position, value)

    def llvm_ir(self) -> str:
        """The LLVM IR of the graph."""
        return self._text

    def assembly(self) -> str:
        """The machine code of the graph as assembly."""
        return processors.assembly(self._machine, self._text)
