"""The graphs that a trace records: the whole, and the bodies of loops in it."""

from __future__ import annotations

from collections.abc import Sequence

from lucid.ir.build import Builder
from lucid.ir.graph import Value
from lucid.ir.types import TensorType, uint64
from lucid.random import DrawOffset
from lucid.trace import Line, Loop

DRAW = TensorType(uint64, ())


class Scope:
    """A graph that is being recorded. What the body of a loop reads of the graphs around it becomes an argument."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.known: set[Value] = set()  # the values that can be used in it
        self.captured: dict[Value, Value] = {}  # values of the graph around it, and the arguments they are here
        self.lines: list[Line | Loop] = []  # to be printed, and the values that they show, in order
        self.shown: list[Value] = []
        self.draws = 0  # of random numbers, in one run
        self.first_draw: Value | None = None  # the number of the first of them, where there is one
        self.offsets: list[DrawOffset] = []  # of the draws

    def argument(self, type: TensorType, name: str | None) -> Value:
        """A new argument of a body."""
        value = Value(type, name)
        self.known.add(value)
        return value

    def capture(self, value: Value) -> Value:
        """The argument that stands for a value of the graph around the body."""
        if value not in self.captured:
            self.captured[value] = self.argument(value.type, value.name)
        return self.captured[value]

    def print(self, line: Line | Loop, values: Sequence[Value]) -> None:
        """Note what each run is to print, with values of this graph."""
        self.lines.append(line)
        self.shown += values

    def draw(self) -> Value:
        """The number of the first draw of a run."""
        if self.first_draw is None:
            self.first_draw = self.argument(DRAW, "draw")
        return self.first_draw

    def take_draw(self) -> DrawOffset:
        """Take the next draw of a run."""
        self.offsets.append(DrawOffset(self.draws))
        self.draws += 1
        return self.offsets[-1]

    def take_draws(self, body: Scope, length: int) -> int:
        """Take the draws of all runs of a loop: the offset of the first."""
        start, last_run = self.draws, self.draws + (length - 1) * body.draws
        self.draws += length * body.draws
        for offset in body.offsets:
            offset.number += last_run
        self.offsets += body.offsets
        return start
