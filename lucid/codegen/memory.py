"""The memory plan: which value lives where.

Arguments, states and outputs belong to the caller. Everything else lives in one arena, whose bytes are reused when a
value has been read for the last time, or in the storage of another value: a reshape in its operand, an elementwise
result in an operand that nobody reads again, a new state in the state that it replaces.

No state is written before the last check. A check and what it needs come first; a new state that must be computed
earlier, or whose old value is still needed, gets storage of its own, and is copied when everything has run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lucid.codegen.kernel import Buffer, Kernel, Load
from lucid.codegen.lowering import is_lowered, lower
from lucid.codegen.target import ALIGNMENT
from lucid.ir.graph import Graph, Node, Place, Value
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Check


def plan(graph: Graph, kernel_of: Callable[[Node], Kernel] = lower) -> Graph:
    """Order the nodes and place the values of a graph.

    In the result every output, and every new state, is the result of a node and no other result; outputs have no
    place. A new state that is not placed in its state is to be copied there at the end.
    """
    graph = _checks_first(_separate_results(graph))
    return replace(graph, places=_Plan(graph, kernel_of).places)


def home(graph: Graph, value: Value) -> Value:
    """The value in whose storage a value lives, itself where it has its own."""
    while value in graph.places and (alias := graph.places[value].alias) is not None:
        value = alias
    return value


def arena_size(graph: Graph) -> int:
    """The bytes of the arena that a planned graph needs."""
    ends = (place.offset + value.type.nbytes for value, place in graph.places.items() if place.offset is not None)
    return _aligned(max(ends, default=0))


def _separate_results(graph: Graph) -> Graph:
    """Give each output, and each new state, a value of its own that a node computes, by copying where it has none.

    Inputs are copied before anything else, so that a state's old value is read before the new one is written.
    """
    taken: set[Value] = set(graph.inputs)
    early: list[Node] = []
    late: list[Node] = []

    def own(value: Value) -> Value:
        if value not in taken:
            taken.add(value)
            return value
        copy = Value(value.type, value.name)
        (early if value in graph.inputs else late).append(Node(Detach(), (value,), (copy,)))
        return copy

    updates = tuple((state, own(new)) for state, new in graph.updates if new is not state)
    outputs = tuple(map(own, graph.outputs))
    return replace(graph, nodes=(*early, *graph.nodes, *late), outputs=outputs, updates=updates)


def _checks_first(graph: Graph) -> Graph:
    """Move the checks, and the nodes that they depend on, before all others; the order stays otherwise."""
    wanted: set[Value] = set()
    first: set[Node] = set()
    for node in reversed(graph.nodes):
        if isinstance(node.op, Check) or not wanted.isdisjoint(node.outputs):
            first.add(node)
            wanted.update(node.inputs)
    return graph.with_nodes(sorted(graph.nodes, key=lambda node: node not in first))


@dataclass
class _Block:
    """A stretch of the arena, and the nodes between which it is in use, both included."""

    value: Value
    size: int
    first: int
    last: int
    offset: int = 0


class _Plan:
    """Chooses the places. Steps that share storage come first; what is left is laid out in the arena."""

    def __init__(self, graph: Graph, kernel_of: Callable[[Node], Kernel]) -> None:
        self.graph = graph
        self.kernel_of = kernel_of
        self.shared: dict[Value, Value] = {}
        self.results = set(graph.results)
        self.made = {value: n for n, node in enumerate(graph.nodes) for value in node.outputs}
        # When each storage is read for the last time; -1 for never. Kept for the value that owns the storage.
        self.last_read = dict.fromkeys(graph.values(), -1)
        for number, node in enumerate(graph.nodes):
            for value in node.inputs:
                self.last_read[value] = number
        self.share_reshapes()
        self.share_states()
        self.share_operands()
        self.places = {value: Place(alias=other) for value, other in self.shared.items()}
        self.places |= {block.value: Place(offset=block.offset) for block in self.laid_out()}

    def owner(self, value: Value) -> Value:
        while value in self.shared:
            value = self.shared[value]
        return value

    def share(self, value: Value, other: Value) -> None:
        """Let a value live in the storage of another."""
        self.shared[value] = other
        owner = self.owner(other)
        self.last_read[owner] = max(self.last_read[owner], self.last_read[value])

    def share_reshapes(self) -> None:
        for node in self.graph.nodes:
            if isinstance(node.op, Reshape) and node.output not in self.results:
                self.share(node.output, node.inputs[0])

    def share_states(self) -> None:
        last_check = max((n for n, node in enumerate(self.graph.nodes) if isinstance(node.op, Check)), default=-1)
        for state, new in self.graph.updates:
            made = self.made[new]
            if made > last_check and self.last_read[state] <= made and self.can_overwrite(made, state, new):
                self.share(new, state)

    def share_operands(self) -> None:
        for number, node in enumerate(self.graph.nodes):
            owners = dict.fromkeys(map(self.owner, node.inputs))
            dying = [o for o in owners if o in self.made and o not in self.results and self.last_read[o] == number]
            for result in node.outputs:
                if result in self.results or result in self.shared:
                    continue
                for owner in dying:
                    if owner.type.nbytes == result.type.nbytes and self.can_overwrite(number, owner, result):
                        self.share(result, owner)
                        dying.remove(owner)
                        break

    def can_overwrite(self, number: int, owner: Value, result: Value) -> bool:
        """Whether a node may write a result into storage that it reads: where it does not read it at all, or reads
        each element only in the step that writes the same element."""
        node = self.graph.nodes[number]
        reads = [n for n, operand in enumerate(node.inputs) if self.owner(operand) is owner]
        if not reads:
            return True
        if not is_lowered(node.op):
            return False
        kernel = self.kernel_of(node)
        written = kernel.buffers[kernel.inputs + node.outputs.index(result)]
        return reads_where_it_writes(kernel, reads, written)

    def laid_out(self) -> list[_Block]:
        """The blocks of the arena with their offsets: the largest first, each at the lowest free offset."""
        end = len(self.graph.nodes)
        kept = {self.owner(new) for _, new in self.graph.updates}
        blocks = [
            _Block(value, _aligned(value.type.nbytes), made, end if value in kept else max(self.last_read[value], made))
            for value, made in self.made.items()
            if value not in self.shared and value not in self.graph.outputs
        ]
        placed: list[_Block] = []
        for block in sorted(blocks, key=lambda block: (-block.size, block.first)):
            rivals = (other for other in placed if block.first <= other.last and other.first <= block.last)
            for other in sorted(rivals, key=lambda other: other.offset):
                if other.offset - block.offset >= block.size:
                    break
                block.offset = max(block.offset, other.offset + other.size)
            placed.append(block)
        return placed


def reads_where_it_writes(kernel: Kernel, reads: Iterable[int], written: Buffer) -> bool:
    """Whether a kernel reads the given buffers only at the position that it writes in the same step."""
    positions = {store.position for stage in kernel.stages for store in stage.stores if store.buffer == written}
    loads = [value for value in kernel.values if isinstance(value, Load) and value.buffer.number in set(reads)]
    return all({load.position} == positions for load in loads)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
