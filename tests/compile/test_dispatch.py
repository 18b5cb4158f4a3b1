"""The fast path of a call takes what has the signature of the calls before, and nothing else."""

from typing import Any

import numpy as np
import pytest

import lucid
from lucid.dispatch import matcher

X = np.ones((2, 3), np.float32)
SAME: list[tuple[Any, Any]] = [
    (X, np.zeros((2, 3), np.float32)),
    (lucid.Tensor(X), lucid.Tensor(X)),
    (lucid.Tensor(X, requires_grad=True), lucid.Tensor(X, requires_grad=True)),
    (0.5, 0.25),
    (3, 3),
    ("mean", "mean"),
    (None, None),
    (True, True),
]
OTHER: list[tuple[Any, Any]] = [
    (X, X[:1]),
    (X, X.astype(np.float64)),
    (X, X.astype(">f4")),
    (X, lucid.Tensor(X)),
    (lucid.Tensor(X), X),
    (lucid.Tensor(X), lucid.Tensor(X, requires_grad=True)),
    (lucid.Tensor(X, requires_grad=True), lucid.Tensor(X, requires_grad=True) * 2),
    (lucid.Tensor(X), lucid.nn.Parameter(X)),
    (0.5, 1),
    (3, 4),
    (3, 3.0),
    (1, True),
    (None, False),
    ("mean", "sum"),
]


@pytest.mark.parametrize(("leaf", "again"), SAME)
def test_a_call_like_the_one_before_matches(leaf: Any, again: Any) -> None:
    other = X.copy()  # one array passed twice would be another signature
    matches = matcher([leaf, other])
    assert matches is not None
    assert matches((again, other))
    assert not matches((again,))
    assert not matches((again, other, X))
    with lucid.no_grad():
        assert not matches((again, other))


@pytest.mark.parametrize(("leaf", "other"), OTHER)
def test_a_call_unlike_the_one_before_does_not(leaf: Any, other: Any) -> None:
    matches = matcher([leaf])
    assert matches is not None
    assert matches((leaf,))
    assert not matches((other,))


def test_one_tensor_passed_twice_is_another_signature() -> None:
    a, b = lucid.Tensor(X), lucid.Tensor(X)
    matches = matcher([a, b])
    assert matches is not None
    assert matches((b, a))
    assert not matches((a, a))


def test_what_only_the_key_can_compare_has_no_matcher() -> None:
    assert matcher([{1}]) is None
    assert matcher([object()]) is None


@pytest.mark.filterwarnings("ignore::lucid.RecompileWarning")
def test_calls_take_the_path_that_fits_them() -> None:
    offset = lucid.zeros(3)

    @lucid.compile
    def f(x: Any, scale: float = 1.0) -> lucid.Tensor:
        return lucid.as_tensor(x) * scale + offset

    for x, scale in [(X, 2.0), (X * 3, 2.5), (X[:1], 2.0), (X, 0.5), (X.astype(np.float64), 2.0), (X, 2.0)] * 3:
        np.testing.assert_allclose(f(x, scale).numpy(), x * scale)
        np.testing.assert_allclose(f(x, scale=scale).numpy(), x * scale)
        np.testing.assert_allclose(f(x).numpy(), x)
    assert f(offset).tolist() == [0.0, 0.0, 0.0]  # an argument that is also captured has a program of its own
    assert f(offset).tolist() == [0.0, 0.0, 0.0]
