"""Sorting: stable, NaN last, the same on every path through it; derivatives and errors."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, LucidError, ShapeError
from lucid.ir.interpret import interpret
from lucid.ir.ops.indexing import Argsort
from lucid.ir.types import DTYPES, TensorType, as_dtype, float32
from tests.oracle import run_compiled
from tests.samples import Sample

LENGTHS = (1, 2, 11, 13, 49, 97, 1000)  # below and above what is sorted by insertion, for keys of 1, 4 and 8 bytes


def values(dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of all sizes, many of them equal, with what is special about a dtype."""
    generator = np.random.default_rng(0)
    if dtype == np.bool_:
        return generator.random(shape) < 0.5
    if dtype.kind == "f":
        special = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40], dtype)
        numbers = np.round(generator.standard_normal(shape) * 10.0 ** generator.integers(0, 9, shape)).astype(dtype)
        return np.where(generator.random(shape) < 0.4, generator.choice(special, shape), numbers)
    info = np.iinfo(dtype)
    ends = np.array([info.min, info.min + 1, info.max, 0, 1, 1], dtype)
    return np.where(
        generator.random(shape) < 0.4, generator.choice(ends, shape), generator.integers(0, 200, shape).astype(dtype)
    )


@pytest.mark.parametrize("dtype", [dtype.name for dtype in DTYPES])
def test_the_order_is_the_stable_one(dtype: str) -> None:
    for length in LENGTHS:
        x = values(np.dtype(dtype), (3, length)).astype(dtype)
        for descending in (False, True):
            graph = Sample(Argsort(descending), (x,)).graph()
            np.testing.assert_array_equal(run_compiled(graph, [x]).outputs[0], interpret(graph, [x]).outputs[0])
        np.testing.assert_array_equal(lucid.argsort(x).numpy(), np.argsort(x, axis=-1, kind="stable"))


def test_descending_keeps_equal_elements_in_order_and_begins_with_nan() -> None:
    x = np.array([1.0, np.nan, 0.0, 1.0, -0.0, -np.nan, np.inf])
    for argsort in (lucid.argsort, lucid.compile(lucid.argsort)):
        assert argsort(x, descending=True).tolist() == [1, 5, 6, 0, 3, 2, 4]
        assert argsort(x).tolist() == [2, 4, 0, 3, 6, 1, 5]


def test_threads_sort_rows_to_the_same_order() -> None:
    x = values(np.dtype(np.float32), (300, 200))
    before = lucid.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            lucid.set_num_threads(threads)
            found = lucid.compile(lambda x: lucid.argsort(x, 0))(x)
            np.testing.assert_array_equal(found.numpy(), np.argsort(x, 0, kind="stable"))
    finally:
        lucid.set_num_threads(before)


def test_a_median_and_a_permutation_are_compositions() -> None:
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    median = lucid.compile(lambda x: lucid.sort(x, 1).values[:, 3])
    np.testing.assert_array_equal(median(x).numpy(), np.median(x, 1))
    shuffled = lucid.compile(lambda x, key: x[lucid.argsort(key)])
    key = np.array([3, 0, 4, 1, 2])
    np.testing.assert_array_equal(shuffled(x, key).numpy(), x[np.argsort(key)])


def test_empty_axes_are_sorted() -> None:
    for shape in ((0,), (0, 3), (3, 0)):
        found = lucid.compile(lucid.sort)(np.zeros(shape, np.float32))
        assert (found.values.shape, found.indices.shape, found.indices.dtype) == (shape, shape, lucid.int64)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda x: lucid.topk(x, 4, 1), ArgumentError, "topk takes a k from 0 to 3, the extent of axis 1, got 4."),
        (lambda x: lucid.topk(x, -1, 0), ArgumentError, "topk takes a k from 0 to 2, the extent of axis 0, got -1."),
        (lambda x: lucid.topk(x, 1.5), ArgumentError, "topk takes an integer as k, got 1.5."),
        (lambda x: lucid.sort(x, 2), ShapeError, "axis 2 is out of range for a tensor of 2 axes."),
        (lambda x: lucid.argsort(x.sum(), 1), ShapeError, "axis 1 is out of range for a tensor of 0 axes."),
    ],
)
def test_wrong_arguments(act: Any, error: type[LucidError], message: str) -> None:
    for function in (act, lucid.compile(act)):
        with pytest.raises(error) as caught:
            function(Tensor(np.zeros((2, 3), np.float32)))
        assert caught.value.sentence == message


def test_rows_that_positions_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"a last axis of fewer than 2\^32 elements, got f32\[4294967296\]"):
        Argsort().infer([TensorType(float32, (2**32,))])
    with pytest.raises(ShapeError, match=r"got f64\[\]"):
        Argsort().infer([TensorType(as_dtype("float64"), ())])


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_searchsorted_is_numpys(dtype: str, right: bool) -> None:
    for length in (0, 1, 2, 7, 8, 100):
        sequence, sought = np.sort(values(np.dtype(dtype), (length,))), values(np.dtype(dtype), (5, 9))
        sought = np.concatenate([sought.reshape(-1), sequence]).astype(dtype)
        expected = np.searchsorted(sequence.astype(dtype), sought, "right" if right else "left")
        for function in (lucid.searchsorted, lucid.compile(lucid.searchsorted)):
            np.testing.assert_array_equal(function(sequence.astype(dtype), sought, right).numpy(), expected)


def test_searchsorted_in_rows_is_one_kernel() -> None:
    generator = np.random.default_rng(0)
    sequence, sought = np.sort(generator.random((4, 1000), np.float32)), generator.random((4, 33), np.float32)
    search = lucid.compile(lucid.searchsorted)
    expected = [np.searchsorted(row, wanted) for row, wanted in zip(sequence, sought, strict=True)]
    np.testing.assert_array_equal(search(sequence, sought).numpy(), expected)
    assert len(search.programs[0].graph().nodes) == 1
    with pytest.raises(ShapeError, match=r"values of the same leading axes, got shapes \(4, 1000\) and \(3, 33\)"):
        lucid.searchsorted(sequence, sought[:3])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64"])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_isin(dtype: str, count: int) -> None:
    generator = np.random.default_rng(0)
    x, others = generator.integers(0, 9, (2, 30)).astype(dtype), generator.integers(0, 9, count).astype(dtype)
    if dtype == "float64":
        x[0, :4], others[:4] = [math.nan, math.inf, -0.0, 0.1], [0.0, math.nan, math.inf, 0.2][:count]
    for invert in (False, True):
        for isin in (lucid.isin, lucid.compile(lucid.isin)):
            np.testing.assert_array_equal(isin(x, others, invert=invert).numpy(), np.isin(x, others, invert=invert))


def test_isin_takes_no_memory_for_pairs() -> None:
    x = np.arange(20_000)
    tracemalloc.start()
    assert lucid.isin(x, x[::-1]).numpy().all()
    assert tracemalloc.get_traced_memory()[1] < x.size**2 / 10
    tracemalloc.stop()
