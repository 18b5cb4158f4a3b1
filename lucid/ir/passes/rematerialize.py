"""Rematerialization: the backward computes again what is cheaper to compute than to keep."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.passes.cut import choose
from lucid.ir.passes.prune import prune


def rematerialize(graph: Graph) -> Graph:
    """Decide, for each backward sweep, which values of its forward it recomputes; a mask of Dropout always is.

    The forward of a sweep is what does not depend on it. Recomputed nodes stand right before their first reader, belong
    to the sweep, and keep their names. A graph whose backward reads little that is not in memory anyway stays as it is.
    """
    for sweep in sorted({node.backward for node in graph.nodes} - {0}):
        graph = _rematerialize_for(graph, sweep)
    return graph


def _rematerialize_for(graph: Graph, sweep: int) -> Graph:
    backward = [node for node in graph.nodes if node.backward == sweep]
    after: set[Value] = set()
    forward: set[Node] = set()
    for node in graph.nodes:
        if node.backward == sweep or not after.isdisjoint(node.inputs):
            after.update(node.outputs)
        else:
            forward.add(node)
    repeated = choose(graph, forward, backward)
    if not repeated:
        return graph
    nodes: list[Node] = []
    copies = Copies(graph, repeated, sweep)
    for node in graph.nodes:
        if node.backward == sweep:
            nodes += copies.above(node.inputs)
            node = Node(node.op, copies.of(node.inputs), node.outputs, node.location, sweep)
        nodes.append(node)
    return prune(graph.with_nodes(nodes))


class Copies:
    """Copies of the `repeated` nodes of a graph for a sweep, each made when first asked for."""

    def __init__(self, graph: Graph, repeated: AbstractSet[Node], sweep: int) -> None:
        self.repeated = {value: node for node in repeated for value in node.outputs}
        self.sweep = sweep
        self.copy: dict[Value, Value] = {}

    def above(self, values: tuple[Value, ...]) -> Iterator[Node]:
        """The copies, not made before, that copies of these values need, in order."""
        for value in values:
            node = self.repeated.get(value)
            if node is None or value in self.copy:
                continue
            yield from self.above(node.inputs)
            fresh = tuple(Value(output.type, output.name) for output in node.outputs)
            self.copy.update(zip(node.outputs, fresh, strict=True))
            yield Node(node.op, self.of(node.inputs), fresh, node.location, self.sweep)

    def of(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """The copies of values, and the values themselves where they are not repeated."""
        return tuple(self.copy.get(value, value) for value in values)
