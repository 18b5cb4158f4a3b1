"""Dead code."""

from __future__ import annotations

from lucid.ir.graph import Graph, Node


def prune(graph: Graph) -> Graph:
    """Drop the nodes that no result and no effect depends on."""
    needed = set(graph.results)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.op.has_effect or not needed.isdisjoint(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return graph if len(kept) == len(graph.nodes) else graph.with_nodes(kept[::-1])
