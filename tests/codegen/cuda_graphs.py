"""Graphs for tests of the CUDA printer, as text: those with golden text, and others that only run."""

import re
from unittest import mock

from lucid.codegen.cuda.module import Module, write_module
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse

GOLDEN = {
    "dropout": """
graph @dropout(%x: f32[6, 10], %bias: f32[10], %seed: u64[], %draw: u64[], %p: f64[], %scale: f32[]) {
  %b: f32[6, 10] = broadcast %bias                                 # 0: Linear  train.py:12
  %h: f32[6, 10] = add %x, %b                                      # 0: Linear  train.py:12
  %keep: bool[6, 10] = random_keep %seed, %draw, %p, draw=3        # 1: Dropout  train.py:12
  %mask: f32[6, 10] = cast %keep                                   # 1: Dropout  train.py:12
  %masked: f32[6, 10] = mul %h, %mask                              # 1: Dropout  train.py:12
  %s: f32[6, 10] = broadcast %scale                                # 1: Dropout  train.py:12
  %y: f32[6, 10] = mul %masked, %s                                 # 1: Dropout  train.py:12
  return %y
}
""",
    # In quads, of which the last has two elements.
    "mask": """
graph @mask(%x: f64[14], %seed: u64[], %draw: u64[], %p: f64[]) {
  %keep: bool[14] = random_keep %seed, %draw, %p, draw=1   # train.py:3
  %k: f64[14] = cast %keep
  %y: f64[14] = mul %x, %k                                 # train.py:4
  return %keep, %y
}
""",
    "softmax": """
graph @softmax(%x: f32[6, 300]) {
  %m: f32[6] = max %x, axes=(1,)             # loss.py:7
  %mk: f32[6, 1] = reshape %m
  %mb: f32[6, 300] = broadcast %mk
  %d: f32[6, 300] = sub %x, %mb              # loss.py:7
  %e: f32[6, 300] = exp %d                   # loss.py:8
  %s: f32[6] = sum %e, axes=(1,)             # loss.py:8
  %sk: f32[6, 1] = reshape %s
  %sb: f32[6, 300] = broadcast %sk
  %y: f32[6, 300] = div %e, %sb              # loss.py:9
  return %y
}
""",
    "column_sum": """
graph @column_sum(%g: f32[20, 7], %mask: bool[20, 7]) {
  %k: f32[20, 7] = cast %mask
  %h: f32[20, 7] = mul %g, %k                # 0: ReLU  train.py:14
  %bias: f32[7] = sum %h, axes=(0,)          # 0: Linear  train.py:14
  return %h, %bias
}
""",
    "argmax": """
graph @argmax(%x: f32[5, 4, 10]) {
  %i: i64[5] = argmax %x, axes=(1, 2)        # train.py:20
  return %i
}
""",
    # A row so long that a block takes it, and all of a layer's channels.
    "long_rows": """
graph @long_rows(%x: f32[2, 5000], %g: f32[40, 3, 50]) {
  %e: f32[2, 5000] = exp %x                  # train.py:30
  %s: f32[2] = sum %e, axes=(1,)             # train.py:30
  %m: f32[3] = max %g, axes=(0, 2)           # train.py:31
  %i: i64[3] = argmax %g, axes=(0, 2)        # train.py:32
  return %s, %m, %i
}
""",
    "adam": """
graph @adam(%g: f32[4, 5], %rate: f32[], %correction: f32[],
            %p: state f32[4, 5], %m: state f32[4, 5], %v: state f32[4, 5]) {
  %b1: f32[4, 5] = const value=0.9
  %c1: f32[4, 5] = const value=0.1
  %b2: f32[4, 5] = const value=0.999
  %c2: f32[4, 5] = const value=0.001
  %eps: f32[4, 5] = const value=1e-08
  %1: f32[4, 5] = mul %m, %b1                # train.py:15
  %2: f32[4, 5] = mul %g, %c1                # train.py:15
  %mean: f32[4, 5] = add %1, %2              # train.py:15
  %3: f32[4, 5] = mul %v, %b2                # train.py:15
  %4: f32[4, 5] = mul %g, %g                 # train.py:15
  %5: f32[4, 5] = mul %4, %c2                # train.py:15
  %square: f32[4, 5] = add %3, %5            # train.py:15
  %root: f32[4, 5] = sqrt %square            # train.py:15
  %by: f32[4, 5] = broadcast %correction     # train.py:15
  %6: f32[4, 5] = div %root, %by             # train.py:15
  %7: f32[4, 5] = add %6, %eps               # train.py:15
  %rates: f32[4, 5] = broadcast %rate        # train.py:15
  %8: f32[4, 5] = mul %mean, %rates          # train.py:15
  %9: f32[4, 5] = div %8, %7                 # train.py:15
  %new: f32[4, 5] = sub %p, %9               # train.py:15
  return ; %p <- %new, %m <- %mean, %v <- %square
}
""",
}

