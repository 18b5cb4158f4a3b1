"""Each rule on movements: text in, text out, and equal values."""

from __future__ import annotations

import pytest

from lucid.ir.graph import Graph
from lucid.ir.passes.movement import movement
from lucid.ir.passes.prune import prune
from tests.passes.rewriting import assert_rewrites, assert_unchanged


def run(graph: Graph) -> Graph:
    return prune(movement(graph))


X = "graph(%x: f32[2, 3])"

REWRITES = {
    "reshape to itself": (X, "%r: f32[2, 3] = reshape %x; return %r", "return %x"),
    "reshape of reshape": (
        X,
        "%a: f32[6] = reshape %x; %r: f32[3, 2] = reshape %a; return %r",
        "%r: f32[3, 2] = reshape %x; return %r",
    ),
    "reshape there and back": (X, "%a: f32[6] = reshape %x; %r: f32[2, 3] = reshape %a; return %r", "return %x"),
    "broadcast to itself": (X, "%r: f32[2, 3] = broadcast %x; return %r", "return %x"),
    "broadcast of broadcast": (
        X,
        "%a: f32[4, 2, 3] = broadcast %x; %r: f32[5, 4, 2, 3] = broadcast %a; return %r",
        "%r: f32[5, 4, 2, 3] = broadcast %x; return %r",
    ),
    "broadcast of new axes": (
        X,
        "%a: f32[1, 2, 3] = reshape %x; %r: f32[5, 2, 3] = broadcast %a; return %r",
        "%r: f32[5, 2, 3] = broadcast %x; return %r",
    ),
    "broadcast that repeats nothing": (
        X,
        "%r: f32[1, 2, 3] = broadcast %x; return %r",
        "%r: f32[1, 2, 3] = reshape %x; return %r",
    ),
    "transpose to itself": (X, "%r = transpose %x, permutation=(0, 1); return %r", "return %x"),
    "transpose that moves axes of extent 1": (
        "graph(%x: f32[2, 1, 3])",
        "%r = transpose %x, permutation=(1, 0, 2); return %r",
        "%r: f32[1, 2, 3] = reshape %x; return %r",
    ),
    "transpose there and back": (
        X,
        "%a = transpose %x, permutation=(1, 0); %r = transpose %a, permutation=(1, 0); return %r",
        "return %x",
    ),
    "transpose of transpose": (
        "graph(%x: f32[2, 3, 4])",
        "%a = transpose %x, permutation=(1, 2, 0); %r = transpose %a, permutation=(0, 2, 1); return %r",
        "%r = transpose %x, permutation=(1, 0, 2); return %r",
    ),
    "transposes into matmul": (
        "graph(%x: f32[3, 2], %y: f32[4, 3])",
        "%a = transpose %x, permutation=(1, 0); %b = transpose %y, permutation=(1, 0); %r = matmul %a, %b; return %r",
        "%r = matmul %x, %y, transpose_a=true, transpose_b=true; return %r",
    ),
    "transpose of a transposed operand": (
        "graph(%x: f32[2, 3], %y: f32[3, 4])",
        "%a = transpose %x, permutation=(1, 0); %r = matmul %a, %y, transpose_a=true; return %r",
        "%r = matmul %x, %y; return %r",
    ),
    "transpose of matmul": (
        "graph(%x: f32[5, 2, 3], %y: f32[5, 4, 3])",
        "%m = matmul %x, %y, transpose_b=true; %r = transpose %m, permutation=(0, 2, 1); return %r",
        "%r = matmul %y, %x, transpose_b=true; return %r",
    ),
    "slice of everything": (X, "%r = slice %x, start=(0, 0), step=(1, 1), shape=(2, 3); return %r", "return %x"),
    "slice of slice": (
        "graph(%x: f32[9, 8])",
        """%a = slice %x, start=(1, 7), step=(2, -2), shape=(4, 4)
           %r = slice %a, start=(3, 1), step=(-2, 2), shape=(2, 2); return %r""",
        "%r = slice %x, start=(7, 5), step=(-4, -4), shape=(2, 2); return %r",
    ),
    "slice of what scatter_slice laid out": (
        X,
        """%a = scatter_slice %x, start=(1, 0), step=(1, 2), shape=(4, 6)
           %r = slice %a, start=(1, 0), step=(1, 2), shape=(2, 3); return %r""",
        "return %x",
    ),
    "scatter_slice over everything": (
        X,
        "%r = scatter_slice %x, start=(0, 0), step=(1, 1), shape=(2, 3); return %r",
        "return %x",
    ),
    "slice of one operand of concatenate": (
        "graph(%x: f32[2, 3], %y: f32[2, 4])",
        """%a = concatenate %x, %y, axis=1
           %r = slice %a, start=(1, 5), step=(1, -1), shape=(1, 2); return %r""",
        "%r = slice %y, start=(1, 2), step=(1, -1), shape=(1, 2); return %r",
    ),
    "arithmetic on a repeated element": (
        "graph(%x: f32[], %y: f32[1, 1])",
        """%a: f32[2, 3] = broadcast %x; %b: f32[2, 3] = broadcast %y; %c: f32[2, 3] = const value=3.0
           %d = add %a, %b; %r = mul %d, %c; return %r""",
        """%y0: f32[] = reshape %y; %d = add %x, %y0; %c: f32[] = const value=3.0; %m = mul %d, %c
           %r: f32[2, 3] = broadcast %m; return %r""",
    ),
    "movements of a repeated element": (
        "graph(%x: f32[])",
        """%a: f32[2, 3] = broadcast %x; %b = transpose %a, permutation=(1, 0); %c: f32[6] = reshape %b
           %r = slice %c, start=(5,), step=(-2,), shape=(3,); return %r""",
        "%r: f32[3] = broadcast %x; return %r",
    ),
    "concatenate of one": (X, "%r = concatenate %x, axis=0; return %r", "return %x"),
    "concatenate with nothing": (
        "graph(%x: f32[2, 3], %y: f32[0, 3])",
        "%r = concatenate %y, %x, axis=0; return %r",
        "return %x",
    ),
    "max of single elements": (
        "graph(%x: f32[2, 1, 3])",
        "%r = max %x, axes=(1,); return %r",
        "%r: f32[2, 3] = reshape %x; return %r",
    ),
    "sum of single floats, of which -0.0 becomes 0.0": (
        "graph(%x: f32[4, 1])",
        "%r = sum %x, axes=(1,); return %r",
        "%c: f32[4, 1] = const value=0.0; %a = add %x, %c; %r: f32[4] = reshape %a; return %r",
    ),
    "sum of single integers": (
        "graph(%x: i64[4, 1])",
        "%r = sum %x, axes=(1,); return %r",
        "%r: i64[4] = reshape %x; return %r",
    ),
    "all along no axis": ("graph(%x: bool[4])", "%r = all %x, axes=(); return %r", "return %x"),
}


