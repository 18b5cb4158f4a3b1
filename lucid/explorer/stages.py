"""The stages of a program as data: their text, what stands where in it, and what became of each node.

    {"name": "fused", "milliseconds": 2.5 or null, "count": 359,
     "values": [[name, type, line, place]],     # line: where it is defined
     "nodes": [{"op": "matmul", "group": 0, "line": 12, "reads": [3, 4], "makes": [9],
                "module": "0: Linear", "file": 0, "at": 17, "parent": -1,
                "from": 8, "changed": false}],  # from: its number in the stage before, -1 if it is new
     "lines": [[text, comment, node, [start, end, value, ...]]],
     "drawing": {"width": 800, "height": 600, "items": [...], "arrows": [...]}}

Nodes and values are numbered in the order of the text, those of regions after the node that they are in. A node is
the same as one of the stage before where it makes the very same value, else where it is like one: same op, types and
line, best with the same attributes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lucid.ir.export.drawing import GROUPS, Arrow, Item, draw, groups_of
from lucid.ir.graph import Graph, Node, Place, Value
from lucid.ir.ops.structure import Fused
from lucid.ir.text_print import Line, attribute_texts, print_lines, value_names

if TYPE_CHECKING:
    from lucid.explorer.report import Files

# A value in a line of text. Strings are stepped over: they may hold anything.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|%[\w.]+')


class Stages:
    """Turns stage after stage of one program into data. Holds the numbers of the latest."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.nodes: dict[Node, int] = {}
        self.values: dict[Value, int] = {}
        self._before: _Contents | None = None

    def enter(self, name: str, graph: Graph, milliseconds: float | None) -> dict[str, Any]:
        """The data of the next stage."""
        contents = _Contents(graph)
        self.nodes, self.values = contents.nodes, contents.values
        sources = contents.paired_with(self._before) if self._before else {}
        lines = print_lines(graph)
        line_of = {line.node: number for number, line in reversed(list(enumerate(lines))) if line.node is not None}
        shown = [_line(line, contents) for line in lines]
        defined: dict[int, int] = {}
        for number, (_, _, _, tokens) in enumerate(shown):
            for value in tokens[2::3]:
                defined.setdefault(value, number)
        before = self._before
        self._before = contents
        return {
            "name": name,
            "milliseconds": milliseconds,
            "count": len(contents.nodes),
            "values": [
                [contents.names[value], str(value.type), defined.get(number, 0), contents.place(value)]
                for value, number in contents.values.items()
            ],
            "nodes": [self._node(node, contents, before, sources, line_of[node]) for node in contents.nodes],
            "lines": shown,
            "drawing": _drawing(graph, contents),
        }

    def _node(
        self, node: Node, contents: _Contents, before: _Contents | None, sources: Mapping[Node, Node], line: int
    ) -> dict[str, Any]:
        source, where = sources.get(node), node.location
        return {
            "op": node.op.name,
            "group": GROUPS.index(contents.groups[node]),
            "line": line,
            "reads": [contents.values[value] for value in node.inputs],
            "makes": [contents.values[value] for value in node.outputs],
            "module": where.module if where else "",
            "file": self.files.number(where.file) if where else -1,
            "at": where.line if where else 0,
            "parent": contents.nodes[parent] if (parent := contents.parents.get(node)) else -1,
            "from": before.nodes[source] if before and source else -1,
            "changed": source is not None and before is not None and contents.differs(node, before, source, sources),
        }


