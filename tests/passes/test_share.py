"""Common subexpressions: what is one computation, and what only looks like one."""

from __future__ import annotations

from lucid.ir.passes.share import share
from tests.passes.rewriting import assert_rewrites, assert_unchanged


def test_equal_nodes_become_one() -> None:
    assert_rewrites(
        share,
        "graph(%x: f32[4]) { %a = exp %x; %b = exp %x; %c = neg %a; %d = neg %b; %r = add %c, %d; return %r, %d }",
        "graph(%x: f32[4]) { %a = exp %x; %c = neg %a; %r = add %c, %c; return %r, %c }",
    )


def test_swapped_operands_are_equal_where_the_op_does_not_mind() -> None:
    assert_rewrites(
        share,
        "graph(%x: f32[4], %y: f32[4]) { %a = mul %x, %y; %b = mul %y, %x; %r = sub %a, %b; return %r }",
        "graph(%x: f32[4], %y: f32[4]) { %a = mul %x, %y; %r = sub %a, %a; return %r }",
    )


def test_swapped_operands_of_maximum_differ_in_the_sign_of_zero() -> None:
    assert_unchanged(share, "graph(%x: f32[4], %y: f32[4]) { %a = maximum %x, %y; %b = maximum %y, %x; return %a, %b }")


def test_constants_that_differ_in_sign_or_dtype_stay_apart() -> None:
    assert_unchanged(
        share,
        """graph() { %a: f32[4] = const value=0.0; %b: f32[4] = const value=-0.0
                     %c: f64[4] = const value=0.0; %d: i64[4] = const value=0; return %a, %b, %c, %d }""",
    )


def test_attributes_tell_ops_apart() -> None:
    assert_unchanged(share, "graph(%x: f32[2, 2]) { %a = sum %x, axes=(0,); %b = sum %x, axes=(1,); return %a, %b }")


def test_random_ops_are_never_merged() -> None:
    assert_unchanged(
        share,
        """graph(%s: u64[], %d: u64[], %p: f64[]) {
             %a: bool[4] = random_keep %s, %d, %p, draw=0; %b: bool[4] = random_keep %s, %d, %p, draw=0; return %a, %b
           }""",
    )


def test_checks_are_never_merged() -> None:
    assert_unchanged(
        share,
        """graph(%y: i64[4]) {
             %e = equal %y, %y; %p = first_false %e, axes=(0,)
             check %p, %y, message="one"; check %p, %y, message="one"; return
           }""",
    )


def test_new_states_and_the_backward_read_the_forward() -> None:
    assert_rewrites(
        share,
        "graph(%x: f32[4], %s: state f32[4]) { %a = exp %x; %b = exp %x in backward 1; return %b ; %s <- %b }",
        "graph(%x: f32[4], %s: state f32[4]) { %a = exp %x; return %a ; %s <- %a }",
    )
