"""Writing the steps of a program: see `runner.py`."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from lucid.codegen.cpu.control import I64
from lucid.codegen.cpu.runner import CHECK, END, NEXT, SET

Operand = tuple[int, int]  # a slot of the table, and bytes behind the address there


class Steps:
    """The steps of a program that is being written. `at` is the place of the next one among the words, and `latest` of
    the latest task."""

    def __init__(self) -> None:
        self.at = 1
        self.latest = 0
        self._room = 1
        self._lines: list[str] = []

    def task(
        self,
        function: ir.Function,
        chunks: int,
        operands: Sequence[Operand],
        words: Sequence[int | ir.GlobalValue] = (),
    ) -> None:
        """Run the chunks of a task. Words may be addresses of what is in the module."""
        self.latest = self.at
        self._room = max(self._room, len(operands) + len(words))
        counts = chunks, len(operands), len(words)
        self._add(function, *counts, *(word for operand in operands for word in operand), *words)

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
        type = ir.ArrayType(I64, self.at)
        constant = ir.GlobalVariable(module, type, "steps")
        # As text at once: thousands of words would take a microsecond each.
        constant.initializer = ir.FormattedConstant(type, "[" + ",\n  ".join([f"i64 {self._room}", *self._lines]) + "]")
        constant.global_constant = True
        constant.linkage = "internal"
        return constant

    def _add(self, *words: int | ir.GlobalValue) -> None:
        self.at += len(words)
        self._lines.append(", ".join(map(_word, words)))


def _word(word: int | ir.GlobalValue) -> str:
    return f"i64 {word}" if isinstance(word, int) else f"i64 ptrtoint (ptr {word.get_reference()} to i64)"
