"""Making tensors, eagerly and in compiled functions: values and dtypes as NumPy and PyTorch have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError

LIKE = np.ones((2, 3))
CASES: dict[str, tuple[Callable[[], Tensor], Any]] = {
    "arange": (lambda: lucid.arange(4), np.arange(4)),
    "arange of two": (lambda: lucid.arange(-2, 3), np.arange(-2, 3)),
    "arange down": (lambda: lucid.arange(5, -4, -3), np.arange(5, -4, -3)),
    "arange, uneven": (lambda: lucid.arange(0, 10, 4), np.arange(0, 10, 4)),
    "arange of floats": (lambda: lucid.arange(0.5, 3.0, 0.5), np.arange(0.5, 3.0, 0.5, "float32")),
    "arange with a float": (lambda: lucid.arange(3.0), np.arange(3, dtype="float32")),
    "arange of nothing": (lambda: lucid.arange(3, 3), np.arange(0)),
    "arange in a dtype": (lambda: lucid.arange(1, 4, dtype="uint8"), np.arange(1, 4, dtype="uint8")),
    "linspace": (lambda: lucid.linspace(-1, 2, 7), np.linspace(-1, 2, 7, dtype="float32")),
    "linspace of float64": (lambda: lucid.linspace(0, 0.3, 4, "float64"), np.array([0, 0.1, 0.2, 0.3]).round(1)),
    "linspace of one": (lambda: lucid.linspace(3, 9, 1), np.array([3.0], "float32")),
    "linspace of none": (lambda: lucid.linspace(3, 9, 0), np.zeros(0, "float32")),
    "eye": (lambda: lucid.eye(3), np.eye(3, dtype="float32")),
    "eye, wide": (lambda: lucid.eye(2, 4, dtype="int64"), np.eye(2, 4, dtype="int64")),
    "zeros_like": (lambda: lucid.zeros_like(Tensor(LIKE)), np.zeros((2, 3))),
    "ones_like": (lambda: lucid.ones_like(Tensor(LIKE), dtype="bool"), np.ones((2, 3), "bool")),
    "full_like": (lambda: lucid.full_like(Tensor(LIKE), 2, "int32"), np.full((2, 3), 2, "int32")),
    "full": (lambda: lucid.full((2,), 1.5), np.full(2, 1.5, "float32")),
}


@pytest.mark.parametrize("name", CASES)
def test_creation(name: str) -> None:
    make, expected = CASES[name]
    for call in (make, lucid.compile(make)):
        np.testing.assert_allclose(call().numpy(), expected, rtol=2e-16, strict=True)


def test_linspace_ends_where_it_is_told() -> None:
    for steps in (2, 3, 7, 50):
        line = lucid.linspace(0.1, 0.7, steps, "float64").tolist()
        assert (line[0], line[-1]) == (0.1, 0.7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lucid.arange(0, 1, 0), "arange takes a step that is not 0."),
        (lambda: lucid.linspace(0, 1, -1), "linspace takes a number of steps from 0 on, got -1."),
    ],
)
def test_wrong_use(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.sentence == message
