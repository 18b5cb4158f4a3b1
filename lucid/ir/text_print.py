"""Graphs as text. The syntax is described in `lucid.ir.text`."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lucid.ir.graph import Graph, Location, Node, Place, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.structure import Const, normalized
from lucid.ir.types import DType, TensorType

WIDTH = 120
COMMENT_COLUMN = 88  # comments are aligned here at the latest
INDENT = "  "
LINES_AROUND = 20  # of a note, before and behind it


def print_graph(graph: Graph, locations: bool = True, names: bool = True) -> str:
    """The text of a graph, the same for the same program; with the location of each node as a comment if asked for.

    Without `names`, values are numbered and graphs have no name: then all graphs that are `same` have one text.

    `parse` reads it back to an equal graph, and that prints as the same text. What the syntax has no words for, such
    as an undefined value, prints as something with `?` that does not parse.

    >>> from lucid.ir.text import parse
    >>> print(print_graph(parse("graph @square(%x: f32[4]) { %1 = mul %x, %x; return %1 }")))
    graph @square(%x: f32[4]) {
      %0: f32[4] = mul %x, %x
      return %0
    }
    """
    return _joined(_Printer(locations, {}, names).graph(graph))


def print_lines(graph: Graph) -> list[Line]:
    """The lines of `print_graph`, each with what it is about."""
    return _Printer(True, {}).graph(graph)


def print_with_note(graph: Graph, at: Node | Graph, note: str) -> str:
    """The text of a graph with a note under a node, or under the return of the graph or of a region; of a long text,
    the part around it."""
    lines = _joined(_Printer(True, {at: note}).graph(graph)).split("\n")
    place = next((number for number, line in enumerate(lines) if line.lstrip() == f"^ {note}"), 0)
    first, last = max(place - LINES_AROUND, 0), place + LINES_AROUND + 1
    before = [f"... ({first} lines)"] if first else []
    after = [f"... ({len(lines) - last} lines)"] if len(lines) > last else []
    return "\n".join([*before, *lines[first:last], *after])


def value_names(graph: Graph, hints: bool = True) -> dict[Value, str]:
    """The name that each value of a graph has in its text, without the `%`: a number where hints are not taken."""
    names: dict[Value, str] = {}
    taken: set[str] = set()
    repeats: dict[str, int] = {}
    unnamed = 0
    for value in graph.values():
        if value in names:
            continue
        name = hint = identifier(value.name or "") if hints else ""
        if not hint or hint.isdecimal():
            name, unnamed = str(unnamed), unnamed + 1
        while name in taken:
            repeats[hint] = repeats.get(hint, 0) + 1
            name = f"{hint}_{repeats[hint]}"
        names[value] = name
        taken.add(name)
    return names


def identifier(hint: str) -> str:
    """A hint with every run of characters that names cannot have replaced by `_`.

    >>> identifier("0.weight"), identifier("make.<locals>.step")
    ('0.weight', 'make._locals_.step')
    """
    return re.sub(r"[^\w.]+", "_", hint)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, with the node that it writes or begins to write, and the graph whose values it names. Where a
    region opens in it, the names from column `opening` on are those of the region `inside`."""

    text: str
    comment: str = ""
    node: Node | None = None
    graph: Graph | None = None
    opening: int = 0
    inside: Graph | None = None


class _Printer:
    """Writes graphs as lines. `notes` are put under the nodes, or the returns of the graphs, that they are about."""

    def __init__(self, locations: bool, notes: Mapping[Node | Graph, str], names: bool = True) -> None:
        self.locations = locations
        self.notes = notes
        self.names = names

    def graph(
        self, graph: Graph, prefix: str = "graph ", depth: int = 0, comment: str = "", owner: Line | None = None
    ) -> list[Line]:
        """The lines of a graph that begins, at the indentation of `depth`, after `prefix`, on the line of its owner."""
        names = value_names(graph, self.names)
        indent = INDENT * depth
        name = f"@{identifier(graph.name)}" if graph.name and self.names else ""
        opening = f"{indent}{prefix}{name}"
        parameters = [_declaration(graph, names, value) for value in graph.arguments]
        parameters += [_declaration(graph, names, value, "state ") for value in graph.states]
        node, around = (owner.node, owner.graph) if owner else (None, graph)
        first = f"{opening}({', '.join(parameters)}) {{"
        if len(first) <= WIDTH:
            lines = [Line(first, comment, node, around, len(opening), graph)]
        else:
            inner = indent + INDENT
            lines = [Line(f"{opening}(", comment, node, around, len(opening), graph)]
            lines += [Line(text, graph=graph) for text in (*_one_a_line(parameters, inner), f"{indent}) {{")]
        for node in graph.nodes:
            lines += self.node(graph, names, node, depth + 1)
            lines += self.note(node, depth + 1)
        lines += [Line(text, graph=graph) for text in _return(graph, names, indent + INDENT)]
        lines += self.note(graph, depth + 1)
        return [*lines, Line(f"{indent}}}", graph=graph)]

    def node(self, graph: Graph, names: Mapping[Value, str], node: Node, depth: int) -> list[Line]:
        results = ", ".join(_declaration(graph, names, value) for value in node.outputs)
        items = [_reference(names, value) for value in node.inputs] + list(attribute_texts(node))
        head = (f"{results} = " if results else "") + " ".join(filter(None, [node.op.name, ", ".join(items)]))
        if node.backward:
            head += f" in backward {node.backward}"
        comment = _comment(node.location) if self.locations and node.location else ""
        lines = [Line(INDENT * depth + head, comment, node, graph)]
        for region in node.op.regions():
            last = lines.pop()  # the op itself, or the brace that closes the region before
            owner = replace(last, graph=graph)
            lines += self.graph(region, f"{last.text.lstrip()} ", depth, last.comment, owner)
        return lines

    def note(self, at: Node | Graph, depth: int) -> Iterator[Line]:
        if at in self.notes:
            yield Line(f"{INDENT * depth}^ {self.notes[at]}")


