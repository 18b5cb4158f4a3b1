"""Graphs as networkx has them, and back.

A graph becomes a `networkx.MultiDiGraph` with a node for each input, op and result, in order, and an edge for each
operand. Nodes have these attributes:

- `kind`: "argument", "state", "op", "output" or "update";
- `names`, `dtypes`, `shapes`: of the values that it makes, such as `("h",)`, `("float32",)`, `((64, 128),)`;
- `places`: where a memory plan put them: None, an offset in bytes into the arena, or the name of another value;
- of an op: `op`, its name, and `attributes`, a dict, in which a region is again such a graph; `backward`, the number of
  the sweep that made it; `module`, `file` and `line`, or None where it comes from no line;
- of an update: `state`, the name of the state that is written.

Edges have the `value`, the name of what is read, its `dtype` and its `shape`, and `operand`, its number among the
operands of the reader. A networkx node is called as its first value is in the IR, such as `%h`; without one, by its op
or kind and a number.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lucid.errors import VerificationError
from lucid.ir.graph import Graph, Location, Node, Place, Value
from lucid.ir.ops import REGISTRY
from lucid.ir.text_print import value_names
from lucid.ir.types import TensorType, as_dtype
from lucid.ir.verify import verify

if TYPE_CHECKING:
    import networkx

ARGUMENT, STATE, OP, OUTPUT, UPDATE = "argument", "state", "op", "output", "update"


def to_networkx(graph: Graph) -> networkx.MultiDiGraph:
    """The graph as networkx has it."""
    import networkx

    names = value_names(graph)
    made: dict[Value, str] = {}
    found = networkx.MultiDiGraph(name=graph.name)

    def add(key: str, kind: str, values: Sequence[Value], operands: Sequence[Value], **attributes: Any) -> None:
        found.add_node(
            key,
            kind=kind,
            names=tuple(names[value] for value in values),
            dtypes=tuple(value.type.dtype.name for value in values),
            shapes=tuple(value.type.shape for value in values),
            places=tuple(_place(graph.places.get(value), names) for value in values),
            **attributes,
        )
        made.update(dict.fromkeys(values, key))
        for number, value in enumerate(operands):
            type = value.type
            read = {"value": names[value], "dtype": type.dtype.name, "shape": type.shape, "operand": number}
            found.add_edge(made[value], key, **read)

    for kind, inputs in ((ARGUMENT, graph.arguments), (STATE, graph.states)):
        for value in inputs:
            add(f"%{names[value]}", kind, [value], ())
    for number, node in enumerate(graph.nodes):
        key = f"%{names[node.outputs[0]]}" if node.outputs else f"{node.op.name} {number}"
        where = node.location or Location()
        add(
            key,
            OP,
            node.outputs,
            node.inputs,
            op=node.op.name,
            attributes={
                name: to_networkx(value) if isinstance(value, Graph) else value
                for name, value in node.op.attributes().items()
            },
            backward=node.backward,
            module=where.module if node.location else None,
            file=where.file if node.location else None,
            line=where.line if node.location else None,
        )
    for number, value in enumerate(graph.outputs):
        add(f"output {number}", OUTPUT, (), (value,))
    for number, (state, new) in enumerate(graph.updates):
        add(f"update {number}", UPDATE, (), (new,), state=names[state])
    return found


def from_networkx(source: networkx.MultiDiGraph) -> Graph:
    """The graph behind what `to_networkx` gave, with the nodes in the order in which they were added.

    Raises VerificationError where it is not a valid graph, and KeyError where an attribute is missing.
    """
    graph = _graph(source)
    verify(graph)
    return graph


def _graph(source: networkx.MultiDiGraph) -> Graph:
    values: dict[str, Value] = {}
    places: dict[Value, Any] = {}
    inputs: dict[str, list[Value]] = {ARGUMENT: [], STATE: []}
    nodes: list[Node] = []
    outputs: list[Value] = []
    updates: list[tuple[Value, Value]] = []
    for key, data in source.nodes(data=True):
        read = _operands(source, key, values)
        made = tuple(
            Value(TensorType(as_dtype(dtype), tuple(shape)), name)
            for name, dtype, shape in zip(data["names"], data["dtypes"], data["shapes"], strict=True)
        )
        values.update((value.name or "", value) for value in made)
        places.update(zip(made, data["places"], strict=True))
        match data["kind"]:
            case "op":
                nodes.append(_node(data, read, made))
            case "output":
                outputs += read
            case "update":
                (new,) = read
                updates.append((values[data["state"]], new))
            case kind:
                inputs[kind] += made
    planned = {
        value: Place(alias=values[place]) if isinstance(place, str) else Place(offset=place)
        for value, place in places.items()
        if place is not None
    }
    name = source.graph.get("name", "")
    return Graph(
        name, tuple(inputs[ARGUMENT]), tuple(inputs[STATE]), tuple(nodes), tuple(outputs), tuple(updates), planned
    )


def _operands(source: networkx.MultiDiGraph, key: Hashable, values: Mapping[str, Value]) -> tuple[Value, ...]:
    """The operands of a networkx node, in order."""
    edges = sorted((data for _, _, data in source.in_edges(key, data=True)), key=lambda data: data["operand"])
    for edge in edges:
        if edge["value"] not in values:
            sentence = f"expected operands of {key} that are added before it, got %{edge['value']}."
            raise VerificationError(sentence, hint="add the nodes in the order in which they are to run.")
    return tuple(values[edge["value"]] for edge in edges)


def _node(data: Mapping[str, Any], read: tuple[Value, ...], made: tuple[Value, ...]) -> Node:
    import networkx

    attributes = {
        name: _graph(value) if isinstance(value, networkx.MultiDiGraph) else value
        for name, value in data["attributes"].items()
    }
    location = None if data["line"] is None else Location(data["module"], data["file"], data["line"])
    return Node(REGISTRY[data["op"]](**attributes), read, made, location, data["backward"])


def _place(place: Place | None, names: Mapping[Value, str]) -> int | str | None:
    if place is None:
        return None
    return names[place.alias] if place.alias is not None else place.offset
