"""The graph: typed SSA values, nodes in topological order, and the state that a graph reads and updates.

Everything here is plain frozen data. A pass builds a new graph; it never changes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lucid.ir.types import TensorType

if TYPE_CHECKING:
    import networkx

    from lucid.ir.ops.base import Op


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One tensor that flows through a graph. Values are compared by identity; `name` is a hint for printing."""

    type: TensorType
    name: str | None = None

    def __repr__(self) -> str:
        return f"%{self.name or '?'}: {self.type}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a node comes from: the module that made it (`0: Linear`) and the user's file and line."""

    module: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{Path(self.file).name}:{self.line}" if self.file else ""
        return "  ".join(part for part in (self.module, place) if part)


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """An op applied to values. `backward` is the number, from 1, of the grad op whose sweep made the node."""

    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    location: Location | None = None
    backward: int = 0

    @property
    def output(self) -> Value:
        """The only output of a node that has one."""
        (output,) = self.outputs
        return output

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.op}{self.inputs}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a planned value lives: an offset in bytes into the arena, or the storage of another value."""

    offset: int | None = None
    alias: Value | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """A function from arguments and state to outputs and new state.

    `arguments` are read, `states` are read and may be written by `updates`: pairs (state, new value) that take
    effect together when the graph has run. `places` is filled by the memory plan and empty before it.
    """

    name: str
    arguments: tuple[Value, ...]
    states: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    updates: tuple[tuple[Value, Value], ...] = ()
    places: Mapping[Value, Place] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Value, ...]:
        return self.arguments + self.states

    @property
    def results(self) -> tuple[Value, ...]:
        """Every value that must exist when the graph ends: outputs, then new state."""
        return self.outputs + tuple(new for _, new in self.updates)

    def with_nodes(self, nodes: Sequence[Node]) -> Graph:
        return replace(self, nodes=tuple(nodes))

    def producers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return {value: node for node in self.nodes for value in node.outputs}

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order, a node once."""
        users: dict[Value, list[Node]] = {value: [] for value in self.values()}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                users[value].append(node)
        return users

    def values(self) -> Iterator[Value]:
        """Every value, in order of definition."""
        yield from self.inputs
        for node in self.nodes:
            yield from node.outputs

    def all_nodes(self) -> Iterator[Node]:
        """Every node, those of a region after the node that it is in."""
        for node in self.nodes:
            yield node
            for region in node.op.regions():
                yield from region.all_nodes()

    def __str__(self) -> str:
        from lucid.ir.text import print_graph

        return print_graph(self)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The graph as networkx has it, with shapes, dtypes and locations as attributes. The module that says which,
        `lucid.ir.export.exchange`, leads back with `from_networkx`."""
        from lucid.ir.export.exchange import to_networkx

        return to_networkx(self)

    def to_dot(self) -> str:
        """The graph as text for Graphviz."""
        from lucid.ir.export.dot import to_dot

        return to_dot(self)

    def to_svg(self) -> str:
        """A drawing of the graph: the forward, its backward beside it, and what is fused, as SVG text."""
        from lucid.ir.export.svg import to_svg

        return to_svg(self)

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.to_svg()


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs are equal up to the names of their values, their own names and their locations."""
    if (len(a.arguments), len(a.states)) != (len(b.arguments), len(b.states)) or len(a.nodes) != len(b.nodes):
        return False
    match: dict[Value, Value] = {}

    def bind(xs: Sequence[Value], ys: Sequence[Value]) -> bool:
        match.update(zip(xs, ys, strict=False))
        return len(xs) == len(ys) and all(x.type == y.type for x, y in zip(xs, ys, strict=True))

    def agree(xs: Sequence[Value], ys: Sequence[Value]) -> bool:
        return len(xs) == len(ys) and all(match[x] is y for x, y in zip(xs, ys, strict=True))

    def places_agree() -> bool:
        if len(a.places) != len(b.places):
            return False
        for value, place in a.places.items():
            other = b.places.get(match[value])
            if other is None or place.offset != other.offset:
                return False
            if (match[place.alias] if place.alias else None) is not other.alias:
                return False
        return True

    return (
        bind(a.arguments, b.arguments)
        and bind(a.states, b.states)
        and all(
            x.op.same(y.op) and x.backward == y.backward and agree(x.inputs, y.inputs) and bind(x.outputs, y.outputs)
            for x, y in zip(a.nodes, b.nodes, strict=True)
        )
        and agree(a.outputs, b.outputs)
        and agree([s for s, _ in a.updates], [s for s, _ in b.updates])
        and agree([v for _, v in a.updates], [v for _, v in b.updates])
        and places_agree()
    )
