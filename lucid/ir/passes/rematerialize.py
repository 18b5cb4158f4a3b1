"""Rematerialization: the backward computes again what is cheaper to compute than to keep."""

from __future__ import annotations

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.passes.copies import Copies
from lucid.ir.passes.cut import choose
from lucid.ir.passes.prune import prune


def rematerialize(graph: Graph) -> Graph:
    """Decide, for each backward sweep, which values of its forward it recomputes rather than reads: see `choose`.

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
    copies = Copies(repeated, sweep)
    for node in graph.nodes:
        if node.backward == sweep:
            nodes += copies.above(node.inputs)
            node = Node(node.op, copies.of(node.inputs), node.outputs, node.location, sweep)
        nodes.append(node)
    return prune(graph.with_nodes(nodes))
