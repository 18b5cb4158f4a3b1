"""Each rule on elements: text in, text out, and equal bits on floats of every kind."""

from __future__ import annotations

import pytest

from lucid.ir.graph import Graph
from lucid.ir.passes.algebra import algebra
from lucid.ir.passes.prune import prune
from tests.passes.rewriting import assert_rewrites, assert_unchanged

FLOATS = "graph(%x: f32[4], %y: f32[4])"
INTEGERS = "graph(%x: i32[4], %y: i32[4])"
BOOLS = "graph(%x: bool[4], %y: bool[4])"


def run(graph: Graph) -> Graph:
    return prune(algebra(graph))


REWRITES = {
    "x * 1": (FLOATS, "%c: f32[4] = const value=1.0; %r = mul %x, %c; return %r", "return %x"),
    "1 * x": (FLOATS, "%c: f32[4] = const value=1.0; %r = mul %c, %x; return %r", "return %x"),
    "integer x * 0": (
        INTEGERS,
        "%c: i32[4] = const value=0; %r = mul %x, %c; return %r",
        "%r: i32[4] = const value=0; return %r",
    ),
    "x / 1": (FLOATS, "%c: f32[4] = const value=1.0; %r = div %x, %c; return %r", "return %x"),
    "x / 8": (
        FLOATS,
        "%c: f32[4] = const value=8.0; %r = div %x, %c; return %r",
        "%c: f32[4] = const value=0.125; %r = mul %x, %c; return %r",
    ),
    "x / -0.5": (
        FLOATS,
        "%c: f32[4] = const value=-0.5; %r = div %x, %c; return %r",
        "%c: f32[4] = const value=-2.0; %r = mul %x, %c; return %r",
    ),
    "x + -0.0": (FLOATS, "%c: f32[4] = const value=-0.0; %r = add %x, %c; return %r", "return %x"),
    "integer 0 + x": (INTEGERS, "%c: i32[4] = const value=0; %r = add %c, %x; return %r", "return %x"),
    "x - 0.0": (FLOATS, "%c: f32[4] = const value=0.0; %r = sub %x, %c; return %r", "return %x"),
    "integer x - 0": (INTEGERS, "%c: i32[4] = const value=0; %r = sub %x, %c; return %r", "return %x"),
    "integer x - x": (INTEGERS, "%r = sub %x, %x; return %r", "%r: i32[4] = const value=0; return %r"),
    "x + -y": (FLOATS, "%n = neg %y; %r = add %x, %n; return %r", "%r = sub %x, %y; return %r"),
    "-y + x": (FLOATS, "%n = neg %y; %r = add %n, %x; return %r", "%r = sub %x, %y; return %r"),
    "x - -y": (FLOATS, "%n = neg %y; %r = sub %x, %n; return %r", "%r = add %x, %y; return %r"),
    "--x": (FLOATS, "%n = neg %x; %r = neg %n; return %r", "return %x"),
    "||x||": (FLOATS, "%n = abs %x; %r = abs %n; return %r", "%n = abs %x; return %n"),
    "|-x|": (FLOATS, "%n = neg %x; %r = abs %n; return %r", "%r = abs %x; return %r"),
    "x ** 1": (FLOATS, "%c: f32[4] = const value=1.0; %r = pow %x, %c; return %r", "return %x"),
    "x ** 2": (
        FLOATS,
        "%c: f32[4] = const value=2.0; %r = pow %x, %c; return %r",
        "%r = mul %x, %x; return %r",
    ),
    "max(x, x)": (FLOATS, "%r = maximum %x, %x; return %r", "return %x"),
    "min(x, x)": (FLOATS, "%r = minimum %x, %x; return %r", "return %x"),
    "where true": (FLOATS, "%c: bool[4] = const value=true; %r = where %c, %x, %y; return %r", "return %x"),
    "where false": (FLOATS, "%c: bool[4] = const value=false; %r = where %c, %x, %y; return %r", "return %y"),
    "where c, x, x": (FLOATS, "%c = less %x, %y; %r = where %c, %x, %x; return %r", "return %x"),
    "where not c": (
        FLOATS,
        "%c = less %x, %y; %n = not %c; %r = where %n, %x, %y; return %r",
        "%c = less %x, %y; %r = where %c, %y, %x; return %r",
    ),
    "where c, true, false": (
        BOOLS,
        "%t: bool[4] = const value=true; %f: bool[4] = const value=false; %r = where %x, %t, %f; return %r",
        "return %x",
    ),
    "not not x": (BOOLS, "%n = not %x; %r = not %n; return %r", "return %x"),
    "not x == y": (FLOATS, "%e = equal %x, %y; %r = not %e; return %r", "%r = not_equal %x, %y; return %r"),
    "not x != y": (FLOATS, "%e = not_equal %x, %y; %r = not %e; return %r", "%r = equal %x, %y; return %r"),
    "x & x": (INTEGERS, "%r = and %x, %x; return %r", "return %x"),
    "x & true": (BOOLS, "%c: bool[4] = const value=true; %r = and %x, %c; return %r", "return %x"),
    "x & -1": (INTEGERS, "%c: i32[4] = const value=-1; %r = and %x, %c; return %r", "return %x"),
    "x & 0": (
        INTEGERS,
        "%c: i32[4] = const value=0; %r = and %x, %c; return %r",
        "%c: i32[4] = const value=0; return %c",
    ),
    "x | x": (BOOLS, "%r = or %x, %x; return %r", "return %x"),
    "x | false": (BOOLS, "%c: bool[4] = const value=false; %r = or %c, %x; return %r", "return %x"),
    "x | true": (
        BOOLS,
        "%c: bool[4] = const value=true; %r = or %c, %x; return %r",
        "%c: bool[4] = const value=true; return %c",
    ),
    "x ^ 0": (INTEGERS, "%c: i32[4] = const value=0; %r = xor %x, %c; return %r", "return %x"),
    "x ^ x": (BOOLS, "%r = xor %x, %x; return %r", "%r: bool[4] = const value=false; return %r"),
    "cast to own dtype": (FLOATS, "%r: f32[4] = cast %x; return %r", "return %x"),
    "cast there and back": (FLOATS, "%d: f64[4] = cast %x; %r: f32[4] = cast %d; return %r", "return %x"),
    "cast by way of a wider dtype": (
        INTEGERS,
        "%d: f64[4] = cast %x; %r: i64[4] = cast %d; return %r",
        "%r: i64[4] = cast %x; return %r",
    ),
    "cast of a cast bool": (
        BOOLS,
        "%d: f32[4] = cast %x; %r: i64[4] = cast %d; return %r",
        "%r: i64[4] = cast %x; return %r",
    ),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name: str) -> None:
    signature, before, after = REWRITES[name]
    assert_rewrites(run, f"{signature} {{ {before} }}", f"{signature} {{ {after} }}")


