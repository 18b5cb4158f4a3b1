"""The order in which kernels walk: operands read crosswise put their axis inside the vectors, and no bit changes."""

from __future__ import annotations

import numpy as np
import pytest

from lucid.codegen.cpu.walk import NEAR, lane_axis, walked
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower
from lucid.ir.graph import Graph
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from tests.oracle import run_compiled

FAR = 128  # a square of float32 with this side is no longer near


def difference(rows: int, columns: int) -> Graph:
    return parse(f"""graph(%x: f32[{columns}, {rows}], %y: f32[{rows}, {columns}]) {{
  %t: f32[{rows}, {columns}] = transpose %x, permutation=(1, 0)
  %z = sub %t, %y
  return %z
}}""")


def kernel_of(graph: Graph) -> Kernel:
    (node,) = fuse(graph).nodes
    return lower(node)


def test_the_axis_of_a_crosswise_operand_comes_last() -> None:
    kernel = kernel_of(difference(FAR, 2 * FAR))
    rows, columns = kernel.axes
    blocks, between, last = walked(kernel).axes
    assert (blocks.extent * last.extent, between) == (rows.extent, columns)
    assert lane_axis(walked(kernel)) == columns, "lanes stand along neighbouring results all the same"


def test_an_axis_that_has_no_blocks_moves_as_a_whole() -> None:
    kernel = kernel_of(difference(FAR + 1, FAR))
    assert walked(kernel).axes == kernel.axes[::-1]


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (FAR * FAR, 7)])
def test_near_operands_and_few_lanes_stay(rows: int, columns: int) -> None:
    kernel = kernel_of(difference(rows, columns))
    assert (4 * rows * columns < NEAR) != (columns < 8)
    assert walked(kernel) == kernel


def test_reductions_keep_their_order() -> None:
    graph = parse(f"""graph(%x: f32[{FAR}, {FAR}]) {{
  %t: f32[{FAR}, {FAR}] = transpose %x, permutation=(1, 0)
  %e = exp %t
  %s: f32[{FAR}] = sum %e, axes=(1,), lanes=16
  return %s, %e
}}""")
    kernel = kernel_of(graph)
    assert walked(kernel) == kernel


@pytest.mark.parametrize(("rows", "columns"), [(FAR, FAR), (101, 97), (1, 9000), (700, 9), (9, 700), (257, 130)])
def test_values(rows: int, columns: int) -> None:
    graph = difference(rows, columns)
    x, y = (np.random.default_rng(0).random(value.type.shape, np.float32) for value in graph.inputs)
    np.testing.assert_array_equal(run_compiled(fuse(graph), [x, y]).outputs[0], x.T - y)


def test_axes_of_images() -> None:
    graph = parse("""graph(%x: f32[3, 19, 16, 17], %m: bool[3, 16, 17, 19]) {
  %t: f32[3, 16, 17, 19] = transpose %x, permutation=(0, 2, 3, 1)
  %k: f32[3, 16, 17, 19] = cast %m
  %z = mul %t, %k
  return %z
}""")
    generator = np.random.default_rng(0)
    x, keep = generator.random((3, 19, 16, 17), np.float32), generator.random((3, 16, 17, 19)) < 0.5
    assert walked(kernel_of(graph)) != kernel_of(graph)
    np.testing.assert_array_equal(run_compiled(fuse(graph), [x, keep]).outputs[0], x.transpose(0, 2, 3, 1) * keep)
