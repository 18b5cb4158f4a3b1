"""The graphs that a trace records: the whole, and the bodies of loops in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lucid.errors import TraceError, leaked
from lucid.flow import GradientFlow
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


class Scopes:
    """The graphs that are being recorded: the whole, and bodies of loops inside each other."""

    def __init__(self, flow: GradientFlow) -> None:
        self._stack = [Scope()]
        self._left: set[Value] = set()  # values of bodies that have been recorded
        self._flow = flow

    @property
    def whole(self) -> Scope:
        """The graph that is not the body of a loop."""
        return self._stack[0]

    @property
    def current(self) -> Scope:
        """The graph that is at hand, the innermost."""
        return self._stack[-1]

    @property
    def in_loop(self) -> bool:
        """Whether the body of a loop is being recorded."""
        return len(self._stack) > 1

    @contextmanager
    def body(self) -> Iterator[Scope]:
        """Record what a block applies as the body of a loop, a graph of its own."""
        scope = Scope()
        self._stack.append(scope)
        try:
            yield scope
        finally:
            self._stack.pop()
            self._left |= scope.known

    def number_of(self, value: Value) -> int:
        """The number of the graph that a value belongs to, from 0 for the whole; TraceError if it is none of them."""
        for number in range(len(self._stack) - 1, -1, -1):
            if value in self._stack[number].known:
                return number
        if value in self._left:
            raise TraceError(
                "a tensor of the body of a scan was used outside it.",
                hint="return it from the body, as a part of the carry or of the output.",
            )
        raise leaked()

    def brought(self, value: Value, number: int | None = None) -> Value:
        """A value, of the graph of a number if that is known, as a value of the graph at hand."""
        for scope in self._stack[(self.number_of(value) if number is None else number) + 1 :]:
            outside, value = value, scope.capture(value)
            self._flow.add_entry(value, self._flow.flows(outside))
        return value

    def found_in(self, number: int, find: Callable[[], Value]) -> Value:
        """What `find` gives while the graph of a number is at hand, as a value of the one that is now."""
        inner, self._stack = self._stack[number + 1 :], self._stack[: number + 1]
        try:
            value = find()
        finally:
            self._stack += inner
        return self.brought(value, number)
