"""Faults planted in the CUDA C of small graphs: each of them shows, in the bits or as an error of the simulator.

So each graph here is a check of what its faults are about. Those of races, barriers and addresses are planted beside
the checks that find them: `test_cuda_simulator.py`, `test_cuda_races.py`, `test_cuda_rows.py`, `test_cuda_quads.py`.
"""

from __future__ import annotations

import re
from functools import cache
from unittest import mock

import numpy as np
import pytest

from lucid.codegen.cuda.module import Module, write_module
from lucid.codegen.cuda.simulator.library import Library, SimulationError, build
from lucid.codegen.cuda.simulator.target import SimulatorExecutable
from lucid.codegen.target import Code
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from tests.codegen.simulated import ORDERS, lay_in_one_arena, need_compiler, on_grid, same_bits
from tests.oracle import Array, run_compiled, run_executable

TEXTS = {
    "product": "graph(%x: f32[70, 41], %y: f32[41, 70]) { %z = matmul %x, %y, chunk=24; return %z }",
    "quads": "graph(%x: f32[12, 40], %y: f32[40, 20]) { %z = matmul %x, %y, chunk=24; return %z }",
    "epilogue": "graph(%x: f32[12, 40], %y: f32[40, 20]) { %z = matmul %x, %y, chunk=24; %e = tanh %z; return %e }",
    "epilogue in quads": """graph(%x: f32[12, 40], %y: f32[40, 20], %m: state f32[12, 20], %b: f32[20]) {
  %z = matmul %x, %y, chunk=24; %h: f32[12, 20] = broadcast %b; %s = add %z, %h; %n = add %m, %s; %e = mul %n, %s
  return %e; %m <- %n }""",
    "dots": "graph(%x: f32[9, 200], %y: f32[2, 200]) "
    "{ %z = matmul %x, %y, transpose_b=true, chunk=96, lanes=16; return %z }",
    "convolution": """graph(%x: f32[2, 6, 5], %w: f32[4, 3, 3]) {
  %y = convolution %x, %w, stride=(1,), dilation=(1,), low=(1,), high=(1,), groups=2, chunk=2; return %y }""",
    "scatter": "graph(%x: f32[40, 3], %i: i64[40, 1]) { %y = scatter_add %x, %i, axis=0, extent=7; return %y }",
    "sort": "graph(%x: f32[2, 70]) { %n = neg %x; %i = argsort %n; %y = gather %n, %i, axis=1; return %y, %i }",
    "draws": """graph(%seed: u64[], %draw: u64[], %p: f64[]) {
  %k: bool[30] = random_keep %seed, %draw, %p, draw=3; %w: u32[30] = random_word %seed, %draw, draw=4, shape=(30,)
  return %k, %w }""",
    "map": "graph(%x: f32[301], %y: f32[301]) { %q = div %x, %y; %s = sqrt %x; %e = exp %y; return %q, %s, %e }",
    "casts": "graph(%x: f32[301]) "
    "{ %i: i32[301] = cast %x; %l: i64[301] = cast %x; %b: u8[301] = cast %x; return %i, %l, %b }",
    "state": "graph(%s: state f32[2000]) { %two: f32[2000] = const value=2.0; %y = mul %s, %two; return ; %s <- %y }",
    "scan": """graph(%x: f32[5, 3], %h: f32[3]) {
  %last: f32[3], %all: f32[5, 3] = scan %h, %x, carries=1, sequences=1, length=5, reverse=true @body(
    %c: f32[3], %e: f32[3]
  ) {
    %a = mul %c, %e; %b = add %a, %e; return %b, %b }
  return %last, %all }""",
}
# What is replaced in the text of a graph, by its place in a pattern, and by what.
FAULTS = (
    ("product", r" && k0 \+ l < end;", ";"),
    ("product", r" && k0 \+ l < end;", " && k0 + l <= end;"),
    ("product", r"column0 \+ r < n && ", ""),
    ("product", r"if \(r < m && s < n\)", "if (r <= m && s < n)"),
    ("product", r"if \(r < m && s < n\)", "if (r < m && s <= n)"),
    ("product", r"const int depth = [^;]+;", "const int depth = 16;"),
    ("product", r"start \+= chunk", "start += k + 1"),
    ("product", r"\*element \+ sum\[i\]\[j\]", "sum[i][j]"),
    ("product", r"fmaf\((a_tile[^,]*), (b_tile[^,]*), (sum\[i\]\[j\])\)", r"\1 * \2 + \3"),
    ("product", r"(a_tile\[which\]\[l\]\[r\] = )", r"if (r != 63) \1"),
    ("quads", r"row0 \+ r < m && k0 \+ l < end", "k0 + l < end"),
    ("quads", r"a_tile\[which\]\[l \+ i\]\[r\]", "a_tile[which][l + 3 - i][r]"),
    ("quads", r"\(b_tile\[which\]\[l\] \+ r\)", "(b_tile[which][l] + (r + 4) % 64)"),
    ("quads", r"earlier\[part\] \+ sum", "sum"),
    ("quads", r"if \(!\(start == 0\)\)", "if (start > 24)"),
    ("product", r"(const bool c_quads = [^&]*) && n % 4 == 0", r"\1"),
    ("epilogue", r"total\[i\]\[j\] \+ sum\[i\]\[j\]", "sum[i][j]"),
    ("epilogue", r"start == 0 \? sum\[i\]\[j\] : [^;]*;", "start == 0 ? sum[i][j] : total[i][j];"),
    ("epilogue in quads", r"total\[i\]\[i3\]", "total[i][3 - i3]"),
    ("epilogue in quads", r"total\[i\]\[i3\]", "total[3 - i][i3]"),
    ("epilogue in quads", r"i2 = s / 4", "i2 = s / 4 ^ 1"),
    ("epilogue in quads", r"i1 = r, ", "i1 = r ^ 1, "),
    ("epilogue in quads", r"if \(r < m && s < n\)", "if (r < m)"),
    ("epilogue in quads", r"if \(r < m && s < n\)", "if (s < n)"),
    ("epilogue in quads", r"(store0_quad)\[i3\] = ", r"\1[i3 ^ 1] = "),
    ("epilogue in quads", r"\((b\d) \+ 4 \* i2\)", r"(\1 + 4)"),
    ("epilogue in quads", r"for \(int i3 = 0; i3 < 4; \+\+i3\)", "for (int i3 = 0; i3 < 3; ++i3)"),
    ("dots", r"fmaf\((a_matrix.*), (b_matrix.*), sum\)", r"\1 * \2 + sum"),
    ("dots", r"t < depth", "t < 16"),
    ("convolution", r"(i2 < \d+ && i4 < end) && [^;]+;", r"\1;"),
    ("convolution", r"i4 < end && ", ""),
    ("convolution", r"i1 < \d+ && i4 < end", "i4 < end"),
    ("convolution", r"start < length \|\| first; start \+= \d+", "start < length || first; start += length + 1"),
    ("scatter", r"i2 = 0; i2 < 40; \+\+i2", "i2 = 39; i2 >= 0; --i2"),
    ("scatter", r"begin <= i3 && i3 < end", "begin < i3 && i3 < end"),
    ("scatter", r"begin <= i3 && i3 < end", "begin <= i3 && i3 <= end"),
    ("scatter", r"i3 = begin; i3 < end", "i3 = begin; i3 < end - 1"),
    ("sort", r" \|\| \(one == other && first < second\)", ""),
    ("sort", r" \|\| \(other == own && met < position\)", ""),
    ("draws", r"round < 10", "round < 9"),
    ("draws", r"(unsigned int \w+_x2 = )\w+;", r"\g<1>0u;"),
    ("draws", r"(unsigned int \w+_x3 = )\w+;", r"\g<1>0u;"),
    ("draws", r"(unsigned int \w+_k0 = )\w+;", r"\g<1>0u;"),
    ("draws", r"(unsigned int \w+_k1 = )\w+;", r"\g<1>0u;"),
    ("draws", r"_words\[4\] = \{(\w+), (\w+),", r"_words[4] = {\2, \1,"),
    ("map", r"= fmaf\(([^,()]+), ([^,()]+), ([^,()]+)\);", r"= \1 * \2 + \3;"),
    ("map", r"(const float \w+ = \w+) / (\w+);", r"\1 * (1.0f / \2);"),
    ("map", r"sqrtf\((\w+)\)", r"(\1 * (1.0f / sqrtf(\1)))"),
    ("casts", r"= (\w+) != \1 \? [^;]*: (\(int\)\w+);", r"= \2;"),
    ("casts", r"= (\w+) != \1 \? 0ll : ", "= "),
    ("casts", r"\w+ >= 256\.0f \? \S+ : ", ""),
    ("state", r"gridDim\.x \* blockDim\.x", "blockDim.x"),
)
# What writes the module or makes its launches, and what a faulty one does. Each shows in the graph that is named.
PLANS = (
    ("scan", "lucid.codegen.cuda.plan.Loop.places", lambda loop: range(loop.length)),
    ("sort", "lucid.codegen.cuda.module.arena_size", lambda graph: 0),
    ("sort", "lucid.codegen.cuda.module.merges", lambda type: 1),
)


