"""The matrix product in CUDA C: the order of its sums, whatever the sizes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from lucid.codegen.cuda.dots import dots_launch
from lucid.codegen.cuda.functions import Dots, Product
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.product import is_wide
from lucid.codegen.cuda.tiles import TILE
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.contraction import Matmul
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from lucid.ir.types import DType, TensorType, float32, float64
from tests.codegen.nvrtc import ptx_of
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.oracle import Array, run_compiled, run_executable

# (batch, m, n, k, chunk): whole tiles and parts of them, one chunk and several, sums of one and of nothing.
SIZES = (
    ((), 3, 5, 4, 4),
    ((), 64, 64, 32, 32),
    ((), 65, 130, 33, 20),
    ((), 1, 70, 100, 48),
    ((2, 3), 9, 7, 40, 16),
    ((), 4, 3, 0, 1),
    ((), 5, 1, 17, 1),
    ((2,), 68, 76, 36, 20),  # quads at the edges of tiles and chunks
)


def product(batch: tuple[int, ...], m: int, n: int, k: int, op: Matmul, dtype: str) -> Graph:
    element = {"f32": float32, "f64": float64}[dtype]
    a = Value(TensorType(element, (*batch, *((k, m) if op.transpose_a else (m, k)))))
    b = Value(TensorType(element, (*batch, *((n, k) if op.transpose_b else (k, n)))))
    c = Value(*op.infer([a.type, b.type]))
    return Graph("product", (a, b), (), (Node(op, (a, b), (c,)),), (c,))


def products() -> Iterator[Graph]:
    for (*sizes, chunk), ta, tb, dtype in itertools.product(SIZES, (False, True), (False, True), ("f32", "f64")):
        yield product(*sizes, Matmul(ta, tb, chunk), dtype)


def operands(graph: Graph) -> list[Array]:
    """Numbers of all magnitudes, so that another order shows; with infinities and negative zeros."""
    generator = np.random.default_rng(0)
    arrays = []
    for value in graph.inputs:
        x = generator.standard_normal(value.type.shape) * 10.0 ** generator.integers(-3, 3, value.type.shape)
        x = x.astype(value.type.dtype.numpy)
        x[generator.random(x.shape) < 0.1] *= 0.0
        x[generator.random(x.shape) < 0.01] = np.inf
        arrays.append(x)
    return arrays


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return list(products())


@pytest.fixture(scope="module")
def simulated(graphs: list[Graph]) -> Simulated:
    return Simulated(graphs)


@pytest.mark.parametrize("number", range(8 * len(SIZES)))
def test_a_product_has_the_bits_of_the_cpu_target(number: int, graphs: list[Graph], simulated: Simulated) -> None:
    arrays = operands(graphs[number])
    expected = run_compiled(graphs[number], arrays)
    for order in ORDERS:
        assert same_bits(simulated.run(graphs[number], arrays, order), expected), order


# As above, with lanes at the end.
LANED = (
    ((), 3, 5, 40, 40, 16),
    ((), 1, 70, 100, 48, 16),
    ((2, 3), 9, 2, 33, 16, 16),
    ((), 4, 3, 0, 1, 16),
    ((), 1, 1, 300, 300, 32),
    ((5,), 2, 17, 50, 20, 32),
)


@pytest.fixture(scope="module")
def laned() -> list[Graph]:
    return [
        product(*sizes, Matmul(ta, tb, chunk, lanes), dtype)
        for (*sizes, chunk, lanes), ta, tb, dtype in itertools.product(
            LANED, (False, True), (False, True), ("f32", "f64")
        )
    ]


@pytest.fixture(scope="module")
def simulated_laned(laned: list[Graph]) -> Simulated:
    return Simulated(laned)


@pytest.mark.parametrize("number", range(8 * len(LANED)))
def test_a_product_with_lanes_has_the_bits_of_the_cpu_target(
    number: int, laned: list[Graph], simulated_laned: Simulated
) -> None:
    arrays = operands(laned[number])
    expected = run_compiled(laned[number], arrays)
    for order in ORDERS:
        assert same_bits(simulated_laned.run(laned[number], arrays, order), expected), order


def test_a_product_with_lanes_takes_wide_positions() -> None:
    narrow, wide = (Dots(float32, 16, False, True, wide).text("dots", False, None) for wide in (False, True))
    assert wide.replace("(long long)row", "row").replace("(long long)column", "column") == narrow


def test_what_is_around_a_product_with_lanes_stays_apart() -> None:
    text = """graph(%x: f32[9, 70], %w: f32[1, 70], %bias: f32[1]) {
  %t: f32[9, 70] = tanh %x; %z = matmul %t, %w, transpose_b=true, chunk=70, lanes=16
  %b: f32[9, 1] = broadcast %bias; %y = add %z, %b
  return %y
}"""
    names = list(write_module(fuse(parse(text))).functions)
    assert [name.split("_")[0] for name in names] == ["kernel", "dots", "kernel"]


def test_a_sum_that_rounds_to_minus_zero_stays() -> None:
    """-1e-45 * 0.1 added to 0 rounds to -0; to add a 0 from behind the end would lose the sign."""
    graph = product((), 1, 1, 1, Matmul(chunk=1), "f32")
    arrays = [np.array([[-1e-45]], np.float32), np.array([[0.1]], np.float32)]
    outcome = Simulated([graph]).run(graph, arrays)
    assert np.signbit(outcome.outputs[0])
    assert same_bits(outcome, run_compiled(graph, arrays))


def test_another_chunk_has_other_bits(graphs: list[Graph]) -> None:
    one, many = (product((), 30, 30, 300, Matmul(chunk=chunk), "f32") for chunk in (300, 100))
    arrays = [np.random.default_rng(0).standard_normal(value.type.shape).astype("f") for value in one.inputs]
    assert not same_bits(Simulated([one]).run(one, arrays), run_compiled(many, arrays)), "then no test would notice"


@pytest.mark.parametrize("lanes", [1, 16])
def test_more_matrices_than_blocks_go_round(lanes: int) -> None:
    graph = product((2, 4), 3, 2, 20, Matmul(chunk=20, lanes=lanes), "f32")
    with mock.patch(f"lucid.codegen.cuda.{'product' if lanes == 1 else 'dots'}.MOST_MATRICES", 3):
        simulated = Simulated([graph])
    (launch,) = simulated.modules[graph].plan.steps
    assert launch.blocks == (1, 3)
    arrays = operands(graph)
    for order in ORDERS:
        assert same_bits(simulated.run(graph, arrays, order), run_compiled(graph, arrays))


def test_more_elements_with_lanes_than_threads_go_round() -> None:
    """Of 70 elements in 16 lanes, a block of two warps takes four at a time, and two blocks take eight."""
    graph = product((), 1, 70, 100, Matmul(True, False, 48, 16), "f32")
    simulated = Simulated([graph])
    executable = simulated.executable(graph)
    (launch,) = executable.plan.steps
    assert (launch.blocks, launch.threads) == ((5, 1), 256)
    executable.plan = replace(executable.plan, steps=(replace(launch, blocks=(2, 1), threads=64),))
    arrays = operands(graph)
    assert same_bits(run_executable(executable, graph, arrays), run_compiled(graph, arrays))


def test_elements_with_lanes_never_take_more_blocks_than_a_grid_has() -> None:
    launch = dots_launch(Matmul(chunk=1, lanes=16), TensorType(float32, (2**30, 1)), TensorType(float32, (1, 2**10)))
    assert launch == ((4096, 1), 256, (2**30, 2**10, 1, 1, 1))


def test_matrices_of_many_elements_take_wide_positions() -> None:
    """The wide function, at a size that runs: its text is that of the other but for the type of positions."""
    narrow, wide = (Product(float32, False, True, wide).text("product", False, None) for wide in (False, True))
    assert wide.replace("(long long)(", "(").replace("(long long)r", "r").replace("(256, 1)", "(256, 2)") == narrow
    shape = TensorType(float32, (2, 2**16, 2**15))
    assert is_wide(TensorType(float32, (3, 5)), shape)
    assert not is_wide(shape.with_shape((2, 2**15, 2**15)))


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("sizes", [((), 2**30 + 1, 1, 1), ((), 1, 2**31, 1), ((), 1, 1, 2**31), ((2**31,), 1, 1, 1)])
def test_sizes_that_leave_an_int_are_refused(sizes: tuple[tuple[int, ...], int, int, int], lanes: int) -> None:
    with pytest.raises(CompileError, match=r"has at most 2\^30 rows, columns, terms of a sum and matrices; got f32"):
        write_module(product(*sizes, Matmul(chunk=1024, lanes=lanes), "f32"))


@pytest.mark.parametrize(("dtype", "vector"), [(float32, "v4.f32"), (float64, "v2.f64")])
def test_nvrtc_loads_vectors_of_the_tiles_and_waits_once_for_both(dtype: DType, vector: str) -> None:
    ptx = ptx_of(Product(dtype, False, True, False).text("product", False, None))
    assert set(re.findall(r"ld\.shared\.(\S+)", ptx)) == {vector}
    assert ptx.count("bar.sync") == 1


EPILOGUES = (
    """graph @layer(%x: f32[70, 33], %w: f32[130, 33], %bias: f32[130], %seed: u64[], %draw: u64[], %p: f64[]) {
  %y: f32[70, 130] = matmul %x, %w, transpose_b=true, chunk=20
  %b: f32[70, 130] = broadcast %bias
  %h: f32[70, 130] = add %y, %b
  %e: f32[70, 130] = exp %h
  %keep: bool[70, 130] = random_keep %seed, %draw, %p, draw=3
  %m: f32[70, 130] = cast %keep
  %z: f32[70, 130] = mul %e, %m
  return %z, %y, %keep
}""",
    """graph @batches(%x: f64[2, 3, 9, 40], %w: f64[2, 3, 40, 7], %scale: f64[3, 7]) {
  %y: f64[2, 3, 9, 7] = matmul %x, %w, chunk=16
  %s: f64[3, 1, 7] = reshape %scale
  %b: f64[2, 3, 9, 7] = broadcast %s
  %z: f64[2, 3, 9, 7] = mul %y, %b
  %flat: f64[6, 63] = reshape %z
  return %flat
}""",
    """graph @update(%x: f32[5, 66], %g: f32[5, 3], %rate: f32[], %w: state f32[66, 3], %v: state f32[66, 3]) {
  %gradient: f32[66, 3] = matmul %x, %g, transpose_a=true, chunk=5
  %r: f32[66, 3] = broadcast %rate
  %s: f32[66, 3] = mul %v, %r
  %velocity: f32[66, 3] = add %s, %gradient
  %new: f32[66, 3] = sub %w, %velocity
  %to_x: f32[5, 66] = matmul %g, %w, transpose_b=true, chunk=3
  return %to_x; %w <- %new, %v <- %velocity
}""",
)


@pytest.fixture(scope="module")
def layers() -> list[Graph]:
    return [fuse(parse(text)) for text in EPILOGUES]


@pytest.fixture(scope="module")
def simulated_layers(layers: list[Graph]) -> Simulated:
    return Simulated(layers)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("number", range(len(EPILOGUES)))
def test_an_epilogue_has_the_bits_of_kernels_apart(
    number: int, order: int, layers: list[Graph], simulated_layers: Simulated
) -> None:
    graph = layers[number]
    generator = np.random.default_rng(0)
    arrays = [generator.random(value.type.shape).astype(value.type.dtype.numpy) for value in graph.inputs]
    assert any("_epilogue_" in name for name in simulated_layers.modules[graph].functions)
    with np.errstate(all="ignore"):
        assert same_bits(simulated_layers.run(graph, arrays, order), run_compiled(graph, arrays))


def test_an_update_overwrites_its_state_where_its_gradient_comes_out(
    layers: list[Graph], simulated_layers: Simulated
) -> None:
    functions = [step.function for step in simulated_layers.modules[layers[2]].plan.steps if isinstance(step, Launch)]
    assert [name.removeprefix("g2_") for name in functions] == ["product_f32_nt", "product_f32_tn_epilogue_0"]


def test_the_grid_covers_the_tiles() -> None:
    graph = product((7,), TILE + 1, 3 * TILE, 5, Matmul(chunk=5), "f64")
    (launch,) = Simulated([graph]).modules[graph].plan.steps
    assert launch.blocks == (6, 7)
    assert launch.scalars == (TILE + 1, 3 * TILE, 5, 5, 7)


def test_a_product_of_float64_has_an_epilogue_too() -> None:
    text = """graph(%x: f64[9, 70], %w: f64[5, 70], %bias: f64[5]) {
  %z = matmul %x, %w, transpose_b=true; %b: f64[9, 5] = broadcast %bias; %s = add %z, %b; %y = tanh %s
  return %y
}"""
    assert list(write_module(fuse(parse(text))).functions) == ["product_f64_nt_epilogue_0"]
