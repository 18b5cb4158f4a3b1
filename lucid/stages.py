"""A compiled graph with its stages: what the programs that users read are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lucid.codegen.target import Executable
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.text import print_graph


@dataclass(frozen=True)
class Compiled:
    """The stages of a graph by name, the milliseconds that each took, and the executable of the last."""

    stages: Mapping[str, Graph]
    milliseconds: Mapping[str, float]
    executable: Executable


class Readable:
    """What can be read of anything compiled: its stages, its LLVM IR and its machine code."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(self._compiled.stages)

    @property
    def milliseconds(self) -> Mapping[str, float]:
        """The milliseconds that each stage took to make."""
        return self._compiled.milliseconds

    def graph(self, stage: str | None = None) -> Graph:
        """The graph of a stage, the last one by default. Raises CompileError where there is no such stage."""
        if stage is None:
            stage = self.stages[-1]
        if stage not in self._compiled.stages:
            raise CompileError(f"there is no stage {stage!r}; expected one of {', '.join(self.stages)}.")
        return self._compiled.stages[stage]

    def ir(self, stage: str | None = None) -> str:
        """The text of a stage, the last one by default. `lucid.ir.text.parse` reads it back to an equal graph."""
        return print_graph(self.graph(stage))

    def llvm_ir(self) -> str:
        """The LLVM IR of the executable."""
        return self._compiled.executable.llvm_ir()

    def assembly(self) -> str:
        """The machine code of the executable, as text for this machine's assembler."""
        return self._compiled.executable.assembly()
