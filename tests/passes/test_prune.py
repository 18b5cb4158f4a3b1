"""Dead code."""

from __future__ import annotations

from lucid.ir.passes.prune import prune
from tests.passes.rewriting import assert_rewrites, assert_unchanged


def test_drops_what_nothing_reads() -> None:
    assert_rewrites(
        prune,
        "graph(%x: f32[4]) { %a = exp %x; %b = neg %a; %r = abs %x; return %r }",
        "graph(%x: f32[4]) { %r = abs %x; return %r }",
    )


def test_keeps_effects_and_new_states() -> None:
    assert_unchanged(
        prune,
        """graph(%y: i64[4], %s: state i64[4]) {
             %e = equal %y, %y; %p = first_false %e, axes=(0,); check %p, %y, message="never"
             %n = neg %y
             return ; %s <- %n
           }""",
    )
