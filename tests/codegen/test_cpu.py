"""The CPU target computes what the interpreter computes, in the order that a kernel states, on any vector width."""

from __future__ import annotations

import gc
import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lucid.codegen.cpu.machine import STATUS_WORDS
from lucid.codegen.cpu.target import CPUTarget
from lucid.errors import CompileError
from lucid.ir import philox
from lucid.ir.graph import Graph
from lucid.ir.ops import elementwise as ew
from lucid.ir.ops.base import Reduction
from lucid.ir.ops.extremum import Argmax, Max
from lucid.ir.ops.reduction import FirstFalse, Sum
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.order import order
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.text import parse
from lucid.ir.types import as_dtype, int32, int64, uint8
from tests.codegen.processors import need, on_x86
from tests.guarded import guarded_copy
from tests.ir.graphs import graphs, random_inputs
from tests.oracle import Array, assert_compiled_matches, assert_same_bits, bits, run_compiled

SIZES = (1, 2, 3, 15, 16, 17, 31, 64, 65, 100, 257)  # around the vector widths of all dtypes

# Functions whose results differ by the last bits between the interpreter and the targets, and a division that turns a
# difference into any number: random graphs feed them into comparisons and truncations, so they are left out there.
ROUNDED_APART = (ew.Exp, ew.Log, ew.Tanh, ew.Sigmoid, ew.Erf, ew.Sin, ew.Cos, ew.Pow, ew.Div)


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> Array:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


# Maps.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "i64", "u8", "u32", "u64"])
def test_a_map_of_any_length_and_dtype(dtype: str, size: int) -> None:
    graph = parse(
        f"""graph(%x: {dtype}[{size}], %y: {dtype}[{size}]) {{
          %s = add %x, %y; %p = mul %s, %x; %m = maximum %p, %y; %l = less %x, %y; %n = not %l
          %w = where %n, %m, %x; return %p, %l, %w }}"""
    )
    assert_compiled_matches(graph, random_inputs(graph, 1))
    assert_compiled_matches(fuse(graph), random_inputs(graph, 1))


MOVEMENTS = {
    "row": "%b: f32[5, 37] = broadcast %r; %o = add %x, %b",
    "column": "%b: f32[5, 37] = broadcast %c; %o = add %x, %b",
    "scalar": "%t = exp %s; %b: f32[5, 37] = broadcast %t; %o = add %x, %b",
    "transpose": "%t = transpose %x, permutation=(1, 0); %o = neg %t",
    "reverse": "%t = slice %x, start=(4, 36), step=(-1, -1), shape=(5, 37); %o = add %x, %t",
    "stride": "%t = slice %x, start=(0, 1), step=(2, 3), shape=(3, 12); %o = neg %t",
    "pad": "%e = exp %x; %o = scatter_slice %e, start=(2, 3), step=(1, 1), shape=(9, 50)",
    "spread": "%o = scatter_slice %x, start=(8, 1), step=(-2, 2), shape=(10, 80)",
    "concatenate rows": "%e = exp %x; %o = concatenate %e, %x, %x, axis=0",
    "concatenate columns": "%e = exp %x; %o = concatenate %c, %e, %x, %c, axis=1",
    "reshape of a transpose": "%t = transpose %x, permutation=(1, 0); %u = reshape %t, shape=(5, 37); %o = add %u, %x",
    "split rows": "%t = reshape %x, shape=(37, 5); %u = transpose %t, permutation=(1, 0); %o = mul %x, %u",
    "iota": "%i = iota axis=1, type=i64[5, 37]; %f = cast %i, dtype=f32; %o = mul %f, %x",
    "padded column": "%p = scatter_slice %c, start=(1, 20), step=(1, 1), shape=(7, 37); %o = neg %p",
    "pad of a broadcast": """%b: f32[5, 37] = broadcast %c
       %p = scatter_slice %b, start=(1, 2), step=(1, 1), shape=(7, 41); %o = neg %p""",
}


@pytest.mark.parametrize("name", MOVEMENTS)
def test_a_movement_inside_a_kernel(name: str) -> None:
    graph = parse(f"graph(%x: f32[5, 37], %r: f32[37], %c: f32[5, 1], %s: f32[]) {{ {MOVEMENTS[name]}; return %o }}")
    inputs = [normal(5, 37), normal(37, seed=1), normal(5, 1, seed=2), normal(seed=3)]
    assert_compiled_matches(graph, inputs)
    assert_compiled_matches(fuse(graph), inputs)
    assert_same_bits(graph, fuse(graph), inputs)


