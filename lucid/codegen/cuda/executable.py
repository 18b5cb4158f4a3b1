"""What all executables have in common that run a launch plan."""

from __future__ import annotations

import ctypes
import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.plan import LaunchPlan
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower
from lucid.codegen.target import Code, Integers, Like
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Location, Node
from lucid.ir.types import tensor_type

if TYPE_CHECKING:
    from lucid.codegen.cuda.module import Module


def written_later(graph: Callable[[], Graph]) -> Callable[[], Module]:
    """The module of a graph whose code was on disk, made when somebody reads it."""

    def written() -> Module:
        from lucid.codegen.cuda.module import write_module

        return write_module(graph())

    return written


class PlannedExecutable:
    """A graph as a plan and the code of its functions: see `Executable`."""

    def __init__(self, code: Code, module: Callable[[], Module]) -> None:
        self.code = code
        self.is_done = False
        self.module = functools.cache(module)
        self.plan = LaunchPlan.from_json(code.plan)
        self.output_types = tuple(map(tensor_type, self.plan.outputs))

    @abstractmethod
    def run(self, table: int) -> None:
        """Run once on the arrays of the table at an address: see `Executable.run`."""

    @property
    def graph(self) -> Graph:
        """The planned graph."""
        return self.module().graph

    @property
    def may_fail(self) -> bool:
        """Whether the graph has checks."""
        return bool(self.plan.checks)

    def check_location(self, number: int) -> Location | None:
        """The location of the node of a check: of this trace, as code on disk may be that of other lines."""
        return self.module().checks[number]

    def new_table(self) -> npt.NDArray[np.uint64]:
        """See `Executable.new_table`."""
        return np.zeros(self.plan.slots, np.uint64)

    def given(self, table: int) -> ctypes.Array[ctypes.c_uint64]:
        """The addresses in a table."""
        return (ctypes.c_uint64 * self.plan.slots).from_address(table)

    def record(self, table: int, kept: Sequence[tuple[int, int]], arrays: Sequence[Like]) -> None:
        """See `Executable.record`: nothing here looks into arrays by itself."""

    def repeat(self, table: int, times: int, slots: Integers, strides: Integers, runs: ctypes.c_int64) -> None:
        """Run many times, each on arrays further on: see `Executable.repeat`."""
        given = self.given(table)
        for _ in range(times):
            self.is_done = False
            try:
                self.run(table)
            finally:  # Ctrl-C that came during a run is raised when it is done
                runs.value += self.is_done
            for slot, stride in zip(slots.tolist(), strides.tolist(), strict=True):
                given[slot] += stride

    def kernel(self, node: Node) -> Kernel:
        """See `Executable.kernel`."""
        return lower(node)

    def llvm_ir(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for CUDA has no LLVM IR.", hint="cuda_source() shows its CUDA C.")

    def assembly(self) -> str:
        """There is none: raises CompileError."""
        raise CompileError("a program for CUDA has no assembly.", hint="cuda_source() shows its CUDA C.")