def _declaration(graph: Graph, names: Mapping[Value, str], value: Value, marker: str = "") -> str:
    place = f" @ {_place(names, graph.places[value])}" if value in graph.places else ""
    return f"{_reference(names, value)}: {marker}{value.type}{place}"


def _reference(names: Mapping[Value, str], value: Value) -> str:
    return f"%{names[value]}" if value in names else f"%{identifier(value.name or '')}?"


def _place(names: Mapping[Value, str], place: Place) -> str:
    parts = [] if place.offset is None else [f"arena+{place.offset}"]
    parts += [] if place.alias is None else [_reference(names, place.alias)]
    return parts[0] if len(parts) == 1 else f"?{parts}"


def _return(graph: Graph, names: Mapping[Value, str], indent: str) -> list[str]:
    outputs = " ".join(["return", ", ".join(_reference(names, value) for value in graph.outputs)]).rstrip()
    updates = [f"{_reference(names, state)} <- {_reference(names, new)}" for state, new in graph.updates]
    if not updates:
        return [indent + outputs]
    line = f"{indent}{outputs} ; {', '.join(updates)}"
    return [line] if len(line) <= WIDTH else [f"{indent}{outputs} ;", *_one_a_line(updates, indent + INDENT)]


def _one_a_line(items: Sequence[str], indent: str) -> Iterator[str]:
    for number, item in enumerate(items, 1):
        yield f"{indent}{item}{',' if number < len(items) else ''}"


def attribute_texts(node: Node) -> Iterator[str]:
    """Each attribute that must be written, as `name=value`."""
    implied = implied_attributes(node.op, [value.type for value in node.outputs])
    for field in node.op.fields:
        value = getattr(node.op, field.name)
        if isinstance(value, Graph):
            continue
        # Compared by spelling: -0.0 is not 0.0, 1 is not True, and nan is nan.
        left_out = implied.get(field.name, field.default)
        if left_out is dataclasses.MISSING or repr(value) != repr(left_out):
            number = isinstance(node.op, Const) and field.name == "value"
            yield f"{field.name}={_number(value, node.op.type) if number else literal(value)}"  # type: ignore[attr-defined]


def implied_attributes(op: Op | type[Op], results: Sequence[TensorType]) -> dict[str, object]:
    """The attributes of an op that the type of its only result says: they are not written again."""
    if len(results) != 1:
        return {}
    (type,) = results
    said: dict[str, object] = {"type": type, "shape": type.shape, "dtype": type.dtype}
    required = [field.name for field in op.fields if field.default is dataclasses.MISSING]
    return {name: value for name, value in said.items() if name in required}


def _number(value: bool | int | float, type: TensorType) -> str:
    """A number that a constant of a type holds, in the fewest digits that tell it from others of its dtype."""
    if type.dtype.is_float and isinstance(value, float) and normalized(value, type) == value:
        return str(type.dtype.numpy.type(value))
    return literal(value)


def literal(value: object) -> str:
    """The text of an attribute.

    >>> literal((True, 1, 0.5, None, "text"))
    '(true, 1, 0.5, none, "text")'
    """
    match value:
        case bool() | None:
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value)
        case tuple():
            return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
        case DType():
            return value.short
        case TensorType():
            return str(value)
    return f"?{value!r}"


@functools.lru_cache(maxsize=1024)  # a location is that of many nodes
def _comment(location: Location) -> str:
    return "".join(character if character.isprintable() else " " for character in str(location)).strip()


def _joined(lines: Sequence[Line]) -> str:
    widths = [len(line.text) for line in lines if line.comment]
    column = max((width for width in widths if width <= COMMENT_COLUMN), default=0)
    return "\n".join(f"{line.text:{column}}  # {line.comment}" if line.comment else line.text for line in lines)
