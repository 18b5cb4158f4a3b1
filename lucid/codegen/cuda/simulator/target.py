"""The target "cuda-sim": the CUDA C of a graph, executed on the CPU. A tool for developers of Lucid."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.plan import STATUS_WORDS, LaunchPlan
from lucid.codegen.cuda.simulator.library import FORWARD, Library, build, identity
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower
from lucid.codegen.target import Code, Like
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.ops.structure import Check
from lucid.ir.types import BY_SHORT_NAME, tensor_type

if TYPE_CHECKING:
    from lucid.codegen.cuda.module import Module


class CUDASimulatorTarget:
    """Compiles for a GPU that is simulated: slow, checked, and the same bits as every other target."""

    name = "cuda-sim"

    def __init__(self, order: int = FORWARD) -> None:
        self.order = order

    def identity(self) -> str:
        """See `Target.identity`. Raises CompileError where there is no C++ compiler."""
        return identity()

    def compile(self, graph: Graph) -> SimulatorExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the CUDA targets do not support."""
        # Imported here: what comes from the disk cache runs without.
        from lucid.codegen.cuda.module import write_module

        module = write_module(graph)
        code = Code(module.plan.to_json(), build(module.text, module.plan.functions))
        return SimulatorExecutable(code, lambda: module, self.order)

    def load(self, code: Code, graph: Callable[[], Graph]) -> SimulatorExecutable:
        """See `Target.load`."""

        def written() -> Module:
            from lucid.codegen.cuda.module import write_module

            return write_module(graph())

        return SimulatorExecutable(code, written, self.order)


class SimulatorExecutable:
    """The compiled graph. Each run copies what it reads into guarded memory, as a GPU has memory of its own, and what
    it has written back."""

    def __init__(self, code: Code, module: Callable[[], Module], order: int, library: Library | None = None) -> None:
        self.code = code
        self.order = order
        self.is_done = False
        self.module = functools.cache(module)
        self.plan = LaunchPlan.from_json(code.plan)
        self.output_types = tuple(map(tensor_type, self.plan.outputs))
        self._library = library or Library(code.machine_code)
        self._slots = [Guarded(type.nbytes) for type in self.plan.slot_types()]
        self._own = [Guarded(stretch.size) for stretch in self.plan.stretches]
        self._status = Guarded(8 * STATUS_WORDS)
        elements = self.plan.status - len(self._slots) - len(self._own)
        addresses = [storage.address for storage in (*self._slots, *self._own)]
        self._addresses = [*addresses, *[0] * elements, self._status.address]

    @property
    def graph(self) -> Graph:
        """The planned graph."""
        return self.module().graph

    @property
    def may_fail(self) -> bool:
        """Whether the graph has checks."""
        return bool(self.plan.checks)

    def new_table(self) -> npt.NDArray[np.uint64]:
        """See `Executable.new_table`."""
        return np.zeros(self.plan.slots, np.uint64)

    def run(self, table: int) -> None:
        """Run once on the arrays of the table at an address: see `Executable.run`. Raises SimulationError where a
        kernel does what is undefined on a GPU."""
        self.is_done = False
        inputs = len(self.plan.inputs)
        given = (ctypes.c_uint64 * self.plan.slots).from_address(table)
        for address, storage in zip(given[:inputs], self._slots, strict=False):
            ctypes.memmove(storage.address, address, storage.size)
        for storage in (*self._slots[inputs:], *self._own):
            storage.fill()
        ctypes.memset(self._status.address, 0, self._status.size)
        for launch in self.plan.launches(self._addresses):
            self._library.launch(launch, self._addresses, self.order)
        failed, number, position, bits = (ctypes.c_int64 * STATUS_WORDS).from_address(self._status.address)
        if failed:
            self._fail(number, position, bits)
        for slot in (*self.plan.updated, *range(inputs, self.plan.slots)):
            ctypes.memmove(given[slot], self._slots[slot].address, self._slots[slot].size)
        self.is_done = True

    def record(self, table: int, kept: Sequence[tuple[int, int]], arrays: Sequence[Like]) -> None:
        """See `Executable.record`: what runs here is slow enough to have its arrays looked at in Python."""

    def repeat(self, table: int, times: int, slots: npt.NDArray[np.int64], strides: npt.NDArray[np.int64]) -> None:
        """Run many times, each on arrays further on: see `Executable.repeat`."""
        given = (ctypes.c_uint64 * self.plan.slots).from_address(table)
        for _ in range(times):
            self.run(table)
            for slot, stride in zip(slots.tolist(), strides.tolist(), strict=True):
                given[slot] += stride

    def _fail(self, number: int, position: int, bits: int) -> NoReturn:
        message, dtype = self.plan.checks[number]
        value = np.int64(bits).astype(BY_SHORT_NAME[dtype].numpy).item()
        raise Check(message).error(position, value)

    def kernel(self, node: Node) -> Kernel:
        """See `Executable.kernel`."""
        return lower(node)

    def llvm_ir(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for CUDA has no LLVM IR.", hint="cuda_source() shows its CUDA C.")

    def assembly(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for 'cuda-sim' has no assembly.", hint="cuda_source() shows its CUDA C.")
