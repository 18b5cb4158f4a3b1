"""The target "cuda": the CUDA C of a graph, compiled by NVRTC and launched through CuPy."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

from lucid.codegen.cuda.device import architecture, gpu, uninterrupted
from lucid.codegen.cuda.executable import PlannedExecutable, written_later
from lucid.codegen.cuda.launches import Launches
from lucid.codegen.cuda.nvrtc import nvrtc
from lucid.codegen.target import Code
from lucid.ir.graph import Graph

if TYPE_CHECKING:
    from lucid.codegen.cuda.module import Module

GRAPHS_VARIABLE = "LUCID_CUDA_GRAPHS"  # 1: a step that works on the same memory as one before is replayed
MOST_GRAPHS = 8  # of one executable


class CUDATarget:
    """Compiles for the GPU at hand. Compiling needs NVRTC alone; running needs CuPy and the GPU."""

    name = "cuda"

    def identity(self) -> str:
        """See `Target.identity`. Raises CompileError where there is no NVRTC."""
        return f"cuda {architecture()} nvrtc {nvrtc().build}"

    def expect_machine(self) -> None:
        """See `Target.expect_machine`. Raises CompileError where there is no CuPy or no GPU."""
        gpu()

    def ahead(self) -> AbstractContextManager[None]:
        """See `Target.ahead`."""
        return nullcontext()

    def expect(self, graph: Graph) -> None:
        """See `Target.expect`."""

    def compile(self, graph: Graph) -> CUDAExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the target does not support."""
        # Imported here: what comes from the disk cache runs without.
        from lucid.codegen.cuda.module import write_module

        module = write_module(graph)
        return CUDAExecutable(Code(module.plan.to_json(), assemble(module, architecture())), lambda: module)

    def load(self, code: Code, graph: Callable[[], Graph]) -> CUDAExecutable:
        """See `Target.load`."""
        return CUDAExecutable(code, written_later(graph))


def assemble(module: Module, architecture: str) -> bytes:
    """The machine code of a module."""
    return nvrtc().compile(module.text, architecture).image


class CUDAExecutable(PlannedExecutable):
    """The compiled graph. A run puts its launches on the current stream of CuPy and does not wait for them; the
    addresses in a table are those of arrays on the GPU. The errors of checks come from `Device.download`."""

    def __init__(self, code: Code, module: Callable[[], Module]) -> None:
        super().__init__(code, module)
        self._launches: Launches | None = None
        self._arena: Any = None
        self._graphs: dict[bytes, Any] = {}

    def run(self, table: int) -> None:
        """Launch once on the arrays of the table at an address: see `Executable.run`."""
        self.is_done = False
        device = gpu()
        device.follow()  # before anything is allocated, which is on the GPU that is current
        launches = self.launches()
        launches.give(table)
        with uninterrupted():
            if os.environ.get(GRAPHS_VARIABLE) == "1":
                self._replay(bytes(self.given(table)), lambda: device.launch(launches))
            else:
                device.launch(launches)
            self.is_done = True

    def launches(self) -> Launches:
        """The launches, with the addresses of the storages that the latest run has used. Made at the first run, which
        loads the functions and allocates the arena."""
        return self._launches or self._load()

    def _load(self) -> Launches:
        device, plan = gpu(), self.plan
        functions = device.load(self.code.machine_code, plan.functions)
        self._arena = device.reserve(plan.arena)
        start = device.address(self._arena)
        own = [start + stretch.offset for stretch in plan.stretches]
        self._launches = Launches(plan, functions, own, device.address(device.status), len(device.checks))
        locate = WeakMethod(self.check_location)  # the device outlives its executables
        device.checks += [(*check, locate, number) for number, check in enumerate(plan.checks)]
        return self._launches

    def _replay(self, key: bytes, launch: Callable[[], None]) -> None:
        """Run on some addresses: the first time by launches, the second time by a graph that is kept."""
        if key not in self._graphs:
            launch()
            while len(self._graphs) >= MOST_GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[key] = None
            return
        self._graphs[key] = graph = self._graphs.pop(key) or gpu().capture(launch)  # the latest used goes to the end
        gpu().replay(graph)
