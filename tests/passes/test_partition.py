"""A forward and a backward that run at different times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, strategies as st

from lucid.ir.graph import Graph
from lucid.ir.interpret import interpret
from lucid.ir.passes import cut as cut_prices
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.order import order
from lucid.ir.passes.partition import Partition, partition
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.ir.graphs import graphs, random_inputs
from tests.passes.rewriting import assert_same_bits, with_gradient


def cut(text: str, outputs: int = 1) -> tuple[Graph, Partition]:
    """The joint graph and its two parts, checked: run one after the other, they give what the joint graph gives."""
    joint = simplify(differentiate(parse(text)))
    seeds = joint.arguments[-outputs:]
    parts = partition(joint, outputs, seeds)
    for graph in (parts.forward, parts.backward):
        verify(graph)
    assert parts.backward.states == ()
    assert parts.forward.arguments == joint.arguments[:-outputs]
    assert parts.forward.outputs[outputs:] == parts.saved
    inputs = random_inputs(joint, 0)
    for change in (lambda graph: graph, lambda graph: fuse(order(graph))):
        assert_equal(interpret(joint, inputs).outputs, run_parts(joint, parts, inputs, outputs, change))
    return joint, parts


def run_parts(joint: Graph, parts: Partition, inputs: list[npt.NDArray[Any]], outputs: int, change: Any) -> Any:
    known = dict(zip(joint.inputs, inputs, strict=True))
    forward = interpret(change(parts.forward), [known[value] for value in parts.forward.inputs])
    for state, new in zip([state for state, _ in parts.forward.updates], forward.updates, strict=True):
        known[state] = new  # the backward runs after the state was written
    known.update(zip(parts.saved, forward.outputs[outputs:], strict=True))
    backward = interpret(change(parts.backward), [known[value] for value in parts.backward.arguments])
    return (*forward.outputs[:outputs], *backward.outputs)


def assert_equal(expected: Any, got: Any) -> None:
    for x, y in zip(expected, got, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@given(graphs(max_nodes=30), st.sampled_from([1, cut_prices.TRIVIAL]))
def test_random_graphs_in_two_parts_compute_the_same(graph: Graph, trivial: int) -> None:
    joint = with_gradient(graph)
    assume(joint is not None)
    assert joint is not None
    whole = simplify(joint[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut_prices, "TRIVIAL", trivial)
        parts = partition(whole, len(graph.outputs), [joint[1]])
    verify(parts.forward)
    verify(parts.backward)
    inputs = random_inputs(whole, 0)
    got = run_parts(whole, parts, inputs, len(graph.outputs), lambda part: part)
    for x, y in zip(interpret(whole, inputs).outputs, got, strict=True):
        assert_same_bits(x, y)


def names(values: Any) -> list[str | None]:
    return [value.name for value in values]


DROPOUT = """
    graph @model(%x: f32[SIZE], %w: state f32[SIZE], %seed: state u64[], %draw: state u64[], %p: f64[], %s: f32[SIZE]) {
      %m = matmul %x, %w, transpose_b=true
      %keep: bool[SIZE] = random_keep %seed, %draw, %p, draw=0
      %mask: f32[SIZE] = cast %keep
      %y = mul %m, %mask
      %t = tanh %y
      %gx, %gw = grad %t, %s, %x, %w
      %one: u64[] = const value=1
      %next = add %draw, %one
      return %t, %gx, %gw ; %draw <- %next
    }
"""


def test_a_small_module_saves_what_its_backward_reads() -> None:
    _, parts = cut(DROPOUT.replace("SIZE", "4, 4"))
    assert names(parts.saved) == ["t", "mask"]
    assert names(parts.backward.arguments) == ["x", "w", "t", "mask", "s"]


def test_a_large_module_saves_its_mask_as_bools() -> None:
    _, parts = cut(DROPOUT.replace("SIZE", "512, 512"))
    assert names(parts.saved) == ["t", "keep"]
    assert names(parts.backward.arguments) == ["x", "w", "t", "keep", "s"]
    assert "cast" in [node.op.name for node in parts.backward.nodes]


def test_a_state_that_the_forward_updates_is_saved_as_it_was() -> None:
    joint, parts = cut("""
        graph(%x: f32[3], %w: state f32[3], %s: f32[3]) {
          %y = mul %x, %w
          %g = grad %y, %s, %x
          %w1 = add %w, %x
          return %y, %g ; %w <- %w1
        }
    """)
    assert parts.saved == joint.states
    assert names(parts.backward.arguments) == ["w", "s"]


def test_a_state_that_stays_is_read_again() -> None:
    joint, parts = cut("""
        graph(%x: f32[3], %w: state f32[3], %s: f32[3]) {
          %y = mul %x, %w
          %g = grad %y, %s, %x
          return %y, %g
        }
    """)
    assert parts.saved == ()
    assert parts.backward.arguments == (joint.states[0], joint.arguments[-1])


def test_a_gradient_that_is_a_seed_or_a_value_of_the_forward() -> None:
    _, parts = cut("""
        graph(%x: f32[3], %y: f32[3], %s: f32[3]) {
          %e = exp %x
          %z = add %e, %y
          %gy = grad %z, %s, %y
          return %z, %gy, %e
        }
    """)
    assert parts.backward.outputs == (parts.backward.arguments[-1], parts.saved[0])
    assert parts.backward.nodes == ()


def test_several_outputs_have_several_seeds() -> None:
    _, parts = cut(
        """
        graph(%x: f32[3], %s: f32[3], %t: f32[3]) {
          %y = exp %x
          %z = mul %y, %x
          %a = grad %y, %s, %x
          %b = grad %z, %t, %x
          %g = add %a, %b
          return %y, %z, %g
        }
    """,
        outputs=2,
    )
    assert names(parts.backward.arguments) == ["x", "y", "s", "t"]


def test_constants_are_given_to_both_parts() -> None:
    _, parts = cut("""
        graph(%x: f32[3], %s: f32[3]) {
          %two: f32[3] = const value=3.0
          %y = mul %x, %two
          %g = grad %y, %s, %x
          return %y, %g
        }
    """)
    assert parts.saved == ()
    assert [node.op.name for node in parts.backward.nodes] == ["const", "mul"]


def test_checks_stay_in_the_forward() -> None:
    _, parts = cut("""
        graph(%x: f32[3], %y: i64[3], %s: f32[3]) {
          %same = equal %y, %y
          %position = first_false %same, axes=(0,)
          check %position, %y, message="never"
          %z = exp %x
          %g = grad %z, %s, %x
          return %z, %g
        }
    """)
    assert "check" in [node.op.name for node in parts.forward.nodes]
    assert [node.op.name for node in parts.backward.nodes] == ["mul"]
