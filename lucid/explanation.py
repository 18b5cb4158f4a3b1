"""Explanations: what a program does, a row a kernel; why its kernels are not fewer; what the backward keeps.

All of it is read from the stages of the program and from the code that decides: `separations` runs the pass `fuse`,
`work_of` counts the kernel that is compiled.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lucid.codegen.memory import is_view
from lucid.codegen.threads import get_num_threads
from lucid.codegen.work import Work, total, work_of
from lucid.explanation_text import lines_of
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Movement
from lucid.ir.ops.elementwise import Cast
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Check, Fused
from lucid.ir.passes.fuse import separations
from lucid.ir.passes.outline import SOURCES
from lucid.ir.text_print import value_names

if TYPE_CHECKING:
    from lucid.codegen.cpu.timed import Timing

MOST, WIDTH = 30, 100  # rows and columns of the tables of `str`


@dataclass(frozen=True)
class Row:
    """A kernel: the node that is one, by its number; what it computes, and for whom."""

    number: int
    name: str  # of the kernel: `add_random_keep_mul`, `matmul`
    ops: tuple[str, ...]  # all ops in it, in order
    modules: tuple[str, ...]  # `0: Linear`
    lines: tuple[str, ...]  # `train.py:12`
    backward: int  # the sweep that made it, 0 for the forward
    runs: int  # more than one in a loop
    work: Work  # of all runs
    nanoseconds: float | None = None  # of all runs, where it has been measured


@dataclass(frozen=True)
class Apart:
    """Two neighbouring kernels, by number, that are not one: what passes between them or is read by both, and why."""

    first: int
    second: int
    value: str
    reason: str


@dataclass(frozen=True)
class Kept:
    """A value of the forward that the backward needs: saved in memory, or computed again."""

    value: str
    type: str
    bytes: int
    op: str


@dataclass(frozen=True)
class Measurement:
    """How the times of the rows were measured, and what the machine can do at most."""

    runs: int
    nanoseconds: float  # of a whole run, the median
    threads: int
    peak_operations: float  # a second, of float32
    peak_bytes: float  # a second, of a large copy


@dataclass(frozen=True)
class Explanation:
    """What a program does. `str` gives it as tables, of large programs the largest parts, `full` all of them, and
    `as_dict` what JSON has."""

    title: str
    rows: tuple[Row, ...]
    apart: tuple[Apart, ...]
    saved: tuple[Kept, ...] = ()
    recomputed: tuple[Kept, ...] = ()
    measurement: Measurement | None = None
    backward: Explanation | None = None  # where it is a program of its own

    @property
    def work(self) -> Work:
        """The work of all kernels."""
        return total([row.work for row in self.rows])

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        data = dataclasses.asdict(replace(self, backward=None))
        for row, found in zip(self.rows, data["rows"], strict=True):
            found["intensity"] = row.work.intensity
        data["work"] = dataclasses.asdict(self.work)
        data["backward"] = self.backward.as_dict() if self.backward else None
        return data

    def __str__(self) -> str:
        return "\n".join(lines_of(self, MOST, WIDTH))

    def full(self) -> str:
        """All tables as text, however long and wide."""
        return "\n".join(lines_of(self))


def explain(title: str, planned: Graph, unfused: Graph | None, timing: Timing | None) -> Explanation:
    """The rows of a planned graph, with their times if they are known, and why there are so many, from the graph that
    `fuse` has joined."""
    nodes = list(_kernels(planned, 1))
    number_of = {value: number for number, (node, _) in enumerate(nodes) for value in node.outputs}
    times = timing.nodes if timing else {}
    rows = tuple(_row(number, node, runs, times.get(node)) for number, (node, runs) in enumerate(nodes))
    apart = tuple(_apart(unfused, number_of, _names(planned))) if unfused is not None else ()
    return Explanation(title, rows, apart, measurement=_measurement(timing) if timing else None)


def _measurement(timing: Timing) -> Measurement:
    from lucid.codegen.cpu.peaks import peaks

    best = peaks(get_num_threads())
    return Measurement(timing.runs, timing.nanoseconds, best.threads, best.operations, best.bytes)


def _kernels(graph: Graph, runs: int) -> Iterator[tuple[Node, int]]:
    """The nodes that compute something, those in loops too, each with how often it runs."""
    for node in graph.nodes:
        if isinstance(node.op, Scan):
            yield from _kernels(node.op.body, runs * node.op.length)
        elif is_view(graph, node):
            continue
        elif not isinstance(node.op, Check):
            yield node, runs


def _names(graph: Graph) -> dict[Value, str]:
    """The names of the values of a graph, and of those in its loops."""
    names = value_names(graph)
    for node in graph.nodes:
        if isinstance(node.op, Scan):
            names |= _names(node.op.body)
    return names


def _row(number: int, node: Node, runs: int, nanoseconds: float | None) -> Row:
    inner = node.op.body.nodes if isinstance(node.op, Fused) else (node,)
    # Equal constants of several layers are one node, which has the place of the first.
    inner = tuple(part for part in inner if not isinstance(part.op, SOURCES)) or inner
    places = [part.location for part in inner if part.location is not None]
    return Row(
        number,
        _name_of(node),
        tuple(part.op.name for part in inner) or (node.op.name,),
        tuple(dict.fromkeys(place.module for place in places if place.module)),
        tuple(dict.fromkeys(f"{Path(place.file).name}:{place.line}" for place in places if place.file)),
        node.backward,
        runs,
        work_of(node).times(runs),
        nanoseconds,
    )


def _apart(unfused: Graph, number_of: dict[Value, int], names: dict[Value, str]) -> Iterator[Apart]:
    for node in unfused.nodes:
        if isinstance(node.op, Scan):
            yield from _apart(node.op.body, number_of, names)
    for pair in separations(unfused):
        first, second = (
            next((number_of[value] for value in group if value in number_of), None)
            for group in (pair.first, pair.second)
        )
        if first is not None and second is not None and first != second:
            yield Apart(first, second, names.get(pair.value, pair.value.name or ""), pair.reason)


def saved_in(unfused: Graph, planned: Graph) -> tuple[Kept, ...]:
    """What the backward sweeps of a graph read of the forward in memory: `planned` is that graph, fused and planned.

    What a sweep reads through a movement or a cast is saved as what that reads.
    """
    maker, stored = unfused.producers(), planned.producers()
    found: dict[Value, None] = {}
    waiting = [
        value
        for node in reversed(unfused.nodes)
        for value in node.inputs
        if node.backward and value in maker and maker[value].backward < node.backward
    ]
    seen = set(waiting)
    while waiting:
        value = waiting.pop()
        if value in stored:
            found[value] = None
        elif value in maker and isinstance(maker[value].op, Movement | Cast):
            fresh = [operand for operand in maker[value].inputs if operand not in seen]
            seen.update(fresh)
            waiting += fresh
    return kept(planned, found)


def recomputed_in(before: Graph, after: Graph) -> tuple[Kept, ...]:
    """What the backward of a graph computes again: it was the forward's alone before that was decided."""
    known = set(before.values())
    return kept(
        after,
        [
            value
            for node in after.nodes
            for value in node.outputs
            if node.backward and value not in known and not isinstance(node.op, (*SOURCES, Movement))
        ],
    )


def kept(graph: Graph, values: Iterable[Value]) -> tuple[Kept, ...]:
    """An account of values of a graph that nodes make."""
    names, maker = value_names(graph), graph.producers()
    return tuple(Kept(names[value], str(value.type), value.type.nbytes, _name_of(maker[value])) for value in values)


def _name_of(node: Node) -> str:
    return (node.op.body.name if isinstance(node.op, Fused) else "") or node.op.name
