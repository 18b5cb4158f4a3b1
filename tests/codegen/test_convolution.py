"""Convolutions: the stated bits for any geometry, wherever an element lies in a tile, a block or a phase."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lucid.codegen.cpu import convolution_call
from lucid.codegen.cpu.convolution_plan import CONVOLVE, convolve_plan
from lucid.codegen.cpu.grouped_plan import CONVOLVE_GROUPED, convolve_grouped_plan
from lucid.codegen.cpu.lines_plan import CONVOLVE_LINES, convolve_lines_plan
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.tiles import Tiles
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionOp, ConvolutionWeight
from lucid.ir.types import TensorType, as_dtype, float32
from tests.codegen.test_matmul import fused_multiply_add
from tests.oracle import Array, assert_compiled_matches, bits, run_compiled

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int]

# images, channels, spatial extents; outputs, kernel; stride, dilation, low, high, groups
GEOMETRIES: dict[str, tuple[tuple[int, ...], tuple[int, ...], Geometry]] = {
    "plain": ((2, 3, 9, 10), (17, 3, 3), ((1, 1), (1, 1), (0, 0), (0, 0), 1)),
    "padded": ((2, 2, 14, 14), (9, 3, 3), ((1, 1), (1, 1), (1, 1), (1, 1), 1)),
    "strided": ((1, 4, 11, 13), (6, 3, 2), ((2, 3), (1, 1), (1, 0), (2, 1), 2)),
    "dilated": ((2, 2, 12, 11), (5, 2, 3), ((1, 2), (3, 2), (2, 1), (0, 3), 1)),
    "stride and dilation": ((1, 2, 15), (3, 4), ((2,), (3,), (4,), (2,), 1)),
    "depthwise": ((2, 6, 8, 8), (6, 3, 3), ((1, 1), (1, 1), (1, 1), (1, 1), 6)),
    "few depthwise groups": ((1, 3, 8, 7), (3, 3, 3), ((1, 1), (1, 1), (1, 1), (1, 1), 3)),
    "more groups than lanes": ((2, 19, 9, 9), (19, 3, 3), ((2, 2), (1, 1), (1, 1), (1, 1), 19)),
    "pairs in groups": ((2, 34, 7, 5), (51, 2, 3), ((1, 3), (2, 1), (1, -1), (0, 2), 17)),
    "depthwise in one dimension": ((2, 5, 40), (5, 7), ((1,), (2,), (6,), (0,), 5)),
    "depthwise in three": ((1, 4, 4, 5, 6), (8, 2, 3, 2), ((1, 2, 1), (1, 1, 2), (1, 0, 1), (0, 1, 1), 4)),
    "depthwise in wide rows": ((2, 5, 9, 19), (5, 3, 3), ((1, 1), (1, 1), (1, 1), (1, 1), 5)),
    "few wide rows": ((1, 4, 3, 18), (8, 3, 3), ((1, 1), (1, 1), (1, 0), (2, 1), 4)),
    "wide rows of pairs": ((1, 8, 7, 24), (12, 2, 2), ((1, 1), (2, 3), (0, -1), (1, 2), 4)),
    "wide rows in three": ((1, 4, 4, 5, 18), (4, 2, 2, 2), ((1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 1, 1), 4)),
    "stride above kernel": ((1, 3, 13, 12), (4, 2, 1), ((4, 3), (1, 1), (0, 0), (0, 0), 1)),
    "more residues than elements": ((1, 2, 3, 2), (2, 1, 2), ((5, 4), (1, 1), (1, 2), (1, 3), 1)),
    "cropped": ((1, 2, 9, 9), (3, 2, 3), ((1, 2), (1, 1), (-2, 1), (1, -1), 1)),
    "padded behind": ((2, 3, 8, 9), (5, 3, 3), ((1, 1), (1, 1), (0, 0), (2, 0), 1)),
    "cropped on all sides": ((2, 3, 9, 10), (18, 2, 3), ((2, 1), (1, 2), (-1, -2), (-2, 0), 1)),
    "one dimension": ((3, 5, 70), (20, 7), ((1,), (1,), (3,), (3,), 1)),
    "three dimensions": ((2, 2, 5, 6, 7), (10, 2, 3, 2), ((1, 2, 1), (1, 1, 2), (1, 0, 1), (0, 1, 1), 1)),
    "one element": ((1, 1, 1, 1), (1, 1, 1), ((1, 1), (1, 1), (0, 0), (0, 0), 1)),
    "many outputs": ((1, 3, 4, 4), (101, 3, 3), ((1, 1), (1, 1), (1, 1), (1, 1), 1)),
}
EACH = pytest.mark.parametrize("name", GEOMETRIES)


def graph_of(op: Op, *arrays: Array) -> Graph:
    inputs = tuple(Value(TensorType(as_dtype(array.dtype), array.shape)) for array in arrays)
    (output,) = (Value(type) for type in op.infer([value.type for value in inputs]))
    return Graph("convolution", inputs, (), (Node(op, inputs, (output,)),), (output,))


def types_of(*arrays: Array) -> list[TensorType]:
    return [TensorType(as_dtype(array.dtype), array.shape) for array in arrays]


def compiled(op: Op, *arrays: Array) -> Array:
    return run_compiled(graph_of(op, *arrays), arrays).outputs[0]


def operands(name: str, dtype: str = "float32") -> tuple[Array, Array, Array, Geometry]:
    """x, weight, a gradient of the result, and the geometry."""
    shape, (outputs, *kernel), geometry = GEOMETRIES[name]
    generator = np.random.default_rng(len(name))
    x = generator.standard_normal(shape).astype(dtype)
    weight = generator.standard_normal((outputs, shape[1] // geometry[-1], *kernel)).astype(dtype)
    (result,) = Convolution(*geometry).infer([TensorType(as_dtype(a.dtype), a.shape) for a in (x, weight)])
    return x, weight, generator.standard_normal(result.shape).astype(dtype), geometry


# The definitions.


def sum_of_chunks(chunks: list[list[tuple[Array, Array, Array | bool]]], shape: tuple[int, ...]) -> Array:
    """Chunks of (factor, factor, where it counts), as the docstrings of the ops say."""
    total: Array | None = None
    for chunk in chunks:
        part = np.zeros(shape, np.float32)
        for a, b, counts in chunk:
            part = np.where(
                counts, fused_multiply_add(np.broadcast_to(a, shape), np.broadcast_to(b, shape), part), part
            )
        total = part if total is None else total + part
    return np.zeros(shape, np.float32) if total is None else total


def windows(op: ConvolutionOp, x: Array, kernel: tuple[int, ...], positions: tuple[int, ...]) -> Array:
    """(N, groups, channels of a group, *positions, *kernel)."""
    found = op.windows(x, kernel, positions)
    return found.reshape((x.shape[0], op.groups, x.shape[1] // op.groups, *found.shape[2:]))


def forward_in_order(op: Convolution, x: Array, weight: Array) -> Array:
    kernel, positions = weight.shape[2:], op.positions(x.shape[2:], weight.shape[2:])
    met = windows(op, x, kernel, positions)
    grouped = weight.reshape((op.groups, -1, *weight.shape[1:]))
    shape = (x.shape[0], op.groups, grouped.shape[1], *positions)
    chunk = op.chunk or weight.shape[1]
    ones = (1,) * len(positions)
    chunks = [
        [
            (
                grouped[(slice(None), slice(None), c, *tap)].reshape((op.groups, -1, *ones)),
                met[(..., *tap)][:, :, c, None],
                True,
            )
            for c in range(start, min(start + chunk, weight.shape[1]))
            for tap in product(*map(range, kernel))
        ]
        for start in range(0, weight.shape[1], chunk)
    ]
    return sum_of_chunks(chunks, shape).reshape((x.shape[0], weight.shape[0], *positions))


def input_in_order(op: ConvolutionInput, g: Array, weight: Array) -> Array:
    kernel, outputs, channels = weight.shape[2:], weight.shape[0] // op.groups, weight.shape[1]
    result = g.reshape((g.shape[0], op.groups, outputs, *g.shape[2:]))
    grouped = weight.reshape((op.groups, outputs, *weight.shape[1:]))
    shape = (g.shape[0], op.groups, channels, *op.spatial)
    places = np.indices(op.spatial)

    def product_of(o: int, tap: tuple[int, ...]) -> tuple[Array, Array, Array]:
        counts, inside, index = np.ones(op.spatial, bool), np.ones(op.spatial, bool), []
        for axis, t in enumerate(tap):
            gap = places[axis] + op.low[axis] - t * op.dilation[axis]
            counts &= gap % op.stride[axis] == 0
            position = gap // op.stride[axis]
            inside &= (position >= 0) & (position < g.shape[2 + axis])
            index.append(np.clip(position, 0, g.shape[2 + axis] - 1))
        met = np.where(inside, result[(slice(None), slice(None), o, *index)], np.float32(0))
        factor = grouped[(slice(None), o, slice(None), *tap)]
        return factor.reshape((op.groups, channels, *(1,) * len(op.spatial))), met[:, :, None], counts

    chunk = op.chunk or outputs
    taps = list(product(*map(range, kernel)))
    chunks = [
        [product_of(o, tap) for o in range(start, min(start + chunk, outputs)) for tap in taps]
        for start in range(0, outputs, chunk)
    ]
    return sum_of_chunks(chunks, shape).reshape((g.shape[0], op.groups * channels, *op.spatial))


def weight_in_order(op: ConvolutionWeight, x: Array, g: Array) -> Array:
    met = windows(op, x, op.kernel, g.shape[2:])
    outputs, channels, ones = g.shape[1] // op.groups, x.shape[1] // op.groups, (1,) * len(op.kernel)
    result = g.reshape((g.shape[0], op.groups, outputs, *g.shape[2:]))
    shape = (op.groups, outputs, channels, *op.kernel)
    rows = op.chunk or g.shape[2]

    def product_of(n: int, position: tuple[int, ...]) -> tuple[Array, Array, bool]:
        factor = result[(n, slice(None), slice(None), *position)].reshape((op.groups, outputs, 1, *ones))
        return factor, met[(n, slice(None), slice(None), *position)][:, None], True

    def part(images: range) -> Array:
        chunks = [
            [
                product_of(n, position)
                for position in product(range(start, min(start + rows, g.shape[2])), *map(range, g.shape[3:]))
            ]
            for n in images
            for start in range(0, g.shape[2], rows)
        ]
        return sum_of_chunks(chunks, shape).reshape((op.groups * outputs, channels, *op.kernel))

    if not op.parts:
        return part(range(g.shape[0]))
    each = -(-g.shape[0] // op.parts)
    return np.stack([part(range(n * each, min((n + 1) * each, g.shape[0]))) for n in range(op.parts)])


@EACH
@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_sums_run_in_the_stated_order_to_the_last_bit(name: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lanes stand for, where groups do not: channels for some chunks, and positions for others."""
    monkeypatch.setattr(convolution_call, "is_channeled", lambda *_: chunk != 1)
    x, weight, g, geometry = operands(name)
    forward = Convolution(*geometry, chunk)
    np.testing.assert_array_equal(bits(compiled(forward, x, weight)), bits(forward_in_order(forward, x, weight)))
    to_x = ConvolutionInput(*geometry, x.shape[2:], chunk)
    np.testing.assert_array_equal(bits(compiled(to_x, g, weight)), bits(input_in_order(to_x, g, weight)))
    to_weight = ConvolutionWeight(*geometry, weight.shape[2:], chunk, parts=chunk)
    np.testing.assert_array_equal(bits(compiled(to_weight, x, g)), bits(weight_in_order(to_weight, x, g)))


