"""What a target is: something that turns a graph into an executable."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from lucid.ir.graph import Graph, Node
from lucid.ir.types import TensorType

if TYPE_CHECKING:
    from lucid.codegen.kernel import Kernel

Integers = npt.NDArray[np.int64]

ALIGNMENT = 64  # in bytes, of an arena and of each value in it


@dataclass(frozen=True)
class Code:
    """What a target made of a graph, to be kept on disk: machine code, and what it takes to run it, as JSON has it."""

    plan: dict[str, Any]
    machine_code: bytes


@dataclass(frozen=True)
class Like:
    """An array that a call takes: the slot of its address in the table, and an array like it."""

    slot: int
    array: npt.NDArray[Any]


class Record(Protocol):
    """The account of runs that look into arrays by themselves."""

    address: int
    words: memoryview
    objects: int  # where the identities of the arrays go among the words
    run: Callable[[int], int]
    """Run on the arrays whose identities are in the record at an address, if each is as the record says and overlaps
    nothing that is kept. Gives 0 where all has been written, or else what `ran` is to be asked about."""
    ran: Callable[[int], bool]
    """Whether a run with this outcome took place; false where an array is not as the record says. Raises the CheckError
    of the first check that failed."""


class Executable(Protocol):
    """A compiled graph. It owns its machine code and its temporary storage."""

    @property
    def code(self) -> Code:
        """What `Target.load` makes another executable of."""

    @property
    def graph(self) -> Graph:
        """The graph as it was compiled, with the places of its values. It may have to be made first."""

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of its outputs, which are at hand."""

    @property
    def may_fail(self) -> bool:
        """Whether it has checks."""

    def new_table(self) -> npt.NDArray[np.uint64]:
        """A table for `run`: an entry for the address of each argument, state and output, in that order, and behind
        them what is the executable's own, in place."""

    def run(self, table: int) -> None:
        """Run once on the arrays whose addresses are in the table at an address. Each is contiguous, row-major and
        aligned to its items. States are updated where they lie. Raises the CheckError of the first check that fails,
        and then no state has changed."""

    @property
    def is_done(self) -> bool:
        """Whether the latest `run` has written all that it writes: what a signal between its end and the next line of
        Python leaves open."""

    def record(self, table: int, kept: Sequence[tuple[int, int]], arrays: Sequence[Like]) -> Record | None:
        """What runs with the table at an address on arrays like some others: `kept` are the slots and bytes of what the
        program keeps between calls. None where the target cannot look into arrays by itself."""

    def repeat(self, table: int, times: int, slots: Integers, strides: Integers, runs: ctypes.c_int64) -> None:
        """Run `times` times. After each, the address in each slot of the table grows by its stride, in bytes, and
        `runs` by 1. Raises the CheckError of the first check that fails, and KeyboardInterrupt between two runs:
        those before have updated states."""

    def kernel(self, node: Node) -> Kernel:
        """The kernel of a node of the graph that is a loop nest, as it was compiled."""

    def llvm_ir(self) -> str:
        """The LLVM IR of the graph. Raises CompileError where the target has none."""

    def assembly(self) -> str:
        """The machine code of the graph as assembly. Raises CompileError where the target has none."""


class Target(Protocol):
    """A machine that graphs are compiled for."""

    name: str

    def identity(self) -> str | None:
        """What its code depends on beside the graph and Lucid itself: the processor, the code generator's release.
        None where that can't be told, and the code must not be kept."""

    def expect_machine(self) -> None:
        """Raise CompileError where this machine lacks what would run its code: asked before a call compiles."""

    def ahead(self) -> AbstractContextManager[None]:
        """While this is open, a function may be traced, and a graph is compiled. The target may begin with what it
        knows to be needed; it is done with all that when this ends. It may be open already."""

    def expect(self, graph: Graph) -> None:
        """A traced graph is about to go through the passes, while `ahead` is open: the target may begin with what it
        can tell to be needed for what becomes of it."""

    def compile(self, graph: Graph) -> Executable:
        """Compile a graph without grad ops. Raises CompileError where the target does not support an op."""

    def load(self, code: Code, graph: Callable[[], Graph]) -> Executable:
        """An executable from the code that a target of this identity made of a graph. `graph` gives it to readers."""
