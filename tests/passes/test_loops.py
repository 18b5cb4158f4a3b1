"""Loops: what moves out of a body, what is dropped, and passes that reach inside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from lucid.ir.graph import Graph
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.elementwise import Pow
from lucid.ir.ops.loop import Scan
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.loops import tidy_loops
from lucid.ir.passes.order import order
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse
from lucid.ir.types import float64, int64
from lucid.ir.verify import verify
from tests.ir.graphs import graphs
from tests.passes.rewriting import assert_equal_values, assert_rewrites, assert_unchanged, with_gradient


def test_results_and_carries_and_operands_that_nothing_needs_are_dropped() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%a: f32[2], %b: f32[2], %x: f32[4, 2], %y: f32[4, 2], %k: f32[2]) {
          %p, %q, %r, %s = scan %a, %b, %x, %y, %k, length=4, carries=2, sequences=2 (
            %a: f32[2], %b: f32[2], %x: f32[2], %y: f32[2], %k: f32[2]) {
            %c = add %a, %x; %d = mul %b, %k; %e = mul %d, %y; return %c, %d, %a, %e
          }
          return %r
        }""",
        """graph(%a: f32[2], %b: f32[2], %x: f32[4, 2], %y: f32[4, 2], %k: f32[2]) {
          %p, %r = scan %a, %x, length=4, carries=1, sequences=1 (%a: f32[2], %x: f32[2]) {
            %c = add %a, %x; return %c, %a
          }
          return %r
        }""",
    )


def test_a_carry_that_another_needed_carry_reads_stays() -> None:
    assert_unchanged(
        tidy_loops,
        """graph(%a: f32[2], %b: f32[2]) {
          %p, %q = scan %a, %b, length=4, carries=2, sequences=0 (%a: f32[2], %b: f32[2]) {
            %c = add %a, %b; %d = mul %b, %b; return %c, %d
          }
          return %p
        }""",
    )


def test_a_carry_that_never_changes_is_a_constant() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%a: f32[2], %b: f32[2]) {
          %p, %q = scan %a, %b, length=4, carries=2, sequences=0 (%a: f32[2], %b: f32[2]) {
            %c = mul %a, %b; return %c, %b
          }
          return %p, %q
        }""",
        """graph(%a: f32[2], %b: f32[2]) {
          %p = scan %a, %b, length=4, carries=1, sequences=0 (%a: f32[2], %b: f32[2]) { %c = mul %a, %b; return %c }
          return %p, %b
        }""",
    )


def test_numbers_move_into_the_body_and_out_of_it() -> None:
    assert_rewrites(
        simplify,
        """graph(%a: f32[2], %x: f32[4, 2]) {
          %zero: f32[2] = const value=0.0; %two: f32[4, 2] = const value=2.0
          %p, %q, %r = scan %a, %zero, %two, length=4, carries=2, sequences=1 (%a: f32[2], %z: f32[2], %t: f32[2]) {
            %c = mul %a, %t; %zero: f32[2] = const value=0.0; return %c, %zero, %t
          }
          return %p, %q, %r
        }""",
        """graph(%a: f32[2], %x: f32[4, 2]) {
          %zero: f32[2] = const value=0.0
          %two: f32[4, 2] = const value=2.0
          %p = scan %a, length=4, carries=1, sequences=0 (%a: f32[2]) {
            %t: f32[2] = const value=2.0; %c = mul %a, %t; return %c
          }
          return %p, %zero, %two
        }""",
    )


def test_what_is_given_or_stacked_twice_is_so_once() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%a: f32[2], %x: f32[4, 2], %k: f32[2]) {
          %p, %q, %r, %s = scan %a, %x, %x, %k, %k, length=4, carries=1, sequences=2 (
            %a: f32[2], %x: f32[2], %y: f32[2], %k: f32[2], %l: f32[2]) {
            %b = mul %a, %y; %c = mul %b, %l; %d = add %c, %k; return %d, %d, %d, %y
          }
          return %p, %q, %r, %s
        }""",
        """graph(%a: f32[2], %x: f32[4, 2], %k: f32[2]) {
          %p, %q = scan %a, %x, %k, length=4, carries=1, sequences=1 (%a: f32[2], %x: f32[2], %k: f32[2]) {
            %b = mul %a, %x; %c = mul %b, %k; %d = add %c, %k; return %d, %d
          }
          return %p, %q, %q, %x
        }""",
    )


