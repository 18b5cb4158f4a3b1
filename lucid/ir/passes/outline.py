"""Writing groups of nodes as `fused` nodes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence, Set as AbstractSet
from dataclasses import dataclass

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise, Movement, Reduction
from lucid.ir.ops.movement import Broadcast, Reshape, Slice, Transpose
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Const, Fused, Iota
from lucid.ir.ops.windows import Unwindow, Window

# Movements that only say where elements are read.
VIEWS = (Reshape, Broadcast, Transpose, Slice, Window, Unwindow)

# Ops of no work and no memory: whoever reads one has a copy of its own.
SOURCES = (Const, Iota)

# Ops that can be in a kernel with others, and read what they read through the nodes that it repeats. All but these and
# the sources read memory.
LOOPS = (Elementwise, Movement, Reduction, Random)


def outline(graph: Graph, groups: Iterable[Sequence[Node]], repeated: AbstractSet[Node]) -> Graph:
    """The graph with each group as one fused node. The groups hold every node of the graph but the repeated ones.

    Repeated nodes are copied into each group that reads them; one that a result or an op such as matmul needs becomes
    a node or a group of its own. A group of one node stays that node. Groups are ordered by their first nodes as far as
    what they read allows; one that computes a new state comes after those that read the old one, if it can, so that it
    may overwrite it. The graph stays the same object if no group has two nodes.
    """
    writer = _Writer(graph, repeated)
    units = [writer.unit(group) for group in groups]
    wanted = [*graph.results, *(value for unit in units for value in unit.reads)]
    in_memory: set[Node] = set()
    for value in wanted:  # which grows on the way
        node = writer.producer.get(value)
        if node is not None and node in repeated and node not in in_memory:
            in_memory.add(node)
            units.append(writer.unit([node]))
            wanted += units[-1].reads
    needed = {value for unit in units for value in unit.reads} | set(graph.results)
    if all(len(unit.body) == 1 for unit in units):
        return graph
    return graph.with_nodes([unit.node(needed) for unit in _ordered(units, graph)])


def states_last(graph: Graph) -> Graph:
    """The graph with the nodes that compute a new state behind those that read the old one, where that is possible."""
    units = [_Unit((node,), (node,), node.inputs) for node in graph.nodes]
    return graph.with_nodes([unit.members[0] for unit in _ordered(units, graph)])


@dataclass(frozen=True, eq=False)
class _Unit:
    """What becomes one node: its body, which is all it computes, and the values in memory that it reads."""

    members: Sequence[Node]
    body: tuple[Node, ...]
    reads: tuple[Value, ...]

    def node(self, needed: AbstractSet[Value]) -> Node:
        """The node, which stores those of its members' values that are needed."""
        if len(self.body) == 1:
            return self.members[0]
        outputs = tuple(value for node in self.members for value in node.outputs if value in needed)
        name = "_".join(dict.fromkeys(node.op.name for node in self.members))
        region = isolated(name, self.reads, self.body, outputs)
        return Node(Fused(region), self.reads, outputs, self.members[0].location, self.members[0].backward)


class _Writer:
    def __init__(self, graph: Graph, repeated: AbstractSet[Node]) -> None:
        self.producer = graph.producers()
        self.repeated = repeated

    def unit(self, members: Sequence[Node]) -> _Unit:
        """A group, with the repeated nodes that it reads in front of those that read them."""
        body: dict[Node, None] = {}
        reads: dict[Value, None] = {}
        inside = set(members)

        def add(node: Node) -> None:
            for value in node.inputs:
                source = self.producer.get(value)
                if source is not None and source in self.repeated and isinstance(node.op, LOOPS):
                    if source not in body:
                        add(source)
                elif source not in inside:
                    reads[value] = None
            body[node] = None

        for node in members:
            add(node)
        return _Unit(members, tuple(body), tuple(reads))


def isolated(name: str, arguments: Sequence[Value], nodes: Sequence[Node], outputs: Sequence[Value]) -> Graph:
    """A copy of nodes as a region, with values of its own."""
    copies: dict[Value, Value] = {}

    def copied(values: Iterable[Value]) -> tuple[Value, ...]:
        fresh = tuple(Value(value.type, value.name) for value in values)
        copies.update(zip(values, fresh, strict=True))
        return fresh

    inside = copied(arguments)
    body = tuple(
        Node(node.op, tuple(copies[value] for value in node.inputs), copied(node.outputs), node.location, node.backward)
        for node in nodes
    )
    return Graph(name, inside, (), body, tuple(copies[value] for value in outputs))


def _ordered(units: Sequence[_Unit], graph: Graph) -> list[_Unit]:
    """The units in an order in which each follows what it reads; of those that may come next, the one that began first
    in the graph, but one whose state is still to be read only where there is no other."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    made_by = {value: unit for unit in units for node in unit.members for value in node.outputs}
    readers: dict[_Unit, list[_Unit]] = {}
    waiting: dict[_Unit, int] = {}
    for unit in units:
        sources = dict.fromkeys(made_by[value] for value in unit.reads if value in made_by)
        waiting[unit] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(unit)
    replacing = {state: made_by[new] for state, new in graph.updates if new in made_by}
    unread = {state: {unit for unit in units if state in unit.reads} - {by} for state, by in replacing.items()}
    replaced: dict[_Unit, list[Value]] = {}
    for state, by in replacing.items():
        replaced.setdefault(by, []).append(state)
    key = {unit: (place[unit.members[0]], number) for number, unit in enumerate(units)}
    ready = [key[unit] for unit in units if not waiting[unit]]
    heapq.heapify(ready)
    early: set[tuple[int, int]] = set()  # those that wait for the readers of a state alone
    order: list[_Unit] = []
    while ready or early:
        if ready:
            next_one = heapq.heappop(ready)
            if any(unread[state] for state in replaced.get(units[next_one[1]], ())):
                early.add(next_one)
                continue
        else:
            next_one = min(early)
            early.remove(next_one)
        unit = units[next_one[1]]
        order.append(unit)
        for reader in readers.get(unit, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, key[reader])
        for state in unread.keys() & unit.reads:
            unread[state].discard(unit)
            if key[replacing[state]] in early:
                early.remove(key[replacing[state]])
                heapq.heappush(ready, key[replacing[state]])
    assert len(order) == len(units), "groups depend on each other in a circle"
    return order
