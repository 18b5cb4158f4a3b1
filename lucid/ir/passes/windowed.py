"""What is computed where a window reads it, for `fuse`, which would otherwise have it stored.

A window, or an unwindow, puts elements elsewhere, so that what it reads and what reads it are not one kernel by
themselves. But an elementwise node may be computed at the places where its elements are put, as often as they are read.
It is computed there if that costs less than to store it: if nothing else needs it and each element is read once; or if
it has a short formula of one value in memory (`formulas.py`), which takes no longer to read than the result would,
whatever else needs it.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod

from lucid.ir.graph import Graph, Node
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.windows import Unwindow, Window, layers
from lucid.ir.passes.formulas import formulas_of_one_value
from lucid.ir.passes.outline import LOOPS

# The most scalar operations for an element that are repeated wherever a window reads it: a bias, a normalization and a
# ReLU, say. A core moves a float to memory and back in the time of some hundred.
MOST_OPERATIONS_IN_A_WINDOW = 16


def windowed(graph: Graph) -> set[Node]:
    """The elementwise nodes to compute wherever a window or an unwindow puts their elements, and wherever else they are
    read."""
    users, short = graph.users(), formulas_of_one_value(graph, MOST_OPERATIONS_IN_A_WINDOW)
    in_memory = {value for node in graph.nodes if not isinstance(node.op, LOOPS) for value in node.inputs}
    in_memory.update(graph.results)
    found: set[Node] = set()
    leads: dict[Node, frozenset[Node]] = {}  # the windows and unwindows that take up the elements of a node

    for node in reversed(graph.nodes):
        readers = [reader for value in node.outputs for reader in users[value]]
        if isinstance(node.op, Window | Unwindow):
            leads[node] = frozenset([node])
            continue
        if not isinstance(node.op, Elementwise | Reshape) or not readers:
            continue
        reached = frozenset[Node]().union(*(leads[reader] for reader in readers if reader in leads))
        if not reached or node.output in in_memory:
            continue
        alone = len(reached) == 1 and all(reader in leads for reader in readers)
        alone = alone and all(_once(window, users[window.output]) for window in reached)
        if alone or node in short or isinstance(node.op, Reshape):
            leads[node] = reached
            if not isinstance(node.op, Reshape):
                found.add(node)
    return found


def _once(window: Node, readers: Collection[Node]) -> bool:
    """Whether each element of what a window or an unwindow reads is needed once at most, in one kernel."""
    op = window.op
    if isinstance(op, Unwindow):
        return True
    assert isinstance(op, Window)
    return len(readers) == 1 and prod(layers(op.kernel, op.stride, op.dilation)) == 1