@settings(deadline=None)
@given(graphs(exclude=ROUNDED_APART), st.integers(0, 5))
def test_random_graphs_compute_what_the_interpreter_computes(graph: Graph, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_compiled_matches(order(graph), random_inputs(graph, seed))


@settings(deadline=None)
@given(graphs(max_nodes=25), st.integers(0, 5))
def test_random_graphs_have_the_same_bits_fused_and_unfused(graph: Graph, seed: int) -> None:
    ordered = order(graph)
    assert_same_bits(ordered, fuse(ordered), random_inputs(graph, seed))


# Reductions.


def reduced_in_order(op: Reduction, x: Array) -> Array:
    """A reduction as the docstring of `Reduction` says it, one element at a time."""
    s: Any = NumpyScalars()
    kept = [axis for axis in range(x.ndim) if axis not in op.axes]
    last = [op.axes[-1]]
    while last[0] - 1 in op.axes:
        last.insert(0, last[0] - 1)
    outer = [axis for axis in op.axes if axis not in last]
    rows, length = (math.prod(x.shape[axis] for axis in group) for group in (outer, last))
    shape = tuple(x.shape[axis] for axis in kept)
    x = x.transpose((*kept, *outer, *last)).reshape((*shape, rows, length))
    lanes = [
        tuple(np.broadcast_to(part, shape) for part in op.identity(s, as_dtype(x.dtype)))
        for _ in range(max(op.lanes, 1))
    ]
    for position, (o, t) in enumerate(itertools.product(range(rows), range(length))):
        lifted = op.lift(s, x[..., o, t], np.full(shape, position, np.int64))
        lanes[t % len(lanes)] = op.combine(s, lanes[t % len(lanes)], lifted)
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [op.combine(s, lanes[i], lanes[i + half]) for i in range(half)]
    return np.asarray(op.finish(s, lanes[0]))


SHAPES_AND_AXES = [
    ((7,), (0,)),
    ((100,), (0,)),
    ((1000,), (0,)),
    ((6, 50), (1,)),
    ((6, 50), (0,)),
    ((50, 70), (0,)),
    ((6, 50), (0, 1)),
    ((4, 32), (0, 1)),
    ((3, 5, 20), (0, 2)),
    ((3, 5, 16), (0, 2)),
    ((3, 5, 20), (1,)),
    ((2, 1, 6), (0, 2)),
    ((3, 1), (1,)),
    ((3, 0), (1,)),
    ((0, 3), (1,)),
]


@pytest.mark.parametrize("lanes", [0, 1, 2, 16, 32, 64])
@pytest.mark.parametrize(("shape", "axes"), SHAPES_AND_AXES)
def test_a_sum_is_taken_in_the_stated_order_to_the_last_bit(
    shape: tuple[int, ...], axes: tuple[int, ...], lanes: int
) -> None:
    x = normal(*shape, seed=3)
    graph = parse(f"graph(%x: f32{list(shape)}) {{ %r = sum %x, axes={axes!r}, lanes={lanes}; return %r }}")
    with np.errstate(all="ignore"):
        expected = reduced_in_order(Sum(axes, lanes), x)
    np.testing.assert_array_equal(bits(run_compiled(graph, [x]).outputs[0]), bits(expected))


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize(("shape", "axes"), [((6, 50), (1,)), ((6, 50), (0,)), ((5, 6, 7), (0, 2))])
def test_other_reductions_are_taken_in_the_stated_order(
    shape: tuple[int, ...], axes: tuple[int, ...], lanes: int
) -> None:
    x = np.round(normal(*shape, seed=3))
    x.reshape(-1)[17] = np.nan
    for op in (Max(axes, lanes), Argmax(axes, lanes)):
        graph = parse(f"graph(%x: f32{list(shape)}) {{ %r = {op.name} %x, axes={axes!r}, lanes={lanes}; return %r }}")
        np.testing.assert_array_equal(run_compiled(graph, [x]).outputs[0], reduced_in_order(op, x))
        assert_compiled_matches(graph, [x])
    holds = x < 2
    for dtype in int64, int32, uint8:
        first_false = FirstFalse(axes, lanes, dtype)
        graph = parse(
            f"graph(%x: bool{list(shape)}) {{ "
            f"%r = first_false %x, axes={axes!r}, lanes={lanes}, dtype={dtype.short}; return %r }}"
        )
        np.testing.assert_array_equal(run_compiled(graph, [holds]).outputs[0], reduced_in_order(first_false, holds))


def test_reductions_of_different_lanes_in_one_kernel() -> None:
    one = "%{0} = sum %s, axes=(1,), lanes={1}"
    body = "; ".join(one.format(*pair) for pair in (("a", 1), ("b", 2), ("c", 16), ("d", 64)))
    fused = parse(
        f"""graph(%x: f32[5, 150]) {{ %a, %b, %c, %d = fused %x @all(%y: f32[5, 150]) {{
          %s = mul %y, %y; {body}; return %a, %b, %c, %d }}; return %a, %b, %c, %d }}"""
    )
    x = normal(5, 150)
    for lanes, got in zip((1, 2, 16, 64), run_compiled(fused, [x]).outputs, strict=True):
        np.testing.assert_array_equal(bits(got), bits(reduced_in_order(Sum((1,), lanes), x * x)))


SOFTMAX = """graph(%x: f32[9, 50]) {
  %r, %n = fused %x @softmax(%y: f32[9, 50]) {
    %m = max %y, axes=(1,), lanes=16; %m1 = reshape %m, shape=(9, 1); %mm: f32[9, 50] = broadcast %m1
    %d = sub %y, %mm; %e = exp %d
    %s = sum %e, axes=(1,), lanes=16; %s1 = reshape %s, shape=(9, 1); %ss: f32[9, 50] = broadcast %s1
    %q = div %e, %ss; return %q, %s
  }
  return %r, %n }"""


def test_a_row_kernel_of_several_stages() -> None:
    assert_compiled_matches(parse(SOFTMAX), [normal(9, 50)])


def test_a_reduction_with_its_producers_and_its_epilogue_has_the_bits_of_its_parts() -> None:
    graph = parse(
        """graph(%x: f32[33, 70], %b: f32[70], %w: state f32[70]) {
          %bb: f32[33, 70] = broadcast %b; %s = add %x, %bb; %t = tanh %s
          %c = sum %t, axes=(0,), lanes=1; %n = sub %w, %c; return %t ; %w <- %n }"""
    )
    fused = fuse(graph)
    assert len(fused.nodes) == 1
    inputs = [normal(33, 70), normal(70, seed=1), normal(70, seed=2)]
    assert_same_bits(graph, fused, inputs)
    assert_compiled_matches(fused, inputs)


# Randomness.


@pytest.mark.parametrize("shape", [(), (1,), (3,), (64,), (1000,), (5, 6), (7, 64), (3, 101)])
def test_random_words_are_the_specified_ones(shape: tuple[int, ...]) -> None:
    graph = parse(
        f"""graph(%x: f32{list(shape)}, %p: f64[], %seed: state u64[], %draw: state u64[]) {{
          %k = random_keep %seed, %draw, %p, draw=2, shape={shape!r}; %f = cast %k, dtype=f32; %r = mul %f, %x
          %t = transpose %k, permutation={tuple(range(len(shape)))[::-1]!r}; return %k, %r, %t }}"""
    )
    inputs = [np.ones(shape, np.float32), np.float64(0.3), np.uint64(2**63 + 12345), np.uint64(2**64 - 1)]
    for each in (graph, fuse(graph)):
        keep, product, transposed = run_compiled(each, inputs).outputs
        words = philox.words(2**63 + 12345, 1, math.prod(shape)).reshape(shape)
        np.testing.assert_array_equal(keep, words >= round(0.3 * 2**32))
        np.testing.assert_array_equal(product, keep.astype(np.float32))
        np.testing.assert_array_equal(transposed, keep.T)


@pytest.mark.parametrize("start", [0, 2**34 - 3, 2**34, 2**35 + 1])
def test_words_beyond_32_bits_of_position(start: int) -> None:
    graph = parse(
        f"""graph(%seed: u64[], %draw: u64[], %p: f64[]) {{
          %r = fused %seed, %draw, %p @far(%a: u64[], %b: u64[], %q: f64[]) {{
            %k = random_keep %a, %b, %q, draw=0, shape=({2**36},)
            %s = slice %k, start=({start},), step=(1,), shape=(40,)
            return %s
          }}
          return %r }}"""
    )
    (got,) = run_compiled(graph, [np.uint64(7), np.uint64(9), np.float64(0.5)]).outputs
    positions = np.arange(start, start + 40, dtype=np.uint64)
    low, high = (positions // 4).astype(np.uint32), (positions // 4 >> np.uint64(32)).astype(np.uint32)
    zero = np.zeros(40, np.uint32)
    quads = np.stack(philox.philox(NumpyScalars(), (low, high, zero + 9, zero), (zero + 7, zero)))
    np.testing.assert_array_equal(got, quads[positions % 4, np.arange(40)] >= 2**31)


@pytest.mark.parametrize(("axis", "lanes"), [(0, 1), (1, 1), (1, 16), (1, 32)])
def test_a_reduction_of_random_elements_has_the_bits_of_its_parts(axis: int, lanes: int) -> None:
    graph = parse(
        f"""graph(%x: f32[30, 300], %seed: u64[], %draw: u64[], %p: f64[]) {{
          %k = random_keep %seed, %draw, %p, draw=0, shape=(30, 300); %f = cast %k, dtype=f32; %d = mul %x, %f
          %r = sum %d, axes=({axis},), lanes={lanes}; return %r, %d }}"""
    )
    fused = fuse(graph)
    assert len(fused.nodes) == 1
    inputs = [normal(30, 300), np.uint64(5), np.uint64(6), np.float64(0.4)]
    assert_same_bits(graph, fused, inputs)
    assert_compiled_matches(fused, inputs)


@pytest.mark.parametrize(
    "op", ["random_keep %seed, %draw, %p, ", "random_word %seed, %draw, ", "random_normal %seed, %draw, "]
)
@pytest.mark.parametrize("reduction", ["sum %x, axes=(1,), lanes=16", "max %x, axes=(1,), lanes=4"])
def test_a_random_element_behind_a_reduction_is_one_for_its_row(op: str, reduction: str) -> None:
    """It must not be a vector like those of the row's elements: stored at a row, that reaches beyond the result."""
    graph = parse(
        f"""graph(%x: f32[1000, 16], %seed: u64[], %draw: u64[], %p: f64[]) {{
          %s = {reduction}; %k = {op}draw=0, shape=(1000,); %f = cast %k, dtype=f32
          %r = mul %s, %f; return %r }}"""
    )
    fused = fuse(graph)
    assert len(fused.nodes) == 1
    inputs = [normal(1000, 16), np.uint64(5), np.uint64(6), np.float64(0.4)]
    assert_same_bits(graph, fused, inputs)
    assert_compiled_matches(fused, inputs)


# The executable.


def test_equal_kernels_are_emitted_once() -> None:
    layers = "".join(
        f"%{n + 1} = matmul %{n}, %w; %t{n} = tanh %{n + 1}; %{n + 1}_ = mul %t{n}, %w; " for n in range(4)
    )
    executable = CPUTarget().compile(parse(f"graph(%0: f32[8, 8], %w: f32[8, 8]) {{ {layers} return %4, %3_ }}"))
    assert [kernel.values[-1].op.name for kernel in executable.written().kernels.values()] == ["tanh", "mul"]  # type: ignore[union-attr]
    assert [function for _, function in executable.written().calls].count("kernel_0") == 4


def test_kernels_that_differ_in_their_draws_are_emitted_once() -> None:
    def layer(x: str, result: str, first: int, second: int) -> str:
        keep = "random_keep %seed, %draw, %p, shape=(40, 40), draw="
        return f"""%a{first} = {keep}{first}; %f{first} = cast %a{first}, dtype=f32
            %a{second} = {keep}{second}; %f{second} = cast %a{second}, dtype=f32
            %y{first} = mul {x}, %f{first}; %z{first} = mul %y{first}, %f{second}; {result} = matmul %z{first}, %w"""

    layers = "\n".join([layer("%x", "%1", 3, 1), layer("%1", "%2", 9, 7), layer("%2", "%3", 5, 6)])
    inputs = "%x: f32[40, 40], %w: f32[40, 40], %seed: u64[], %draw: u64[], %p: f64[]"
    graph = fuse(parse(f"graph({inputs}) {{ {layers}\n return %1, %2, %3 }}"))
    calls = CPUTarget().compile(graph).written().calls
    assert [function for _, function in calls if function != "matmul_f32"] == ["kernel_0"] * 3
    drawn = [normal(40, 40), normal(40, 40, seed=1), np.uint64(5), np.uint64(6), np.float64(0.4)]
    assert_compiled_matches(graph, drawn)


def test_an_entry_outlives_its_executable() -> None:
    graph = parse("graph(%x: f32[100]) { %e = exp %x; %s = sum %e, axes=(0,); %r = neg %s; return %r }")
    executable = CPUTarget().compile(graph)
    entry, table = executable.entry, executable.new_table()
    x, r = guarded_copy(normal(100), np.dtype(np.float32)), np.zeros((), np.float32)
    table[:2] = x.ctypes.data, r.ctypes.data
    del executable
    gc.collect()
    status = np.zeros(STATUS_WORDS, np.int64)
    assert entry(table.ctypes.data, status.ctypes.data) == 0
    np.testing.assert_allclose(r, -np.exp(x).sum(), rtol=1e-5)


def test_an_unsupported_op_is_refused_by_name() -> None:
    with pytest.raises(CompileError, match="the CPU target does not support grad"):
        CPUTarget().compile(parse("graph(%x: f32[3], %s: f32[3]) { %g = grad %x, %s, %x; return %g }"))


def test_the_ir_and_the_assembly_are_readable() -> None:
    executable = CPUTarget().compile(parse("graph(%x: f32[100]) { %e = neg %x; return %e }"))
    assert "define void @kernel_0" in executable.llvm_ir()
    assert "entry:" in executable.assembly()


def test_every_kernel_begins_a_line_of_code() -> None:
    graph = parse("graph(%x: f32[100]) { %e = neg %x; %s = sum %x, axes=(0,), lanes=16; return %e, %s }")
    lines = CPUTarget().compile(graph).llvm_ir().splitlines()
    heads = [line for line in lines if line.startswith("define void @kernel_")]
    assert len(heads) == 2
    assert all(head.endswith(" align 64 {") for head in heads)


@on_x86
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v2", "x86-64-v3", "skylake-avx512"])
def test_another_processor_gives_the_same_bits(cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need(cpu)
    graph = fuse(
        parse(
            """graph(%x: f32[33, 50], %y: f32[50, 21], %b: f32[21], %p: f64[], %seed: u64[], %draw: u64[]) {
              %m = matmul %x, %y, chunk=24; %bb: f32[33, 21] = broadcast %b; %s = add %m, %bb; %t = tanh %s
              %k = random_keep %seed, %draw, %p, draw=0, shape=(33, 21); %f = cast %k, dtype=f32; %d = mul %t, %f
              %r = sum %d, axes=(1,), lanes=16; %c = sum %d, axes=(0,), lanes=1; %z = transpose %d, permutation=(1, 0)
              %e = exp %z; return %d, %r, %c, %e }"""
        )
    )
    inputs = [normal(33, 50), normal(50, 21, seed=1), normal(21, seed=2), np.float64(0.2), np.uint64(3), np.uint64(0)]
    here = run_compiled(graph, inputs).outputs
    monkeypatch.setenv("LUCID_CPU", cpu)
    there = run_compiled(graph, inputs).outputs
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(bits(a), bits(b))
    assert_compiled_matches(graph, inputs)


@on_x86
@pytest.mark.parametrize(("rows", "columns"), [(257, 35), (263, 99)])
def test_lanes_that_are_off_read_nothing(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the last part that are not there lie behind the array, and so do the lanes behind the last column."""
    need("x86-64-v3")
    monkeypatch.setenv("LUCID_CPU", "x86-64-v3")
    graph = fuse(order(parse(f"graph(%x: f32[{rows}, {columns}]) {{ %r = sum %x, axes=(0,); return %r }}")))
    assert_compiled_matches(graph, [normal(rows, columns)])