@cache
def graph_of(name: str) -> Graph:
    return run_pipeline(parse(TEXTS[name])).final


def arrays_of(name: str) -> list[Array]:
    """Numbers of all magnitudes, equal ones, and such as do not fit into what they are cast to."""
    generator, arrays = np.random.default_rng(5), []
    for value in graph_of(name).inputs:
        shape, dtype = value.type.shape, value.type.dtype
        x = generator.standard_normal(shape) * 10.0 ** generator.integers(-3, 3, shape)
        if name == "casts":
            x = x * 10.0 ** generator.integers(0, 20, shape)
            x[:3] = np.nan, np.inf, -np.inf
        if name == "sort":
            x = np.round(x)
        if name == "map":
            x = np.abs(x) + 1e-3
        if dtype.is_integer:
            x = generator.integers(2**40, 2**60, shape) if name == "draws" else generator.integers(-7, 7, shape)
        if dtype.short == "f64":
            x = np.full(shape, 0.4)
        arrays.append(np.asarray(x).astype(dtype.numpy))
    if name == "product":  # the last product of each chunk rounds to -0, which a further zero would turn into 0
        x, y = arrays
        x[0], x[0, [23, 40]], y[[23, 40], 0] = 0.0, -1e-45, 0.1
    return arrays


def module_of(name: str, prefix: str) -> Module:
    """The module of a graph, whose sorts have runs of 32 elements."""
    with mock.patch("lucid.codegen.cuda.sort.RUN", 32):
        return write_module(graph_of(name), prefix)


