"""What the backward recomputes, what it reads of the forward, and that values stay."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import assume, given

from lucid.ir.graph import Graph, Value
from lucid.ir.passes import cut
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.rematerialize import rematerialize
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse
from lucid.ir.types import bool_
from lucid.ir.verify import verify
from tests.ir.graphs import graphs
from tests.passes.rewriting import assert_equal_values, assert_unchanged, with_gradient

SIZE = "512, 512"  # one MiB of floats: worth a decision

# How a graph ends whose %y goes through a product, with the derivative by %x.
THROUGH_W = """
      %z = matmul %y, %w
      %one: f32[SIZE] = const value=1.0
      %g = grad %z, %one, %x
      return %z, %g
"""


def prepared(text: str) -> Graph:
    return simplify(differentiate(parse(text.replace("THROUGH_W", THROUGH_W).replace("SIZE", SIZE))))


def recomputed(graph: Graph) -> list[str]:
    """The ops that rematerialization added to the backward, after checking that the graph is valid and equal."""
    result = rematerialize(graph)
    verify(result)
    assert_equal_values(graph, result)
    before = [node.op.name for node in graph.nodes if node.backward]
    after = [node.op.name for node in result.nodes if node.backward]
    for name in before:
        after.remove(name)
    return after


def saved(graph: Graph) -> list[Value]:
    """The values of the forward that the backward reads, without inputs and constants."""
    graph = rematerialize(graph)
    made = {v for node in graph.nodes if not node.backward and node.op.name != "const" for v in node.outputs}
    return list(dict.fromkeys(v for node in graph.nodes if node.backward for v in node.inputs if v in made))


DROPOUT = """
    graph(%x: f32[SIZE], %w: f32[SIZE], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]) {
      %m = matmul %x, %w
      %keep: bool[SIZE] = random_keep %seed, %first, %p, draw=0
      %mask: f32[SIZE] = cast %keep
      %kept = mul %m, %mask
      %s: f32[SIZE] = broadcast %scale
      %y = mul %kept, %s
      THROUGH_W
    }
""".replace("THROUGH_W", THROUGH_W)


def test_the_mask_of_dropout_is_saved_as_bools_and_cast_again() -> None:
    graph = prepared(DROPOUT)
    assert recomputed(graph) == ["broadcast", "cast"]
    assert [(value.name, value.type.dtype) for value in saved(graph)] == [("keep", bool_)]


def test_the_mask_of_relu_comes_from_the_product_in_memory() -> None:
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE], %b: f32[512]) {
          %m = matmul %x, %w
          %bias: f32[SIZE] = broadcast %b
          %h = add %m, %bias
          %zero: f32[SIZE] = const value=0.0
          %y = maximum %h, %zero
          THROUGH_W
        }
    """)
    assert recomputed(graph) == ["broadcast", "add"]
    assert [value.name for value in saved(graph)] == ["m"]


def test_an_exponential_is_computed_again_rather_than_stored() -> None:
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE], %seed: f32[512]) {
          %m = matmul %x, %w
          %e = exp %m
          %s = sum %e, axes=(1,)
          %g = grad %s, %seed, %x
          return %s, %g
        }
    """)
    assert recomputed(graph) == ["exp"]


def test_an_error_function_is_stored_rather_than_computed_again() -> None:
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE]) {
          %m = matmul %x, %w
          %e = erf %m
          %y = mul %m, %e
          THROUGH_W
        }
    """)
    assert recomputed(graph) == []
    assert {value.name for value in saved(graph)} == {"m", "e"}


def test_what_a_later_kernel_of_the_forward_reads_is_in_memory() -> None:
    # The stream h is read by the sum of its squares, then by what that sum divides: the backward reads it, too, and
    # does not begin with the product that it came from.
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE]) {
          %m = matmul %x, %w
          %h = add %x, %m
          %square = mul %h, %h
          %total = sum %square, axes=(1,)
          %root = sqrt %total
          %column: f32[512, 1] = reshape %root
          %norm: f32[SIZE] = broadcast %column
          %y = div %h, %norm
          THROUGH_W
        }
    """)
    assert {value.name for value in saved(graph)} == {"h", "total"}
    assert "add" not in recomputed(graph)


def test_what_a_matmul_of_the_backward_reads_is_saved() -> None:
    # Computed again it would have to be stored again; it is in memory for the forward's own matmul.
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE]) {
          %e = exp %x
          %z = matmul %e, %w
          %one: f32[SIZE] = const value=1.0
          %g = grad %z, %one, %w
          return %z, %g
        }
    """)
    assert recomputed(graph) == []


def test_reductions_and_products_are_never_computed_again() -> None:
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE]) {
          %m = matmul %x, %w
          %n = matmul %m, %w
          %s = sum %n, axes=(1,)
          %s1: f32[512, 1] = reshape %s
          %s2: f32[SIZE] = broadcast %s1
          %y = mul %n, %s2
          %e = exp %y
          %one: f32[SIZE] = const value=1.0
          %g = grad %e, %one, %x
          return %e, %g
        }
    """)
    assert not {"matmul", "sum"} & set(recomputed(graph))


def test_each_sweep_of_a_second_derivative_is_decided() -> None:
    graph = prepared("""
        graph(%x: f32[SIZE], %w: f32[SIZE], %seed: f32[512], %ones: f32[SIZE]) {
          %m = matmul %x, %w
          %e = exp %m
          %s = sum %e, axes=(1,)
          %g = grad %s, %seed, %x
          %gg = grad %g, %ones, %x
          return %s, %g, %gg
        }
    """)
    recomputed(graph)
    result = rematerialize(graph)
    assert {node.backward for node in result.nodes if node.op.name == "exp"} == {0, 1, 2}


def test_recomputed_nodes_keep_their_names_and_stand_before_their_reader() -> None:
    result = rematerialize(prepared(DROPOUT))
    names = [node.output.name for node in result.nodes if node.backward]
    assert {"mask", "s"} <= set(names)
    mask = next(n for n, node in enumerate(result.nodes) if node.backward and node.output.name == "mask")
    assert result.nodes[mask].output in result.nodes[mask + 1].inputs


def test_a_small_graph_stays_as_it_is() -> None:
    graph = simplify(differentiate(parse(DROPOUT.replace("SIZE", "4, 4"))))
    assert rematerialize(graph) is graph
    assert_unchanged(rematerialize, "graph(%x: f32[1024, 1024]) { %y = exp %x; return %y }")


@given(graphs(max_nodes=30))
def test_random_graphs_keep_every_bit(graph: Graph) -> None:
    joint = with_gradient(graph)
    assume(joint is not None)
    assert joint is not None
    before = simplify(joint[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "TRIVIAL", 1)
        after = rematerialize(before)
    verify(after)
    assert_equal_values(before, after)


def test_networkx_is_imported_only_where_there_is_something_to_cut() -> None:
    program = f"""
import sys
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from lucid.ir.types import bool_
run_pipeline(parse('''{DROPOUT.replace("SIZE", "4, 4")}'''))
print("networkx" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
