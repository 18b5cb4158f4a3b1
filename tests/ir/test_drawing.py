"""Drawings: everything has a place, nothing covers anything else, and no text of the user's is markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

import lucid
from lucid.ir.build import Builder
from lucid.ir.export.drawing import BACKWARD, FORWARD, STATE, UPDATE, Drawing, Item, draw
from lucid.ir.export.layout import Box, lay_out
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.ops.elementwise import Add, Neg
from lucid.ir.text import parse
from lucid.ir.types import TensorType, float32
from tests.compile.steps import STEPS, Make
from tests.ir.graphs import graphs
from tests.passes.test_compile_work import GROWTH, instructions

SVG = "{http://www.w3.org/2000/svg}"


def levels(items: Sequence[Item], width: float, height: float) -> Iterator[tuple[Sequence[Item], float, float]]:
    """The items of a drawing, then those inside each of them, with the room that they have."""
    yield items, width, height
    for item in items:
        if item.items:
            yield from levels(item.items, item.width, item.height)


def assert_tidy(drawing: Drawing) -> None:
    for items, width, height in levels(drawing.items, drawing.width, drawing.height):
        for number, item in enumerate(items):
            assert item.x >= -1e-6
            assert item.x + item.width <= width + 1e-6
            assert item.y >= -1e-6
            assert item.y + item.height <= height + 1e-6
            for other in items[:number]:
                apart = (
                    item.x >= other.x + other.width
                    or other.x >= item.x + item.width
                    or item.y >= other.y + other.height
                    or other.y >= item.y + item.height
                )
                assert apart, f"{item.lines} covers {other.lines}"
    for arrow in drawing.arrows:
        for end, (x, y) in ((arrow.source, arrow.route[0]), (arrow.target, arrow.route[-1])):
            item = drawing.items[end]
            assert item.x - 1e-6 <= x <= item.x + item.width + 1e-6
            assert item.y - 1e-6 <= y <= item.y + item.height + 1e-6


@settings(max_examples=40)
@given(graphs(regions=True))
def test_random_graphs_are_tidy(graph: Graph) -> None:
    drawing = draw(graph)
    assert_tidy(drawing)
    reads = sum(len(set(node.inputs)) for node in graph.nodes)
    assert len(drawing.arrows) == reads + len(graph.outputs) + len(graph.updates)


@pytest.mark.parametrize("make", STEPS[::3], ids=lambda make: make.__name__)
def test_every_stage_of_a_step_is_tidy(make: Make) -> None:
    step, batch = make()
    program = lucid.compile(step).lower(*batch)
    for stage in program.stages:
        assert_tidy(draw(program.graph(stage)))


def test_forward_backward_and_update_stand_side_by_side() -> None:
    step, batch = STEPS[0]()
    drawing = draw(lucid.compile(step).lower(*batch).graph("differentiated"))
    by_group = {
        group: [item for item in drawing.items if item.group == group and item.node is not None and item.node.inputs]
        for group in (FORWARD, BACKWARD, UPDATE)
    }
    right = {group: max(item.x + item.width for item in items) for group, items in by_group.items()}
    left = {group: min(item.x for item in items) for group, items in by_group.items()}
    assert right[FORWARD] < left[BACKWARD] < right[BACKWARD] < left[UPDATE]
    assert any(item.group == STATE for item in drawing.items)
    for arrow in drawing.arrows:
        source, target = drawing.items[arrow.source], drawing.items[arrow.target]
        if source in by_group[FORWARD] and target in by_group[FORWARD]:
            assert source.y < target.y
        if source in by_group[BACKWARD] and target in by_group[BACKWARD]:
            assert source.y > target.y


def test_a_chain_is_straight() -> None:
    layout = lay_out([Box(40, 20), Box(80, 20), Box(60, 20)], [(0, 1), (1, 2)])
    assert [x + width / 2 for (x, _), width in zip(layout.corners, (40, 80, 60), strict=True)] == [40, 40, 40]


def test_the_work_of_drawing_grows_in_proportion_to_the_graph() -> None:
    def long(nodes: int) -> Graph:
        """A graph with short arrows and longer ones, of which a longer graph has more, but no longer ones."""
        builder, type = Builder(), TensorType(float32, (8,))
        x = Value(type, "x")
        values = [x]
        for number in range(nodes):
            values += builder.add(Add(), values[-1 - number % 7 % len(values)], values[max(number - 20, 0)])
        return Graph("long", (x,), (), tuple(builder.nodes), (values[-1],))

    small, large = long(100), long(200)
    assert len(draw(large).items) == 202
    assert instructions(lambda: draw(large)) < GROWTH * instructions(lambda: draw(small))


def test_an_svg_is_well_formed_and_inert() -> None:
    x = Value(TensorType(float32, (2,)), "x")
    y = Value(x.type, "y")
    evil = '</title><script>alert("1")</script>\x00'
    graph = Graph(evil, (x,), (), (Node(Neg(), (x,), (y,), Location(evil, "a<b>.py", 3)),), (y,))
    root = ElementTree.fromstring(graph.to_svg())
    assert {element.tag for element in root.iter()} <= {
        SVG + name for name in ("svg", "title", "rect", "g", "path", "text")
    }
    texts = [element.text for element in root.iter(f"{SVG}title")]
    assert any('<script>alert("1")</script>' in (text or "") for text in texts)
    assert graph._repr_svg_() == graph.to_svg()


def test_dot_keeps_regions_together_and_quotes_names() -> None:
    graph = parse("""
        graph @step(%x: f32[4]) {
          %1: f32[4] = fused %x @body(%a: f32[4]) { %0 = neg %a; %1 = exp %0; return %1 }
          return %1
        }""")
    text = graph.to_dot()
    assert text.startswith('digraph "step" {')
    assert "subgraph cluster_n1 {" in text
    assert 'n1_1 [label="neg\\nf32[4]"' in text
    assert "n1_0 -> n1_1;" in text
    assert "n0 -> n1;" in text
    x = Value(TensorType(float32, (2,)), "x")
    assert 'digraph "a\\"b" {' in Graph('a"b', (x,), (), (), (x,)).to_dot()
