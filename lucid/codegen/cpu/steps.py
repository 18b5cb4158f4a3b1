"""Writing the steps of a program: see `runner.py`."""

from __future__ import annotations

from collections.abc import Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I64, TASK
from lucid.codegen.cpu.runner import CHECK, END, NEXT, SET

Operand = tuple[int, int]  # a slot of the table, and bytes behind the address there


class Steps:
    """The steps of a program that is being written. `at` is the place of the next one among the words, and `latest` of
    the latest task. `memory` is the bytes that tasks take of the memory of the caller, and of that of a worker, and
    `shares` says whether any task has chunks for workers."""

    def __init__(self) -> None:
        self.at = 2
        self.latest = 0
        self.memory = 0, 0
        self.shares = False
        self._room = 0
        self._functions: set[str] = set()
        self._lines: list[str] = []
        self._constants: dict[tuple[int | str, ...], int] = {(): 0}  # their place
        self._constants_end = 0

    def task(
        self,
        function: ir.Function,
        chunks: int,
        operands: Sequence[Operand],
        constants: Sequence[int | str] = (),
        memory: int = 0,
    ) -> None:
        """Run the chunks of a task, which may be in another module and takes so many bytes of a worker's memory. Among
        its constants, a name stands for the address of a function. A single chunk is the caller's."""
        of_caller, of_worker = self.memory
        self.memory = max(of_caller, memory), max(of_worker, memory if chunks > 1 else 0)
        self.shares = self.shares or chunks > 1
        self._functions.update([function.name], (word for word in constants if isinstance(word, str)))
        self.latest = self.at
        self._room = max(self._room, len(operands) + 1)
        words = [chunks, len(operands), self._place(tuple(constants)), *(word for pair in operands for word in pair)]
        self.at += 1 + len(words)
        self._lines.append(_text([function.name, *words]))

    def check(self, number: int, position: Operand, values: Operand) -> None:
        self._add(CHECK, number, *position, *values)

    def set(self, slot: int, operand: Operand) -> None:
        self._add(SET, slot, *operand)

    def next(self, counter: int, first: int) -> None:
        """The end of the run of a loop whose first step is at `first`."""
        self._add(NEXT, counter, self.at - first)

    def end(self, module: ir.Module) -> ir.GlobalVariable:
        """Append the last step; all of them as a constant of a module."""
        self._add(END, 0, 0)
        lines = [_text([self._room, self.at]), *self._lines, *map(_text, filter(None, self._constants))]
        for name in sorted(self._functions - module.globals.keys()):
            ir.Function(module, TASK, name)
        type = ir.ArrayType(I64, self.at + self._constants_end)
        return ir.GlobalVariable(module, type, "steps", "[" + ",\n  ".join(lines) + "]")

    def _place(self, constants: tuple[int | str, ...]) -> int:
        if constants not in self._constants:
            self._constants[constants] = self._constants_end
            self._constants_end += len(constants)
        return self._constants[constants]

    def _add(self, *words: int) -> None:
        self.at += len(words)
        self._lines.append(_text(words))


def _text(words: Sequence[int | str]) -> str:
    return ", ".join(f"i64 {word}" if isinstance(word, int) else f"i64 ptrtoint (ptr @{word} to i64)" for word in words)
