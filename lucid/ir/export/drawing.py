"""What is drawn of a graph: boxes with labels, arrows, and regions inside their boxes.

The forward runs down on the left; each backward sweep runs up beside it; what follows from gradients, such as the
update of the weights, has a column of its own. Loops and fused kernels are drawn with what is inside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lucid.ir.export.layout import Box, Point, lay_out
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Movement
from lucid.ir.ops.structure import Const, Grad
from lucid.ir.text_print import attribute_texts, literal, value_names

CHARACTER = 7.0  # the width of a character, in pixels
LINE = 15.0  # the height of a line of text
PADDING = 9.0

# The groups that are told apart, in the order of a legend.
FORWARD, BACKWARD, UPDATE, ARGUMENT, STATE, RESULT = "forward", "backward", "update", "argument", "state", "result"
GROUPS = (FORWARD, BACKWARD, UPDATE, ARGUMENT, STATE, RESULT)


@dataclass(frozen=True)
class Item:
    """A box. `lines` are its text, the first one its title; `value` is what it stands for, `node` what made that.

    `items` and `arrows` are those of its regions, relative to its corner.
    """

    lines: tuple[str, ...]
    group: str
    x: float
    y: float
    width: float
    height: float
    value: Value | None
    node: Node | None
    items: tuple[Item, ...] = ()
    arrows: tuple[Arrow, ...] = ()


@dataclass(frozen=True)
class Arrow:
    """A value on its way from one item to another, by their numbers, through points."""

    source: int
    target: int
    value: Value
    route: tuple[Point, ...]


@dataclass(frozen=True)
class Drawing:
    """A graph as it is drawn, in pixels."""

    items: tuple[Item, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


def draw(graph: Graph) -> Drawing:
    """Place everything of a graph, regions included."""
    return _Sketch(graph).drawing()


def groups_of(graph: Graph) -> dict[Node, str]:
    """Whether a node belongs to the forward, to a backward, or to what follows from gradients."""
    found: dict[Node, str] = {}
    from_gradients: set[Value] = set()
    for node in graph.nodes:
        if node.backward or isinstance(node.op, Grad):
            found[node] = BACKWARD
        else:
            found[node] = FORWARD if from_gradients.isdisjoint(node.inputs) else UPDATE
        if found[node] is not FORWARD:
            from_gradients.update(node.outputs)
    return found


@dataclass
class _Part:
    """An item before it is placed."""

    lines: tuple[str, ...]
    group: str
    lane: int
    reads: tuple[Value, ...]
    value: Value | None
    node: Node | None
    inside: tuple[Drawing, ...] = ()
    floats: bool = False

    @property
    def width(self) -> float:
        text = max(map(len, self.lines)) * CHARACTER + 2 * PADDING
        return max([text, *(drawing.width + 2 * PADDING for drawing in self.inside)])

    @property
    def header(self) -> float:
        return len(self.lines) * LINE + PADDING

    @property
    def height(self) -> float:
        return self.header + sum(drawing.height + PADDING for drawing in self.inside)


class _Sketch:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = value_names(graph)
        self.groups = groups_of(graph)
        sweeps = [node.backward or isinstance(node.op, Grad) for node in graph.nodes]
        self.last_sweep = int(max(sweeps, default=0))
        self.lanes = {node: self._lane(node) for node in graph.nodes}
        self.parts: list[_Part] = []
        self.made: dict[Value, int] = {}  # the number of the part that makes each value

    def _lane(self, node: Node) -> int:
        if self.groups[node] is BACKWARD:
            return node.backward or 1
        return 0 if self.groups[node] is FORWARD else self.last_sweep + 1

    def drawing(self) -> Drawing:
        lane_of_use: dict[Value, int] = {}
        for node in self.graph.nodes:
            for value in node.inputs:
                lane_of_use.setdefault(value, self.lanes[node])
        for value in dict.fromkeys(self.graph.inputs):
            group = STATE if value in self.graph.states else ARGUMENT
            lane = lane_of_use.get(value, 0)
            self._add(_Part(self._lines(value), group, lane, (), value, None, floats=value in lane_of_use), value)
        for node in self.graph.nodes:
            lane = lane_of_use.get(node.outputs[0], self.lanes[node]) if not node.inputs else self.lanes[node]
            self._add(self._part(node, lane), *node.outputs)
        lane_of = {value: self.parts[number].lane for value, number in self.made.items()}
        for value in self.graph.outputs:
            self._add(_Part(("return", *self._lines(value)[:1]), RESULT, lane_of[value], (value,), value, None))
        for state, new in self.graph.updates:
            title = f"{self._lines(state)[0]} <-"
            self._add(_Part((title,), RESULT, lane_of[new], (new,), state, None))
        return self._placed()

    def _part(self, node: Node, lane: int) -> _Part:
        lines = [_title(node), *(str(value.type) for value in node.outputs[:2])]
        if len(node.outputs) > 2:
            lines[2:] = [f"and {len(node.outputs) - 1} more"]
        inside = tuple(draw(region) for region in node.op.regions())
        value = node.outputs[0] if node.outputs else None
        # A constant, or a weight that is only turned, belongs to what reads it.
        waits = all(self.parts[self.made[operand]].floats for operand in node.inputs)
        floats = waits and (not node.inputs or isinstance(node.op, Movement)) and bool(node.outputs)
        return _Part(tuple(lines), self.groups[node], lane, node.inputs, value, node, inside, floats)

    def _lines(self, value: Value) -> tuple[str, str]:
        return f"%{self.names[value]}", str(value.type)

    def _add(self, part: _Part, *values: Value) -> None:
        for value in values:
            self.made[value] = len(self.parts)
        self.parts.append(part)

    def _placed(self) -> Drawing:
        boxes = [Box(part.width, part.height, part.lane, part.floats) for part in self.parts]
        carried = [
            (self.made[value], number, value)
            for number, part in enumerate(self.parts)
            for value in dict.fromkeys(part.reads)
        ]
        rising = frozenset(range(1, self.last_sweep + 1))
        layout = lay_out(boxes, [(source, target) for source, target, _ in carried], rising)
        items = tuple(_item(part, corner) for part, corner in zip(self.parts, layout.corners, strict=True))
        arrows = tuple(
            Arrow(source, target, value, tuple(route))
            for (source, target, value), route in zip(carried, layout.routes, strict=True)
        )
        return Drawing(items, arrows, layout.width, layout.height)


def _item(part: _Part, corner: Point) -> Item:
    """A part at its place. Several regions of one op stand below each other."""
    items: list[Item] = []
    arrows: list[Arrow] = []
    top = part.header
    for drawing in part.inside:
        first = len(items)
        left = (part.width - drawing.width) / 2
        items += (_moved(item, left, top) for item in drawing.items)
        for arrow in drawing.arrows:
            route = tuple((x + left, y + top) for x, y in arrow.route)
            arrows.append(Arrow(arrow.source + first, arrow.target + first, arrow.value, route))
        top += drawing.height + PADDING
    x, y = corner
    return Item(
        part.lines, part.group, x, y, part.width, part.height, part.value, part.node, tuple(items), tuple(arrows)
    )


def _moved(item: Item, x: float, y: float) -> Item:
    return replace(item, x=item.x + x, y=item.y + y)


def _title(node: Node) -> str:
    """The op of a node and its attributes, the name of its region, or the number of a constant."""
    if isinstance(node.op, Const):
        return literal(node.op.value)
    names = [f"@{region.name}" for region in node.op.regions() if region.name]
    text = " ".join([node.op.name, *names, ", ".join(attribute_texts(node))]).rstrip()
    return text if len(text) <= 40 else f"{text[:39]}…"
