"""Common subexpressions."""

from __future__ import annotations

from dataclasses import replace

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops import elementwise as ew
from lucid.ir.ops.base import Op
from lucid.ir.ops.random import Random

# Ops whose operands may be swapped without changing a bit of the result. (max(0.0, -0.0) is its second operand.)
COMMUTATIVE = (ew.Add, ew.Mul, ew.Equal, ew.NotEqual, ew.And, ew.Or, ew.Xor)


def share(graph: Graph) -> Graph:
    """Compute once what is computed several times: the first of equal nodes stays.

    Nodes with an effect stay, and so do random ops: each has its own draw.
    """
    known: dict[tuple[object, ...], Node] = {}
    replaced: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if any(value in replaced for value in node.inputs):
            inputs = tuple(replaced.get(value, value) for value in node.inputs)
            node = Node(node.op, inputs, node.outputs, node.location, node.backward)
        if not node.op.has_effect and not isinstance(node.op, Random):
            first = known.setdefault(_key(node.op, node.inputs), node)
            if first is not node:
                replaced.update(zip(node.outputs, first.outputs, strict=True))
                continue
        nodes.append(node)
    if not replaced:
        return graph
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple(replaced.get(value, value) for value in graph.outputs),
        updates=tuple((state, replaced.get(value, value)) for state, value in graph.updates),
    )


def _key(op: Op, inputs: tuple[Value, ...]) -> tuple[object, ...]:
    """Equal for nodes that compute the same. Ops are compared by value, regions by identity."""
    operands = frozenset(inputs) if isinstance(op, COMMUTATIVE) else inputs
    return type(op), op, operands
