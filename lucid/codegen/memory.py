"""The memory plan: which value lives where.

Arguments, states and outputs belong to the caller. Everything else lives in one arena, whose bytes are reused when a
value has been read for the last time, or in the storage of another value: a reshape in its operand, an elementwise
result in an operand that nobody reads again, a new state in the state that it replaces.

No state is written before the last check. A check and what it needs come first; a new state that must be computed
earlier, or whose old value is still needed, gets storage of its own, and is copied when everything has run.

The body of a loop is planned like a graph whose states are the carries: a run updates them where they lie, which is in
the storage of the loop's results. Its temporaries have a part of the arena while the loop runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from lucid.codegen.kernel import Buffer, Kernel, Load
from lucid.codegen.lowering import is_lowered, lower
from lucid.codegen.target import ALIGNMENT
from lucid.ir.graph import Graph, Node, Place, Value
from lucid.ir.ops.base import Reduction
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.loop import Scan, in_loops
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Fused


def plan(graph: Graph, kernel_of: Callable[[Node], Kernel] = lower) -> Graph:
    """Order the nodes and place the values of a graph.

    In the result every output, and every new state, is the result of a node and no other result; outputs have no
    place. A new state that is not placed in its state is to be copied there at the end.
    """
    graph = in_loops(graph, lambda scan: _planned_body(scan, kernel_of))
    graph = _checks_first(_separate_results(graph))
    chosen = _Plan(graph, kernel_of)
    nodes = [_moved(node, chosen.workspaces.get(node, 0)) for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes), places=chosen.places)


def home(graph: Graph, value: Value) -> Value:
    """The value in whose storage a value lives, itself where it has its own."""
    while value in graph.places and (alias := graph.places[value].alias) is not None:
        value = alias
    return value


def is_view(graph: Graph, node: Node) -> bool:
    """Whether a node is a reshape that lies where its operand does: it needs no code."""
    return isinstance(node.op, Reshape) and home(graph, node.output) is home(graph, node.inputs[0])


def around_body(node: Node) -> tuple[list[tuple[Value, Value]], list[tuple[Value, Value]]]:
    """The arguments and outputs of a loop's body, each with the value around the loop in whose storage it lies: those
    that are all of that value, and those that are an element of it along its leading axis."""
    scan = node.op
    assert isinstance(scan, Scan)
    body, count, stop = scan.body, scan.carries, scan.carries + scan.sequences
    whole = [*zip(body.arguments[:count], node.outputs, strict=False)]
    whole += zip(body.arguments[stop:], node.inputs[stop:], strict=True)
    elements = [*zip(body.arguments[count:stop], node.inputs[count:stop], strict=True)]
    elements += zip(body.outputs[count:], node.outputs[count:], strict=True)
    return whole, elements


def arena_size(graph: Graph) -> int:
    """The bytes of the arena that a planned graph needs."""
    ends = [place.offset + value.type.nbytes for value, place in graph.places.items() if place.offset is not None]
    ends += [arena_size(node.op.body) for node in graph.nodes if isinstance(node.op, Scan)]
    return _aligned(max(ends, default=0))


def _planned_body(scan: Scan, kernel_of: Callable[[Node], Kernel]) -> Graph:
    """The body of a loop with the places of its values, from the start of the arena on. What it gives twice kernels
    store twice: each run would start another kernel for a copy."""
    body = scan.body
    states, new = body.arguments[: scan.carries], body.outputs[: scan.carries]
    graph = replace(
        body,
        arguments=body.arguments[scan.carries :],
        states=states,
        outputs=body.outputs[scan.carries :],
        updates=tuple(zip(states, new, strict=True)),
    )
    run = plan(_separate_results(graph, in_kernels=True), kernel_of)
    after = dict(run.updates)  # without those that stay as they are
    return replace(body, nodes=run.nodes, outputs=(*(after.get(x, x) for x in states), *run.outputs), places=run.places)


def _moved(node: Node, offset: int) -> Node:
    """A node whose loop, if it is one, has its temporaries so many bytes further on."""
    if not isinstance(node.op, Scan) or not offset:
        return node
    body = node.op.body
    places = {
        value: place if place.offset is None else Place(offset=place.offset + offset)
        for value, place in body.places.items()
    }
    nodes = tuple(_moved(inner, offset) for inner in body.nodes)
    return replace(node, op=replace(node.op, body=replace(body, nodes=nodes, places=places)))


def _separate_results(graph: Graph, in_kernels: bool = False) -> Graph:
    """Give each output, and each new state, a value of its own that a node computes, by copying where it has none.

    Inputs are copied before anything else, so that a state's old value is read before the new one is written. Where
    `in_kernels`, a kernel that has the elements of a value in its hands stores them once more instead.
    """
    taken: set[Value] = set(graph.inputs)
    makers = graph.producers()
    early: list[Node] = []
    late: list[Node] = []
    stored: dict[Node, list[tuple[Value, Value]]] = {}  # what kernels store once more, and as what

    def own(value: Value) -> Value:
        if value not in taken:
            taken.add(value)
            return value
        copy = Value(value.type, value.name)
        holders = (node for node in graph.nodes if in_kernels and _holds(node, value))
        if (holder := next(holders, None)) is not None:
            stored.setdefault(holder, []).append((value, copy))
        elif value in makers:
            late.append(Node(Detach(), (value,), (copy,), makers[value].location))
        else:
            early.append(Node(Detach(), (value,), (copy,)))
        return copy

    updates = tuple((state, own(new)) for state, new in graph.updates if new is not state)
    outputs = tuple(map(own, graph.outputs))
    nodes = (_storing(node, stored[node]) if node in stored else node for node in graph.nodes)
    return replace(graph, nodes=(*early, *nodes, *late), outputs=outputs, updates=updates)


def _holds(node: Node, value: Value) -> bool:
    """Whether a node is a map over elements of as many as a value has, which it computes or reads."""
    if not isinstance(node.op, Fused) or node.op.product is not None or value not in (*node.inputs, *node.outputs):
        return False
    is_map = not any(isinstance(inner.op, Reduction) for inner in node.op.body.nodes)
    return is_map and node.outputs[0].type.size == value.type.size


def _storing(node: Node, pairs: Iterable[tuple[Value, Value]]) -> Node:
    """A fused node that gives values which it computes or reads once more, each as another value."""
    assert isinstance(node.op, Fused)
    body = node.op.body
    inside = dict(zip((*node.inputs, *node.outputs), (*body.arguments, *body.outputs), strict=True))
    outputs = (*body.outputs, *(inside[value] for value, _ in pairs))
    op = replace(node.op, body=replace(body, outputs=outputs))
    return replace(node, op=op, outputs=(*node.outputs, *(copy for _, copy in pairs)))


def _checks_first(graph: Graph) -> Graph:
    """Move the checks, and the nodes that they depend on, before all others; the order stays otherwise."""
    wanted: set[Value] = set()
    first: set[Node] = set()
    for node in reversed(graph.nodes):
        if node.op.has_effect or not wanted.isdisjoint(node.outputs):
            first.add(node)
            wanted.update(node.inputs)
    return graph.with_nodes(sorted(graph.nodes, key=lambda node: node not in first))


class _Block(NamedTuple):
    """A stretch of the arena for a value, or for the temporaries of a loop, and the nodes between which it is in use,
    both included."""

    owner: Value | Node
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
        self.workspaces: dict[Node, int] = {}  # of loops, from where on in the arena
        for block in self.laid_out():
            if isinstance(block.owner, Node):
                self.workspaces[block.owner] = block.offset
            else:
                self.places[block.owner] = Place(offset=block.offset)

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
        last_check = max((n for n, node in enumerate(self.graph.nodes) if node.op.has_effect), default=-1)
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
        if isinstance(node.op, Scan):  # a carry is updated where it lies
            return reads == [node.outputs.index(result)] and reads[0] < node.op.carries
        if not is_lowered(node.op):
            return False
        if isinstance(node.op, Fused) and node.op.product is not None:
            factors = node.op.multiplied  # which blocks of rows and columns read, while others write
            if any(node.op.body.arguments[operand] in factors for operand in reads):
                return False
        kernel = self.kernel_of(node)
        written = kernel.buffers[kernel.inputs + node.outputs.index(result)]
        return reads_where_it_writes(kernel, reads, written)

    def laid_out(self) -> list[_Block]:
        """The blocks of the arena with their offsets."""
        end = len(self.graph.nodes)
        kept = {self.owner(new) for _, new in self.graph.updates}
        blocks = [
            _Block(value, _aligned(value.type.nbytes), made, end if value in kept else max(self.last_read[value], made))
            for value, made in self.made.items()
            if value not in self.shared and value not in self.graph.outputs
        ]
        for number, node in enumerate(self.graph.nodes):
            if isinstance(node.op, Scan) and (size := arena_size(node.op.body)):
                blocks.append(_Block(node, size, number, number))
        return _packed(blocks)


# How much room is looked for: orders that are tried, fewer for many blocks, whose placing takes the square of their
# number; until the arena is hardly larger than the most that is in use at once.
TRIES, PAIRS, ENOUGH = 400, 4_000_000, 1.02


def _packed(blocks: Sequence[_Block]) -> list[_Block]:
    """Blocks with offsets. The largest come first; then as long as it helps, one block is placed before others."""
    order = sorted(blocks, key=lambda block: (-block.size, block.first))
    best, wanted = _placed(order), ENOUGH * _most_in_use(blocks)
    moves = ((number, before) for number in range(1, len(order)) for before in range(number))
    for number, before in itertools.islice(moves, min(TRIES, PAIRS // max(len(order), 1) ** 2)):
        if _end(best) <= wanted:
            break
        moved = [*order[:before], order[number], *order[before:number], *order[number + 1 :]]
        placed = _placed(moved)
        if _end(placed) <= _end(best):
            order, best = moved, placed
    return best


def _most_in_use(blocks: Iterable[_Block]) -> int:
    """The most bytes that are in use at once."""
    changes: dict[int, int] = {}
    for block in blocks:
        changes[block.first] = changes.get(block.first, 0) + block.size
        changes[block.last + 1] = changes.get(block.last + 1, 0) - block.size
    return max(itertools.accumulate(changes[number] for number in sorted(changes)), default=0)


def _placed(blocks: Iterable[_Block]) -> list[_Block]:
    """Copies of blocks, each at the lowest offset where none that was placed before is in use at the same time."""
    placed: list[_Block] = []
    for block in blocks:
        offset = 0
        rivals = (other for other in placed if block.first <= other.last and other.first <= block.last)
        for other in sorted(rivals, key=lambda other: other.offset):
            if other.offset - offset >= block.size:
                break
            offset = max(offset, other.offset + other.size)
        placed.append(block._replace(offset=offset))
    return placed


def _end(blocks: Iterable[_Block]) -> int:
    return max((block.offset + block.size for block in blocks), default=0)


def reads_where_it_writes(kernel: Kernel, reads: Iterable[int], written: Buffer) -> bool:
    """Whether a kernel reads the given buffers only at the position that it writes in the same step."""
    positions = {store.position for stage in kernel.stages for store in stage.stores if store.buffer == written}
    loads = [value for value in kernel.values if isinstance(value, Load) and value.buffer.number in set(reads)]
    return all({load.position} == positions for load in loads)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
