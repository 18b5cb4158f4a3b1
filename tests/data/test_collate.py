"""collate: the batch of samples."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from lucid import Tensor
from lucid.data import collate
from lucid.errors import ArgumentError


class Pair(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1.5, 2], "float32", [1.5, 2.0]),
        ([True, False], "bool", [True, False]),
        ([np.float64(1.5), np.float64(2)], "float64", [1.5, 2.0]),
        ([np.int32(3)], "int32", [3]),
        ([np.zeros((0, 2), "float32")], "float32", [[]]),
        ([Tensor([1.0]), Tensor([2.0])], "float32", [[1.0], [2.0]]),
        ([np.array([1, 2], "uint8"), np.array([3, 4], "uint8")], "uint8", [[1, 2], [3, 4]]),
    ],
)
def test_leaves(samples: list[object], dtype: str, values: list[object]) -> None:
    batch = collate(samples)
    assert (type(batch), batch.dtype, batch.tolist()) == (np.ndarray, np.dtype(dtype), values)


def test_structures_stay() -> None:
    samples = [({"x": i, "name": str(i)}, [i, Pair(i, np.ones(2))]) for i in (1, 2)]
    inside, (number, pair) = batch = collate(samples)
    assert (type(batch), type(batch[1]), type(pair)) == (tuple, list, Pair)
    assert (inside["x"].tolist(), inside["name"], number.tolist()) == ([1, 2], ["1", "2"], [1, 2])
    assert (pair.x.tolist(), pair.y.shape) == ([1, 2], (2, 2))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "at least one sample"),
        ([np.zeros(2), np.zeros(3)], r"samples of one batch differ in shape: \(2,\) and \(3,\)"),
        ([(0, np.zeros(2)), (0, np.zeros(2, "float32"))], r"samples\[1\] of one batch differ in dtype: float64 and"),
        ([{"x": 1}, {"y": 1}], r"samples of one batch differ in keys: \('x',\) and \('y',\)"),
        ([{"x": 1}, 1], "differ in keys"),
        ([{"x": (1, 2)}, {"x": (1, 2, 3)}], r"samples\['x'\] of one batch differ in length: 2 and 3"),
        ([(1,), 1], "differ in length"),
        ([None, None], "no array can be made of samples, which are of type NoneType"),
    ],
)
def test_samples_that_do_not_fit(samples: list[object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        collate(samples)


def test_the_error_says_a_way_out() -> None:
    with pytest.raises(ArgumentError) as caught:
        collate([object()])
    assert caught.value.hint == "pass a collate_fn that makes a batch of them."
