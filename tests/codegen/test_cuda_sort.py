"""Sorts in CUDA C: the stable order, whatever the dtype, the length of a row and the order of threads."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.ir.graph import Graph
from lucid.ir.ops.indexing import Argsort
from lucid.ir.types import DType, TensorType, bool_, float32, float64, int32, int64, uint8, uint32, uint64
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.codegen.test_cuda_convolution import alone
from tests.oracle import Array, run_compiled


def rows_to_sort(dtype: DType, length: int) -> Array:
    """Rows with equal elements, zeros of both signs and NaNs, the largest and the smallest numbers."""
    generator = np.random.default_rng(length)
    x = generator.integers(-20, 20, (3, length)).astype(dtype.numpy)
    if dtype.is_float:
        x[x == 3] = np.nan
        x[x == 5] = -0.0
        x[x == 7] = np.inf
        x[x == 9] = -np.inf
    elif dtype != bool_:
        x[x == 3] = np.iinfo(dtype.numpy).max
        x[x == 5] = np.iinfo(dtype.numpy).min
    return x


def sorts() -> list[tuple[Graph, Array, int]]:
    """Sorts of every dtype in both orders, of short rows, of a run, of several, and how long a run is at most."""
    kinds = itertools.product((bool_, uint8, int32, int64, uint32, uint64, float32, float64), (False, True))
    found = []
    for number, (dtype, descending) in enumerate(kinds):
        for length, most in ((1, 32), (20 + number, 32), (300 + number, 32), (600, 2048)):
            graph = alone(Argsort(descending), TensorType(dtype, (3, length)))
            found.append((graph, rows_to_sort(dtype, length), most))
    return found


@pytest.fixture(scope="module")
def sorted_graphs() -> list[tuple[Simulated, Graph, Array]]:
    found = []
    for most in (32, 2048):
        some = [(graph, x) for graph, x, of in sorts() if of == most]
        with mock.patch("lucid.codegen.cuda.sort.RUN", most):
            simulated = Simulated([graph for graph, _ in some])
        found += [(simulated, graph, x) for graph, x in some]
    return found


def test_a_sort_is_the_stable_one(sorted_graphs: list[tuple[Simulated, Graph, Array]]) -> None:
    for number, (simulated, graph, x) in enumerate(sorted_graphs):
        expected = run_compiled(graph, [x])
        for order in {0, ORDERS[number % len(ORDERS)]}:
            assert same_bits(simulated.run(graph, [x], order), expected), graph


@pytest.mark.parametrize("order", ORDERS)
def test_more_runs_than_blocks_go_round(order: int) -> None:
    """Three rows of three runs, on two blocks."""
    graph, x = alone(Argsort(), TensorType(float32, (3, 70))), rows_to_sort(float32, 70)
    with mock.patch("lucid.codegen.cuda.sort.RUN", 32), mock.patch("lucid.codegen.cuda.sort.MOST_BLOCKS", 2):
        simulated = Simulated([graph])
    assert next(step.blocks for step in simulated.modules[graph].plan.steps) == (2, 1)
    assert same_bits(simulated.run(graph, [x], order), run_compiled(graph, [x]))


def functions_of(dtype: DType, length: int) -> list[str]:
    """The functions that sort two rows of some length, in order."""
    plan = write_module(alone(Argsort(), TensorType(dtype, (2, length)))).plan
    return [step.function for step in plan.steps if isinstance(step, Launch)]


@pytest.mark.parametrize("dtype", [bool_, int64, float32, float64])
def test_long_rows_are_merged_from_runs_and_short_ones_are_not(dtype: DType) -> None:
    assert functions_of(dtype, 1) == functions_of(dtype, 2048) == ["argsort_0"]
    assert functions_of(dtype, 2049) == ["argsort_0", "merge_0"]
    assert functions_of(dtype, 8193) == ["argsort_0", *["merge_0"] * 3]
