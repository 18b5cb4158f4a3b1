"""Values that one kernel passes on to another in memory, whatever `fuse` joins."""

from __future__ import annotations

from collections.abc import Collection

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise, Movement
from lucid.ir.ops.random import Random
from lucid.ir.passes.outline import SOURCES, VIEWS

# Ops that can be in one kernel with whatever reads their results.
JOINED = (Elementwise, Movement, Random, *SOURCES)


def passed_on(graph: Graph, nodes: Collection[Node]) -> set[Value]:
    """Of the values that some nodes compute, those that one of them reads which depends on the value also by way of a
    reduction, or of an op that is not a loop nest: no kernel holds both. `nodes` are all that any of them depends on.

    The residual stream of a transformer is one, and what a normalization divides by its own deviation.
    """
    producer, within = graph.producers(), set(nodes)
    ordered = [node for node in graph.nodes if node in within]
    between = {node: 1 << n for n, node in enumerate(node for node in ordered if not isinstance(node.op, JOINED))}
    above: dict[Value, int] = {}  # the ones in between that a value depends on, as bits
    below: dict[Value, int] = {}  # those that depend on it
    for node in ordered:
        bits = between.get(node, 0)
        for value in node.inputs:
            bits |= above.get(value, 0)
        above.update(dict.fromkeys(node.outputs, bits))
    for node in reversed(ordered):
        bits = between.get(node, 0)
        for value in node.outputs:
            bits |= below.get(value, 0)
        for value in node.inputs:
            below[value] = below.get(value, 0) | bits
    found: set[Value] = set()
    for node in ordered:
        if isinstance(node.op, VIEWS):
            continue
        before = 0
        for value in node.inputs:
            before |= above.get(value, 0)
        for value in node.inputs:
            while (source := producer.get(value)) is not None and isinstance(source.op, VIEWS):
                (value,) = source.inputs  # which the view reads, one of the nodes too: it has its bits below
            if source is not None and before & below[value]:
                found.add(value)
    return found
