"""Epilogues: which maps join a product, what of it stays in memory, and that values stay."""

from __future__ import annotations

import pytest

from lucid.codegen.lowering import lower
from lucid.codegen.work import work_of
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.epilogues import join_epilogues
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.passes.rewriting import assert_equal_values


def joined(text: str) -> Graph:
    """A graph with its epilogues: it is sound, each kernel lowers, and the values are those of the text."""
    graph = join_epilogues(fuse(parse(text)))
    verify(graph)
    for node in graph.nodes:
        if isinstance(node.op, Fused):
            lower(node)
    assert_equal_values(parse(text), graph)
    return graph


def names(graph: Graph) -> list[str]:
    return [node.op.body.name if isinstance(node.op, Fused) else node.op.name for node in graph.nodes]


LAYER = """graph(%x: f32[4, 6], %w: f32[6, 3], %bias: f32[3]) {
  %y = matmul %x, %w
  %b: f32[4, 3] = broadcast %bias
  %h = add %y, %b
  %z = exp %h
  return %z
}"""


def test_a_map_is_computed_where_elements_come_out() -> None:
    graph = joined(LAYER)
    assert names(graph) == ["matmul_add_exp"]
    (node,) = graph.nodes
    assert [value.type.shape for value in node.inputs] == [(4, 6), (6, 3), (3,)]
    assert isinstance(node.op, Fused)
    assert node.op.product is node.op.body.nodes[0]


def test_elements_of_the_product_do_not_go_through_memory() -> None:
    (node,) = joined(LAYER).nodes
    work = work_of(node)
    assert work.read == 4 * (4 * 6 + 6 * 3 + 3)
    assert work.written == 4 * 4 * 3
    assert work.operations > 2 * 4 * 6 * 3


def test_an_elementwise_op_alone_is_an_epilogue() -> None:
    text = "graph(%x: f32[4, 6], %w: f32[6, 3]) {\n  %y = matmul %x, %w\n  %z = exp %y\n  return %z\n}"
    assert names(joined(text)) == ["matmul_exp"]


def test_what_others_read_of_the_product_is_stored_too() -> None:
    graph = joined(
        "graph(%x: f32[4, 6], %w: f32[6, 4]) {\n  %y = matmul %x, %w\n  %z = exp %y\n"
        "  %u = matmul %y, %z\n  return %u\n}"
    )
    assert names(graph) == ["matmul_exp", "matmul"]
    assert len(graph.nodes[0].outputs) == 2


def test_batches_and_other_shapes_of_as_many_elements() -> None:
    graph = joined("""graph(%x: f32[2, 3, 4, 5], %w: f32[2, 3, 6, 5], %g: f32[6, 4, 6]) {
  %y = matmul %x, %w, transpose_b=true
  %r: f32[6, 4, 6] = reshape %y
  %z = mul %r, %g
  return %z
}""")
    assert names(graph) == ["matmul_mul"]
    assert [axis.extent for axis in lower(graph.nodes[0]).axes] == [6, 4, 6]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            "%z: f32[4, 4] = transpose %y, permutation=(1, 0)\n%u = exp %z\nreturn %u", "matmul exp", id="moved"
        ),
        pytest.param("%s: f32[4] = sum %y, axes=(1,)\nreturn %s", "matmul sum", id="reduced"),
        pytest.param(
            "%s: f32[4] = sum %y, axes=(1,)\n%k: f32[4, 4] = broadcast %s\n%z = mul %y, %k\nreturn %z",
            "matmul sum mul",
            id="a_circle",
        ),
        pytest.param("%u = matmul %y, %x\n%z = mul %y, %u\nreturn %z", "matmul matmul_mul", id="the_last_product"),
        pytest.param("%e = exp %y\n%u = matmul %e, %x\nreturn %u", "matmul_exp matmul", id="a_factor"),
    ],
)
def test_what_joins(lines: str, expected: str) -> None:
    graph = joined(f"graph(%x: f32[4, 4], %w: f32[4, 4]) {{\n%y = matmul %x, %w\n{lines}\n}}")
    assert sorted(name.removeprefix("transpose_") for name in names(graph)) == sorted(expected.split())


def test_a_product_of_nothing_stays_alone() -> None:
    text = "graph(%x: f32[0, 6], %w: f32[6, 3]) {\n  %y = matmul %x, %w\n  %z = exp %y\n  return %z\n}"
    assert names(joined(text)) == ["matmul", "exp"]


def test_a_new_state_waits_for_those_that_read_the_old_one() -> None:
    """The update of a weight is the epilogue of its gradient's product, and the gradient of the layer's input reads the
    weight: it comes first, so that the update may overwrite it."""
    graph = joined("""graph(%x: f32[4, 6], %g: f32[4, 3], %w: state f32[6, 3]) {
  %gradient = matmul %x, %g, transpose_a=true
  %new = sub %w, %gradient
  %to_x = matmul %g, %w, transpose_b=true
  return %to_x; %w <- %new
}""")
    assert names(graph) == ["matmul", "matmul_sub"]


def test_an_element_read_elsewhere_is_an_error() -> None:
    graph = parse("""graph(%x: f32[4, 4], %w: f32[4, 4]) {
  %z: f32[4, 4] = fused %x, %w @product(%x: f32[4, 4], %w: f32[4, 4]) {
    %y = matmul %x, %w
    %t: f32[4, 4] = transpose %y, permutation=(1, 0)
    %z = exp %t
    return %z
  }
  return %z
}""")
    with pytest.raises(CompileError, match="it reads an element of its product elsewhere than in place"):
        lower(graph.nodes[0])
