"""The order of sums: from shapes alone, and long sums in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from lucid.ir.graph import Graph, same
from lucid.ir.interpret import interpret
from lucid.ir.ops.base import Reduction
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.extremum import Max
from lucid.ir.ops.reduction import Sum
from lucid.ir.passes.order import LONG, chunk_for, lanes_for, order, product_lanes
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.ir.graphs import graphs
from tests.passes.rewriting import assert_equal_values, assert_rewrites, assert_unchanged


@pytest.mark.parametrize(
    ("shape", "axes", "lanes"),
    [
        ((64, 128), (0,), 1),  # results lie side by side
        ((64, 128), (1,), 16),
        ((64, 1024), (1,), 32),
        ((64, 10), (1,), 1),  # too short
        ((64, 128, 1), (1,), 16),  # an axis of extent 1 does not count
        ((64, 128, 1), (0,), 1),
        ((8, 8, 8), (1, 2), 16),  # neighbours count as one
        ((64, 4, 8), (0, 2), 1),  # others do not
        ((1, 1), (0, 1), 1),
    ],
)
def test_lanes(shape: tuple[int, ...], axes: tuple[int, ...], lanes: int) -> None:
    assert lanes_for(shape, axes) == lanes


@pytest.mark.parametrize("products", [*range(1, 1500, 7), 4096, 4097, 100_000])
def test_chunks_cover_the_sum_evenly(products: int) -> None:
    chunk = chunk_for(products)
    chunks = -(-products // chunk)
    assert chunk == products or (256 <= chunk <= 512 and chunk % 8 == 0)
    assert chunks == max(-(-products // 512), 1)


@pytest.mark.parametrize(
    ("rows", "products", "columns", "transpose_a", "transpose_b", "lanes"),
    [
        (64, 512, 10, False, True, 16),
        (64, 512, 10, False, False, 16),  # the products of a sum lie side by side where the many are
        (64, 512, 10, True, False, 1),  # rows lie side by side
        (10, 512, 64, False, True, 16),
        (10, 512, 64, False, False, 1),
        (64, 512, 17, False, True, 1),  # fills a vector
        (64, 16, 10, False, True, 1),  # too few products
        (512, 512, 1, False, False, 16),
        (512, 512, 1, True, False, 1),
        (1, 512, 512, False, True, 16),
        (1, 512, 512, False, False, 1),
        (1, 15, 1, False, False, 1),
        (1, 100, 1, False, False, 16),
        (1, 1000, 1, True, True, 32),
        (1, 0, 1, False, False, 1),
    ],
)
def test_lanes_of_products(
    rows: int, products: int, columns: int, transpose_a: bool, transpose_b: bool, lanes: int
) -> None:
    assert product_lanes(rows, products, columns, transpose_a, transpose_b) == lanes
    assert product_lanes(columns, products, rows, not transpose_b, not transpose_a) == lanes  # of the transpose, too


@pytest.mark.parametrize("products", [*range(1, 10000, 97), 100_000])
def test_chunks_of_lanes_cover_the_sum_evenly(products: int) -> None:
    chunk = chunk_for(products, 16)
    assert chunk == products or (2048 <= chunk <= 4096 and chunk % 16 == 0)
    assert -(-products // chunk) == max(-(-products // 4096), 1)


def test_chunk_of_a_transposed_operand() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[784, 64], %y: f32[784, 10]) { %r = matmul %x, %y, transpose_a=true; return %r }",
        "graph(%x: f32[784, 64], %y: f32[784, 10]) { %r = matmul %x, %y, transpose_a=true, chunk=392; return %r }",
    )


def test_lanes_of_a_narrow_layer() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[64, 784], %w: f32[10, 784]) { %r = matmul %x, %w, transpose_b=true; return %r }",
        "graph(%x: f32[64, 784], %w: f32[10, 784]) "
        "{ %r = matmul %x, %w, transpose_b=true, chunk=784, lanes=16; return %r }",
    )


def test_chunks_of_convolutions_are_whole_channels_or_rows() -> None:
    geometry = "stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1"
    before = parse(
        f"""graph(%x: f32[2, 64, 28, 28], %w: f32[8, 64, 3, 3], %g: f32[2, 8, 28, 28]) {{
          %y = convolution %x, %w, {geometry}; %d = convolution_input %g, %w, {geometry}, spatial=(28, 28)
          %v = convolution_weight %x, %g, {geometry}, kernel=(3, 3); return %y, %d, %v }}"""
    )
    after = parse(
        f"""graph(%x: f32[2, 64, 28, 28], %w: f32[8, 64, 3, 3], %g: f32[2, 8, 28, 28]) {{
          %y = convolution %x, %w, {geometry}, chunk=32
          %d = convolution_input %g, %w, {geometry}, spatial=(28, 28), chunk=8
          %p = convolution_weight %x, %g, {geometry}, kernel=(3, 3), chunk=14, parts=2
          %v = sum %p, axes=(0,), lanes=1; return %y, %d, %v }}"""
    )
    assert same(order(before), after)


def test_a_long_sum_becomes_a_sum_of_sums() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[512, 784]) { %r = sum %x, axes=(0, 1); return %r }",
        """
        graph(%x: f32[512, 784]) {
          %blocks: f32[98, 4096] = reshape %x
          %parts = sum %blocks, axes=(1,), lanes=32
          %r = sum %parts, axes=(0,), lanes=16
          return %r
        }
        """,
        tolerance=1e-3,
    )


def test_a_long_column_sum_keeps_its_columns() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[65536, 3]) { %r = sum %x, axes=(0,); return %r }",
        """
        graph(%x: f32[65536, 3]) {
          %blocks: f32[512, 128, 3] = reshape %x
          %parts = sum %blocks, axes=(1,), lanes=1
          %blocks_of_parts: f32[4, 128, 3] = reshape %parts
          %parts_of_parts = sum %blocks_of_parts, axes=(1,), lanes=1
          %r = sum %parts_of_parts, axes=(0,), lanes=1
          return %r
        }
        """,
        tolerance=1e-3,
    )


def test_a_length_without_a_good_divisor_is_padded() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[16411]) { %r = sum %x, axes=(0,); return %r }",  # a prime
        """
        graph(%x: f32[16411]) {
          %padded: f32[20480] = scatter_slice %x, start=(0,), step=(1,)
          %blocks: f32[5, 4096] = reshape %padded
          %parts = sum %blocks, axes=(1,), lanes=32
          %r = sum %parts, axes=(0,), lanes=1
          return %r
        }
        """,
        tolerance=1e-3,
    )


def test_separate_axes_are_summed_one_after_the_other() -> None:
    assert_rewrites(
        order,
        "graph(%x: f32[300, 2, 60]) { %r = sum %x, axes=(0, 2); return %r }",
        """
        graph(%x: f32[300, 2, 60]) {
          %inner = sum %x, axes=(2,), lanes=16
          %blocks: f32[3, 100, 2] = reshape %inner
          %parts = sum %blocks, axes=(1,), lanes=1
          %r = sum %parts, axes=(0,), lanes=1
          return %r
        }
        """,
        tolerance=1e-4,
    )


@pytest.mark.parametrize("shape", [(1 << 20, 2), (3, 20_000, 2), (40_000, 3, 2), (16_411, 2), (2, 70_000, 5)])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (0, 2)])
def test_no_sum_stays_long(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    if axes[-1] >= len(shape):
        return
    extents = ", ".join(map(str, shape))
    graph = order(parse(f"graph(%x: i64[{extents}]) {{ %r = sum %x, axes={(*axes,)}; return %r }}"))
    verify(graph)
    for node in graph.nodes:
        if isinstance(node.op, Sum):
            assert np.prod([node.inputs[0].type.shape[axis] for axis in node.op.axes]) <= LONG
    x = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(interpret(graph, [x]).outputs[0], x.sum(axes))


@pytest.mark.parametrize("name", ["max", "min", "any", "all"])
@pytest.mark.parametrize("shape", [(1 << 20,), (3, 20_000), (40_000, 3), (70, 30, 40)])
def test_no_extremum_stays_long(name: str, shape: tuple[int, ...]) -> None:
    axes = tuple(range(len(shape))) if len(shape) != 2 else (int(np.argmax(shape)),)
    kind = "bool" if name in ("any", "all") else "f32"
    extents = ", ".join(map(str, shape))
    graph = order(parse(f"graph(%x: {kind}[{extents}]) {{ %r = {name} %x, axes={(*axes,)}; return %r }}"))
    verify(graph)
    reductions = [node for node in graph.nodes if isinstance(node.op, Reduction)]
    assert len(reductions) > 1
    for node in reductions:
        assert np.prod([node.inputs[0].type.shape[axis] for axis in node.op.axes]) <= LONG
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x = x > (3.0 if name == "any" else -3.0) if kind == "bool" else x
    np.testing.assert_array_equal(interpret(graph, [x]).outputs[0], getattr(np, name)(x, axis=axes))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("shape", [(1 << 15,), (3, 20_000), (20_000, 2), (5, 60, 70)])
def test_no_position_of_an_extremum_is_looked_for_in_a_long_row(name: str, shape: tuple[int, ...]) -> None:
    axis = None if len(shape) != 2 else int(np.argmax(shape))
    axes = tuple(range(len(shape))) if axis is None else (axis,)
    extents = ", ".join(map(str, shape))
    graph = order(parse(f"graph(%x: f32[{extents}]) {{ %r = {name} %x, axes={(*axes,)}; return %r }}"))
    verify(graph)
    for node in graph.nodes:
        if isinstance(node.op, Reduction):
            assert np.prod([node.inputs[0].type.shape[axis] for axis in node.op.axes]) <= LONG
    x = np.random.default_rng(0).integers(-3, 3, shape).astype(np.float32)  # with many that are equal
    broken = x.copy()
    broken.flat[[x.size // 2, x.size - 1]] = np.nan
    for numbers in (x, broken, np.zeros_like(x), -np.zeros_like(x)):
        np.testing.assert_array_equal(interpret(graph, [numbers]).outputs[0], getattr(np, name)(numbers, axis))


@pytest.mark.parametrize("shape", [(1 << 15,), (3, 20_011), (20_011, 2), (5, 60, 70), (300_000, 2)])
@pytest.mark.parametrize("dtype", ["i64", "u32"])
def test_no_search_stays_long(dtype: str, shape: tuple[int, ...]) -> None:
    axes = tuple(range(len(shape))) if len(shape) != 2 else (int(np.argmax(shape)),)
    extents, field = ", ".join(map(str, shape)), "" if dtype == "i64" else f", dtype={dtype}"
    text = f"graph(%x: bool[{extents}]) {{ %r = first_false %x, axes={(*axes,)}{field}; return %r }}"
    graph = order(parse(text))
    verify(graph)
    for node in graph.nodes:
        if isinstance(node.op, Reduction):
            assert np.prod([node.inputs[0].type.shape[axis] for axis in node.op.axes]) <= LONG
    x = np.ones(shape, bool)
    for places in ([], [-1], [x.size // 2, x.size // 3, -1], [0, x.size // 2]):
        x[...] = True
        x.flat[places] = False
        np.testing.assert_array_equal(interpret(graph, [x]).outputs[0], interpret(parse(text), [x]).outputs[0])


def test_a_position_without_divisors_or_on_axes_apart_stays() -> None:
    for shape, axes in [("20011", "(0,)"), ("300, 2, 300", "(0, 2)")]:
        graph = order(parse(f"graph(%x: f32[{shape}]) {{ %r = argmax %x, axes={axes}; return %r }}"))
        assert len(graph.nodes) == 1
    graph = order(parse("graph(%x: bool[300, 2, 300]) { %r = first_false %x, axes=(0, 2); return %r }"))
    assert len(graph.nodes) == 1


def test_an_extremum_of_a_length_without_divisors_stays() -> None:
    graph = order(parse("graph(%x: f32[20011]) { %r = max %x, axes=(0,); return %r }"))
    assert [node.op for node in graph.nodes] == [Max((0,), lanes=32)]


def test_a_chosen_order_stays() -> None:
    assert_unchanged(order, "graph(%x: f32[65536]) { %r = sum %x, axes=(0,), lanes=8; return %r }")
    assert_unchanged(order, "graph(%x: f32[4, 999], %y: f32[999, 4]) { %r = matmul %x, %y, chunk=7; return %r }")


@given(graphs())
def test_random_graphs_have_every_order_chosen(graph: Graph) -> None:
    result = order(graph)
    verify(result)
    assert order(result) is result
    for node in result.nodes:
        if isinstance(node.op, Reduction):
            assert node.op.lanes > 0
        if isinstance(node.op, Matmul):
            assert node.op.chunk > 0
    assert_equal_values(graph, result)
