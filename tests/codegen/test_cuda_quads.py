"""Maps and products in quads: the same bits wherever arrays lie, and nothing beyond their ends."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.quads import VECTORS, alignment, in_quads
from lucid.codegen.cuda.simulator.library import Library, SimulationError, build
from lucid.codegen.lowering import lower
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from lucid.ir.text import parse
from tests.codegen.cuda_graphs import GOLDEN, fused
from tests.codegen.nvrtc import ptx_of
from tests.codegen.simulated import need_compiler, same_bits
from tests.ir.graphs import random_inputs
from tests.oracle import Array, run_compiled

UNTOUCHED = 0x5A  # the bytes around each array


def map_of(dtype: str, extent: int) -> str:
    """A graph of two maps that are one kernel each, with operands and results of several dtypes."""
    return f"""graph(%x: {dtype}[{extent}], %b: bool[{extent}]) {{
  %m: {dtype}[{extent}] = cast %b, dtype={dtype}
  %y: {dtype}[{extent}] = add %x, %m
  %n: bool[{extent}] = not %b
  return %y, %n
}}"""


def words_of(extent: int) -> str:
    return f"""graph(%seed: u64[], %draw: u64[], %x: f32[{extent}]) {{
  %w: f32[{extent}] = random_normal %seed, %draw, draw=3, shape=({extent},)
  %y: f32[{extent}] = mul %w, %x
  return %y
}}"""


DTYPES = ("f32", "f64", "i32", "i64", "u8", "u32", "u64")
TEXTS = {
    **{
        f"{dtype}[{n}]": map_of(dtype, n) for dtype in ("f32", "f64", "i32", "i64", "u8", "u32", "u64") for n in (8, 11)
    },
    "words": words_of(8),
    "words and a rest": words_of(13),
    "rows of five": """graph(%x: f32[3, 5], %bias: f32[5], %k: f32[3], %seed: u64[], %draw: u64[]) {
  %b: f32[3, 5] = broadcast %bias; %y = add %x, %b
  %c: f32[3, 1] = reshape %k; %d: f32[3, 5] = broadcast %c; %z = mul %y, %d
  %w: f32[3, 5] = random_normal %seed, %draw, draw=1, shape=(3, 5); %n = add %z, %w
  return %n
}""",
    "rows": """graph(%x: f32[3, 8], %bias: f32[8], %k: f32[3]) {
  %b: f32[3, 8] = broadcast %bias; %y = add %x, %b
  %c: f32[3, 1] = reshape %k; %d: f32[3, 8] = broadcast %c; %z = mul %y, %d
  %t: f32[8, 3] = transpose %z, permutation=(1, 0)
  return %z, %t
}""",
    "products": """graph(%x: f32[12, 16], %y: f32[16, 20], %z: f64[8, 12], %w: f64[16, 8]) {
  %a = matmul %x, %y, chunk=8; %b = matmul %y, %x, transpose_a=true, transpose_b=true, chunk=12
  %c = matmul %z, %w, transpose_a=true, transpose_b=true, chunk=4; %d = matmul %w, %z, chunk=8
  return %a, %b, %c, %d
}""",
    "epilogues": """graph(%x: f32[12, 16], %y: f32[16, 20], %bias: f32[20], %u: f32[12, 20], %k: f32[12],
  %z: f64[8, 12], %v: f64[12, 8], %b: bool[8, 8], %seed: u64[], %draw: u64[]) {
  %a = matmul %x, %y, chunk=8; %rows: f32[12, 20] = broadcast %bias; %h = add %a, %rows; %s = sub %h, %u
  %one: f32[12, 1] = reshape %k; %columns: f32[12, 20] = broadcast %one; %t = mul %s, %columns
  %n: f32[12, 20] = random_normal %seed, %draw, draw=2, shape=(12, 20); %f = add %t, %n
  %c = matmul %z, %v, chunk=4; %m: f64[8, 8] = cast %b; %d = mul %c, %m
  %e: f64[8, 8] = transpose %m, permutation=(1, 0); %g = add %d, %e
  return %a, %f, %g
}""",
    "convolution": """graph(%x: f32[2, 8, 4, 4], %w: f32[4, 8, 1, 1]) {
  %y = convolution %x, %w, stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1, chunk=4; return %y
}""",
    "convolution and a sum": """graph(%x: f32[2, 3, 5, 6], %w: f32[4, 3, 2, 3], %u: f32[2, 4, 4, 4], %bias: f32[4]) {
  %y = convolution %x, %w, stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1, chunk=2
  %b: f32[4, 1, 1] = reshape %bias; %c: f32[2, 4, 4, 4] = broadcast %b; %s = add %y, %c; %z = add %s, %u; return %z
}""",
}


class Placed:
    """The functions of a graph on the simulator, and arrays for them at addresses that one chooses."""

    def __init__(self, graph: Graph, old: str = "", new: str = "") -> None:
        need_compiler()
        module = write_module(graph)
        assert re.search(old, module.text)
        self.graph, self.plan = graph, module.plan
        text = re.sub(old, new, module.text) if old else module.text
        self.library = Library(build(text, module.plan.functions))

    def run(self, arrays: list[Array], shift: int) -> Outcome:
        """What the graph computes where each array begins `shift` elements behind a multiple of 64 bytes."""
        types = [value.type for value in (*self.graph.inputs, *self.graph.outputs)]
        places = [*types, *(None for _ in self.plan.stretches)]
        memory = [np.full(4096, UNTOUCHED, np.uint8) for _ in places]
        sizes = [type.dtype.itemsize if type else 16 for type in places]
        starts = [-x.ctypes.data % 64 + shift * size for x, size in zip(memory, sizes, strict=True)]
        for array, start, given in zip(memory, starts, arrays, strict=False):
            array[start : start + given.nbytes] = np.frombuffer(given.tobytes(), np.uint8)
        addresses = [array.ctypes.data + start for array, start in zip(memory, starts, strict=True)]
        addresses.append(np.zeros(4, np.int64).ctypes.data)
        for launch in self.plan.launches(addresses):
            self.library.launch(launch, addresses)
        outputs = []
        for array, start, type in zip(memory, starts, types, strict=False):
            end = start + type.nbytes
            assert (array[:start] == UNTOUCHED).all()
            assert (array[end:] == UNTOUCHED).all(), "nothing behind an array is written"
            outputs.append(array[start:end].copy().view(type.dtype.numpy).reshape(type.shape))
        return Outcome(tuple(outputs[len(self.graph.inputs) :]), ())


@pytest.mark.parametrize("name", TEXTS)
def test_the_bits_do_not_depend_on_addresses(name: str) -> None:
    graph = fused(TEXTS[name])
    placed, arrays = Placed(graph), random_inputs(graph, seed=3)
    expected = run_compiled(graph, arrays)
    for shift in (0, 1, 2, 3):
        assert same_bits(placed.run(list(arrays), shift), expected), shift


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("f32[8]", "aligned"),
        *(("products", condition) for condition in ("a_quads", "b_quads", "c_quads")),
        ("epilogues", "aligned"),
        ("convolution", "b_quads"),
        ("convolution and a sum", "aligned"),
    ],
)
def test_an_access_at_once_to_what_is_not_aligned_is_found(name: str, condition: str) -> None:
    graph = fused(TEXTS[name])
    faulty = Placed(graph, f"const bool {condition} = .*;", f"const bool {condition} = true;")
    with pytest.raises(SimulationError, match="access to 16 bytes at address 0x"):
        faulty.run(list(random_inputs(graph, 3)), 1)


def test_a_quad_that_reaches_beyond_the_end_is_found() -> None:
    graph = fused(TEXTS["f32[11]"])
    with pytest.raises(AssertionError, match="nothing behind an array is written"):
        Placed(graph, r"&& 4 \* i0 \+ 3 < 11", "").run(list(random_inputs(graph, 3)), 0)


# What becomes quads.


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("graph(%x: f32[4]) { %y = neg %x; return %y }", 1, 1),
        ("graph(%x: f32[3]) { %y = neg %x; return %y }", 0, 0),
        ("graph(%x: f32[5]) { %y = neg %x; return %y }", 1, 1),
        ("graph(%x: f32[4]) { %y: f32[5, 4] = broadcast %x; return %y }", 1, 1),
        ("graph(%x: f32[5]) { %y: f32[4, 5] = broadcast %x; return %y }", 0, 1),  # across the ends of rows
        ("graph(%x: f32[4, 8]) { %y: f32[4, 4] = slice %x, start=(0, 4), step=(1, 1); return %y }", 1, 1),
        ("graph(%x: f32[4, 8]) { %y: f32[4, 4] = slice %x, start=(0, 3), step=(1, 1); return %y }", 0, 1),
        ("graph(%x: f32[4, 8]) { %y: f32[4, 4] = slice %x, start=(0, 7), step=(1, -1); return %y }", 0, 1),
        ("graph(%x: f32[8, 4]) { %y = transpose %x, permutation=(1, 0); return %y }", 0, 1),
        ("graph(%x: f32[9, 8], %i: i64[4, 1]) { %y: f32[4, 8] = gather %x, %i, axis=0; return %y }", 1, 1),
        (
            "graph(%x: f32[9, 8], %i: i64[4, 8]) { %y: f32[4, 8] = gather %x, %i, axis=0; return %y }",
            1,
            1,
        ),  # the indices
        ("graph(%x: f32[4, 8]) { %y = sum %x, axes=(1,); return %y }", 0, 0),
        ("graph(%s: u64[], %d: u64[]) { %y: u32[8] = random_word %s, %d, draw=0, shape=(8,); return %y }", 1, 1),
    ],
)
def test_neighbours_that_begin_at_multiples_of_four_move_at_once(text: str, reads: int, writes: int) -> None:
    quads = in_quads(lower(parse(text).nodes[0]))
    assert (len(quads.reads), len(quads.writes)) == (reads, writes) if quads else (reads, writes) == (0, 0)


def test_one_call_serves_the_four_elements_of_a_quad() -> None:
    text = write_module(fused(GOLDEN["mask"])).text
    assert text.count("for (int round = 0;") == 1
    assert text.index("for (int round = 0;") < text.index("for (int i1 = 0; i1 < 4 && 4 * i0 + i1 < 14; ++i1)", 2000)


def test_the_arena_allows_quads_of_every_dtype() -> None:
    products = "%a = matmul %x, %y; %b = matmul %a, %y; %c = matmul %b, %y; return %c"
    plan = write_module(fused(f"graph(%x: f32[3, 5], %y: f32[5, 5]) {{ {products} }}")).plan
    assert plan.stretches
    for dtype in VECTORS:
        assert all(stretch.offset % alignment(dtype) == 0 for stretch in plan.stretches)


# NVRTC.


@pytest.mark.parametrize(
    ("dtype", "vector"), [("f32", "v4.f32"), ("f64", "v2.f64"), ("i32", "v4.u32"), ("i64", "v2.u64"), ("u8", "v4.u8")]
)
def test_nvrtc_moves_quads_by_one_instruction(dtype: str, vector: str) -> None:
    ptx = ptx_of(write_module(fused(map_of(dtype, 64))).text)
    assert f"ld.global.{vector}" in ptx
    assert f"st.global.{vector}" in ptx
    assert "ld.local" not in ptx
    assert "st.local" not in ptx


@pytest.mark.parametrize(("dtype", "vector", "each"), [("f32", "v4.f32", 1), ("f64", "v2.f64", 2)])
def test_nvrtc_moves_what_is_around_a_product_by_quads(dtype: str, vector: str, each: int) -> None:
    """A thread has four of them; of both factors it reads as many as their tiles have."""
    text = f"""graph(%x: {dtype}[64, 64], %y: {dtype}[64, 64], %u: {dtype}[64, 64], %s: state {dtype}[64, 64]) {{
  %z = matmul %x, %y, chunk=64; %a = add %z, %u; %b = mul %s, %a; return %a; %s <- %b
}}"""
    module = write_module(fused(text))
    assert list(module.functions) == [f"product_{dtype}_nn_epilogue_0"]
    ptx = ptx_of(module.text)
    assert ptx.count(f"ld.global.{vector}") == each * (2 + 2 * 4)
    assert ptx.count(f"st.global.{vector}") == each * 2 * 4
