"""Values that are read on both sides of a reduction, or of an op that is not a loop nest: one kernel stores them."""

from __future__ import annotations

from hypothesis import given, settings

from lucid.ir.graph import Graph
from lucid.ir.passes.passed_on import passed_on
from lucid.ir.passes.prune import prune
from lucid.ir.text import parse
from tests.ir.graphs import graphs


def names(text: str) -> set[str | None]:
    graph = parse(text)
    return {value.name for value in passed_on(graph, graph.nodes)}


NORMALIZED = """graph(%x: f32[4, 3]) {{
    %h = neg %x; %s = {between}; %s1: f32[4, 1] = reshape %s; %s2: f32[4, 3] = broadcast %s1
    {views} %d = sub %{read}, %s2; return %d }}"""


def test_what_is_read_before_and_behind_a_reduction() -> None:
    assert names(NORMALIZED.format(between="sum %h, axes=(1,)", views="", read="h")) == {"h"}
    assert names(NORMALIZED.format(between="sum %h, axes=(1,)", views="", read="x")) == set()  # an input


def test_what_is_read_through_a_view_is_what_is_stored() -> None:
    views = "%r: f32[2, 6] = reshape %h; %v: f32[4, 3] = reshape %r;"
    assert names(NORMALIZED.format(between="sum %h, axes=(1,)", views=views, read="v")) == {"h"}


def test_what_is_read_beside_a_product() -> None:
    text = "graph(%x: f32[3, 3]) { %h = neg %x; %m = matmul %h, %h; %y = add %m, %h; return %y }"
    assert names(text) == {"h"}


def test_what_only_follows_a_reduction_is_not() -> None:
    text = "graph(%x: f32[4, 3]) { %s = sum %x, axes=(1,); %h = neg %s; %a = abs %h; %y = add %a, %h; return %y }"
    assert names(text) == set()


def test_a_reduction_that_the_reader_does_not_wait_for() -> None:
    text = "graph(%x: f32[4, 3]) { %h = neg %x; %s = sum %h, axes=(1,); %y = abs %h; return %y, %s }"
    assert names(text) == set()


@settings(max_examples=15)
@given(graphs(max_nodes=12))
def test_any_part_that_has_all_it_depends_on(graph: Graph) -> None:
    """Views among it, too: what they lead to is a value that some node of the part reads. And what is found in a part
    is found in the whole."""
    graph = prune(graph)
    whole = passed_on(graph, graph.nodes)
    for length in range(len(graph.nodes)):
        part = graph.nodes[:length]
        assert passed_on(graph, part) <= whole & {value for node in part for value in node.outputs}