def test_work_that_every_run_does_alike_moves_out() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%h: f32[2, 3], %w: f32[3, 3], %b: f32[3]) {
          %p = scan %h, %w, %b, length=4, carries=1, sequences=0 (%h: f32[2, 3], %w: f32[3, 3], %b: f32[3]) {
            %one: f32[3, 3] = const value=1.0; %v = add %w, %one
            %t = transpose %v, permutation=(1, 0)
            %m = matmul %h, %t; %r: f32[2, 3] = broadcast %b; %n = add %m, %r; return %n
          }
          return %p
        }""",
        """graph(%h: f32[2, 3], %w: f32[3, 3], %b: f32[3]) {
          %one: f32[3, 3] = const value=1.0; %v = add %w, %one
          %t = transpose %v, permutation=(1, 0)
          %p = scan %h, %b, %t, length=4, carries=1, sequences=0 (%h: f32[2, 3], %b: f32[3], %t: f32[3, 3]) {
            %m = matmul %h, %t; %r: f32[2, 3] = broadcast %b; %n = add %m, %r; return %n
          }
          return %p
        }""",
    )


def test_products_with_elements_are_one_product_before_the_loop() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%h: f32[2, 3], %x: f32[4, 2, 5], %w: f32[3, 5]) {
          %p = scan %h, %x, %w, length=4, carries=1, sequences=1 (%h: f32[2, 3], %x: f32[2, 5], %w: f32[3, 5]) {
            %m = matmul %x, %w, transpose_b=true; %n = add %m, %h; return %n
          }
          return %p
        }""",
        """graph(%h: f32[2, 3], %x: f32[4, 2, 5], %w: f32[3, 5]) {
          %r = reshape %x, shape=(8, 5); %q = matmul %r, %w, transpose_b=true; %s = reshape %q, shape=(4, 2, 3)
          %p = scan %h, %s, length=4, carries=1, sequences=1 (%h: f32[2, 3], %m: f32[2, 3]) {
            %n = add %m, %h; return %n
          }
          return %p
        }""",
        tolerance=1e-6,
    )


def test_products_that_no_run_needs_are_one_product_behind_the_loop() -> None:
    assert_rewrites(
        tidy_loops,
        """graph(%h: f32[2, 3], %w: f32[5, 3]) {
          %p, %q = scan %h, %w, length=4, carries=1, sequences=0 (%h: f32[2, 3], %w: f32[5, 3]) {
            %n = add %h, %h; %m = matmul %n, %w, transpose_b=true; return %n, %m
          }
          return %q
        }""",
        """graph(%h: f32[2, 3], %w: f32[5, 3]) {
          %p, %q = scan %h, length=4, carries=1, sequences=0 (%h: f32[2, 3]) { %n = add %h, %h; return %n, %n }
          %r = reshape %q, shape=(8, 3); %s = matmul %r, %w, transpose_b=true; %t = reshape %s, shape=(4, 2, 5)
          return %t
        }""",
        tolerance=1e-6,
    )


