"""Convolutions, their gradients and scatter-adds in CUDA C: the same bits, whatever the geometry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from lucid.codegen.cuda.convolution import convolution_products
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.nest import NARROW
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.elementwise import Add, Exp
from lucid.ir.ops.indexing import ScatterAdd
from lucid.ir.ops.movement import Reshape
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.types import Shape, TensorType, float32, float64, int64
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.oracle import Array, run_compiled

# x, weight, stride, dilation, low, high, groups: taps that do not meet, crops, uneven paddings, chunks, one position.
GEOMETRIES = (
    ((2, 3, 7), (4, 3, 3), (2,), (1,), (1,), (0,), 1),
    ((1, 2, 9), (2, 1, 3), (3,), (2,), (2,), (4,), 2),
    ((2, 1, 11), (1, 1, 2), (4,), (2,), (-1,), (2,), 1),
    ((2, 70, 5, 6), (5, 70, 3, 3), (1, 1), (1, 1), (1, 1), (1, 1), 1),
    ((3, 4, 6, 5), (6, 2, 3, 2), (2, 3), (2, 1), (0, 2), (3, -1), 2),
    ((5, 1, 40, 30), (2, 1, 1, 3), (1, 2), (1, 1), (0, 1), (0, 1), 1),
    ((1, 2, 4, 3, 5), (3, 2, 2, 3, 2), (1, 2, 2), (2, 1, 1), (0, 1, 0), (0, 1, 1), 1),
    ((0, 2, 4), (3, 2, 2), (1,), (1,), (0,), (0,), 1),
    ((2, 2, 3), (2, 2, 3), (1,), (1,), (0,), (0,), 1),
    ((3, 20, 3, 12), (12, 20, 1, 1), (1, 1), (1, 1), (0, 0), (0, 0), 1),  # in quads
)


def alone(op: Op, *operands: TensorType) -> Graph:
    """The graph of an op, in the order that the pipeline gives it."""
    values = tuple(map(Value, operands))
    outputs = tuple(map(Value, op.infer(operands)))
    return run_pipeline(Graph("alone", values, (), (Node(op, values, outputs),), outputs)).final


def convolutions() -> Iterator[Graph]:
    """Each geometry forwards, and backwards to both operands."""
    for number, (x, weight, *fields) in enumerate(GEOMETRIES):
        dtype = (float32, float64)[number % 2]
        image, kernel = TensorType(dtype, x), TensorType(dtype, weight)
        forward = Convolution(*fields)
        (result,) = forward.infer([image, kernel])
        yield alone(forward, image, kernel)
        yield alone(ConvolutionInput(*fields, x[2:]), result, kernel)
        yield alone(ConvolutionWeight(*fields, weight[2:]), image, result)


def operands(graph: Graph) -> list[Array]:
    """Numbers of all magnitudes, with zeros of both signs and infinities."""
    generator = np.random.default_rng(0)
    arrays = []
    for value in graph.inputs:
        x = generator.standard_normal(value.type.shape) * 10.0 ** generator.integers(-3, 3, value.type.shape)
        x[generator.random(x.shape) < 0.1] *= 0.0
        x[generator.random(x.shape) < 0.002] = np.inf
        arrays.append(x.astype(value.type.dtype.numpy))
    return arrays


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return list(convolutions())


@pytest.fixture(scope="module")
def simulated(graphs: list[Graph]) -> Simulated:
    return Simulated(graphs)


@pytest.mark.parametrize("number", range(3 * len(GEOMETRIES)))
def test_a_convolution_has_the_bits_of_the_cpu_target(number: int, graphs: list[Graph], simulated: Simulated) -> None:
    arrays = operands(graphs[number])
    expected = run_compiled(graphs[number], arrays)
    for order in ORDERS:
        assert same_bits(simulated.run(graphs[number], arrays, order), expected), order


def with_epilogue(graph: Graph) -> Graph:
    """A convolution with what it may be followed by: exp(y) + z, flat, beside y itself."""
    node = graph.nodes[0]
    y, z = node.output, Value(node.output.type)
    flat = TensorType(y.type.dtype, (y.type.size,))
    (e, total), out = (Value(y.type) for _ in range(2)), Value(flat)
    nodes = (node, Node(Exp(), (y,), (e,)), Node(Add(), (e, z), (total,)), Node(Reshape(flat.shape), (total,), (out,)))
    return fuse(Graph("epilogue", (*graph.arguments, z), (), nodes, (out, y)))


@pytest.fixture(scope="module")
def epilogues(graphs: list[Graph]) -> list[Graph]:
    """Those of the convolutions that are one op: sums of parts are another kernel."""
    return [with_epilogue(graph) for graph in graphs if len(graph.nodes) == 1 and graph.nodes[0].output.type.size]


@pytest.fixture(scope="module")
def simulated_epilogues(epilogues: list[Graph]) -> Simulated:
    return Simulated(epilogues)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("number", range(21))
def test_an_epilogue_has_the_bits_of_kernels_apart(
    number: int, epilogues: list[Graph], simulated_epilogues: Simulated
) -> None:
    graph = epilogues[number]
    assert any("epilogue" in name for name in simulated_epilogues.modules[graph].functions)
    arrays = operands(graph)
    expected = run_compiled(graph, arrays)
    for order in ORDERS:
        assert same_bits(simulated_epilogues.run(graph, arrays, order), expected), order


def test_another_chunk_has_other_bits(graphs: list[Graph]) -> None:
    graph = graphs[9]
    (node,) = graph.nodes
    assert isinstance(node.op, Convolution)
    assert 0 < node.op.chunk < 70, "so there are several"
    other = graph.with_nodes([replace(node, op=replace(node.op, chunk=70))])
    arrays = [np.random.default_rng(0).standard_normal(value.type.shape).astype("f") for value in graph.inputs]
    assert not same_bits(Simulated([other]).run(other, arrays), run_compiled(graph, arrays)), (
        "then no test would notice"
    )


def test_many_positions_have_wide_numbers() -> None:
    x, weight = TensorType(float32, (1, 1, 2**20, 2**11)), TensorType(float32, (1, 1, 1, 1))
    (product,) = convolution_products(Convolution((1, 1), (1, 1), (0, 0), (0, 0), chunk=1), x, weight)
    assert product.is_wide
    (small,) = convolution_products(Convolution((1, 1), (1, 1), (0, 0), (0, 0), chunk=1), weight, weight)
    assert not small.is_wide


@pytest.mark.parametrize(
    ("x", "weight", "padding", "expected"),
    [
        # Of the convolution, its gradient to the input, and that to the weight: whether A and B are read in quads.
        ((2, 8, 3, 8), (4, 8, 1, 1), 0, [(True, True), (False, True), (True, True)]),
        ((2, 8, 6, 6), (4, 8, 1, 1), 0, [(True, False), (False, False), (True, True)]),
        ((2, 8, 5, 5), (4, 8, 1, 1), 0, [(True, False), (False, False), (False, False)]),
        ((2, 8, 6, 6), (4, 8, 3, 3), 1, [(True, False), (False, False), (True, False)]),
        ((2, 3, 6, 6), (4, 3, 3, 3), 1, [(False, False), (False, False), (True, False)]),
    ],
)
def test_factors_whose_neighbours_begin_at_multiples_of_four_are_read_in_quads(
    x: Shape, weight: Shape, padding: int, expected: list[tuple[bool, bool]]
) -> None:
    """Not where a tap shifts them, nor where some may be padding."""
    image, kernel = TensorType(float32, x), TensorType(float32, weight)
    fields = (1, 1), (1, 1), (padding, padding), (padding, padding), 1
    forward = Convolution(*fields)
    (result,) = forward.infer([image, kernel])
    found = []
    for op, first, second in (
        (forward, image, kernel),
        (ConvolutionInput(*fields, x[2:]), result, kernel),
        (ConvolutionWeight(*fields, weight[2:]), image, result),
    ):
        (product,) = convolution_products(op, first, second)
        found.append((product.is_in_quads(product.a, product.rows), product.is_in_quads(product.b, product.columns)))
    assert found == expected


@pytest.mark.parametrize(
    ("spatial", "stride", "expected"),
    [
        # Of the convolution, its gradient to the input, and that to the weight.
        ((8, 8), 1, (True, True, True)),
        ((6, 6), 1, (True, True, True)),  # a multiple of four in an image, though not in a row
        ((5, 5), 1, (False, False, True)),
        ((8, 8), 2, (True, False, True)),  # into places that lie apart
    ],
)
def test_results_that_lie_side_by_side_are_written_in_quads(
    spatial: Shape, stride: int, expected: tuple[bool, ...]
) -> None:
    image, kernel = TensorType(float32, (2, 4, *spatial)), TensorType(float32, (4, 4, 3, 3))
    fields = (stride, stride), (1, 1), (1, 1), (1, 1), 1
    forward = Convolution(*fields)
    (result,) = forward.infer([image, kernel])
    for op, first, second, written in (
        (forward, image, kernel, expected[0]),
        (ConvolutionInput(*fields, spatial), result, kernel, expected[1]),
        (ConvolutionWeight(*fields, (3, 3)), image, result, expected[2]),
    ):
        assert {product.writes_quads for product in convolution_products(op, first, second)} == {written}


def test_a_chunk_that_quads_would_leave_is_read_singly() -> None:
    image, kernel = TensorType(float32, (2, 8, 3, 8)), TensorType(float32, (4, 8, 1, 1))
    for chunk, along in ((2, False), (4, True), (8, True)):
        (product,) = convolution_products(Convolution((1, 1), (1, 1), (0, 0), (0, 0), chunk=chunk), image, kernel)
        assert product.is_in_quads(product.a, product.rows) == along
        assert product.is_in_quads(product.b, product.columns), "which goes across a sum"


def test_more_matrices_than_blocks_go_round() -> None:
    """Of the products of 7 groups, three blocks take one after the other."""
    image, kernel = TensorType(float32, (2, 14, 6)), TensorType(float32, (14, 2, 3))
    graph = alone(Convolution((1,), (1,), (0,), (0,), 7), image, kernel)
    with mock.patch("lucid.codegen.cuda.gathered.MOST_MATRICES", 3):
        simulated = Simulated([graph])
    (launch,) = simulated.modules[graph].plan.steps
    assert launch.blocks == (1, 3)
    arrays = operands(graph)
    for order in ORDERS:
        assert same_bits(simulated.run(graph, arrays, order), run_compiled(graph, arrays))


# Scatter-adds.

SCATTERS: tuple[tuple[Shape, Shape, int, int], ...] = (
    ((40, 3), (40, 1), 0, 7),
    ((2, 30, 5), (2, 30, 5), 1, 100),
    ((4, 50), (1, 50), 1, 3),
    ((6,), (6,), 0, 1),
)


def scatter(number: int) -> tuple[Graph, list[Array]]:
    """A scatter-add and its operands."""
    updates, indices, axis, extent = SCATTERS[number]
    dtype = (float32, float64)[number % 2]
    graph = alone(ScatterAdd(axis, extent), TensorType(dtype, updates), TensorType(int64, indices))
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(updates).astype(dtype.numpy), generator.integers(-extent, extent, indices)]
    return graph, arrays


INTEGERS = re.compile(r"\b(int|long long) (?:threads|thread|begin|end|i\d) = ")


@pytest.mark.parametrize(("narrow", "index"), [(NARROW, "int"), (0, "long long")])
def test_scatter_adds_have_the_bits_of_the_cpu_target(narrow: int, index: str) -> None:
    """With indices of either width."""
    cases = [scatter(number) for number in range(len(SCATTERS))]
    with mock.patch("lucid.codegen.cuda.scatter.NARROW", narrow):
        simulated = Simulated(graph for graph, _ in cases)
    for graph, arrays in cases:
        assert set(INTEGERS.findall(simulated.modules[graph].text)) == {index}
        for order in ORDERS:
            assert same_bits(simulated.run(graph, arrays, order), run_compiled(graph, arrays))


@pytest.mark.parametrize(
    ("updates", "indices", "extent", "index"),
    [
        ((2**15, 2**15), (2**15, 1), 8, "int"),
        ((2**15, 2**15 + 1), (2**15, 1), 8, "long long"),
        ((8, 2**14), (8, 1), 2**16 + 2, "long long"),  # the result
    ],
)
def test_a_scatter_add_of_many_elements_takes_wide_positions(
    updates: Shape, indices: Shape, extent: int, index: str
) -> None:
    """Those that pass 2^30, where a number on the way to one might pass 2^31."""
    module = write_module(alone(ScatterAdd(0, extent), TensorType(float32, updates), TensorType(int64, indices)))
    text = module.functions["scatter_add_0"]
    assert set(INTEGERS.findall(text)) == {index}
    for number in ("gridDim.x", "blockIdx.x"):
        assert f"{number} * {'(long long)' if index == 'long long' else ''}blockDim.x" in text