@pytest.fixture(scope="module")
def library() -> Library:
    """All graphs, as they are and with each fault."""
    need_compiler()
    texts, names = [], []
    for number, (name, old, new) in enumerate((*((name, "", "") for name in TEXTS), *FAULTS)):
        module = module_of(name, f"g{number}_")
        text, count = re.subn(old, new, module.text) if old else (module.text, 1)
        assert count, f"{old} is not in the text of {name}"
        texts.append(text)
        names += module.functions
    return Library(build("\n".join(texts), names))


def shows(name: str, module: Module, library: Library) -> bool:
    """Whether something is wrong with a module of a graph, in any order of threads."""
    graph, arrays = graph_of(name), arrays_of(name)
    with np.errstate(all="ignore"):
        expected = run_compiled(graph, arrays)
        for order in ORDERS:
            executable = SimulatorExecutable(Code(module.plan.to_json(), b""), lambda: module, order, library)
            if order % 2:
                lay_in_one_arena(executable)
            if name == "state":
                executable.plan = on_grid(executable.plan, 3, 32)
            try:
                if not same_bits(run_executable(executable, graph, arrays), expected):
                    return True
            except SimulationError:
                return True
    return False


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=TEXTS)
def test_nothing_shows_without_a_fault(number: int, library: Library) -> None:
    name = list(TEXTS)[number]
    assert not shows(name, module_of(name, f"g{number}_"), library)


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{name}-{old}" for name, old, _ in FAULTS])
def test_a_fault_in_the_text_shows(number: int, library: Library) -> None:
    name, _, _ = FAULTS[number]
    assert shows(name, module_of(name, f"g{len(TEXTS) + number}_"), library)


@pytest.mark.parametrize(("name", "what", "fault"), PLANS, ids=[what for _, what, _ in PLANS])
def test_a_fault_in_the_plan_shows(name: str, what: str, fault: object, library: Library) -> None:
    with mock.patch(what, fault):
        assert shows(name, module_of(name, f"g{list(TEXTS).index(name)}_"), library)
