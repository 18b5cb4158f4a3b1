"""The scalar vocabulary on large NumPy arrays gives the bits that it gives on small ones."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lucid.ir.scalar_numpy import BLOCK, MANY, NumpyScalars
from lucid.ir.types import DTYPES, DType, float32, float64

Array = npt.NDArray[Any]

CONDITION = np.random.default_rng(0).random((4, MANY)) < 0.5


def of_any_bits(dtype: DType) -> Array:
    """A row of elements, NaN with payloads, infinities and zeros of both signs among them."""
    words = np.random.default_rng(1).integers(0, 256, (MANY, dtype.numpy.itemsize), np.uint8)
    if dtype.is_float:
        ends = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype.numpy)
        words[: len(ends)] = ends.view(np.uint8).reshape(len(ends), -1)
    return (words % 2 if dtype.short == "bool" else words).reshape(-1).view(dtype.numpy)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_select_takes_bits_as_they_are(dtype: DType) -> None:
    row = of_any_bits(dtype)
    x, y = np.tile(row, (4, 1)), np.tile(row[::-1], (4, 1))
    one = np.asarray(row[0])
    backwards, condition = x[:, ::-1], CONDITION
    for a, b, c in ((x, y, condition), (x, one, condition), (one, y, condition), (one, row[-1], condition)):
        got, expected = NumpyScalars().select(c, a, b), np.where(c, a, b)
        assert (got.dtype, got.shape, got.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    got, expected = NumpyScalars().select(condition, backwards, y), np.where(condition, backwards, y)
    assert got.tobytes() == expected.tobytes()


NAMES = ("sigmoid", "logit", "erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma")


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_functions_in_blocks(name: str, dtype: DType) -> None:
    """Over more than two blocks, of which the last is not full, in either order of the elements."""
    method = getattr(NumpyScalars(), name)
    function = functools.partial(method, 2) if name == "polygamma" else method
    x = np.random.default_rng(2).uniform(0.01, 0.99, (3, BLOCK - 7)).astype(dtype.numpy)
    expected = np.stack([function(row) for row in x])
    assert function(x).tobytes() == expected.tobytes()
    assert function(x.T).tobytes() == expected.T.tobytes()
