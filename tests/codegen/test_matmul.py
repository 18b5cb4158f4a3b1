"""The matrix product: the stated bits for any sizes, transpositions and batches, wherever an element lies in a tile."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lucid
from lucid.codegen.cpu import chunks
from lucid.codegen.cpu.chunks import SHORTEST, product_chunks
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.library import PRODUCT, SMALL
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.matmul import MatmulCall, matmul_call
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.graph import Graph
from lucid.ir.ops.contraction import Matmul
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from lucid.ir.types import float32
from tests.codegen.processors import runs_here
from tests.oracle import Array, assert_compiled_matches, bits, run_compiled

SIZES = [
    (1, 4, 2),
    (1, 1, 1),
    (8, 5, 48),
    (64, 64, 128),
    (9, 70, 49),
    (17, 33, 50),
    (23, 3, 10),
    (7, 19, 100),
    (1, 100, 97),
    (200, 40, 1),
    (1, 21, 1300),
    (600, 70, 3),
    (5, 0, 3),
    (0, 4, 3),
    (5, 4, 0),
    (16, 0, 70),
]
TRANSPOSITIONS = list(itertools.product((False, True), repeat=2))


def product_graph(a: Array, b: Array, transpose_a: bool, transpose_b: bool, chunk: int, lanes: int = 1) -> Graph:
    dtype = {"float32": "f32", "float64": "f64"}[a.dtype.name]
    flags = f"transpose_a={str(transpose_a).lower()}, transpose_b={str(transpose_b).lower()}, chunk={chunk}"
    flags += f", lanes={lanes}"
    return parse(
        f"graph(%a: {dtype}{list(a.shape)}, %b: {dtype}{list(b.shape)}) {{ %c = matmul %a, %b, {flags}; return %c }}"
    )


def call_of(graph: Graph) -> MatmulCall:
    """How the product of a graph is computed."""
    (node,) = graph.nodes
    assert isinstance(node.op, Matmul)
    return matmul_call(node.op, node.inputs[0].type, node.inputs[1].type, machine(), SHORTEST)


def fused_multiply_add(x: Array, y: Array, z: Array) -> Array:
    """x * y + z for float32, rounded once.

    The product is exact in float64. The sum is rounded to odd there, which keeps what the last rounding needs: Boldo
    and Melquiond, "Emulation of a FMA and Correctly Rounded Sums", 2008, section 4.
    """
    p, c = x.astype(np.float64) * y.astype(np.float64), z.astype(np.float64)
    total = p + c
    part = total - p
    error = (p - (total - part)) + (c - part)
    pattern = total.view(np.int64)
    towards_error = np.where((error > 0) == (total > 0), 1, -1)
    odd = np.where((error != 0) & (pattern % 2 == 0), pattern + towards_error, pattern)
    return odd.view(np.float64).astype(np.float32)


def product_in_order(a: Array, b: Array, chunk: int, lanes: int = 1) -> Array:
    """The product as the docstring of `Matmul` says it."""
    depth = a.shape[1]
    total: Array | None = None
    for start in range(0, depth, chunk or max(depth, 1)):
        sums = np.zeros((lanes, a.shape[0], b.shape[1]), np.float32)
        for t, k in enumerate(range(start, min(start + (chunk or depth), depth))):
            sums[t % lanes] = fused_multiply_add(a[:, k, None], b[None, k], sums[t % lanes])
        while len(sums) > 1:
            sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
        total = sums[0] if total is None else total + sums[0]
    return np.zeros((a.shape[0], b.shape[1]), np.float32) if total is None else total


def operands(
    m: int, k: int, n: int, transpose_a: bool, transpose_b: bool, dtype: str = "float32"
) -> tuple[Array, Array]:
    generator = np.random.default_rng(m + 10 * k + 100 * n)
    a = generator.standard_normal((k, m) if transpose_a else (m, k)).astype(dtype)
    b = generator.standard_normal((n, k) if transpose_b else (k, n)).astype(dtype)
    return a, b


@pytest.mark.parametrize("chunk", [0, 8, 32])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_products_are_added_in_the_stated_order_to_the_last_bit(
    m: int, k: int, n: int, transpose_a: bool, transpose_b: bool, chunk: int
) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b)
    (got,) = run_compiled(product_graph(a, b, transpose_a, transpose_b, chunk), [a, b]).outputs
    expected = product_in_order(a.T if transpose_a else a, b.T if transpose_b else b, chunk)
    np.testing.assert_array_equal(bits(got), bits(expected))


# Of any layout, also of those for which `order` chooses one lane: whole tiles and parts of them, long sums and short.
LANED = [
    (1, 100, 1),
    (1, 64, 50),
    (70, 65, 1),
    (33, 100, 2),
    (19, 48, 3),
    (4, 31, 13),
    (20, 70, 5),
    (7, 19, 10),
    (64, 512, 10),
    (17, 16, 17),
    (3, 1, 9),
    (5, 0, 3),
]


@pytest.mark.parametrize(("chunk", "lanes"), [(0, 16), (48, 16), (20, 16), (0, 32), (40, 32)])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize(("m", "k", "n"), LANED)
def test_products_with_lanes_are_added_in_the_stated_order_to_the_last_bit(
    m: int, k: int, n: int, transpose_a: bool, transpose_b: bool, chunk: int, lanes: int
) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b)
    (got,) = run_compiled(product_graph(a, b, transpose_a, transpose_b, chunk, lanes), [a, b]).outputs
    expected = product_in_order(a.T if transpose_a else a, b.T if transpose_b else b, chunk, lanes)
    np.testing.assert_array_equal(bits(got), bits(expected))


@pytest.mark.parametrize("lanes", [16, 32])
@pytest.mark.parametrize(("m", "k", "n"), LANED)
def test_lanes_of_float64_agree_with_numpy(m: int, k: int, n: int, lanes: int) -> None:
    a, b = operands(m, k, n, False, True, "float64")
    assert_compiled_matches(product_graph(a, b, False, True, 32, lanes), [a, b])


def test_a_lane_without_a_product_keeps_a_negative_zero() -> None:
    """-1e-45 * 0.1 added to 0 rounds to -0; a product of zeros from behind the end would make it 0."""
    a, b = np.zeros((1, 17), np.float32), np.zeros((17, 1), np.float32)
    a[0, :], b[:, 0] = -1e-45, 0.1
    (got,) = run_compiled(product_graph(a, b, False, False, 0, 16), [a, b]).outputs
    assert np.signbit(got[0, 0])


# Parts of a tile and whole ones, one vector and two; transposed, with as many elements as are copied one by one.
SMALL_SIZES = [(2, 1, 2), (2, 7, 3), (8, 8, 16), (9, 5, 17), (17, 4, 32), (33, 6, 21), (120, 16, 8), (3, 0, 5)]


@pytest.mark.parametrize("batch", [2, 700])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
def test_batches_of_small_products_keep_the_stated_order(transpose_a: bool, transpose_b: bool, batch: int) -> None:
    for m, k, n in SMALL_SIZES if batch == 2 else [(9, 5, 17)]:
        check_small_products(m, k, n, transpose_a, transpose_b, batch)


def check_small_products(m: int, k: int, n: int, transpose_a: bool, transpose_b: bool, batch: int) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b)
    many = [np.stack([x * (1 + number) for number in range(batch)]) for x in (a, b)]
    graph = product_graph(*many, transpose_a, transpose_b, 0)
    assert call_of(graph).name.startswith(SMALL)
    (got,) = run_compiled(graph, many).outputs
    for number in {0, batch - 1}:
        x, y = (operand[number] for operand in many)
        expected = product_in_order(x.T if transpose_a else x, y.T if transpose_b else y, 0)
        np.testing.assert_array_equal(bits(got[number]), bits(expected))


@pytest.mark.parametrize(("m", "k", "n"), SMALL_SIZES)
def test_small_products_of_float64_agree_with_numpy(m: int, k: int, n: int) -> None:
    a, b = operands(m, k, n, True, False, "float64")
    assert_compiled_matches(product_graph(a, b, True, False, 0), [a, b])


@pytest.mark.parametrize(("m", "k", "n", "transpose_b"), [(8, 8, 33, False), (33, 32, 32, False), (8, 16, 9, True)])
def test_products_beyond_small_ones_are_packed(m: int, k: int, n: int, transpose_b: bool) -> None:
    assert call_of(product_graph(*operands(m, k, n, False, transpose_b), False, transpose_b, 0)).name.startswith(
        PRODUCT
    )


# Few rows by a transposed factor, or a transposed one of few columns: B is read where it is, and panels are of A.
@pytest.mark.parametrize(
    ("m", "k", "n", "chunk"), [(16, 70, 68, 0), (15, 300, 61, 152), (32, 130, 131, 0), (64, 256, 257, 0)]
)
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, True), (True, False), (True, True)])
def test_results_that_are_turned_keep_the_stated_order(
    m: int, k: int, n: int, chunk: int, transpose_a: bool, transpose_b: bool
) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b)
    graph = product_graph(a, b, transpose_a, transpose_b, chunk)
    assert call_of(graph).swapped
    (got,) = run_compiled(graph, [a, b]).outputs
    expected = product_in_order(a.T if transpose_a else a, b.T if transpose_b else b, chunk)
    np.testing.assert_array_equal(bits(got), bits(expected))
    wide = a.astype(np.float64), b.astype(np.float64)
    assert_compiled_matches(product_graph(*wide, transpose_a, transpose_b, chunk), [*wide])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("m", "k", "n"), [(300, 200, 100), (300, 700, 100), (64, 784, 300)])
def test_a_panel_is_packed_again_when_the_factor_has_changed(m: int, k: int, n: int, threads: int) -> None:
    a, b = operands(m, k, n, False, True)
    executable = CPUTarget().compile(order(product_graph(a, b, False, True, 0)))
    c, table, before = np.zeros((m, n), np.float32), executable.new_table(), lucid.get_num_threads()
    table[:3] = [x.ctypes.data for x in (a, b, c)]
    try:
        lucid.set_num_threads(threads)
        for _ in range(3):
            b *= -2.0
            executable.run(table.ctypes.data)
            np.testing.assert_allclose(c, a @ b.T, rtol=1e-3, atol=1e-2)
    finally:
        lucid.set_num_threads(before)


@pytest.mark.parametrize(
    ("m", "k", "n", "transpose_a", "transpose_b", "lanes"),
    [
        (300, 700, 5, False, True, 16),
        (1, 900, 400, False, True, 16),
        (2000, 300, 1, False, False, 16),
        (1, 600, 2100, False, False, 1),
        (1100, 600, 3, True, False, 1),
        # Chunks that share panels, one of both halves of the rows, a sum too long to keep them, panels of the other
        # factor.
        (300, 700, 100, False, False, 1),
        (71, 512, 300, False, True, 1),
        (200, 2100, 50, False, True, 1),
        (64, 784, 300, False, True, 1),
    ],
)
def test_products_have_the_same_bits_with_any_threads_and_vectors(
    m: int, k: int, n: int, transpose_a: bool, transpose_b: bool, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b)
    graph = order(product_graph(a, b, transpose_a, transpose_b, 0))
    (node,) = graph.nodes
    assert node.op.attributes()["lanes"] == lanes
    results, before = [], lucid.get_num_threads()
    try:
        others = [(threads, cpu) for threads, cpu in ((3, "x86-64-v3"), (1, "x86-64")) if runs_here(cpu)]
        for threads, cpu in [(1, ""), (2, ""), (3, ""), (8, ""), *others]:
            monkeypatch.setenv("LUCID_CPU", cpu)
            lucid.set_num_threads(threads)
            results.append(run_compiled(graph, [a, b]).outputs[0])
    finally:
        monkeypatch.undo()
        lucid.set_num_threads(before)
    for result in results[1:]:
        np.testing.assert_array_equal(bits(result), bits(results[0]))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, False)])
def test_rows_in_parts_that_a_cache_holds_change_no_bit(
    transpose_a: bool, transpose_b: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = operands(203, 600, 170, transpose_a, transpose_b)
    graph = order(product_graph(a, b, transpose_a, transpose_b, 0))
    whole = run_compiled(graph, [a, b]).outputs[0]
    monkeypatch.setattr(chunks, "CACHED", 30_000)
    monkeypatch.setattr(chunks, "LOWEST", 2)
    gemm = Gemm(float32, machine().vector_bytes)
    down, _ = product_chunks(1, 203, 170, 600, gemm.rows, gemm.panels(203, 170), SHORTEST)
    assert down * gemm.rows * 600 <= 30_000
    before = lucid.get_num_threads()
    try:
        for threads in (1, 3):
            lucid.set_num_threads(threads)
            np.testing.assert_array_equal(bits(run_compiled(graph, [a, b]).outputs[0]), bits(whole))
    finally:
        lucid.set_num_threads(before)


@pytest.mark.parametrize(("m", "n", "k"), [(4096, 4096, 4096), (8192, 2048, 2048), (3000, 3000, 3000)])
def test_the_rows_of_a_large_product_are_in_equal_parts_that_a_cache_holds(m: int, n: int, k: int) -> None:
    gemm = Gemm(float32, 64)
    down, cuts = product_chunks(1, m, n, k, gemm.rows, gemm.panels(m, n), SHORTEST)
    tiles = -(-m // gemm.rows)
    assert down * gemm.rows * k <= 1 << 21
    assert -(-tiles // down) * down - tiles < -(-tiles // down)
    assert list(cuts) == sorted(set(cuts))


@pytest.mark.parametrize("k", [512, 4096, 1 << 16])
@pytest.mark.parametrize(("m", "n"), [(1 << 20, 64), (9000, 200), (20_000, 4096), (300_000, 96)])
def test_a_large_product_is_cut_no_more_often_than_any_other_work(m: int, n: int, k: int) -> None:
    gemm = Gemm(float32, 64)
    down, cuts = product_chunks(1, m, n, k, gemm.rows, gemm.panels(m, n), SHORTEST)
    assert -(-m // gemm.rows) <= down * chunks.MOST
    assert len(cuts) - 1 <= chunks.MOST


@pytest.mark.parametrize("k", [512, 4096])
def test_rows_are_not_divided_for_a_single_panel(k: int) -> None:
    gemm = Gemm(float32, 64)
    (panel,) = gemm.panels(1 << 20, 40)
    down, cuts = product_chunks(1, 1 << 20, 40, k, gemm.rows, (panel,), SHORTEST)
    assert down * chunks.HALVES in range(-(-(1 << 20) // gemm.rows), -(-(1 << 20) // gemm.rows) + chunks.HALVES)
    assert len(cuts) - 1 == chunks.MOST


@pytest.mark.parametrize(("m", "n"), [(512, 512), (256, 784), (64, 512), (100, 650), (512, 128), (71, 300)])
def test_two_workers_have_equal_shares_of_a_product(m: int, n: int) -> None:
    gemm = Gemm(float32, 64)
    panels = gemm.panels(m, n)
    assert sum(panels) == -(-n // gemm.lanes)
    down, cuts = product_chunks(1, m, n, 512, gemm.rows, panels, SHORTEST)
    tiles = -(-m // gemm.rows)
    columns = [(panel, min(down, tiles - first)) for first in range(0, tiles, down) for panel in panels]
    vectors = [panel * (number < high) for panel, high in columns for number in range(down)]
    assert (cuts[0], cuts[-1]) == (0, len(vectors))
    sums = [sum(vectors[begin:end]) for begin, end in itertools.pairwise(cuts)]
    assert min(sums) > 0
    assert all(cut % down < columns[cut // down][1] for cut in cuts[:-1])  # no panel is packed for no tile
    assert len(sums) in range(8, 65, 2)
    assert abs(sum(sums[: len(sums) // 2]) - sum(sums) / 2) < gemm.vectors  # less than a tile


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_float64_agrees_with_numpy(m: int, k: int, n: int, transpose_a: bool, transpose_b: bool) -> None:
    a, b = operands(m, k, n, transpose_a, transpose_b, "float64")
    assert_compiled_matches(product_graph(a, b, transpose_a, transpose_b, 16), [a, b])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_element_does_not_depend_on_the_rows_and_columns_around_it(dtype: str) -> None:
    a, b = operands(30, 77, 120, False, False, dtype)
    (whole,) = run_compiled(product_graph(a, b, False, False, 32), [a, b]).outputs
    for rows, columns in itertools.product((slice(0, 1), slice(5, 8), slice(3, 29)), (slice(0, 120), slice(7, 20))):
        part_a, part_b = np.ascontiguousarray(a[rows]), np.ascontiguousarray(b[:, columns].T)
        (part,) = run_compiled(product_graph(part_a, part_b, False, True, 32), [part_a, part_b]).outputs
        np.testing.assert_array_equal(bits(part), bits(whole[rows, columns]))


@pytest.mark.parametrize(("transpose_a", "transpose_b"), TRANSPOSITIONS)
@pytest.mark.parametrize("batch", [(3,), (2, 3), (0,), (1, 1)])
def test_leading_axes_are_a_batch(batch: tuple[int, ...], transpose_a: bool, transpose_b: bool) -> None:
    generator = np.random.default_rng(1)
    a = generator.standard_normal((*batch, *((6, 9) if transpose_a else (9, 6)))).astype(np.float32)
    b = generator.standard_normal((*batch, *((50, 6) if transpose_b else (6, 50)))).astype(np.float32)
    for lanes in (1, 16, 32):
        assert_compiled_matches(product_graph(a, b, transpose_a, transpose_b, 0, lanes), [a, b])


def test_infinities_stay_in_their_row() -> None:
    a = np.array([[2.0, 0.0], [np.inf, 1.0]], np.float32)
    b = np.array([[1.0, 0.0], [-0.0, 1.0]], np.float32)
    assert_compiled_matches(product_graph(a, b, False, False, 1), [a, b])
