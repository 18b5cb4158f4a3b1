"""Shrinking a graph that shows a fault to a small one that still does.

It is delta debugging (Zeller and Hildebrandt 2002) in the terms of a graph: fewer results, fewer nodes, smaller
extents. A node is taken out by making its results arguments, with the values that they had; so whatever is left runs
on the numbers that it saw before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lucid.errors import LucidError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.interpret import interpret
from lucid.ir.ops.base import Array, Op
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.prune import prune
from lucid.ir.types import Shape, TensorType
from lucid.ir.verify import verify


@dataclass(frozen=True)
class Case:
    """A graph and an array for each of its inputs, in order."""

    graph: Graph
    arrays: tuple[Array, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """What shrinking makes smaller: nodes, results, elements of all values."""
        elements = sum(value.type.size for value in self.graph.values())
        return _count(self.graph), len(self.graph.results), elements


def shrink(case: Case, shows: Callable[[Case], bool], seconds: float = 30.0) -> Case:
    """The smallest case that was found, in so many seconds, among those that still show a fault.

    `case` shows it. Candidates are valid; `shows` may raise LucidError for one that it cannot judge.
    """
    end = time.monotonic() + seconds
    found = True
    while found and time.monotonic() < end:
        found = False
        for step in (_fewer_results, _earlier_results, _fewer_nodes, _shorter_paths, _inlined, _smaller_extents):
            candidates = step(case)
            while time.monotonic() < end:
                candidate = next(candidates, None)
                if candidate is None:
                    break
                tidied = _valid(candidate)
                if tidied is not None and _is_progress(tidied, case) and _judged(shows, tidied):
                    case, found = tidied, True
                    candidates = step(case)
    return case


def _is_progress(candidate: Case, case: Case) -> bool:
    """Whether a candidate is smaller. Taking a region apart counts, although there are more nodes at the top."""
    return candidate.size < case.size or _regions(candidate.graph) < _regions(case.graph)


def _judged(shows: Callable[[Case], bool], case: Case) -> bool:
    try:
        return shows(case)
    except LucidError:
        return False


def _count(graph: Graph) -> int:
    return sum(1 + sum(map(_count, node.op.regions())) for node in graph.nodes)


def _regions(graph: Graph) -> int:
    return sum(len(node.op.regions()) for node in graph.nodes)


def _valid(case: Case) -> Case | None:
    """The case without what nothing needs, or None where its graph is not valid."""
    graph = prune(replace(case.graph, places={}))
    needed = {value for node in graph.nodes for value in node.inputs}.union(graph.results)
    needed.update(state for state, _ in graph.updates)
    arrays = dict(zip(case.graph.inputs, case.arrays, strict=True))
    graph = replace(
        graph,
        arguments=tuple(value for value in graph.arguments if value in needed),
        states=tuple(value for value in graph.states if value in needed),
    )
    try:
        verify(graph)
    except LucidError:
        return None
    return Case(graph, tuple(arrays[value] for value in graph.inputs))


# Candidates, the boldest first.


def _fewer_results(case: Case) -> Iterator[Case]:
    """No check; then one result alone, then all but one; a new state becomes an output."""
    graph = case.graph
    if not all(node.outputs for node in graph.nodes):
        yield Case(graph.with_nodes([node for node in graph.nodes if node.outputs]), case.arrays)
    if len(graph.results) > 1:
        for value in dict.fromkeys(graph.results):
            yield Case(replace(graph, outputs=(value,), updates=()), case.arrays)
        for number in range(len(graph.outputs)):
            outputs = graph.outputs[:number] + graph.outputs[number + 1 :]
            yield Case(replace(graph, outputs=outputs), case.arrays)
        for number in range(len(graph.updates)):
            updates = graph.updates[:number] + graph.updates[number + 1 :]
            yield Case(replace(graph, updates=updates), case.arrays)
    elif graph.updates:
        yield Case(replace(graph, outputs=graph.results, updates=()), case.arrays)


def _earlier_results(case: Case) -> Iterator[Case]:
    """A value on the way as the only result: those of the first half of the nodes, the first quarter, ..."""
    nodes = case.graph.nodes
    for number in _spread(len(nodes) - 1):
        for value in nodes[number].outputs:
            yield Case(replace(case.graph, outputs=(value,), updates=()), case.arrays)


def _fewer_nodes(case: Case) -> Iterator[Case]:
    """The graph with a run of nodes taken out: half of the nodes, a quarter, ... down to each by itself."""
    nodes = case.graph.nodes
    length = max(len(nodes) // 2, 1)
    known: Mapping[Value, Array] | None = None
    while nodes:
        for start in range(0, len(nodes), length):
            known = _values(case) if known is None else known
            yield _without(case, nodes[start : start + length], known)
        if length == 1:
            return
        length //= 2


def _shorter_paths(case: Case) -> Iterator[Case]:
    """The graph with a node replaced by an operand of the same type."""
    for node in case.graph.nodes:
        for operand in dict.fromkeys(node.inputs):
            if len(node.outputs) == 1 and operand.type == node.output.type:
                yield Case(_substituted(case.graph, {node.output: operand}, skip={node}), case.arrays)


def _inlined(case: Case) -> Iterator[Case]:
    """The graph with the body of a fused node in its place."""
    for node in case.graph.nodes:
        if not isinstance(node.op, Fused):
            continue
        body = node.op.body
        names = dict(zip(body.arguments, node.inputs, strict=True))
        inner: list[Node] = []
        for part in body.nodes:
            fresh = tuple(Value(value.type, value.name) for value in part.outputs)
            inner.append(replace(part, inputs=tuple(names[value] for value in part.inputs), outputs=fresh))
            names.update(zip(part.outputs, fresh, strict=True))
        results = {old: names[new] for old, new in zip(node.outputs, body.outputs, strict=True)}
        place = case.graph.nodes.index(node)
        nodes = (*case.graph.nodes[:place], *inner, *case.graph.nodes[place + 1 :])
        yield Case(_substituted(case.graph.with_nodes(nodes), results), case.arrays)


def _smaller_extents(case: Case) -> Iterator[Case]:
    """The graph with one extent, wherever it stands, replaced by a smaller one; arrays lose their ends."""
    extents = {extent for value in case.graph.values() for extent in value.type.shape if extent > 1}
    for extent in sorted(extents, reverse=True):
        for smaller in dict.fromkeys((1, 2, 3, 8, extent // 2, extent - 1)):
            if smaller < extent:
                try:
                    yield _resized(case, extent, smaller)
                except LucidError:
                    continue


def _spread(count: int) -> Iterator[int]:
    """The numbers below a count: the middle one, those of the quarters, ... each once, the lowest of a round first."""
    seen: set[int] = set()
    parts = 2
    while len(seen) < count:
        for part in range(1, parts):
            number = count * part // parts
            if number not in seen:
                seen.add(number)
                yield number
        parts *= 2


# Changing graphs.


def _values(case: Case) -> dict[Value, Array]:
    """Every value of a case."""
    values = tuple(value for node in case.graph.nodes for value in node.outputs)
    arrays = interpret(replace(case.graph, outputs=values, updates=()), case.arrays).outputs
    return dict(zip(values, arrays, strict=True))


def _without(case: Case, nodes: Sequence[Node], known: Mapping[Value, Array]) -> Case:
    """The case with what some nodes compute as arguments instead."""
    gone = set(nodes)
    results = [value for node in nodes for value in node.outputs]
    graph = replace(
        case.graph,
        arguments=(*case.graph.arguments, *results),
        nodes=tuple(node for node in case.graph.nodes if node not in gone),
    )
    count = len(case.graph.arguments)
    arrays = (*case.arrays[:count], *(known[value] for value in results), *case.arrays[count:])
    return Case(graph, arrays)


def _substituted(graph: Graph, new: Mapping[Value, Value], skip: set[Node] = set()) -> Graph:  # noqa: B006  never changed
    """The graph with values replaced wherever they are read."""

    def of(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(new.get(value, value) for value in values)

    return replace(
        graph,
        nodes=tuple(replace(node, inputs=of(node.inputs)) for node in graph.nodes if node not in skip),
        outputs=of(graph.outputs),
        updates=tuple((state, new.get(value, value)) for state, value in graph.updates),
    )


def _resized(case: Case, old: int, new: int) -> Case:
    graph = _resized_graph(case.graph, old, new)
    pairs = zip(case.arrays, graph.inputs, strict=True)
    return Case(graph, tuple(array[tuple(map(slice, value.type.shape))] for array, value in pairs))


def _resized_graph(graph: Graph, old: int, new: int) -> Graph:
    """The graph with an extent replaced in the types of its inputs and in the shapes that its ops name. Raises a
    LucidError where the ops do not fit any more."""

    def shape(extents: Shape) -> Shape:
        return tuple(new if extent == old else extent for extent in extents)

    def attribute(name: str, value: Any) -> Any:
        if isinstance(value, TensorType):
            return value.with_shape(shape(value.shape))
        if isinstance(value, Graph):
            return _resized_graph(value, old, new)
        if name == "length" and value == old:  # of a loop
            return new
        return shape(value) if name == "shape" and isinstance(value, tuple) else value

    match: dict[Value, Value] = {}

    def declared(values: Sequence[Value], types: Sequence[TensorType]) -> tuple[Value, ...]:
        fresh = tuple(Value(type, value.name) for value, type in zip(values, types, strict=True))
        match.update(zip(values, fresh, strict=True))
        return fresh

    arguments, states = (
        declared(values, [value.type.with_shape(shape(value.type.shape)) for value in values])
        for values in (graph.arguments, graph.states)
    )
    nodes = []
    for node in graph.nodes:
        op: Op = type(node.op)(**{name: attribute(name, value) for name, value in node.op.attributes().items()})
        inputs = tuple(match[value] for value in node.inputs)
        outputs = declared(node.outputs, op.infer([value.type for value in inputs]))
        nodes.append(replace(node, op=op, inputs=inputs, outputs=outputs))
    return Graph(
        graph.name,
        arguments,
        states,
        tuple(nodes),
        tuple(match[value] for value in graph.outputs),
        tuple((match[state], match[value]) for state, value in graph.updates),
    )