@EACH
def test_float64_agrees_with_numpy(name: str) -> None:
    x, weight, g, geometry = operands(name, "float64")
    for op, arrays in (
        (Convolution(*geometry), (x, weight)),
        (ConvolutionInput(*geometry, x.shape[2:]), (g, weight)),
        (ConvolutionWeight(*geometry, weight.shape[2:]), (x, g)),
    ):
        assert_compiled_matches(graph_of(op, *arrays), arrays)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [((1, 3, 300, 300), (3, 3), (1, 1)), ((1, 3, 301, 300), (7, 5), (2, 3)), ((1, 2, 90000), (9,), (2,))],
)
def test_large_images_are_cut_into_blocks(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal(shape).astype(np.float32)
    weight = generator.standard_normal((4, shape[1], *kernel)).astype(np.float32)
    ends = tuple(taps // 2 for taps in kernel)
    geometry = stride, (1,) * len(kernel), ends, ends, 1
    forward = Convolution(*geometry)
    assert convolve_plan(forward, *types_of(x, weight), Tiles(float32, 64)).words[CONVOLVE.index("blocks")] > 1
    assert_compiled_matches(graph_of(forward, x, weight), (x, weight))
    g = forward.evaluate([x, weight])[0]
    for op, arrays in (
        (ConvolutionInput(*geometry, shape[2:]), (g, weight)),
        (ConvolutionWeight(*geometry, kernel, chunk=20), (x, g)),
    ):
        expected, got = op.evaluate(arrays)[0], compiled(op, *arrays)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("shape", "weights", "geometry"),
    [
        # runs of images and panels of channels; blocks of an image with padding; blocks of images read where they are
        ((37, 5, 7, 6), (101, 5, 3, 2), ((1, 1), (1, 1), (1, 2), (1, 0), 1)),
        ((2, 3, 200, 201), (20, 3, 3, 2), ((2, 1), (1, 2), (1, 0), (2, 1), 1)),
        ((2, 36, 90, 100), (34, 18, 1, 1), ((1, 2), (1, 1), (0, 0), (0, 0), 2)),
    ],
)
def test_lanes_may_stand_for_channels_or_positions(
    shape: tuple[int, ...], weights: tuple[int, ...], geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal(shape).astype(np.float32)
    weight = generator.standard_normal(weights).astype(np.float32)
    forward = Convolution(*geometry, chunk=2)
    g = forward.evaluate([x, weight])[0]
    for op, arrays in (forward, (x, weight)), (ConvolutionInput(*geometry, shape[2:], chunk=3), (g, weight)):
        found = []
        for channels in False, True:
            monkeypatch.setattr(convolution_call, "is_channeled", lambda *_, channels=channels: channels)
            found.append(compiled(op, *arrays))
        np.testing.assert_array_equal(bits(found[0]), bits(found[1]))


def test_lanes_stand_for_what_fills_them() -> None:
    """For channels in images of short rows, for positions where there are few channels: of 16 lanes here."""
    wide = replace(machine(), vector_bytes=64)

    def name(outputs: int, channels: int, size: int) -> str:
        types = [TensorType(float32, shape) for shape in ((8, channels, size, size), (outputs, channels, 3, 3))]
        return convolution_call.convolution_call(Convolution((1, 1), (1, 1), (1, 1), (1, 1), 1), *types, wide)[0]

    assert name(32, 16, 14) == name(512, 512, 7) == name(64, 64, 56) == "channels_convolve_f32"
    assert name(3, 64, 56) == name(8, 16, 28) == "convolve_f32"


def test_groups_in_lanes_give_what_each_group_gives_alone() -> None:
    """Images that are cut into blocks, with a stride, and more groups than lanes."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1, 18, 200, 101)).astype(np.float32)
    weight = generator.standard_normal((18, 1, 3, 2)).astype(np.float32)
    geometry = (2, 1), (1, 1), (1, 1), (1, 0)
    whole = Convolution(*geometry, 18, chunk=1)
    assert convolve_grouped_plan(whole, *types_of(x, weight), lanes=16).words[CONVOLVE_GROUPED.index("blocks")] > 1
    g = compiled(whole, x, weight)
    to_x = ConvolutionInput(*geometry, 18, x.shape[2:], chunk=1)
    to_weight = ConvolutionWeight(*geometry, 18, weight.shape[2:], chunk=7)
    of_x, of_weight = compiled(to_x, g, weight), compiled(to_weight, x, g)
    for group in (0, 15, 16, 17):
        x1, g1, w1 = x[:, group : group + 1], g[:, group : group + 1], weight[group : group + 1]
        for op, first, second, found in (
            (whole, x1, w1, g1),
            (to_x, g1, w1, of_x[:, group : group + 1]),
            (to_weight, x1, g1, of_weight[group : group + 1]),
        ):
            alone = compiled(replace(op, groups=1), np.ascontiguousarray(first), np.ascontiguousarray(second))
            np.testing.assert_array_equal(bits(found), bits(alone))


@pytest.mark.parametrize(
    ("shape", "kernel", "dilation", "direction"),
    # The last one's last block has less rows than a tile.
    [((1, 4, 640, 210), (3, 3), 1, 1), ((1, 4, 640, 210), (3, 3), 2, 0), ((1, 4, 13, 21000), (3, 3), 1, 0)],
)
def test_lanes_may_stand_for_groups_or_positions(
    shape: tuple[int, ...], kernel: tuple[int, int], dilation: int, direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal(shape).astype(np.float32)
    weight = generator.standard_normal((4, 1, *kernel)).astype(np.float32)
    geometry = (1, 1), (dilation, dilation), (1, 1), (1, 1), 4
    forward = Convolution(*geometry)
    words = dict(zip(CONVOLVE_LINES, convolve_lines_plan(forward, *types_of(x, weight)).words, strict=False))
    assert words["blocks"] > 1
    assert words["direction"] == direction
    g = forward.evaluate([x, weight])[0]
    for op, arrays in (forward, (x, weight)), (ConvolutionInput(*geometry, shape[2:]), (g, weight)):
        found = []
        for lined in False, True:
            monkeypatch.setattr(convolution_call, "is_lined", lambda *_, lined=lined: lined)
            found.append(compiled(op, *arrays))
        np.testing.assert_array_equal(bits(found[0]), bits(found[1]))


def test_lanes_stand_for_positions_where_rows_fill_them() -> None:
    """Of a depthwise convolution of few taps with a stride of 1, and its gradient: of 16 lanes here."""
    wide = replace(machine(), vector_bytes=64)

    def names(size: int, stride: int, taps: int = 3) -> set[str]:
        geometry = (stride, stride), (1, 1), (1, 1), (1, 1), 32
        x, weight = (TensorType(float32, shape) for shape in ((8, 32, size, size), (32, 1, taps, taps)))
        (y,) = Convolution(*geometry).infer([x, weight])
        ops = (Convolution(*geometry), x), (ConvolutionInput(*geometry, (size, size)), y)
        return {convolution_call.convolution_call(op, operand, weight, wide)[0] for op, operand in ops}

    assert names(16, 1) == names(112, 1) == {"lines_convolve_f32"}
    assert names(14, 1) == names(112, 2) == names(112, 1, 5) == {"grouped_convolve_f32"}


def test_what_lies_outside_an_image_does_not_leak() -> None:
    """An infinity reaches the results whose taps meet it, and no other."""
    x = np.ones((2, 2, 6, 6), np.float32)
    x[0, 0, 0, 5] = np.inf
    weight = np.ones((3, 2, 3, 3), np.float32)
    op = Convolution((1, 1), (1, 1), (1, 1), (1, 1), 1)
    assert_compiled_matches(graph_of(op, x, weight), (x, weight))
    to_x = ConvolutionInput((1, 1), (1, 1), (1, 1), (1, 1), 1, (6, 6))
    g = np.concatenate([x, x[:, :1]], 1)
    assert_compiled_matches(graph_of(to_x, g, weight), (g, weight))


@pytest.mark.parametrize("shape", [(0, 3, 5, 5), (2, 0, 5, 5)])
def test_empty_batches_and_channels(shape: tuple[int, ...]) -> None:
    x, weight = np.ones(shape, np.float32), np.ones((4, shape[1], 3, 3), np.float32)
    op = Convolution((1, 1), (1, 1), (0, 0), (0, 0), 1)
    g = op.evaluate([x, weight])[0] + 1
    geometry = op.geometry()
    assert_compiled_matches(graph_of(op, x, weight), (x, weight))
    assert_compiled_matches(graph_of(ConvolutionInput(*geometry, (5, 5)), g, weight), (g, weight))
    assert_compiled_matches(graph_of(ConvolutionWeight(*geometry, (3, 3)), x, g), (x, g))
