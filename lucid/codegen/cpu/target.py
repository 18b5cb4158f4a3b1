"""The CPU target: one native function for a graph."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu import machine as processors
from lucid.codegen.cpu.assembler import Job, helped, submit
from lucid.codegen.cpu.calls import FAILED, UNLIKE, Record, caller, knows_arrays, repeater
from lucid.codegen.cpu.library import begin, shared_function
from lucid.codegen.cpu.pool import pool
from lucid.codegen.target import ALIGNMENT, Code, Integers, Like
from lucid.errors import AllocationError
from lucid.ir.graph import Graph, Location, Node
from lucid.ir.ops.structure import Check
from lucid.ir.types import BY_SHORT_NAME, tensor_type

if TYPE_CHECKING:
    from lucid.codegen.cpu.timed import Timing
    from lucid.codegen.kernel import Kernel
    from lucid.codegen.rules import KernelRule

UNNOTICED = 0.1  # seconds of a `repeat` for which Ctrl-C waits, where a run is not longer

# int entry(void **table, int64_t *status); ctypes releases the interpreter's lock around the call.
_EntryType = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class CPUTarget:
    """Compiles for the processor at hand, or for the one that the environment variable LUCID_CPU names.

    `rules` are applied to each kernel, one after the other.
    """

    name = "cpu"

    def __init__(self, rules: tuple[KernelRule, ...] = ()) -> None:
        self.rules = rules

    def identity(self) -> str | None:
        """See `Target.identity`."""
        return None if self.rules else processors.machine().identity()

    def expect_machine(self) -> None:
        """See `Target.expect_machine`: it compiles for the processor at hand."""

    @contextlib.contextmanager
    def ahead(self) -> Iterator[None]:
        """See `Target.ahead`."""
        with helped():
            begin(processors.machine(), [], False)
            yield

    def expect(self, graph: Graph) -> None:
        """See `Target.expect`."""
        from lucid.codegen.cpu.ahead import expected  # and with it what writes LLVM IR

        machine = processors.machine()
        begin(machine, *expected(graph, machine))

    def compile(self, graph: Graph) -> CPUExecutable:
        """Compile a graph, planned or not. Raises CompileError for an op that the target does not support."""
        machine = processors.machine()
        jobs: list[Job] = []
        written, plan = _write(
            graph, machine, self.rules, lambda text: jobs.append(submit(processors.Parsed(machine, text).object_code))
        )
        begin(machine, plan.imports, plan.shares)
        objects = [job.result() for job in jobs]
        code = Code(asdict(replace(plan, objects=[*map(len, objects)])), b"".join(objects))
        return CPUExecutable(code, machine, lambda: written)

    def load(self, code: Code, graph: Callable[[], Graph]) -> CPUExecutable:
        """See `Target.load`."""
        machine = processors.machine()
        return CPUExecutable(code, machine, lambda: _write(graph(), machine, self.rules)[0])


@dataclass(frozen=True)
class Plan:
    """What it takes to run the object code of a graph, as JSON has it."""

    inputs: int
    outputs: list[str]  # their types
    arena: int  # bytes
    memory: list[int]  # bytes that tasks take of the caller's memory, and of a worker's
    shares: bool  # whether a task has chunks for several threads
    slots: int  # words of a table behind the address of the arena
    checks: list[list[str]]  # the message, and the dtype of the values
    imports: list[str]  # the shared functions that it calls
    objects: list[int]  # the bytes of each object of the code


@dataclass(frozen=True)
class Written:
    """A graph as LLVM IR: the planned graph, the texts of its modules, the distinct kernels by the name of their
    function, the nodes that run, in order, each with the name of the function it calls, the locations of checks by
    their numbers, and what makes the kernel of a node."""

    graph: Graph
    texts: tuple[str, ...]
    kernels: Mapping[str, Kernel]
    calls: tuple[tuple[Node, str], ...]
    checks: tuple[Location | None, ...]
    kernel_of: Callable[[Node], Kernel]


def _write(
    graph: Graph,
    machine: processors.Machine,
    rules: tuple[KernelRule, ...] = (),
    take: Callable[[str], None] = lambda text: None,
) -> tuple[Written, Plan]:
    """Plan the memory of a graph where that has not been done, and write its modules; `take` is given the text of each
    when it is complete. The plan says nothing of objects yet."""
    # Imported here, with the writer of LLVM IR behind it: code from the disk cache runs without.
    from lucid.codegen.cpu.module import ModuleWriter
    from lucid.codegen.lowering import lower, structure
    from lucid.codegen.memory import arena_size, plan
    from lucid.codegen.rules import ruled
    from lucid.ir.verify import verify

    lowered: dict[Hashable, Kernel] = {}

    @functools.cache  # asked by the plan, then by the writer
    def kernel_of(node: Node) -> Kernel:
        key = structure(node)
        if key not in lowered:
            lowered[key] = ruled(lower(node), rules)
        return lowered[key]

    if not graph.places:
        graph = plan(graph, kernel_of)
        verify(graph)
    writer = ModuleWriter(graph, machine, kernel_of)
    texts = []
    for text in writer.write():
        texts.append(text)
        take(text)
    kernels = {function.function.name: kernel for (kernel, *_), function in writer.functions.items()}
    checks = [[check.message, values.type.dtype.short] for check, values, _ in writer.checks]
    locations = tuple(location for *_, location in writer.checks)
    outputs = [str(value.type) for value in graph.outputs]
    return (
        Written(graph, tuple(texts), kernels, tuple(writer.calls), locations, kernel_of),
        Plan(
            inputs=len(graph.inputs),
            outputs=outputs,
            arena=arena_size(graph),
            memory=[*writer.steps.memory],
            shares=writer.steps.shares,
            slots=writer.slots,
            checks=checks,
            imports=writer.imports,
            objects=[],
        ),
    )


class CPUExecutable:
    """The compiled graph. Its entry keeps the machine code and the arena alive; one call at a time may run.

    Where the code comes from the disk cache, the graph is planned and written again when somebody asks for it, or for
    its text. Raises AllocationError where there is not the memory that it takes.
    """

    def __init__(self, code: Code, machine: processors.Machine, written: Callable[[], Written]) -> None:
        plan = Plan(**code.plan)
        self.code = code
        self.output_types = tuple(map(tensor_type, plan.outputs))
        self.written = functools.cache(written)
        self._machine = machine
        self._plan = plan
        imports = {name: shared_function(machine, name) for name in plan.imports}
        ends = [*itertools.accumulate(plan.objects, initial=0)]
        objects = [code.machine_code[start:end] for start, end in itertools.pairwise(ends)]
        addresses, loaded = processors.load(machine, objects, [processors.ENTRY], imports)
        pool(machine).reserve(*plan.memory)
        if plan.shares:
            pool(machine).share()
        try:
            storage = np.empty(plan.arena + ALIGNMENT, np.uint8)
        except MemoryError:
            raise AllocationError(
                f"the temporaries of a program take {plan.arena} bytes, more memory than there is."
            ) from None
        self.arena = -(-storage.ctypes.data // ALIGNMENT) * ALIGNMENT
        self._status = np.zeros(processors.STATUS_WORDS, np.int64)
        self._status_address = self._status.ctypes.data
        self._runs_unnoticed = 1  # how many fit `UNNOTICED` seconds: the first one is timed
        self._entry_address = addresses[processors.ENTRY]
        self.entry = _EntryType(self._entry_address)
        self.entry.owns = (loaded, storage)  # type: ignore[attr-defined]

    @property
    def graph(self) -> Graph:
        """The planned graph."""
        return self.written().graph

    @property
    def may_fail(self) -> bool:
        """Whether the graph has checks."""
        return bool(self._plan.checks)

    def new_table(self) -> npt.NDArray[np.uint64]:
        """A table for `run` and `entry` with the address of the arena behind the entries for arrays, and zeros else."""
        arrays = self._plan.inputs + len(self.output_types)
        table = np.zeros(arrays + 1 + self._plan.slots, np.uint64)
        table[arrays] = self.arena
        return table

    def run(self, table: int) -> None:
        """Run once on the arrays of the table at an address: see `Executable.run`."""
        self._status[processors.DONE_WORD] = 0
        if self.entry(table, self._status_address):
            self._fail()

    @property
    def is_done(self) -> bool:
        """See `Executable.is_done`."""
        return bool(self._status[processors.DONE_WORD])

    def repeat(self, table: int, times: int, slots: Integers, strides: Integers, runs: ctypes.c_int64) -> None:
        """Run many times, each on arrays further on: see `Executable.repeat`. Python, which notices Ctrl-C, has a look
        every `UNNOTICED` seconds: so a native call makes as many runs as the one before says that fit."""
        run = repeater(self._machine)
        where = slots.ctypes.data, strides.ctypes.data, len(slots), ctypes.addressof(runs)
        while times > 0:
            piece = min(times, self._runs_unnoticed)
            start = time.perf_counter()
            if run(self._entry_address, table, self._status_address, piece, *where):
                self._fail()
            self._runs_unnoticed = 1 + int(piece * UNNOTICED / (time.perf_counter() - start + 1e-9))
            times -= piece

    def record(self, table: int, kept: Sequence[tuple[int, int]], arrays: Sequence[Like]) -> Record | None:
        """See `Executable.record`."""
        if not knows_arrays():
            return None
        entry = self._entry_address, table, self._status_address
        return Record(entry, kept, arrays, caller(self._machine), self._ran)

    def _ran(self, outcome: int) -> bool:
        if outcome == FAILED:
            self._fail()
        return outcome != UNLIKE

    def _fail(self) -> NoReturn:
        """Raise the error of the check that `entry` has reported."""
        number, position, values, _ = self._status.tolist()
        message, short_name = self._plan.checks[number]
        dtype = BY_SHORT_NAME[short_name]
        element = ctypes.string_at(values + position * dtype.itemsize, dtype.itemsize)
        location = self.written().checks[number]  # of this trace: code on disk may be that of other lines
        raise Check(message).error(position, np.frombuffer(element, dtype.numpy).item(), location)

    def timing(self) -> Timing:
        """How long each kernel takes on inputs that are made up: see `measure`."""
        from lucid.codegen.cpu.timed import measure

        return measure(self.written().graph, self.written().kernel_of)

    def kernel(self, node: Node) -> Kernel:
        """See `Executable.kernel`. Its random elements name their draws by their numbers among its constants."""
        from lucid.codegen.cpu.nest import with_numbered_draws

        return with_numbered_draws(self.written().kernel_of(node))[0]

    def llvm_ir(self) -> str:
        """The LLVM IR of the graph."""
        return "\n".join(self.written().texts)

    def assembly(self) -> str:
        """The machine code of the graph as assembly."""
        return "\n".join(processors.assembly(self._machine, text) for text in self.written().texts)
