"""Constant folding: what is evaluated, and what is not because a target might get other bits."""

from __future__ import annotations

import pytest

from lucid.ir.graph import Graph
from lucid.ir.passes.fold import fold
from lucid.ir.passes.prune import prune
from tests.passes.rewriting import assert_rewrites, assert_unchanged


def run(graph: Graph) -> Graph:
    return prune(fold(graph))


KEEP = "%r: bool[9] = random_keep %s, %s, %p, draw=0; return %r"

REWRITES = {
    "arithmetic": (
        "%a: f32[4] = const value=0.1; %b: f32[4] = const value=3.0; %r = div %a, %b; return %r",
        "%r: f32[4] = const value=0.033333335; return %r",
    ),
    "arithmetic on results of folding": (
        "%a: f32[4] = const value=2.0; %b = mul %a, %a; %r = sqrt %b; return %r",
        "%r: f32[4] = const value=2.0; return %r",
    ),
    "integers that wrap around": (
        "%a: i32[4] = const value=2147483647; %r = add %a, %a; return %r",
        "%r: i32[4] = const value=-2; return %r",
    ),
    "a comparison": (
        "%a: f32[4] = const value=nan; %r = less %a, %a; return %r",
        "%r: bool[4] = const value=false; return %r",
    ),
    "a cast that saturates": (
        "%a: f32[4] = const value=-1e30; %r: i32[4] = cast %a; return %r",
        "%r: i32[4] = const value=-2147483648; return %r",
    ),
    "where": (
        "%c: bool[4] = const value=true; %a: f32[4] = const value=-0.0; %r = where %c, %a, %a; return %r",
        "%r: f32[4] = const value=-0.0; return %r",
    ),
    "movements": (
        """%a: f32[] = const value=2.0; %b: f32[2, 3] = broadcast %a; %c = transpose %b, permutation=(1, 0)
           %d: f32[6] = reshape %c; %r = slice %d, start=(1,), step=(2,), shape=(2,); return %r""",
        "%r: f32[2] = const value=2.0; return %r",
    ),
    "padding zeros": (
        "%a: f32[2] = const value=0.0; %r = scatter_slice %a, start=(1,), step=(1,), shape=(4,); return %r",
        "%r: f32[4] = const value=0.0; return %r",
    ),
    "concatenating equal constants": (
        "%a: f32[2] = const value=1.0; %b: f32[3] = const value=1.0; %r = concatenate %a, %b, axis=0; return %r",
        "%r: f32[5] = const value=1.0; return %r",
    ),
    "a sum that no order rounds": (
        "%a: f32[3, 100] = const value=1.5; %r = sum %a, axes=(1,); return %r",
        "%r: f32[3] = const value=150.0; return %r",
    ),
    "a sum of -0.0, which starts from 0.0": (
        "%a: f32[3, 2] = const value=-0.0; %r = sum %a, axes=(1,); return %r",
        "%r: f32[3] = const value=0.0; return %r",
    ),
    "a sum of no elements": (
        "%a: f32[3, 0] = const value=7.0; %r = sum %a, axes=(1,); return %r",
        "%r: f32[3] = const value=0.0; return %r",
    ),
    "a sum of integers that wraps around": (
        "%a: i32[3, 3] = const value=2147483647; %r = sum %a, axes=(1,); return %r",
        "%r: i32[3] = const value=2147483645; return %r",
    ),
    "max": (
        "%a: f32[3, 2] = const value=-inf; %r = max %a, axes=(0,); return %r",
        "%r: f32[2] = const value=-inf; return %r",
    ),
    "a mask that keeps everything": (
        "%s: u64[] = const value=7; %p: f64[] = const value=1e-10; " + KEEP,
        "%r: bool[9] = const value=true; return %r",
    ),
    "a mask that keeps nothing": (
        "%s: u64[] = const value=7; %p: f64[] = const value=1.0; " + KEEP,
        "%r: bool[9] = const value=false; return %r",
    ),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name: str) -> None:
    before, after = REWRITES[name]
    assert_rewrites(run, f"graph() {{ {before} }}", f"graph() {{ {after} }}")


UNCHANGED = {
    "a mask that one word in 2^32 would not keep": (
        "%s: u64[] = const value=7; %p: f64[] = const value=2e-10; " + KEEP
    ),
    "a transcendental function, of which every target has its own constant": (
        "%a: f32[4] = const value=0.5; %r = exp %a; return %r"
    ),
    "a sum that rounds": "%a: f32[3, 100] = const value=0.1; %r = sum %a, axes=(1,); return %r",
    "a sum that may overflow": "%a: f32[3, 4] = const value=1.7014118e+38; %r = sum %a, axes=(1,); return %r",
    "a sum of infinities": "%a: f32[3, 4] = const value=inf; %r = sum %a, axes=(1,); return %r",
    "padding with zeros": (
        "%a: f32[2] = const value=1.0; %r = scatter_slice %a, start=(1,), step=(1,), shape=(4,); return %r"
    ),
    "padding -0.0 with 0.0": (
        "%a: f32[2] = const value=-0.0; %r = scatter_slice %a, start=(1,), step=(1,), shape=(4,); return %r"
    ),
    "concatenating 0.0 and -0.0": (
        "%a: f32[2] = const value=0.0; %b: f32[2] = const value=-0.0; %r = concatenate %a, %b, axis=0; return %r"
    ),
    "any over no elements": "%a: bool[3, 0] = const value=true; %r = any %a, axes=(1,); return %r",
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_leaves_alone(name: str) -> None:
    assert_unchanged(run, f"graph() {{ {UNCHANGED[name]} }}")
