"""The loop: its type rule, its meaning, and the form of its derivative."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lucid.errors import CheckError, ParseError
from lucid.ir.graph import Graph, same
from lucid.ir.interpret import interpret
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.indexing import ScatterAdd
from lucid.ir.ops.loop import Scan
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse, print_graph
from lucid.ir.verify import verify

SUM = """graph(%h: f64[2], %x: f64[5, 2], %a: f64[2]) {{
  %last, %ys = scan %h, %x, %a, length={length}, carries=1, sequences=1{reverse} (%h: f64[2], %x: f64[2], %a: f64[2]) {{
    %ax = mul %a, %x; %n = add %h, %ax; %y = mul %h, %x; return %n, %y
  }}
  return %last, %ys
}}"""


def test_a_scan_is_a_loop() -> None:
    generator = np.random.default_rng(0)
    h, x, a = generator.standard_normal(2), generator.standard_normal((5, 2)), generator.standard_normal(2)
    for reverse in (False, True):
        graph = parse(SUM.format(length=5, reverse=", reverse=true" * reverse))
        last, ys = interpret(graph, [h, x, a]).outputs
        carry, expected = h, np.empty((5, 2))
        for t in range(5)[:: -1 if reverse else 1]:
            expected[t], carry = carry * x[t], carry + a * x[t]
        np.testing.assert_array_equal(last, carry)
        np.testing.assert_array_equal(ys, expected)


def test_a_loop_of_length_0_gives_what_it_starts_from() -> None:
    graph = parse(SUM.format(length=0, reverse="").replace("f64[5, 2]", "f64[0, 2]"))
    h = np.array([1.0, 2.0])
    last, ys = interpret(graph, [h, np.empty((0, 2)), h]).outputs
    np.testing.assert_array_equal(last, h)
    assert not np.shares_memory(last, h)
    assert ys.shape == (0, 2)


BODY = "(%h: f32[2], %x: f32[3], %c: f32[]) { return %h, %x }"


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (
            f"scan %h, %x, %c, length=-1, carries=1, sequences=1 {BODY}",
            "scan takes a length and numbers of carries and sequences from 0, got -1, 1 and 1.",
        ),
        (
            f"scan %h, %x, %c, length=4, carries=1, sequences=1 {BODY}",
            "scan takes 1 carries, then 1 sequences of length 4, got f32[2], f32[5, 3], f32[].",
        ),
        (
            f"scan %h, %c, %x, length=5, carries=1, sequences=2 {BODY}",
            "scan takes 1 carries, then 2 sequences of length 5, got f32[2], f32[], f32[5, 3].",
        ),
        (
            f"scan %h, %x, length=5, carries=1, sequences=1 {BODY}",
            "scan takes a body of f32[2], f32[3], got one of f32[2], f32[3], f32[].",
        ),
        (
            "scan %h, %x, length=5, carries=1, sequences=1 (%h: f32[2], %x: f32[3]) { return %x, %x }",
            "scan takes a body that returns carries f32[2], got f32[3].",
        ),
    ],
)
def test_the_type_rule_says_what_does_not_fit(scan: str, expected: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(f"graph(%h: f32[2], %x: f32[5, 3], %c: f32[]) {{ %a, %b = {scan}; return %a, %b }}")
    assert caught.value.sentence == expected


def test_a_loop_with_a_check_has_an_effect() -> None:
    text = """graph(%n: i64[3, 2]) {
      scan %n, length=3, carries=0, sequences=1 (%n: i64[2]) {
        %z: i64[2] = const value=0; %ok = less_equal %z, %n; %p = first_false %ok, axes=(0,)
        check %p, %n, message="{value} at {position}"; return
      }
      return %n
    }"""
    graph = simplify(parse(text))
    verify(graph)
    assert any(isinstance(node.op, Scan) for node in graph.nodes)
    interpret(graph, [np.array([[0, 1], [2, 3], [4, 5]])])
    with pytest.raises(CheckError, match="-2 at 1"):
        interpret(graph, [np.array([[0, 1], [2, -2], [4, 5]])])


RNN = """graph(%h: f32[2, 3], %x: f32[5, 2, 3], %w: f32[3, 3], %b: f32[3], %seed: f32[2, 3]) {
  %last = scan %h, %x, %w, %b, length=5, carries=1, sequences=1 (%h: f32[2,3], %x: f32[2,3], %w: f32[3,3], %b: f32[3]) {
    %p = matmul %h, %w, transpose_b=true; %q = add %p, %x; %r: f32[2, 3] = broadcast %b; %t = add %q, %r
    %u = tanh %t; return %u
  }
"""


def differentiated(wrt: str) -> Graph:
    names = [f"%g{number}" for number in range(wrt.count("%"))]
    text = RNN + f"  {', '.join(names)} = grad %last, %seed, {wrt}; return {', '.join(names)} }}"
    graph = differentiate(parse(text))
    verify(graph)
    assert same(parse(print_graph(graph)), graph)
    return simplify(graph)


def products(graph: Graph) -> int:
    return sum(isinstance(node.op, Matmul) for node in graph.nodes)


def scans(graph: Graph) -> Sequence[Graph]:
    return [node.op.body for node in graph.nodes if isinstance(node.op, Scan)]


def test_the_gradient_of_a_weight_is_one_product_over_all_steps() -> None:
    graph = differentiated("%w, %b")
    forward, backward = scans(graph)
    assert (products(graph), products(forward), products(backward)) == (1, 1, 1)
    (product,) = (node for node in graph.nodes if isinstance(node.op, Matmul))
    assert [value.type.shape for value in product.inputs] == [(10, 3), (10, 3)]


def test_the_gradient_of_a_table_is_one_scatter_over_all_steps() -> None:
    text = """graph(%h: f64[2, 3], %i: i64[5, 2], %w: f64[4, 3], %seed: f64[2, 3]) {
      %last = scan %h, %i, %w, length=5, carries=1, sequences=1 (%h: f64[2, 3], %i: i64[2], %w: f64[4, 3]) {
        %j: i64[2, 1] = reshape %i; %e = gather %w, %j, axis=0; %n = mul %h, %e; %t = tanh %n; return %t
      }
      %g = grad %last, %seed, %w; return %g, %last
    }"""
    graph = simplify(differentiate(parse(text)))
    _, backward = scans(graph)
    assert not any(isinstance(node.op, ScatterAdd) for node in backward.nodes)
    assert sum(isinstance(node.op, ScatterAdd) for node in graph.nodes) == 1
    generator, step = np.random.default_rng(0), 1e-6
    h, w, seed = (generator.standard_normal(shape) for shape in ((2, 3), (4, 3), (2, 3)))
    places = np.array([[0, 3], [3, 3], [1, 0], [-1, 2], [2, 2]])
    got = interpret(graph, [h, places, w, seed]).outputs[0]
    for index in np.ndindex(w.shape):
        values = []
        for sign in (1, -1):
            moved = w.copy()
            moved[index] += sign * step
            values.append(float((interpret(graph, [h, places, moved, seed]).outputs[1] * seed).sum()))
        assert got[index] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_a_backward_computes_no_gradient_that_nobody_asks_for() -> None:
    assert products(differentiated("%h")) == 0


def test_a_backward_computes_cheap_values_again_and_reads_dear_ones() -> None:
    forward, backward = scans(differentiated("%h"))
    ops = [node.op.name for node in backward.nodes]
    assert ops.count("matmul") == 1  # the gradient's own
    assert {"tanh", "add", "broadcast"}.isdisjoint(ops)  # it is read, and so nothing that it is computed from
    assert len(forward.outputs) == 2  # the carry, and tanh of each run


@pytest.mark.parametrize(("op", "dtype", "repeated"), [("exp", "f32", 1), ("tanh", "f32", 0), ("tanh", "f64", 1)])
def test_what_takes_as_long_as_a_store_is_read(op: str, dtype: str, repeated: int) -> None:
    text = f"""graph(%h: {dtype}[8], %x: {dtype}[5, 8], %seed: {dtype}[8]) {{
      %last = scan %h, %x, length=5, carries=1, sequences=1 (%h: {dtype}[8], %x: {dtype}[8]) {{
        %e = {op} %x; %n = mul %h, %e; return %n
      }}
      %g = grad %last, %seed, %h; return %g, %last
    }}"""
    _, backward = scans(simplify(differentiate(parse(text))))
    assert [node.op.name for node in backward.nodes].count(op) == repeated
