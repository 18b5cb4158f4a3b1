"""All rules together: on graphs as differentiation leaves them, and on random ones."""

from __future__ import annotations

import pytest
from hypothesis import given

from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.elementwise import Pow
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.ir.graphs import graphs
from tests.passes.rewriting import assert_equal_values, assert_rewrites, assert_unchanged


def test_the_backward_of_dropout_is_mask_and_scale() -> None:
    assert_rewrites(
        lambda graph: simplify(differentiate(graph)),
        """
        graph(%x: f32[2, 3], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]) {
          %keep: bool[2, 3] = random_keep %seed, %first, %p, draw=0
          %mask: f32[2, 3] = cast %keep
          %kept = mul %x, %mask
          %s: f32[2, 3] = broadcast %scale
          %y = mul %kept, %s
          %one: f32[2, 3] = const value=1.0
          %g = grad %y, %one, %x
          return %y, %g
        }
        """,
        """
        graph(%x: f32[2, 3], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]) {
          %keep: bool[2, 3] = random_keep %seed, %first, %p, draw=0
          %mask: f32[2, 3] = cast %keep
          %kept = mul %x, %mask
          %s: f32[2, 3] = broadcast %scale
          %y = mul %kept, %s
          %g = mul %s, %mask in backward 1
          return %y, %g
        }
        """,
    )


def test_detach_goes_once_the_backward_is_written_out() -> None:
    assert_rewrites(
        simplify,
        "graph(%x: f32[4]) { %d = detach %x; %r = mul %d, %d; return %r }",
        "graph(%x: f32[4]) { %r = mul %x, %x; return %r }",
    )


def test_what_sharing_makes_equal_is_simplified() -> None:
    assert_rewrites(
        simplify,
        "graph(%x: f32[4], %c: bool[4]) { %a = exp %x; %b = exp %x; %r = where %c, %a, %b; return %r }",
        "graph(%x: f32[4], %c: bool[4]) { %a = exp %x; return %a }",
    )


def test_a_simple_graph_is_returned_itself() -> None:
    assert_unchanged(simplify, "graph(%x: f32[4]) { %a = exp %x; return %a }")


def test_a_grad_op_is_refused() -> None:
    graph = parse("graph(%x: f32[], %s: f32[]) { %y = exp %x; %g = grad %y, %s, %x; return %g }")
    with pytest.raises(CompileError, match="simplify takes a graph whose grad ops are written out"):
        simplify(graph)


@given(graphs(exclude=(Matmul, Pow), max_nodes=30))
def test_random_graphs_keep_every_bit(graph: Graph) -> None:
    result = simplify(graph)
    verify(result)
    assert simplify(result) is result
    assert_equal_values(graph, result)


@given(graphs(regions=True))
def test_random_graphs_with_everything_stay_valid(graph: Graph) -> None:
    verify(simplify(graph))
