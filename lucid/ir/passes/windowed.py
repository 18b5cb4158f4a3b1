"""What is computed where a window reads it: for `fuse`, which would have it in memory otherwise.

A window, or an unwindow, puts elements elsewhere, so that what it reads and what reads it are no kernel by themselves.
But an elementwise node may be computed at the places where its elements are put, as often as they are read. It is where
that costs less than to store it: where nothing else needs it and each element is read once; or where it is a light
function of one value that is in memory, which takes no longer to read again, whoever else needs it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.movement import Broadcast, Reshape
from lucid.ir.ops.windows import Unwindow, Window, layers
from lucid.ir.passes.cost import operations
from lucid.ir.passes.outline import LOOPS, SOURCES

# The most scalar operations that are light: a bias, a normalization and a ReLU, say. A core moves a float to memory and
# back in the time of some hundred.
LIGHT = 16


@dataclass(frozen=True)
class _Formula:
    """How an element of a value is computed: by so many scalar operations, from elements in place of values that are in
    memory."""

    work: int
    reads: frozenset[Value]


def windowed(graph: Graph) -> set[Node]:
    """The elementwise nodes to compute wherever a window or an unwindow puts their elements, and wherever else they are
    read."""
    users, light = graph.users(), _light(graph)
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
        if alone or node in light or isinstance(node.op, Reshape):
            leads[node] = reached
            if not isinstance(node.op, Reshape):
                found.add(node)
    return found


def _once(window: Node, readers: Collection[Node]) -> bool:
    """Whether each element that a window or an unwindow reads is read at most once, and by one kernel."""
    op = window.op
    if isinstance(op, Unwindow):
        return True
    assert isinstance(op, Window)
    return len(readers) == 1 and prod(layers(op.kernel, op.stride, op.dilation)) == 1


def _light(graph: Graph) -> set[Node]:
    """The elementwise nodes that take few operations, from one value in memory at most and from such as are spread."""
    formulas = {value: _Formula(0, frozenset([value])) for value in graph.inputs}
    found: set[Node] = set()
    for node in graph.nodes:
        match node.op:
            case Reshape() if node.inputs[0] in formulas:
                formulas[node.output] = formulas[node.inputs[0]]
            case Broadcast() if node.inputs[0].type.size < node.output.type.size:
                formulas[node.output] = _Formula(0, frozenset())
            case Elementwise() if all(value in formulas for value in node.inputs):
                operands = [formulas[value] for value in node.inputs]
                work = operations(node.op, tuple(value.type.dtype for value in node.inputs))
                work += sum(operand.work for operand in operands)
                reads = frozenset[Value]().union(*(operand.reads for operand in operands))
                if work <= LIGHT and len(reads) <= 1:
                    formulas[node.output] = _Formula(work, reads)
                    found.add(node)
            case _ if isinstance(node.op, SOURCES):
                formulas.update((value, _Formula(0, frozenset())) for value in node.outputs)
            case _ if not isinstance(node.op, LOOPS):
                formulas.update((value, _Formula(0, frozenset([value]))) for value in node.outputs)
    return found
