"""What a target is: something that turns a graph into an executable."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from lucid.ir.graph import Graph


class Executable(Protocol):
    """A compiled graph. It owns its machine code and its temporary storage."""

    @property
    def graph(self) -> Graph:
        """The graph as it was compiled, with the places of its values."""

    def new_table(self) -> npt.NDArray[np.uint64]:
        """A table for `run` with everything in place that is the executable's own."""

    def llvm_ir(self) -> str:
        """The LLVM IR of the graph, for targets that have one."""

    def assembly(self) -> str:
        """The machine code of the graph as assembly."""

    def run(self, table: npt.NDArray[np.uint64]) -> None:
        """Run once. `table` holds the address of each argument, state and output, in that order, each a contiguous
        row-major array aligned to its items, and one more entry that the executable fills. States are updated where
        they lie. Raises the CheckError of the first check that fails, and then no state has changed."""


class Target(Protocol):
    """A machine that graphs are compiled for."""

    name: str

    def compile(self, graph: Graph) -> Executable:
        """Compile a graph without grad ops. Raises CompileError where the target does not support an op."""
