"""Wide maps: one that keeps more values than a thread has registers is cut into several, which store what others read,
and none that needs many is computed by a product.

Else the compiler moves values from registers to memory and back, for each thread apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.epilogues import inlined, is_map
from lucid.ir.passes.loops import in_loops_too
from lucid.ir.passes.outline import SOURCES, VIEWS, outline

# The most words of 32 bits that a map keeps at once. A thread has 255 registers, and needs some for addresses and for
# what the compiler computes side by side.
MOST_WORDS = 128

# The most that a map keeps in the function of a product, whose threads have 128 registers, and sums and tiles in some
# of them; and the most arrays that it reads and writes there, for addresses are kept too.
MOST_IN_PRODUCT = 24


@in_loops_too
def cut_wide_maps(graph: Graph) -> Graph:
    """Cut each map of a fused graph that keeps more than MOST_WORDS words at once, in the order of its ops."""
    bodies = {node: inlined(node) for node in graph.nodes if _may_be_wide(node, MOST_WORDS)}
    parts = {node: _parts(body, node.outputs, MOST_WORDS) for node, body in bodies.items()}
    cut = {node: some for node, some in parts.items() if len(some) > 1}
    if not cut:
        return graph
    units = [part for node in graph.nodes for part in cut.get(node, [[node]])]
    nodes = [inner for node in graph.nodes for inner in (bodies[node] if node in cut else [node])]
    repeated = {inner for node in cut for inner in bodies[node] if _is_free(inner)}
    return outline(graph.with_nodes(nodes), units, repeated)


def is_narrow(node: Node) -> bool:
    """Whether a node is a map that leaves a product the registers it needs, as its epilogue or prologue."""
    if not is_map(node) or len(node.inputs) + len(node.outputs) > MOST_IN_PRODUCT:
        return False
    wide = _may_be_wide(node, MOST_IN_PRODUCT)
    return not wide or len(_parts(inlined(node), node.outputs, MOST_IN_PRODUCT)) == 1


def _may_be_wide(node: Node, most: int) -> bool:
    """Whether a node is a map with so many values that it may keep more than `most` words at once."""
    if not is_map(node) or not isinstance(node.op, Fused):
        return False
    computed = (value for inner in node.op.body.nodes for value in inner.outputs)
    return sum(map(_words, (*node.inputs, *computed))) > most


def _parts(nodes: Sequence[Node], results: Sequence[Value], most: int) -> list[list[Node]]:
    """The nodes of a map that compute something, in order, as parts of which none keeps more than `most` words of
    values: those that are needed later, and results, which a thread stores in the end."""
    constants = {value for node in nodes if isinstance(node.op, SOURCES) for value in node.outputs}
    parts: list[list[Node]] = []
    kept: list[int] = []  # by each node of the latest part
    last: dict[Value, int] = {}  # where in it a value is read or computed
    for node in nodes:
        if _is_free(node):
            continue
        stored = [value for inner in parts[-1] for value in inner.outputs if value in results] if parts else []
        values = [value for value in dict.fromkeys((*node.inputs, *node.outputs, *stored)) if value not in constants]
        kept.append(0)
        here = len(kept) - 1
        begin = min(last.get(value, here) for value in values)
        for value in values:
            for place in range(last.get(value, here - 1) + 1, here + 1):
                kept[place] += _words(value)
            last[value] = here
        if not parts or max(kept[begin:]) > most:
            parts.append([])
            values = [value for value in values if value not in stored]
            kept, last = [sum(map(_words, values))], dict.fromkeys(values, 0)
        parts[-1].append(node)
    return parts


def _words(value: Value) -> int:
    return max(value.type.dtype.itemsize // 4, 1)


def _is_free(node: Node) -> bool:
    """Whether a node computes nothing: its readers have what it stands for in their indices."""
    return isinstance(node.op, (*SOURCES, *VIEWS))
