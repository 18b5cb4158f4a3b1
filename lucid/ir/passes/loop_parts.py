"""A loop taken apart, for rules that change it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.loop import Scan


@dataclass(frozen=True, eq=False)
class Carry:
    """A carry: what it is before the first run, in a run, after the run, and after the last one."""

    start: Value
    argument: Value
    new: Value
    result: Value


@dataclass(frozen=True, eq=False)
class Pair:
    """A value of a body, and what it goes with outside: an operand or a result of the loop."""

    inside: Value
    outside: Value


@dataclass
class Loop:
    """A loop taken apart, to be changed."""

    origin: Node
    scan: Scan
    carries: list[Carry]
    sequences: list[Pair]
    constants: list[Pair]
    nodes: list[Node]
    stacked: list[Pair]

    @staticmethod
    def of(node: Node) -> Loop:
        scan = node.op
        assert isinstance(scan, Scan)
        count, stop = scan.carries, scan.carries + scan.sequences
        arguments, outputs = scan.body.arguments, scan.body.outputs
        pairs = [Pair(*pair) for pair in zip(arguments, node.inputs, strict=True)]
        stacked = [Pair(*pair) for pair in zip(outputs[count:], node.outputs[count:], strict=True)]
        ends = zip(node.inputs, arguments, outputs[:count], node.outputs, strict=False)
        return Loop(
            node, scan, [Carry(*end) for end in ends], pairs[count:stop], pairs[stop:], [*scan.body.nodes], stacked
        )

    def node(self) -> Node:
        """The loop put together again."""
        body = Graph(
            self.scan.body.name,
            (
                *(carry.argument for carry in self.carries),
                *(pair.inside for pair in (*self.sequences, *self.constants)),
            ),
            (),
            tuple(self.nodes),
            (*(carry.new for carry in self.carries), *(pair.inside for pair in self.stacked)),
        )
        operands = (
            *(carry.start for carry in self.carries),
            *(pair.outside for pair in (*self.sequences, *self.constants)),
        )
        results = (*(carry.result for carry in self.carries), *(pair.outside for pair in self.stacked))
        op = replace(self.scan, body=body, carries=len(self.carries), sequences=len(self.sequences))
        return replace(self.origin, op=op, inputs=operands, outputs=results)

    def substitute(self, old: Value, new: Value) -> None:
        """Have the body read `new` in place of `old`."""

        def changed(values: tuple[Value, ...]) -> tuple[Value, ...]:
            return tuple(new if value is old else value for value in values)

        self.nodes = [replace(n, inputs=changed(n.inputs)) if old in n.inputs else n for n in self.nodes]
        self.stacked = [Pair(changed((pair.inside,))[0], pair.outside) for pair in self.stacked]
        self.carries = [replace(carry, new=changed((carry.new,))[0]) for carry in self.carries]
