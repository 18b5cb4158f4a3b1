"""What a trace leaves: the graph, and how its inputs and outputs tie to Python objects."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np

from lucid.errors import TraceError
from lucid.guards import GuardRecorder, Guards
from lucid.ir.graph import Graph, Value
from lucid.random import Generator, LatestDraw
from lucid.tensor import Array, Tensor


@dataclass(eq=False)
class Tracked:
    """A tensor from outside that a trace has touched: the graph input it came in by, and what it holds now."""

    tensor: Tensor
    initial: Value
    value: Value
    argument: int | None  # its number among the leaves of the call, or None where it is captured
    updates: int = 0
    leaf: Value | None = None  # what a leaf that was updated holds, where gradients have been recorded since
    is_array: bool = False  # the tensor stands for a NumPy array, which is read at each call


UNKNOWN = -1  # a tensor that a call makes, and gives to nobody


@dataclass(eq=False)
class GradSlot:
    """The `grad` of a tensor during a trace."""

    tensor: Tensor
    entry: Value | None  # the graph input, where there was a grad at entry and the trace has read it
    now: Tensor | None
    was_read: bool = False  # before it was written: then the trace depends on what it was at entry
    written: bool = False
    name: str = ""  # of the tensor, where the trace has read its grad
    owner: Outside | int = UNKNOWN  # where a call finds the tensor; a result that it makes, by its number

    @property
    def has_changed(self) -> bool:
        """Whether it was replaced, or updated in place."""
        return self.written or (self.now is not None and self.now._symbol is not self.entry)


@dataclass(frozen=True, eq=False)
class Outside:
    """What a trace is given from outside, as a later call finds it: an argument by its number, any other tensor by
    itself. So what keeps this keeps no tensor of the first call alive."""

    argument: int | None
    tensor: Tensor | None

    @staticmethod
    def of(tracked: Tracked) -> Outside:
        return Outside(tracked.argument, tracked.tensor if tracked.argument is None else None)

    def in_call(self, leaves: Sequence[Any]) -> Any:
        """The argument, which may be an array in the place of a tensor, or the tensor in a call of these leaves."""
        return self.tensor if self.argument is None else leaves[self.argument]


@dataclass(eq=False)
class TracedOutput:
    """A tensor among the results: a value of the graph, or a tensor from outside that passes through."""

    value: Value
    passed: Outside | None
    requires_grad: bool
    is_leaf: bool
    reached: tuple[Value, ...] | None  # which of `Trace.ends` a later backward() gets to; None where there can be none

    @property
    def differentiable(self) -> bool:
        """Whether a later backward() may go through it."""
        return self.reached is not None


@dataclass(frozen=True)
class Line:
    """A line that each call prints, and how many values it has places for."""

    text: str
    count: int


@dataclass(frozen=True)
class Loop:
    """What a loop prints: the lines of its body, at each of `length` runs. Their values are stacked."""

    lines: tuple[Line | Loop, ...]
    length: int
    reverse: bool

    @property
    def count(self) -> int:
        return sum(line.count for line in self.lines)


@dataclass(eq=False)
class Trace:
    """A traced function.

    The arguments of `graph` are those of `inputs` that are not written, then scalars, grads read and constants; its
    states are the other `inputs`. Its outputs are `outputs`, then the grads written, then the values of `lines`.
    """

    graph: Graph
    inputs: list[Tracked]
    flags: list[tuple[str, Tensor]]  # further captured tensors whose requires_grad matters, with their names
    scalars: list[tuple[Value, str]]  # float64 arguments, and the expressions that give them at each call
    grads_read: list[GradSlot]
    constants: dict[Value, Array]  # arrays that the traced code itself made
    # The leaves of the result: TracedOutputs, Scalars, Outside for other arguments, and objects returned as they are.
    results: list[object]
    outputs: list[TracedOutput]  # those among the results, each once
    grads_written: list[GradSlot]
    lines: tuple[Line | Loop, ...]
    draws: int
    generator: Generator | None
    latest: LatestDraw  # to be told of each call that draws
    # What gradients leave the trace at, and what it is to a call: a tensor from outside, or a leaf, the number of which
    # among the outputs it is.
    ends: dict[Value, Outside | int]
    guards: GuardRecorder
    scalar_guards: list[str]

    def captured_arrays(self) -> list[Any]:
        """The arrays that the graph takes up without being given them: those that the traced code made, then those
        of captured tensors, each in the memory that it is in."""
        captured = [tracked.tensor._array for tracked in self.inputs if tracked.argument is None]
        return [*self.constants.values(), *(array for array in captured if array is not None)]

    def build_guards(self) -> Guards:
        """The guards of the trace, with those on captured tensors and their grads."""
        recorder, name_of = self.guards, {id(tracked.tensor): tracked.initial.name for tracked in self.inputs}
        for tracked in self.inputs:
            if tracked.argument is not None:
                if recorder.binds(tracked.tensor):  # the trace has also met it elsewhere, as it would no other argument
                    condition = f"leaves[{tracked.argument}] is {recorder.bind(tracked.tensor)}"
                    recorder.require(condition, f"whether {tracked.initial.name} is captured, too")
            else:
                recorder.requires_grad(tracked.initial.name, tracked.tensor)
        for name, tensor in self.flags:
            recorder.requires_grad(name, tensor)
        for slot in self.grads_read + self.grads_written:
            if slot.was_read and isinstance(slot.owner, Outside):
                number = slot.owner.argument
                subject = recorder.bind(slot.tensor) if number is None else f"leaves[{number}]"
                question = f"whether {name_of.get(id(slot.tensor), slot.name)}.grad is None"
                recorder.guard(f"({subject}._grad is None)", slot.entry is None, question)
        return recorder.build([source for _, source in self.scalars], self.scalar_guards)


def checksum(array: Array) -> int:
    """A number that is most likely another one where an array has other bytes."""
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def may_change(array: Array) -> bool:
    """Whether somebody can write to an array: not where its memory is that of bytes or of a file mapped for reading,
    which may be larger than memory. The flags of arrays and views do not tell: others of the same memory may differ."""
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return not (isinstance(owner, bytes | mmap) and memoryview(owner).readonly)


def check_arrays(arrays: Iterable[tuple[Array, int]]) -> None:
    """Raise where an array is not what it was when the trace met it: later calls would read what it is now."""
    for array, before in arrays:
        if checksum(array) != before:
            raise TraceError(
                "an array was changed after a tensor was made of it, while a function is traced.",
                hint="make the tensor of a copy: lucid.Tensor(array.copy()).",
            )


def check_result(leaf: object) -> None:
    """Raise where a result would not be what later calls return: it computes later, or holds tensors out of sight, or
    was computed by NumPy, once and for all."""
    if isinstance(leaf, np.ndarray):
        raise TraceError(
            "a compiled function returned a NumPy array, which would be the same array at every call.",
            hint="compute it from tensors, with lucid's functions, and return a tensor.",
        )
    held = [*(leaf if isinstance(leaf, Collection) else ()), *getattr(leaf, "__dict__", {}).values()]
    if isinstance(leaf, dict):
        held += leaf.values()
    if isinstance(leaf, Iterator | Awaitable) or any(isinstance(x, Tensor) and x._symbol is not None for x in held):
        raise TraceError(
            f"a compiled function can't return a {type(leaf).__name__} of its tensors.",
            hint="return tensors, or dicts, lists, tuples and named tuples of them.",
        )