OTHERS = {
    "movements": """
graph @movements(%x: f32[4, 6], %y: i64[3, 6]) {
  %s: f32[2, 3] = slice %x, start=(3, 5), step=(-2, -2)
  %t: f32[3, 2] = transpose %s, permutation=(1, 0)
  %w: f32[3, 2] = neg %t
  %pad: f32[9, 5] = scatter_slice %w, start=(7, 1), step=(-3, 2)
  %framed: f32[8, 7] = scatter_slice %x, start=(3, 0), step=(1, 1)
  %i: i64[3, 6] = iota axis=1
  %z: i64[3, 6] = mul %y, %i
  %c: i64[9, 6] = concatenate %y, %z, %y, axis=0
  %n: i64[9, 6] = neg %c
  %flat: i64[2, 27] = reshape %n
  %turned: i64[27, 2] = transpose %flat, permutation=(1, 0)
  %r: i64[6, 9] = reshape %turned
  %q: i64[6, 9] = abs %r
  return %pad, %framed, %q
}
""",
    "reductions": """
graph @reductions(%x: f64[3, 40, 2], %b: bool[4, 17], %k: i32[2, 3, 5], %w: f32[9000, 2]) {
  %0: f64[3] = sum %x, axes=(1, 2)
  %1: f64[2] = min %x, axes=(0, 1)
  %2: bool[4] = any %b, axes=(1,)
  %3: bool[] = all %b, axes=(0, 1)
  %4: i64[4] = first_false %b, axes=(1,)
  %5: i32[3] = sum %k, axes=(0, 2)
  %6: i32[2, 3] = max %k, axes=(2,)
  %7: i64[2, 5] = argmax %k, axes=(1,)
  %8: f32[] = sum %w, axes=(0, 1)
  %9: f32[3] = cast %0
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9
}
""",
    "lookups": """
graph @lookups(%x: f32[5, 6], %i: i32[4, 1], %j: i64[4, 6], %k: u8[4, 6]) {
  %t: f32[6, 5] = transpose %x, permutation=(1, 0)
  %r: f32[5, 6] = reshape %t
  %rows: f32[4, 6] = gather %r, %i, axis=0
  %l: i64[4, 6] = neg %j
  %each: f32[4, 6] = gather %x, %l, axis=0
  %bytes: f32[4, 6] = gather %rows, %k, axis=1
  %s: f32[4, 6] = add %rows, %each
  %m: f32[4] = max %s, axes=(1,)
  return %s, %m, %bytes
}
""",
    "scalars": """
graph @scalars(%x: f32[], %step: state i64[]) {
  %one: i64[] = const value=1
  %next: i64[] = add %step, %one
  %t: f32[] = cast %next
  %y: f32[] = pow %x, %t
  return %y ; %step <- %next
}
""",
    # One body over a row of one element in two lanes: its stages have no axes, and write where they read.
    "row_of_one": """
graph @row_of_one(%x: f32[40, 1]) {
  %y: f32[40, 1] = neg %x
  %z: f32[40, 1], %s: f32[40] = fused %y @body(%a: f32[40, 1]) {
    %m: f32[40] = sum %a, axes=(1,), lanes=2
    %k: f32[40, 1] = reshape %m
    %d: f32[40, 1] = add %a, %k
    %t: f32[40] = sum %d, axes=(1,), lanes=2
    return %d, %t
  }
  %r: f32[40, 1] = neg %z
  return %r, %s
}
""",
    # Three stages over each row, in 16 lanes, with results of earlier stages.
    "softmax_in_one": """
graph @softmax_in_one(%x: f32[6, 50]) {
  %y: f32[6, 50] = fused %x @body(%a: f32[6, 50]) {
    %m: f32[6] = max %a, axes=(1,), lanes=16
    %mk: f32[6, 1] = reshape %m
    %mb: f32[6, 50] = broadcast %mk
    %d: f32[6, 50] = sub %a, %mb
    %e: f32[6, 50] = exp %d
    %s: f32[6] = sum %e, axes=(1,), lanes=16
    %sk: f32[6, 1] = reshape %s
    %sb: f32[6, 50] = broadcast %sk
    %q: f32[6, 50] = div %e, %sb
    return %q
  }
  return %y
}
""",
    # Of rows that a block takes: three stages over each, in place; results in fewer lanes than a warp has threads, of
    # more reductions than a block has warps, on an axis that the lanes do not divide.
    "softmax_of_blocks": """
graph @softmax_of_blocks(%w: f32[3, 2500]) {
  %x: f32[3, 2500] = neg %w
  %y: f32[3, 2500] = fused %x @body(%a: f32[3, 2500]) {
    %m: f32[3] = max %a, axes=(1,), lanes=32
    %mk: f32[3, 1] = reshape %m
    %mb: f32[3, 2500] = broadcast %mk
    %d: f32[3, 2500] = sub %a, %mb
    %e: f32[3, 2500] = exp %d
    %s: f32[3] = sum %e, axes=(1,), lanes=32
    %sk: f32[3, 1] = reshape %s
    %sb: f32[3, 2500] = broadcast %sk
    %q: f32[3, 2500] = div %e, %sb
    return %q
  }
  %z: f32[3, 2500] = neg %y
  return %z
}
""",
    "many_of_blocks": """
graph @many_of_blocks(%x: f32[31, 4, 33], %b: bool[2048]) {
  %y: f32[31, 4, 33] = exp %x
  %0 = sum %x, axes=(0, 2), lanes=16
  %1 = max %x, axes=(0, 2), lanes=16
  %2 = min %x, axes=(0, 2), lanes=16
  %3 = argmax %x, axes=(0, 2), lanes=16
  %4 = argmin %x, axes=(0, 2), lanes=16
  %5 = sum %y, axes=(0, 2), lanes=16
  %6 = max %y, axes=(0, 2), lanes=16
  %7 = argmax %y, axes=(0, 2), lanes=16
  %8 = prod %x, axes=(0, 2), lanes=16
  %9 = first_false %b, axes=(0,)
  %10 = all %b, axes=(0,)
  return %y, %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10
}
""",
}

