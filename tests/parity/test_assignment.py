"""Elements replaced at slices, integer tensors and masks, in place and as a new tensor: values and gradients."""

from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, normal, torch

X = normal(4, 5, 6)
ROW, COLUMN = np.array([2, 0, -1]), np.array([[1], [4], [-2]])

KEYS: dict[str, Any] = {
    "slices": (slice(None, None, 2), 1),
    "rows": ROW,
    "inner": (slice(None), ROW),
    "beside a slice": (ROW, slice(1, 4)),
    "behind a step": (slice(None, None, 2), slice(None), ROW),
    "apart": (ROW, slice(None), np.array([1, 1, 0])),
    "behind an integer": (1, ROW),
    "before an integer": (ROW, slice(None, None, 2), 2),
    "new axis": (None, ROW),
    "two": (ROW, COLUMN),
    "two inner": (slice(None), ROW, COLUMN),
    "without axes": (np.array(1), slice(None), np.array(-3)),
    "nothing": np.zeros(0, np.int64),
}
MASKS = {"all": X > 0, "leading": X[:, :, 0] > 0, "first": X[:, 0, 0] > 0}


def in_torch(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(in_torch(item) for item in key)
    return torch.from_numpy(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_assignment(key: Any) -> None:
    theirs = torch.zeros(4, 5, 6)
    theirs[in_torch(key)] = torch.from_numpy(X)[in_torch(key)] * 2.0

    def assign(x: Tensor) -> Tensor:
        y = lucid.zeros(4, 5, 6)
        y[key] = x[key] * 2.0
        return y

    for function in (assign, lucid.compile(assign)):
        assert_close(function(Tensor(X)), theirs)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_assignment_at_a_mask(mask: np.ndarray) -> None:
    values = normal(*X.shape[mask.ndim :], seed=1)
    theirs = torch.from_numpy(X).clone()
    theirs[torch.from_numpy(mask)] = torch.from_numpy(values)

    def assign(x: Tensor) -> Tensor:
        y = lucid.zeros(4, 5, 6)
        y.copy_(x)
        y[mask] = values
        return y

    for function in (assign, lucid.compile(assign)):
        assert_close(function(Tensor(X)), theirs)


@pytest.mark.parametrize("accumulate", [False, True])
def test_index_put(accumulate: bool) -> None:
    index = np.array([1, 3, 1, 0]) if accumulate else np.array([1, 3, 2, 0])
    assert_same_both(
        lambda x, y: lucid.index_put(x, (slice(None), index), y, accumulate),
        lambda x, y: torch.index_put(x, (torch.arange(4)[:, None], torch.from_numpy(index)), y, accumulate),
        [X, normal(4, 4, 6, seed=1)],
        (0, 1),
    )


def test_scatter() -> None:
    index = np.array([[[1, 0], [3, 2]], [[2, 4], [0, 0]]])
    assert_same_both(
        lambda x, y: lucid.scatter(x, 1, index, y),
        lambda x, y: torch.scatter(x, 1, torch.from_numpy(index), y),
        [X, normal(2, 2, 2, seed=1)],
        (0, 1),
    )
    assert_same_both(
        lambda x: lucid.scatter(x, 2, index, 7.0), lambda x: torch.scatter(x, 2, torch.from_numpy(index), 7.0), [X]
    )


def test_slices_at_an_index() -> None:
    index = np.array([3, 0])
    assert_same_both(
        lambda x, y: lucid.index_copy(x, 1, index, y),
        lambda x, y: torch.index_copy(x, 1, torch.from_numpy(index), y),
        [X, normal(4, 2, 6, seed=1)],
        (0, 1),
    )
    assert_same_both(
        lambda x: lucid.index_fill(x, -1, index, 2.0),
        lambda x: torch.index_fill(x, -1, torch.from_numpy(index), 2.0),
        [X],
    )
