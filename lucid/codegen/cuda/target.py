"""The target "cuda": the CUDA C of a graph, compiled by NVRTC and launched through CuPy. No GPU has run it yet."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.device import Functions, architecture, gpu, uninterrupted
from lucid.codegen.cuda.nvrtc import nvrtc
from lucid.codegen.cuda.plan import LaunchPlan
from lucid.codegen.target import Code, Like
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.types import tensor_type

if TYPE_CHECKING:
    from lucid.codegen.cuda.module import Module

GRAPHS_VARIABLE = "LUCID_CUDA_GRAPHS"  # 1: a step that works on the same memory as one before is replayed
MOST_GRAPHS = 8  # of one executable


class CUDATarget:
    """Compiles for the GPU at hand. Compiling needs NVRTC alone; running needs CuPy and the GPU."""

    name = "cuda"

    def identity(self) -> str:
        """See `Target.identity`. Raises CompileError where there is no NVRTC."""
        return f"cuda {architecture()} nvrtc {nvrtc().version}"

    def compile(self, graph: Graph) -> CUDAExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the target does not support."""
        # Imported here: what comes from the disk cache runs without.
        from lucid.codegen.cuda.module import write_module

        module = write_module(graph)
        return CUDAExecutable(Code(module.plan.to_json(), assemble(module, architecture())), lambda: module)

    def load(self, code: Code, graph: Callable[[], Graph]) -> CUDAExecutable:
        """See `Target.load`."""

        def written() -> Module:
            from lucid.codegen.cuda.module import write_module

            return write_module(graph())

        return CUDAExecutable(code, written)


def assemble(module: Module, architecture: str) -> bytes:
    """The machine code of a module."""
    return nvrtc().compile(module.text, architecture).image


class CUDAExecutable:
    """The compiled graph. A run puts its launches on the current stream of CuPy and does not wait for them; the
    addresses in a table are those of arrays on the GPU."""

    def __init__(self, code: Code, module: Callable[[], Module]) -> None:
        self.code = code
        self.is_done = False
        self.module = functools.cache(module)
        self.plan = LaunchPlan.from_json(code.plan)
        self.output_types = tuple(map(tensor_type, self.plan.outputs))
        self._loaded: tuple[Functions, list[int], int] | None = None
        self._arena: Any = None
        self._stream: Any = None
        self._graphs: dict[tuple[int, ...], Any] = {}

    @property
    def graph(self) -> Graph:
        """The planned graph."""
        return self.module().graph

    @property
    def may_fail(self) -> bool:
        """Whether the graph has checks. Their errors come from `Device.download`."""
        return bool(self.plan.checks)

    def new_table(self) -> npt.NDArray[np.uint64]:
        """See `Executable.new_table`."""
        return np.zeros(self.plan.slots, np.uint64)

    def run(self, table: int) -> None:
        """Launch once on the arrays of the table at an address: see `Executable.run`."""
        self.is_done = False
        device = gpu()
        functions, addresses, first_check = self._loaded or self._load()
        given = (ctypes.c_uint64 * self.plan.slots).from_address(table)
        addresses[: self.plan.slots] = given

        def launch() -> None:
            for step in self.plan.launches(addresses):
                device.launch(functions[step.function], step, addresses, first_check)

        with uninterrupted():
            self._stream = device.follow(self._stream)  # the arena may be in use there
            if os.environ.get(GRAPHS_VARIABLE) == "1":
                self._replay(tuple(given), launch)
            else:
                launch()
            self.is_done = True

    def _load(self) -> tuple[Functions, list[int], int]:
        device, plan = gpu(), self.plan
        functions = device.load(self.code.machine_code, plan.functions)
        self._arena = device.reserve(plan.arena)
        start = device.address(self._arena)
        elements = plan.status - plan.slots - len(plan.stretches)
        own = [start + stretch.offset for stretch in plan.stretches]
        addresses = [*[0] * plan.slots, *own, *[0] * elements, device.address(device.status)]
        first_check = len(device.checks)
        device.checks += plan.checks
        self._loaded = functions, addresses, first_check
        return self._loaded

    def _replay(self, key: tuple[int, ...], launch: Callable[[], None]) -> None:
        """Run on some addresses: the first time by launches, the second time by a graph that is kept."""
        if key not in self._graphs:
            launch()
            while len(self._graphs) >= MOST_GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[key] = None
            return
        self._graphs[key] = graph = self._graphs.pop(key) or gpu().capture(launch)  # the latest used goes to the end
        gpu().replay(graph)

    def record(self, table: int, kept: Sequence[tuple[int, int]], arrays: Sequence[Like]) -> None:
        """See `Executable.record`: nothing here looks into arrays by itself."""

    def repeat(self, table: int, times: int, slots: npt.NDArray[np.int64], strides: npt.NDArray[np.int64]) -> None:
        """Launch many times, each on arrays further on: see `Executable.repeat`."""
        given = (ctypes.c_uint64 * self.plan.slots).from_address(table)
        for _ in range(times):
            self.run(table)
            for slot, stride in zip(slots.tolist(), strides.tolist(), strict=True):
                given[slot] += stride

    def llvm_ir(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for CUDA has no LLVM IR.", hint="cuda_source() shows its CUDA C.")

    def assembly(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for CUDA has no assembly.", hint="cuda_source() shows its CUDA C.")