class _Contents:
    """The nodes and values of a graph and of the regions in it, numbered, with what is known of each."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[Node, int] = {}
        self.values: dict[Value, int] = {}
        self.names: dict[Value, str] = {}
        self.places: dict[Value, Place] = {}
        self.by_name: dict[Graph, dict[str, Value]] = {}
        self.groups: dict[Node, str] = {}
        self.parents: dict[Node, Node] = {}
        self.makers: dict[Value, Node] = {}
        self.outside: dict[Value, Value] = {}  # the operand that an argument of a fused node's body stands for
        self._enter(graph, None)
        self.inside = {  # what a result of a fused node is inside it
            outer: inner
            for node in self.nodes
            if isinstance(node.op, Fused)
            for outer, inner in zip(node.outputs, node.op.body.outputs, strict=True)
        }

    def _enter(self, graph: Graph, parent: Node | None) -> None:
        names = value_names(graph)
        self.names |= names
        self.places |= graph.places
        self.by_name[graph] = {name: value for value, name in names.items()}
        self.groups |= groups_of(graph)
        for value in graph.inputs:
            self.values.setdefault(value, len(self.values))
        for node in graph.nodes:
            self.nodes[node] = len(self.nodes)
            if parent is not None:
                self.parents[node] = parent
            for value in node.outputs:
                self.values.setdefault(value, len(self.values))
                self.makers[value] = node
            if isinstance(node.op, Fused):
                self.outside.update(zip(node.op.body.arguments, node.inputs, strict=True))
            for region in node.op.regions():
                self._enter(region, node)

    def place(self, value: Value) -> str:
        """Where a planned value lives, as the text has it."""
        place = self.places.get(value)
        if place is None:
            return ""
        return f"arena+{place.offset}" if place.alias is None else f"%{self.names[place.alias]}"

    def paired_with(self, before: _Contents) -> dict[Node, Node]:
        """The node of the stage before that each node was, where there is one."""
        pairs: dict[Node, Node] = {}
        for node in self.nodes:
            source = next(
                (m for v in node.outputs if (m := before.maker(v, bool(node.op.regions()))) is not None), None
            )
            if source is not None:
                pairs[node] = source
        # What is inside a fused node, and gives its result, is what made that result before.
        for outer, inner in self.inside.items():
            was, now = before.maker(outer, False), self.makers.get(inner)
            if was is not None and now is not None:
                pairs.setdefault(now, was)
        for like in (_looks, _resembles):
            self._pair_alike(before, pairs, like, copies=like is _looks)
        return pairs

    def _pair_alike(
        self, before: _Contents, pairs: dict[Node, Node], like: Callable[[Node], object], copies: bool
    ) -> None:
        """Pair what has no partner yet with nodes that are like it, first with those that have none either. Where
        `copies` are allowed, several may come from one."""
        alike: dict[object, list[Node]] = {}
        for node in before.nodes:
            alike.setdefault(like(node), []).append(node)
        taken = set(pairs.values())
        for node in self.nodes:
            if node not in pairs:
                candidates = alike.get(like(node), [])
                free = next((candidate for candidate in candidates if candidate not in taken), None)
                source = free if free is not None or not copies else next(iter(candidates), None)
                if source is not None:
                    pairs[node] = source
                    taken.add(source)

    def maker(self, value: Value, with_regions: bool) -> Node | None:
        """What made a value, where that is a node with regions, or one without."""
        node = self.makers.get(value)
        return node if node is not None and bool(node.op.regions()) == with_regions else None

    def differs(self, node: Node, before: _Contents, source: Node, sources: Mapping[Node, Node]) -> bool:
        """Whether a node does something other than the one that it was: another op, or with other operands. A fused
        node is what is in it, and that is compared by itself."""
        if _says(node) != _says(source) or len(node.inputs) != len(source.inputs):
            return True
        pairs = zip(node.inputs, source.inputs, strict=True)
        return not node.op.regions() and any(self.origin(x, sources) != before.origin(y, {}) for x, y in pairs)

    def origin(self, value: Value, sources: Mapping[Node, Node]) -> object:
        """What made a value, seen through the borders of fused nodes: the node of the stage before, where it was one;
        or the name of an input."""
        while value in self.outside or value in self.inside:
            value = self.outside[value] if value in self.outside else self.inside[value]
        node = self.makers.get(value)
        return self.names[value] if node is None else sources.get(node, node)


def _says(node: Node) -> tuple[object, ...]:
    return node.op.name, *attribute_texts(node)


def _looks(node: Node) -> tuple[object, ...]:
    return _says(node), *_resembles(node)


def _resembles(node: Node) -> tuple[object, ...]:
    types = tuple(value.type for value in node.outputs)
    return node.op.name, types, node.location, node.backward


def _line(line: Line, contents: _Contents) -> tuple[str, str, int, list[int]]:
    """A line with the values in it: from which column, to which, and its number."""
    node = contents.nodes[line.node] if line.node is not None else -1
    return line.text, line.comment, node, list(_tokens(line, contents))


def _tokens(line: Line, contents: _Contents) -> Iterator[int]:
    for match in _TOKEN.finditer(line.text):
        graph = line.inside if line.inside is not None and match.start() >= line.opening else line.graph
        if graph is None or not match[0].startswith("%"):
            continue
        value = contents.by_name[graph].get(match[0][1:])
        if value is not None:
            yield from (match.start(), match.end(), contents.values[value])


def _drawing(graph: Graph, contents: _Contents) -> dict[str, Any]:
    drawing = draw(graph)
    return {
        "width": round(drawing.width),
        "height": round(drawing.height),
        "items": [_item(item, contents) for item in drawing.items],
        "arrows": [_arrow(arrow, contents) for arrow in drawing.arrows],
    }


def _item(item: Item, contents: _Contents) -> list[Any]:
    """[x, y, width, height, group, node, value, lines, items, arrows]"""
    return [
        *map(round, (item.x, item.y, item.width, item.height)),
        GROUPS.index(item.group),
        contents.nodes[item.node] if item.node is not None else -1,
        contents.values[item.value] if item.value is not None else -1,
        item.lines,
        [_item(inner, contents) for inner in item.items],
        [_arrow(arrow, contents) for arrow in item.arrows],
    ]


def _arrow(arrow: Arrow, contents: _Contents) -> list[Any]:
    """[source, target, value, x, y, x, y, ...]"""
    points = [round(number) for point in arrow.route for number in point]
    return [arrow.source, arrow.target, contents.values[arrow.value], *points]
