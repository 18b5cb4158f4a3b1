"""Explanations: what a program does, a row a kernel; why its kernels are not fewer; what the backward keeps.

All of it is read from the stages of the program and from the code that decides: `separations` runs the pass `fuse`,
`work_of` counts the kernel that is compiled.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lucid.codegen.memory import home
from lucid.codegen.threads import get_num_threads
from lucid.codegen.work import Work, total, work_of
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Movement
from lucid.ir.ops.elementwise import Cast
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Check, Fused
from lucid.ir.passes.fuse import Obstacle, separations
from lucid.ir.passes.outline import SOURCES
from lucid.ir.text_print import value_names
from lucid.tables import table, with_unit

if TYPE_CHECKING:
    from lucid.codegen.cpu.timed import Timing

T = TypeVar("T")

MOST = 30  # rows of a table of `str`


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
        return "\n".join(self._lines(MOST))

    def full(self) -> str:
        """All tables as text, however long."""
        return "\n".join(self._lines(max(len(self.rows), len(self.apart), len(self.saved), len(self.recomputed))))

    def _lines(self, most: int) -> Iterator[str]:
        """The lines of tables with at most so many rows."""
        yield self.title
        yield from self._rows(_largest(self.rows, _weight, most))
        if self.measurement:
            yield from ("", *_measured(self.measurement, self.work))
        if self.apart:
            yield from ("", "not fused", *self._pairs(most))
        for title, values in (("saved for the backward", self.saved), ("computed again", self.recomputed)):
            if values:
                yield from ("", f"{title}: {with_unit(sum(kept.bytes for kept in values), 'B')}")
                yield from table(_kept(values, most))
        if self.backward:
            yield from ("", *self.backward._lines(most))

    def _pairs(self, most: int) -> Iterator[str]:
        """Why kernels are not one, pair by pair, or where these are too many, reason by reason."""
        told = [x for x in self.apart if not x.reason.endswith(_NO_LOOPS)]
        if 0 < len(told) <= most:
            yield from table([[f"{x.first} and {x.second}", f"%{x.value}", x.reason] for x in told])
        elif told:
            counts = Counter(x.reason.partition(":")[0] for x in told)
            yield from table([[f"{count} pairs", reason] for reason, count in counts.most_common()])
        if len(told) < len(self.apart):
            yield _with_kernels_of_their_own([x for x in self.apart if x not in told])

    def _rows(self, shown: Sequence[Row]) -> Iterator[str]:
        head = ["kernel", "what", "module", "line", "read", "written", "FLOPs", "a byte"]
        times = ["time", "share", "GB/s", "GFLOP/s"] if self.measurement else []
        lines = [[*head, *times]]
        for row in shown:
            cells = [str(row.number), _named(row), _listed(row.modules), _listed(row.lines), *_amounts(row.work)]
            lines.append([*cells, *(_times(row, self.measurement) if self.measurement else [])])
        if len(shown) < len(self.rows):
            others = total([row.work for row in self.rows if row not in shown])
            name = f"{len(self.rows) - len(shown)} smaller ones: see full()"
            lines.append(["", name, "", "", *_amounts(others), *[""] * len(times)])
        lines.append(["", "all", "", "", *_amounts(self.work), *[""] * len(times)])
        yield from table(lines, right_from=4)


def _largest(items: Sequence[T], size: Callable[[T], float], most: int) -> list[T]:
    """The largest items, at most so many, in the order in which they are given."""
    order = sorted(range(len(items)), key=lambda number: size(items[number]), reverse=True)
    return [items[number] for number in sorted(order[:most])]


def _kept(values: Sequence[Kept], most: int) -> list[list[str]]:
    """The lines of values that are kept; where they are too many, of all that have a type and are computed alike."""
    if len(values) <= most:
        return [[f"%{x.value}", x.type, with_unit(x.bytes, "B"), x.op] for x in values]
    alike: dict[tuple[str, str], list[Kept]] = {}
    for value in values:
        alike.setdefault((value.type, value.op), []).append(value)
    size = {kind: sum(value.bytes for value in group) for kind, group in alike.items()}
    largest = sorted(alike, key=lambda kind: size[kind], reverse=True)[:most]
    lines = [[f"{len(alike[kind])} of", kind[0], with_unit(size[kind], "B"), kind[1]] for kind in largest]
    others = len(values) - sum(len(alike[kind]) for kind in largest)
    return [*lines, *([[f"{others} smaller ones: see full()", "", "", ""]] if others else [])]


def _weight(row: Row) -> float:
    """The time of a kernel, or what stands for it where that is not measured: as if an operation took as long as a
    tenth of a byte."""
    if row.nanoseconds is not None:
        return row.nanoseconds
    return row.work.read + row.work.written + row.work.operations / 10.0


_NO_LOOPS = Obstacle.NO_LOOPS.value.format("")


def _with_kernels_of_their_own(pairs: Sequence[Apart]) -> str:
    """A line for all the pairs of which one is no loop nest."""
    ops = ", ".join(dict.fromkeys(pair.reason.removesuffix(_NO_LOOPS) for pair in pairs))
    return f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} with {ops}: what is no loop nest has a kernel of its own"


def _times(row: Row, measurement: Measurement) -> list[str]:
    if row.nanoseconds is None:
        return ["", "", "", ""]
    seconds = max(row.nanoseconds, 1.0) * 1e-9  # the clock's resolution
    return [
        with_unit(seconds, "s"),
        f"{row.nanoseconds / measurement.nanoseconds:.0%}",
        f"{(row.work.read + row.work.written) / seconds / 1e9:.1f}",
        f"{row.work.operations / seconds / 1e9:.1f}",
    ]


def _measured(measurement: Measurement, work: Work) -> Iterator[str]:
    seconds = measurement.nanoseconds * 1e-9
    yield (
        f"{with_unit(seconds, 's')} a run, the median of {measurement.runs} on {measurement.threads} threads: "
        f"{(work.read + work.written) / seconds / 1e9:.1f} GB/s, {work.operations / seconds / 1e9:.1f} GFLOP/s"
    )
    yield (
        f"this machine at most: {measurement.peak_bytes / 1e9:.1f} GB/s in a large copy, "
        f"{measurement.peak_operations / 1e9:.1f} GFLOP/s in fused multiply-adds of float32"
    )


def _named(row: Row) -> str:
    loop = f" x {row.runs}" if row.runs > 1 else ""
    return f"{row.name}{loop}{f' (backward {row.backward})' if row.backward else ''}"


def _listed(texts: Sequence[str], most: int = 3) -> str:
    more = f", {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _amounts(work: Work) -> list[str]:
    return [
        with_unit(work.read, "B"),
        with_unit(work.written, "B"),
        with_unit(work.operations),
        f"{work.intensity:.2f}",
    ]


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
        elif isinstance(node.op, Reshape) and home(graph, node.output) is home(graph, node.inputs[0]):
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
