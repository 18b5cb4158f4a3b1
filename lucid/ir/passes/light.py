"""Light functions of one value in memory, for `fuse`: whoever reads one may as well compute it from that value, which
takes no longer to read than the result of another kernel."""

from __future__ import annotations

from dataclasses import dataclass

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.movement import Broadcast, Reshape
from lucid.ir.passes.cost import operations
from lucid.ir.passes.outline import LOOPS, SOURCES
from lucid.ir.passes.passed_on import passed_on

# The most scalar operations that are computed once more, so that a value need not be stored for a later kernel: a scale
# and a shift, say, or a mask. A quotient is not among them.
LIGHT = 3


@dataclass(frozen=True)
class Formula:
    """How an element of a value is computed: by so many scalar operations, from elements in place of values that are in
    memory."""

    work: int
    reads: frozenset[Value]


def light(graph: Graph, most: int) -> dict[Node, Formula]:
    """The elementwise nodes that take at most so many operations, from one value in memory at most and from such as are
    spread."""
    producer = graph.producers()
    formulas: dict[Value, Formula] = {value: Formula(0, frozenset([value])) for value in graph.inputs}
    found: dict[Node, Formula] = {}

    def of(value: Value, sweep: int) -> Formula | None:
        """How a node of a sweep has a value. Forward and backward are no kernel together: memory is between them."""
        node = producer.get(value)
        while node is not None and isinstance(node.op, Reshape):
            value = node.inputs[0]
            node = producer.get(value)
        if node is not None and node.backward != sweep and not isinstance(node.op, (*SOURCES, Broadcast)):
            return Formula(0, frozenset([value]))
        return formulas.get(value)

    for node in graph.nodes:
        match node.op:
            case Broadcast() if node.inputs[0].type.size < node.output.type.size:
                formulas[node.output] = Formula(0, frozenset())
            case Elementwise():
                operands = [of(value, node.backward) for value in node.inputs]
                if any(operand is None for operand in operands):
                    continue
                known = [operand for operand in operands if operand is not None]
                work = operations(node.op, tuple(value.type.dtype for value in node.inputs))
                work += sum(operand.work for operand in known)
                reads = frozenset[Value]().union(*(operand.reads for operand in known))
                if work <= most and len(reads) <= 1:
                    formulas[node.output] = found[node] = Formula(work, reads)
            case _ if isinstance(node.op, SOURCES):
                formulas.update((value, Formula(0, frozenset())) for value in node.outputs)
            case _ if not isinstance(node.op, LOOPS):
                formulas.update((value, Formula(0, frozenset([value]))) for value in node.outputs)
    return found


def light_and_passed_on(graph: Graph) -> set[Node]:
    """The nodes to compute in each kernel that reads them, where else one would store them for another: light ones of a
    value in memory that is no larger."""
    in_memory = set(graph.results)
    for node in reversed(graph.nodes):
        if not isinstance(node.op, LOOPS) or (isinstance(node.op, Reshape) and node.output in in_memory):
            in_memory.update(node.inputs)
    stored = passed_on(graph, graph.nodes) - in_memory
    found: set[Node] = set()
    for node, formula in light(graph, LIGHT).items():
        reads = [value.type.nbytes for value in formula.reads]
        if node.output in stored and reads and reads[0] <= node.output.type.nbytes:
            found.add(node)
    return found
