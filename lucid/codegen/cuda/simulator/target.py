"""The target "cuda-sim": the CUDA C of a graph, executed on the CPU. A tool for developers of Lucid."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from lucid.codegen.cuda.executable import PlannedExecutable, written_later
from lucid.codegen.cuda.plan import STATUS_WORDS
from lucid.codegen.cuda.simulator.library import FORWARD, Library, SimulationError, build, identity
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.codegen.target import Code
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Check
from lucid.ir.types import BY_SHORT_NAME

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

    def expect_machine(self) -> None:
        """See `Target.expect_machine`: what compiles also runs."""

    def ahead(self) -> AbstractContextManager[None]:
        """See `Target.ahead`."""
        return nullcontext()

    def expect(self, graph: Graph) -> None:
        """See `Target.expect`."""

    def compile(self, graph: Graph) -> SimulatorExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the CUDA targets do not support."""
        # Imported here: what comes from the disk cache runs without.
        from lucid.codegen.cuda.module import write_module

        module = write_module(graph)
        code = Code(module.plan.to_json(), build(module.text, module.plan.functions))
        return SimulatorExecutable(code, lambda: module, self.order)

    def load(self, code: Code, graph: Callable[[], Graph]) -> SimulatorExecutable:
        """See `Target.load`."""
        return SimulatorExecutable(code, written_later(graph), self.order)


class SimulatorExecutable(PlannedExecutable):
    """The compiled graph. Each run copies what it reads into guarded memory, as a GPU has memory of its own, and what
    it has written back."""

    def __init__(self, code: Code, module: Callable[[], Module], order: int, library: Library | None = None) -> None:
        super().__init__(code, module)
        self.order = order
        self._library = library or Library(code.machine_code)
        self._slots = [Guarded(type.nbytes) for type in self.plan.slot_types()]
        self._own = [Guarded(stretch.size) for stretch in self.plan.stretches]
        self._status = Guarded(8 * STATUS_WORDS)
        elements = self.plan.status - len(self._slots) - len(self._own)
        addresses = [storage.address for storage in (*self._slots, *self._own)]
        self._addresses = [*addresses, *[0] * elements, self._status.address]

    def run(self, table: int) -> None:
        """Run once on the arrays of the table at an address: see `Executable.run`. Raises SimulationError where a
        kernel does what is undefined on a GPU."""
        self.is_done = False
        inputs = len(self.plan.inputs)
        given = self.given(table)
        for address, storage in zip(given[:inputs], self._slots, strict=False):
            ctypes.memmove(storage.address, address, storage.size)
        for storage in (*self._slots[inputs:], *self._own):
            storage.fill()
        ctypes.memset(self._status.address, 0, self._status.size)
        for launch in self.plan.launches(self._addresses):
            self._library.launch(launch, self._addresses, self.order)
        if not all(storage.is_whole for storage in (*self._slots, *self._own, self._status)):
            raise SimulationError("a kernel has written in front of an array.")
        failed, number, position, bits = (ctypes.c_int64 * STATUS_WORDS).from_address(self._status.address)
        if failed:
            self._fail(number, position, bits)
        for slot in (*self.plan.updated, *range(inputs, self.plan.slots)):
            ctypes.memmove(given[slot], self._slots[slot].address, self._slots[slot].size)
        self.is_done = True

    def _fail(self, number: int, position: int, bits: int) -> NoReturn:
        message, dtype = self.plan.checks[number]
        value = np.int64(bits).astype(BY_SHORT_NAME[dtype].numpy).item()
        raise Check(message).error(position, value, self.check_location(number))
