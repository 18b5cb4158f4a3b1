"""What can be read of the programs that are compiled: their stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from lucid.codegen.threads import under_run_lock
from lucid.compilation import PLANNED, Compiled
from lucid.errors import ArgumentTypeError, CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.passes.pipeline import FUSED, PARTITIONED, REMATERIALIZED
from lucid.ir.text import print_graph
from lucid.missing_names import refuse

if TYPE_CHECKING:
    from lucid.codegen.cpu.timed import Timing
    from lucid.codegen.kernel import Kernel
    from lucid.explanation import Explanation


# Why a program lacks a stage that others have.
_OTHER_KIND = {
    REMATERIALIZED: f"the backward of this program is a program of its own: both are {PARTITIONED} instead.",
    PARTITIONED: f"no backward of this program runs later: it is {REMATERIALIZED} instead.",
}


class Readable:
    """What can be read of anything compiled: its stages, its LLVM IR and its machine code, its CUDA C.

    Where the machine code came from the disk cache, the passes run when a stage is first asked for.
    """

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are

        def __getattr__(self, name: str) -> NoReturn:
            refuse("a compiled program", name, dir(self))

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "programs are not pickled.",
            hint="compile the function where it is needed: machine code comes from the disk cache there.",
        )

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(self._compiled.stages().graphs)

    @property
    def milliseconds(self) -> Mapping[str, float]:
        """The milliseconds that each stage took to make."""
        return self._compiled.stages().milliseconds

    def graph(self, stage: str | None = None) -> Graph:
        """The graph of a stage, the last one by default. Raises CompileError where there is no such stage."""
        graphs = self._compiled.stages().graphs
        if stage is None:
            return self._compiled.stages().final
        if not isinstance(stage, str) or stage not in graphs:
            raise CompileError(
                f"there is no stage {stage!r}; expected one of {', '.join(graphs)}.", hint=_OTHER_KIND.get(str(stage))
            )
        return graphs[stage]

    def ir(self, stage: str | None = None) -> str:
        """The text of a stage, the last one by default. `lucid.ir.text.parse` reads it back to an equal graph."""
        return print_graph(self.graph(stage))

    @under_run_lock
    def _repr_html_(self) -> str:
        """What a notebook shows: the stages, and the last one before the memory plan as a drawing."""
        from lucid.explorer.notebook import summary

        return summary(self)

    @under_run_lock
    def explain(self, profile: bool = False) -> Explanation:
        """What the program does, a row a kernel: ops, modules and lines, bytes, operations; why neighbours are not
        fused; what is saved for the backward, and what is computed again. Printed, it is a set of tables.

        With `profile`, the kernels are run on inputs that are made up, and timed; nothing of the program's own is
        written. Raises CompileError where such inputs fail a check, or for another target than the CPU.
        """
        from lucid.explanation import explain, recomputed_in, saved_in
        from lucid.ir.ops.structure import Fused

        graphs, planned = self._compiled.stages().graphs, self.graph(PLANNED)
        names = list(graphs)
        unfused = graphs[names[names.index(FUSED) - 1]] if FUSED in names else None
        if unfused is not None and any(isinstance(node.op, Fused) for node in unfused.nodes):
            unfused = None  # it was read from a text that somebody has fused
        found = explain(self._title(), planned, unfused, self._timing() if profile else None)
        if unfused is None or REMATERIALIZED not in graphs:
            return found
        again = recomputed_in(graphs["simplified"], graphs[REMATERIALIZED])
        return replace(found, saved=saved_in(unfused, planned), recomputed=again)

    def _timing(self) -> Timing:
        from lucid.codegen.cpu.target import CPUExecutable

        executable = self._compiled.executable
        if not isinstance(executable, CPUExecutable):
            raise CompileError(
                "kernels can be timed on the CPU target only.", hint="NVIDIA's profilers time those of target 'cuda'."
            )
        return executable.timing()

    def _title(self) -> str:
        return self.graph().name

    @under_run_lock
    def kernel(self, node: Node) -> Kernel:
        """The kernel that a node of the last stage was compiled as, where it is a loop nest."""
        return self._compiled.executable.kernel(node)

    @under_run_lock
    def llvm_ir(self) -> str:
        """The LLVM IR of the executable. Raises CompileError where the target has none."""
        return self._compiled.executable.llvm_ir()

    @under_run_lock
    def assembly(self) -> str:
        """The machine code of the executable, as text for this machine's assembler. Raises CompileError where the
        target has none."""
        return self._compiled.executable.assembly()

    @under_run_lock
    def cuda_source(self) -> str:
        """The program as CUDA C, whatever the target: a file whose header says, in Python, how `cupy.RawKernel`
        launches it. Raises CompileError for an op that has no CUDA kernel."""
        from lucid.codegen.cuda.source import cuda_source

        # Without the memory plan of another target, where there is a graph without one.
        unplanned = [graph for graph in self._compiled.stages().graphs.values() if not graph.places]
        return cuda_source(unplanned[-1] if unplanned else self.graph())