_WINDOWS = "stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1, chunk=4"
# Functions of every kind, small enough for ThreadSanitizer.
EVERY_KIND = {
    "product": "graph(%x: f32[3, 20], %y: f32[20, 70]) { %z = matmul %x, %y, chunk=12; return %z }",
    "transposed": "graph(%x: f64[20, 3], %y: f64[5, 20]) "
    "{ %z = matmul %x, %y, transpose_a=true, transpose_b=true, chunk=20; return %z }",
    "epilogue": "graph(%x: f32[3, 40], %y: f32[40, 70], %b: f32[3, 70]) "
    "{ %z = matmul %x, %y, chunk=24; %s = add %z, %b; %e = tanh %s; return %e }",
    "prologue": """graph(%x: u8[70, 33], %w: f32[30, 33], %bias: f32[30]) {
  %c: f32[70, 33] = cast %x; %y = matmul %c, %w, transpose_b=true, chunk=20
  %b: f32[70, 30] = broadcast %bias; %h = add %y, %b; %z = exp %h; return %z }""",
    # The weight is the state that the product's epilogue updates.
    "update": """graph(%w: state f32[3, 5], %x: f32[20, 3], %g: f32[20, 5]) {
  %d = matmul %x, %g, transpose_a=true, chunk=20; %n = sub %w, %d; return ; %w <- %n }""",
    "dots": "graph(%x: f32[3, 40], %y: f32[2, 40]) "
    "{ %z = matmul %x, %y, transpose_b=true, chunk=24, lanes=16; return %z }",
    "gathered": f"""graph(%x: f32[2, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %y = convolution %x, %w, {_WINDOWS}; return %y }}""",
    "gathered_epilogue": f"""graph(%x: f32[1, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %y = convolution %x, %w, {_WINDOWS}; %z = tanh %y; return %z }}""",
    "gathered_prologue": f"""graph(%x: u8[1, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %f: f32[1, 3, 5, 4] = cast %x; %y = convolution %f, %w, {_WINDOWS}; return %y }}""",
    "scatter": "graph(%x: f32[40, 3], %i: i64[40, 1]) { %y = scatter_add %x, %i, axis=0, extent=70; return %y }",
    "sort": "graph(%x: f32[2, 100]) { %i: i64[2, 100] = argsort %x; return %i }",
    "sums": "graph(%x: f32[7, 50], %b: bool[40, 5]) { %y = sum %x, axes=(1,), lanes=16; "
    "%i: i64[40] = first_false %b, axes=(1,), lanes=4; %z = sum %x, axes=(0,); return %y, %i, %z }",
    "row_of_one": OTHERS["row_of_one"],
    "in_place": """graph(%x: f32[40, 1]) {
  %y: f32[40, 1] = neg %x
  %z: f32[40, 1], %s: f32[40] = fused %y @body(%a: f32[40, 1]) {
    %d: f32[40, 1] = exp %a; %t: f32[40] = sum %d, axes=(1,), lanes=2; return %d, %t
  }
  %r: f32[40, 1] = neg %z; return %r, %s
}""",
    "softmax_in_one": OTHERS["softmax_in_one"],
    "rows": OTHERS["softmax_of_blocks"].replace("[3, 2500]", "[2, 2100]").replace("[3", "[2"),
    "quads": """graph(%x: f32[301], %b: bool[301], %s: state f64[301]) {
  %m: f32[301] = cast %b; %y = mul %x, %m; %n = not %b; %t = neg %s; return %y, %n; %s <- %t }""",
    "draws": GOLDEN["mask"],
    "adam": GOLDEN["adam"],
    "movements": OTHERS["movements"],
    "lookups": OTHERS["lookups"],
    "check": """graph(%total: state f32[40], %x: f32[40], %i: i64[40]) {
  %ok: bool[40] = const value=true; %n = first_false %ok, axes=(0,); %p: i64[1] = reshape %n
  check %n, %i, message="place {position}"
  %s = add %total, %x; return ; %total <- %s }""",
    "scan": """graph(%h: f32[40], %x: f32[3, 40], %w: f32[40]) {
  %last: f32[40], %all: f32[3, 40] = scan %h, %x, %w, carries=1, sequences=1, length=3 @body(
    %c: f32[40], %e: f32[40], %v: f32[40]
  ) {
    %a = mul %c, %v; %b = add %a, %e; return %b, %b }
  return %last, %all }""",
    "scan_of_products": """graph(%h: f32[2, 3], %x: f32[2, 2, 3], %w: f32[3, 3]) {
  %last: f32[2, 3] = scan %h, %x, %w, carries=1, sequences=1, length=2 @body(
    %c: f32[2, 3], %e: f32[2, 3], %v: f32[3, 3]
  ) {
    %a = matmul %c, %v, chunk=3; %b = add %a, %e; %n = tanh %b; return %n }
  return %last }""",
}
# The kinds of functions that a module has, by how their names begin.
KINDS = (
    *("kernel", "rows", "product", "product_epilogue", "product_fused", "dots", "gathered", "gathered_epilogue"),
    *("gathered_fused", "scatter_add", "argsort", "merge", "check"),
)


def fused(text: str) -> Graph:
    """The final graph of a text."""
    return run_pipeline(parse(text)).final


def module_of(text: str, prefix: str = "") -> Module:
    """The module of a text, whose sorts have runs of 32 elements, so that short ones are merged too."""
    with mock.patch("lucid.codegen.cuda.sort.RUN", 32):
        return write_module(fused(text), prefix)


def kinds(module: Module) -> set[str]:
    """The kinds of a module's functions: their names without dtypes, layouts, lanes and numbers."""
    bare = (re.sub(r"_[fiu]\d+(_[nt]+(_\d+)?)?|_\d+$", "", name) for name in module.functions)
    return {re.sub(r"_\d+$|_guarded$", "", name) for name in bare}
