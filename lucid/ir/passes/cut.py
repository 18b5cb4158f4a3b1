"""What a backward reads of its forward: saved, or computed again. A minimum cut decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set as AbstractSet

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise, Reduction
from lucid.ir.ops.indexing import Gather
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.random import Random
from lucid.ir.passes.cost import operations
from lucid.ir.passes.flow import Network
from lucid.ir.passes.outline import LOOPS, SOURCES
from lucid.ir.passes.passed_on import passed_on

# Prices, in scalar operations: a core moves a byte from memory in the time of two of them, 0.03 ns where one takes
# 0.013 in a vector. A store costs three times its bytes, since the line that it goes to is fetched first, and written
# back later. So the mask of a Dropout, a byte an element, is saved rather than drawn again, which was measured to be
# four times as fast, and so is the error function of a GELU (1.4 times); an exponential is computed again.
READ = 2
WRITE = 6

# Below this, in bytes that the forward would write for the backward alone, everything is saved: fewer kernels and
# shorter ones are worth more than the microseconds that the bytes take.
TRIVIAL = 1 << 18


def choose(
    graph: Graph,
    forward: AbstractSet[Node],
    backward: Collection[Node],
    results: Iterable[Value] = (),
    copied: Iterable[Value] = (),
) -> set[Node]:
    """The nodes of the forward to compute again in the backward; what else the backward reads of it is saved.

    `results` are values of the forward that the backward must give, `copied` are inputs of the graph that the backward
    cannot read where they are. Only ops that are cheap may be computed again: elementwise ops, movements, random ops.

    Each value is an arc whose capacity is the price of saving it, from an end where it is computed to an end where it
    is read; the source feeds values that cannot be computed again, and the others at the price of doing so; the sink
    takes what the backward reads. The values whose arcs a minimum cut severs are the ones to save.
    """
    choice = _Choice(graph, forward, backward, results, copied)
    return choice.cut() if choice.written >= TRIVIAL else set()


class _Choice:
    def __init__(
        self,
        graph: Graph,
        forward: AbstractSet[Node],
        backward: Collection[Node],
        results: Iterable[Value],
        copied: Iterable[Value],
    ) -> None:
        self.producer = graph.producers()
        self.copied = set(copied)
        self.in_memory = set(graph.inputs) - self.copied | _in_memory(graph, forward)
        self.needed_in_memory = set(results)
        for node in backward:
            if not isinstance(node.op, LOOPS):
                self.needed_in_memory.update(node.inputs)
        read = dict.fromkeys([*(value for node in backward for value in node.inputs), *results])
        self.read = [value for value in read if self.producer.get(value) in forward and not self.is_source(value)]
        self.written = sum(value.type.nbytes for value in self.read if value not in self.in_memory)

    def is_source(self, value: Value) -> bool:
        node = self.producer.get(value)
        return node is not None and isinstance(node.op, SOURCES)

    def is_repeatable(self, value: Value) -> bool:
        """Whether a value may be computed again. A single element is not worth a second kernel."""
        node = self.producer.get(value)
        return node is not None and node.op.is_cheap and value.type.size > 1

    def price_of_saving(self, value: Value) -> int:
        return value.type.nbytes * (READ if value in self.in_memory else READ + WRITE)

    def price_of_repeating(self, value: Value) -> int:
        op, price = self.producer[value].op, 0
        if isinstance(op, Elementwise | Random):
            dtypes = tuple(operand.type.dtype for operand in self.producer[value].inputs)
            price = operations(op, dtypes) * value.type.size
        if value in self.needed_in_memory:
            price += value.type.nbytes * (READ + WRITE)
        return price

    def cut(self) -> set[Node]:
        network = Network()
        pending, seen = list(self.read), set(self.read)
        for value in self.read:
            network.add_arc((value, "read"), "sink")
        for value in pending:  # which grows on the way
            network.add_arc((value, "made"), (value, "read"), self.price_of_saving(value))
            if not self.is_repeatable(value):
                network.add_arc("source", (value, "made"))
                continue
            network.add_arc("source", (value, "made"), self.price_of_repeating(value))
            for operand in self.producer[value].inputs:
                if not self.is_source(operand):
                    network.add_arc((operand, "read"), (value, "made"))
                    if operand not in seen:
                        seen.add(operand)
                        pending.append(operand)
        far = network.minimum_cut("source", "sink")
        return {self.producer[value] for value in pending if (value, "made") in far}


def _in_memory(graph: Graph, forward: AbstractSet[Node]) -> set[Value]:
    """The values that the forward writes to memory for itself."""
    found = set(graph.results) | passed_on(graph, forward)
    for node in reversed(graph.nodes):
        if node not in forward:
            continue
        if not isinstance(node.op, (*LOOPS, *SOURCES)):
            found.update(node.inputs, node.outputs)
        elif isinstance(node.op, Gather):
            found.add(node.inputs[0])
        elif isinstance(node.op, Reduction):
            found.update(node.outputs)
        elif isinstance(node.op, Reshape) and node.output in found:
            found.update(node.inputs)
    return found
