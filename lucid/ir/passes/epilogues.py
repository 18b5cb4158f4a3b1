"""Epilogues: a map that reads the result of a product in place is computed where its elements come out.

A pass for targets whose products are bound by memory. On a CPU they are not, and it does not pay: the figures are in
`docs/performance-notes.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise, Product, Reduction
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.groups import Groups
from lucid.ir.passes.loops import in_loops_too
from lucid.ir.passes.outline import SOURCES, VIEWS, outline


def is_map(node: Node) -> bool:
    """Whether a node of a fused graph is a map: an elementwise op, or a fused node without reductions and products."""
    if isinstance(node.op, Fused):
        return node.op.product is None and not any(isinstance(inner.op, Reduction) for inner in node.op.body.nodes)
    return isinstance(node.op, Elementwise)


def join_epilogues(graph: Graph, may_join: Callable[[Node], bool] = is_map) -> Graph:
    """Join each product of a fused graph with the first map that reads its result in place, as its epilogue.

    A map is an elementwise op, or a fused node without reductions, as `fuse` leaves them; those that `may_join` says no
    to stay apart. What others read of the product's result is stored beside what the map computes.
    """
    return in_loops_too(lambda part: _joined(part, may_join))(graph)


def _joined(graph: Graph, may_join: Callable[[Node], bool]) -> Graph:
    number = {value: place for place, node in enumerate(graph.nodes) for value in node.outputs}
    groups = Groups([[number[value] for value in node.inputs if value in number] for node in graph.nodes])
    epilogues: dict[Node, Node] = {}  # of products
    for place, node in enumerate(graph.nodes):
        for value in node.inputs if may_join(node) else ():
            product = graph.nodes[number[value]] if value in number else None
            if product is None or not isinstance(product.op, Product) or product in epilogues:
                continue
            if not product.op.is_tiled:  # few results, which cost little in memory
                continue
            if any(result.type.size != value.type.size for result in node.outputs) or value.type.size == 0:
                continue
            if _reads_in_place(node, value) and groups.may_merge(number[value], groups.group(place)):
                groups.merge(number[value], groups.group(place))
                epilogues[product] = node
                break
    bodies = {node: inlined(node) for node in epilogues.values()}
    nodes = [part for node in graph.nodes for part in bodies.get(node, [node])]
    joined = set(epilogues.values())
    repeated = {part for body in bodies.values() for part in body if isinstance(part.op, (*SOURCES, *VIEWS))}
    units = [[node, *bodies.get(epilogues[node], ())] if node in epilogues else [node] for node in graph.nodes]
    units = [[part for part in unit if part not in repeated] for unit in units if unit[0] not in joined]
    return outline(graph.with_nodes(nodes), units, repeated)


def _reads_in_place(node: Node, value: Value) -> bool:
    """Whether element i of each result of a map depends on no other element of an operand than i."""
    if not isinstance(node.op, Fused):
        return True
    body = node.op.body
    follows = {inside for inside, outside in zip(body.arguments, node.inputs, strict=True) if outside is value}
    for inner in body.nodes:
        if not follows.isdisjoint(inner.inputs):
            if not isinstance(inner.op, Elementwise | Reshape):
                return False
            follows.update(inner.outputs)
    return True


def inlined(node: Node) -> list[Node]:
    """A map as nodes of the graph that it stands in."""
    if not isinstance(node.op, Fused):
        return [node]
    body = node.op.body
    outside = dict(zip((*body.arguments, *body.outputs), (*node.inputs, *node.outputs), strict=True))
    for inner in body.nodes:
        outside |= {value: Value(value.type, value.name) for value in inner.outputs if value not in outside}
    return [
        replace(
            inner,
            inputs=tuple(outside[value] for value in inner.inputs),
            outputs=tuple(outside[value] for value in inner.outputs),
        )
        for inner in body.nodes
    ]