@pytest.mark.parametrize("name", REWRITES)
def test_rewrites(name: str) -> None:
    signature, before, after = REWRITES[name]
    tolerance = 1e-6 if "matmul" in before else 0.0  # NumPy adds up otherwise for a transposed operand
    assert_rewrites(run, f"{signature} {{ {before} }}", f"{signature} {{ {after} }}", tolerance)


UNCHANGED = {
    "broadcast of axes inserted between others": (
        X,
        "%a: f32[2, 1, 3] = reshape %x; %r: f32[2, 5, 3] = broadcast %a; return %r",
    ),
    "arithmetic on a repeated row": (
        "graph(%x: f32[3])",
        "%a: f32[2, 3] = broadcast %x; %r = exp %a; return %r",
    ),
    "matmul of operands with other axes transposed": (
        "graph(%x: f32[2, 5, 3], %y: f32[5, 3, 4])",
        "%a = transpose %x, permutation=(1, 0, 2); %r = matmul %a, %y; return %r",
    ),
    "transpose of a matmul that is read elsewhere too": (
        "graph(%x: f32[2, 3], %y: f32[3, 4])",
        "%m = matmul %x, %y; %r = transpose %m, permutation=(1, 0); return %m, %r",
    ),
    "slice of other places than scatter_slice filled": (
        X,
        """%a = scatter_slice %x, start=(1, 0), step=(1, 1), shape=(4, 3)
           %r = slice %a, start=(0, 0), step=(1, 1), shape=(2, 3); return %r""",
    ),
    "slice across operands of concatenate": (
        "graph(%x: f32[2, 3], %y: f32[2, 4])",
        "%a = concatenate %x, %y, axis=1; %r = slice %a, start=(0, 2), step=(1, 1), shape=(2, 2); return %r",
    ),
    "a reversed axis": (X, "%r = slice %x, start=(1, 0), step=(-1, 1), shape=(2, 3); return %r"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_leaves_alone(name: str) -> None:
    signature, body = UNCHANGED[name]
    assert_unchanged(run, f"{signature} {{ {body} }}")