def test_the_products_of_a_recurrent_net_are_only_those_of_its_state() -> None:
    """However the user writes it: forward and backward have one product a run, all others are outside."""
    text = """graph(
      %h: f32[2, 3], %x: f32[4, 2, 5], %w: f32[3, 3], %u: f32[3, 5], %v: f32[3, 3], %s: f32[4, 2, 3]) {
      %p, %q = scan %h, %x, %w, %u, %v, length=4, carries=1, sequences=1 (
          %h: f32[2, 3], %x: f32[2, 5], %w: f32[3, 3], %u: f32[3, 5], %v: f32[3, 3]) {
        %a = matmul %h, %w, transpose_b=true; %b = matmul %x, %u, transpose_b=true; %c = add %a, %b
        %d = tanh %c; %y = matmul %d, %v; return %d, %y
      }
      %gx, %gw, %gu, %gv = grad %q, %s, %x, %w, %u, %v
      return %q, %gx, %gw, %gu, %gv
    }"""
    graph = simplify(differentiate(parse(text)))
    bodies = [node.op.body for node in graph.nodes if isinstance(node.op, Scan)]
    assert [sum(isinstance(node.op, Matmul) for node in body.nodes) for body in bodies] == [1, 1]
    assert sum(isinstance(node.op, Matmul) for node in graph.nodes) == 7


@pytest.mark.parametrize(
    ("length", "rows", "columns", "turned"),
    [(4, 128, 512, True), (3, 8, 8, False), (4, 129, 8, False), (4, 8, 513, False)],
)
def test_a_factor_that_many_runs_read_transposed_is_transposed_once(
    length: int, rows: int, columns: int, turned: bool
) -> None:
    def text(before: str, factor: str, shape: str, attribute: str) -> str:
        return f"""graph(%h: f32[{rows}, 3], %w: f32[{columns}, 3], %v: f32[{columns}, 3]) {{
          {before}
          %p = scan %h, %v, {factor}, length={length}, carries=1, sequences=0 (
              %h: f32[{rows}, 3], %v: f32[{columns}, 3], {factor}: f32[{shape}]) {{
            %m = matmul %h, {factor}{attribute}; %n = matmul %m, %v; return %n
          }}
          return %p
        }}"""

    before = text("", "%w", f"{columns}, 3", ", transpose_b=true")
    if turned:
        after = text("%t = transpose %w, permutation=(1, 0)", "%t", f"3, {columns}", "")
        assert_rewrites(simplify, before, after, tolerance=1e-6)
    else:
        assert_unchanged(simplify, before)


def test_a_number_that_a_product_needs_in_memory_is_made_once() -> None:
    text = """graph(%h: f32[2, 3]) {
      %w: f32[3, 3] = const value=0.5
      %p = scan %h, %w, length=4, carries=1, sequences=0 (%h: f32[2, 3], %w: f32[3, 3]) {
        %m = matmul %h, %w; return %m
      }
      return %p
    }"""
    assert_unchanged(tidy_loops, text)


def test_passes_reach_into_bodies_of_bodies() -> None:
    text = """graph(%h: f32[2]) {
      %p = scan %h, length=4, carries=1, sequences=0 (%h: f32[2]) {
        %q = scan %h, length=4, carries=1, sequences=0 (%h: f32[2]) {
          %one: f32[2] = const value=1.0; %a = mul %h, %one; %b = exp %a; %s = sum %b, axes=(0,)
          %c: f32[2] = broadcast %s; %d = mul %c, %h; return %d
        }
        return %q
      }
      return %p
    }"""
    graph = fuse(order(simplify(parse(text))))
    (outer,) = (node.op for node in graph.nodes if isinstance(node.op, Scan))
    (inner,) = (node.op for node in outer.body.nodes if isinstance(node.op, Scan))
    assert [node.op.name for node in inner.body.nodes] == ["fused", "fused"]
    assert "lanes=1" in str(inner.body)
    assert "const" not in str(inner.body)


@given(graphs(exclude=(Matmul, Pow), loops=True))
@settings(max_examples=40)
def test_random_loops_keep_every_bit(graph: Graph) -> None:
    result = simplify(graph)
    verify(result)
    assert simplify(result) is result
    assert_equal_values(graph, result)


@given(graphs(dtypes=(float64, int64), exclude=(Matmul,), loops=True))
@settings(max_examples=40)
def test_gradients_of_random_loops_stay_valid(graph: Graph) -> None:
    joint = with_gradient(graph)
    if joint is not None:
        differentiated, _ = joint
        verify(differentiated)
        result = simplify(differentiated)
        verify(result)
        assert_equal_values(differentiated, result, tolerance=1e-9)
