"""Short formulas of one value in memory, for `fuse`: a kernel that needs such a result may as well compute it from that
value, which takes no longer to read than the result would."""

from __future__ import annotations

from dataclasses import dataclass

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.movement import Broadcast, Reshape
from lucid.ir.passes.cost import operations
from lucid.ir.passes.outline import LOOPS, SOURCES
from lucid.ir.passes.passed_on import passed_on

# The most scalar operations for an element that each kernel repeats, rather than that one stores the results for the
# others: a scale and a shift, say, or a mask. A quotient counts as more.
MOST_OPERATIONS_AGAIN = 3


@dataclass(frozen=True)
class Formula:
    """How an element of a value is computed: with so many scalar operations, from the elements at the same place of
    values in memory."""

    operations: int
    reads: frozenset[Value]


def formulas_of_one_value(graph: Graph, most_operations: int) -> dict[Node, Formula]:
    """The elementwise nodes whose elements take at most so many operations, from one value in memory at most. What a
    broadcast spreads, and constants, are not counted: a kernel has few of them to read."""
    producer = graph.producers()
    formulas: dict[Value, Formula] = {value: Formula(0, frozenset([value])) for value in graph.inputs}
    found: dict[Node, Formula] = {}

    def of(value: Value, sweep: int) -> Formula | None:
        """The formula of a value for a node of a sweep. What another sweep computes it reads from memory, since the
        forward and a backward do not share a kernel."""
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
                count = operations(node.op, tuple(value.type.dtype for value in node.inputs))
                count += sum(operand.operations for operand in known)
                reads = frozenset[Value]().union(*(operand.reads for operand in known))
                if count <= most_operations and len(reads) <= 1:
                    formulas[node.output] = found[node] = Formula(count, reads)
            case _ if isinstance(node.op, SOURCES):
                formulas.update((value, Formula(0, frozenset())) for value in node.outputs)
            case _ if not isinstance(node.op, LOOPS):
                formulas.update((value, Formula(0, frozenset([value]))) for value in node.outputs)
    return found


def computed_again(graph: Graph) -> set[Node]:
    """The nodes to compute in each kernel that reads them, of those that one kernel would store for another: the ones
    with a short formula of one value that is in memory anyway, and takes no more bytes than their result."""
    in_memory = set(graph.results)
    for node in reversed(graph.nodes):
        if not isinstance(node.op, LOOPS) or (isinstance(node.op, Reshape) and node.output in in_memory):
            in_memory.update(node.inputs)
    stored = passed_on(graph, graph.nodes) - in_memory
    found: set[Node] = set()
    for node, formula in formulas_of_one_value(graph, MOST_OPERATIONS_AGAIN).items():
        reads = [value.type.nbytes for value in formula.reads]
        if node.output in stored and reads and reads[0] <= node.output.type.nbytes:
            found.add(node)
    return found
