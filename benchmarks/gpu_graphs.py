"""The graphs that `gpu.py` measures: kernels of all kinds, at sizes that keep a GPU busy.

Matrix products come in each layout, of either dtype, by themselves, with an epilogue and with a prologue; those whose
sums have lanes in each layout too. What is not here is that of matrices with 2^31 elements, whose text is the same with
longer integers: few GPUs hold them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

SIZES = {"f32": 4096, "f64": 2048}  # of square matrices: some GPUs do one operation of float64 in the time of 64
FLAGS = {"n": "false", "t": "true"}


def matmul(result: str, a: str, b: str, layout: str) -> str:
    """The line of a matrix product."""
    return f"{result} = matmul {a}, {b}, transpose_a={FLAGS[layout[0]]}, transpose_b={FLAGS[layout[1]]}"


def products() -> Iterator[tuple[str, str]]:
    """Square matrix products."""
    for (dtype, size), layout in product(SIZES.items(), ("nn", "nt", "tn", "tt")):
        matrix = f"{dtype}[{size}, {size}]"
        line = matmul("%z", "%x", "%y", layout)
        yield f"product {dtype} {layout}", f"graph(%x: {matrix}, %y: {matrix}) {{ {line}; return %z }}"
        yield (
            f"product {dtype} {layout}, bias and tanh",
            f"graph(%x: {matrix}, %y: {matrix}, %b: {dtype}[{size}]) {{\n"
            f"  {line}; %c: {matrix} = broadcast %b; %s = add %z, %c; %t = tanh %s; return %t }}",
        )
        yield (
            f"product {dtype} {layout} of bytes",
            f"graph(%u: u8[{size}, {size}], %y: {matrix}, %by: {dtype}[]) {{\n"
            f"  %f: {matrix} = cast %u; %s: {matrix} = broadcast %by; %x = mul %f, %s; {line}; return %z }}",
        )


# Operands of products whose sums have lanes: few rows or columns, or batches of single sums, of which shorter ones have
# 16 lanes and longer ones 32.
FEW = {"nn": ("65536, 1024", "1024, 2"), "nt": ("65536, 1024", "2, 1024"), "tt": ("1024, 2", "65536, 1024")}


def sums(layout: str, length: int) -> tuple[str, str]:
    """The shapes of the operands of a batch of single sums."""
    a, b = (f"1, {length}", f"{length}, 1")[layout[0] == "t"], (f"{length}, 1", f"1, {length}")[layout[1] == "t"]
    return f"16384, {a}", f"16384, {b}"


def dots() -> Iterator[tuple[str, str]]:
    """Matrix products whose sums have lanes."""
    for dtype, layout in product(SIZES, ("nn", "nt", "tn", "tt")):
        for name, (a, b) in {
            "few": FEW.get(layout, sums(layout, 128)),
            "single sums": sums(layout, 1024),
        }.items():
            line = matmul("%z", "%x", "%y", layout)
            yield (
                f"product {dtype} {layout}, {name}",
                f"graph(%x: {dtype}[{a}], %y: {dtype}[{b}]) {{ {line}; return %z }}",
            )


IMAGES = "[32, 64, 56, 56]"
WINDOW = "stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1"


def convolutions() -> Iterator[tuple[str, str]]:
    """Convolutions and their gradients."""
    for dtype in SIZES:
        images, weight = dtype + IMAGES, f"{dtype}[64, 64, 3, 3]"
        line = f"%y = convolution %x, %w, {WINDOW}"
        yield f"convolution {dtype}", f"graph(%x: {images}, %w: {weight}) {{ {line}; return %y }}"
        yield (
            f"convolution {dtype}, bias and tanh",
            f"graph(%x: {images}, %w: {weight}, %b: {dtype}[64]) {{\n"
            f"  {line}; %k: {dtype}[64, 1, 1] = reshape %b; %c: {images} = broadcast %k\n"
            "  %s = add %y, %c; %t = tanh %s; return %t }",
        )
        yield (
            f"convolution {dtype} of bytes",
            f"graph(%u: u8{IMAGES}, %w: {weight}, %by: {dtype}[]) {{\n"
            f"  %f: {images} = cast %u; %s: {images} = broadcast %by; %x = mul %f, %s; {line}; return %y }}",
        )
        yield (
            f"convolution {dtype}, to input",
            f"graph(%g: {images}, %w: {weight}) {{\n"
            f"  %x = convolution_input %g, %w, {WINDOW}, spatial=(56, 56); return %x }}",
        )
        yield (
            f"convolution {dtype}, to weight",
            f"graph(%x: {images}, %g: {images}) {{\n"
            f"  %w = convolution_weight %x, %g, {WINDOW}, kernel=(3, 3); return %w }}",
        )


INDEXED = 50000  # rows of the tables that indices go into: all integers but bytes are indices
LOOKUPS = 8192

OTHERS = {
    "map": "graph(%x: f32[16777216]) { %y = tanh %x; return %y }",
    "map f64": "graph(%x: f64[16777216]) { %y = tanh %x; return %y }",
    "transpose": "graph(%x: f32[4096, 4096]) { %y = transpose %x, permutation=(1, 0); %z = neg %y; return %z }",
    "dropout": """graph(%x: f32[16777216], %seed: u64[], %draw: u64[], %p: f64[]) {
  %k: bool[16777216] = random_keep %seed, %draw, %p, draw=0, shape=(16777216,)
  %m: f32[16777216] = cast %k, dtype=f32; %y = mul %x, %m; return %y }""",
    "update": """graph(%g: f32[16777216], %rate: f32[], %m: state f32[16777216], %p: state f32[16777216]) {
  %half: f32[16777216] = const value=0.5; %h = mul %m, %half; %n = add %h, %g
  %r: f32[16777216] = broadcast %rate; %s = mul %n, %r; %q = sub %p, %s; return ; %m <- %n, %p <- %q }""",
    "sum": "graph(%x: f32[16777216]) { %s: f32[] = sum %x, axes=(0,); return %s }",
    "rows": "graph(%x: f32[65536, 256]) { %s: f32[65536] = sum %x, axes=(1,); return %s }",
    "long rows": "graph(%x: f32[1024, 16384]) { %s: f32[1024] = sum %x, axes=(1,); return %s }",
    "columns": "graph(%x: f32[65536, 256]) { %s: f32[256] = sum %x, axes=(0,); return %s }",
    "softmax": """graph(%x: f32[65536, 256]) {
  %m: f32[65536] = max %x, axes=(1,); %mk: f32[65536, 1] = reshape %m; %mb: f32[65536, 256] = broadcast %mk
  %d = sub %x, %mb; %e = exp %d; %s: f32[65536] = sum %e, axes=(1,); %sk: f32[65536, 1] = reshape %s
  %sb: f32[65536, 256] = broadcast %sk; %y = div %e, %sb; return %y }""",
    "gather": f"graph(%x: f32[{INDEXED}, 512], %i: i64[{LOOKUPS}, 1]) {{ %y = gather %x, %i, axis=0; return %y }}",
    # Positions that are inside have a negative one of the first that is not, which `check` lets pass.
    "checked": f"""graph(%i: i64[16777216], %one: bool[1]) {{
  %n: i64[16777216] = const value={INDEXED}; %ok = less %i, %n; %p: i64[] = first_false %ok, axes=(0,)
  check %p, %i, message="index {{value}}"
  %q: i64[] = first_false %one, axes=(0,)
  check %q, %one, message="{{value}}"
  return %p }}""",
    "scatter_add": f"graph(%g: f32[{LOOKUPS}, 512], %i: i64[{LOOKUPS}, 1]) "
    f"{{ %y = scatter_add %g, %i, axis=0, extent={INDEXED}; return %y }}",
    "sort": "graph(%x: f32[64, 4096]) { %i: i64[64, 4096] = argsort %x; return %i }",
    "loop": """graph(%h: f32[256, 1024], %x: f32[64, 256, 1024], %w: f32[1024, 1024]) {
  %last, %ys = scan %h, %x, %w, length=64, carries=1, sequences=1 (
      %h: f32[256, 1024], %x: f32[256, 1024], %w: f32[1024, 1024]) {
    %p = matmul %h, %w; %q = add %p, %x; %n = tanh %q; return %n, %n
  }
  return %last, %ys }""",
}

GRAPHS = {**OTHERS, **dict(products()), **dict(dots()), **dict(convolutions())}

# The bytes that a graph reads of an input, by its number, where these are not all: rows of a table.
LOOKED_UP = {"gather": {0: LOOKUPS * 512 * 4}}