# Identities of numbers that floats, or other dtypes, do not have.
UNCHANGED = {
    "x + 0.0, which turns -0.0 into 0.0": (FLOATS, "%c: f32[4] = const value=0.0; %r = add %x, %c; return %r"),
    "x - -0.0, which does so too": (FLOATS, "%c: f32[4] = const value=-0.0; %r = sub %x, %c; return %r"),
    "x * 0.0, NaN where x is infinite": (FLOATS, "%c: f32[4] = const value=0.0; %r = mul %x, %c; return %r"),
    "x - x, NaN where x is infinite": (FLOATS, "%r = sub %x, %x; return %r"),
    "x / 3, whose reciprocal is rounded": (FLOATS, "%c: f32[4] = const value=3.0; %r = div %x, %c; return %r"),
    "x / 2**-127, whose reciprocal is infinite": (
        FLOATS,
        "%c: f32[4] = const value=5.877472e-39; %r = div %x, %c; return %r",
    ),
    "x / 2**127, whose reciprocal is subnormal": (
        FLOATS,
        "%c: f32[4] = const value=1.7014118e+38; %r = div %x, %c; return %r",
    ),
    "(x * 2) * 3, which would overflow elsewhere": (
        FLOATS,
        "%c: f32[4] = const value=2.0; %d: f32[4] = const value=3.0; %a = mul %x, %c; %r = mul %a, %d; return %r",
    ),
    "not x < y, true where either is NaN": (FLOATS, "%e = less %x, %y; %r = not %e; return %r"),
    "a cast that rounds, and back": (INTEGERS, "%d: f32[4] = cast %x; %r: i32[4] = cast %d; return %r"),
    "a cast that truncates, and back": (FLOATS, "%d: i64[4] = cast %x; %r: f32[4] = cast %d; return %r"),
    "x & 1 on integers": (INTEGERS, "%c: i32[4] = const value=1; %r = and %x, %c; return %r"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_leaves_alone(name: str) -> None:
    signature, body = UNCHANGED[name]
    assert_unchanged(run, f"{signature} {{ {body} }}")
