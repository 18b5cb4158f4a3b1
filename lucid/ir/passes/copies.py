"""Copies of nodes, for computing them again elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Set as AbstractSet

from lucid.ir.graph import Node, Value


class Copies:
    """Copies of `repeated` nodes for a sweep, each made when first asked for."""

    def __init__(self, repeated: AbstractSet[Node], sweep: int) -> None:
        self.repeated = {value: node for node in repeated for value in node.outputs}
        self.sweep = sweep
        self.copy: dict[Value, Value] = {}

    def above(self, values: tuple[Value, ...]) -> Iterator[Node]:
        """The copies, not made before, that copies of these values need, in order."""
        waiting = list(reversed(values))
        while waiting:  # and no recursion: a chain of copies can be longer than Python's stack
            value = waiting[-1]
            node = self.repeated.get(value)
            if node is None or value in self.copy:
                waiting.pop()
            elif missing := [x for x in reversed(node.inputs) if x in self.repeated and x not in self.copy]:
                waiting += missing
            else:
                fresh = tuple(Value(output.type, output.name) for output in node.outputs)
                self.copy.update(zip(node.outputs, fresh, strict=True))
                yield Node(node.op, self.of(node.inputs), fresh, node.location, self.sweep)

    def of(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """The copies of values, and the values themselves where they are not repeated."""
        return tuple(self.copy.get(value, value) for value in values)
