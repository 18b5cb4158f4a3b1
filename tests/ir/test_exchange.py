"""Graphs go to networkx and come back equal; what is wrong there is refused."""

from __future__ import annotations

import json

import networkx
import pytest
from hypothesis import given

import lucid
from lucid.errors import VerificationError
from lucid.ir.export.exchange import from_networkx
from lucid.ir.graph import Graph, same
from lucid.ir.text import parse, print_graph
from tests.compile.steps import STEPS, Make
from tests.ir.graphs import graphs


def assert_returns(graph: Graph) -> None:
    back = from_networkx(graph.to_networkx())
    assert same(back, graph)
    assert print_graph(back) == print_graph(graph)
    assert [node.location for node in back.nodes] == [node.location for node in graph.nodes]


@given(graphs(regions=True))
def test_random_graphs_return(graph: Graph) -> None:
    assert_returns(graph)


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_every_stage_of_a_step_returns(make: Make) -> None:
    step, batch = make()
    program = lucid.compile(step).lower(*batch)
    for stage in program.stages:
        assert_returns(program.graph(stage))


GRAPH = """
graph @step(%x: f32[4, 8], %w: state f32[2, 8]) {
  %h: f32[4, 2] = matmul %x, %w, transpose_b=true
  %y: f32[4, 2] = add %h, %h
  %n: f32[2, 8] = neg %w
  return %y ; %w <- %n
}
"""


def test_it_says_what_flows_where() -> None:
    found = parse(GRAPH).to_networkx()
    assert found.nodes["%h"]["op"] == "matmul"
    assert found.nodes["%h"]["attributes"]["transpose_b"] is True
    assert (found.nodes["%x"]["shapes"], found.nodes["%w"]["kind"]) == (((4, 8),), "state")
    assert found.number_of_edges("%h", "%y") == 2
    assert found.edges["%w", "%h", 0] == {"value": "w", "dtype": "float32", "shape": (2, 8), "operand": 1}
    assert networkx.has_path(found, "%x", "output 0")
    assert found.nodes["update 0"]["state"] == "w"


def test_an_edited_graph_is_verified() -> None:
    found = parse(GRAPH).to_networkx()
    found.nodes["%y"]["shapes"] = ((4, 3),)
    with pytest.raises(VerificationError, match=r"expected results of type f32\[4, 2\], got f32\[4, 3\]"):
        from_networkx(found)


def test_operands_must_be_added_first() -> None:
    found = parse(GRAPH).to_networkx()
    nodes, edges = dict(found.nodes(data=True)), list(found.edges(data=True))
    turned = networkx.MultiDiGraph(name="step")
    turned.add_nodes_from(reversed(nodes.items()))
    turned.add_edges_from(edges)
    with pytest.raises(VerificationError) as caught:
        from_networkx(turned)
    assert str(caught.value).splitlines()[0] == "expected operands of update 0 that are added before it, got %n."
    assert "hint: add the nodes in the order in which they are to run." in str(caught.value)


def test_it_can_be_written_as_json() -> None:
    """Nothing in it but the attributes of ops is other than numbers, texts and tuples of them."""
    found = parse("graph @f(%x: f32[4]) { %1 = neg %x; return %1 }").to_networkx()
    assert json.dumps(networkx.node_link_data(found, edges="edges"))
