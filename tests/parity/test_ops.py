"""Operations where the table of all of them has no row: reductions of many and of none, zeros, dtypes, quantiles."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, ShapeError
from tests.parity.compare import assert_close, normal, torch

REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "prod": lambda library, x: library.prod(x, 1),
    "std": lambda library, x: library.std(x, 1),
    "std of all": lambda library, x: library.std(x, (0, 1), keepdim=True, correction=0),
    "logsumexp": lambda library, x: library.logsumexp(x, 1),
    "logsumexp kept": lambda library, x: library.logsumexp(x, (0, 1), keepdim=True),
    "quantile": lambda library, x: library.quantile(x, 0.3, 1, keepdim=True),
    "quantile of all": lambda library, x: library.quantile(x, 0.9),
    "quantile, the largest": lambda library, x: library.quantile(x, 1.0, 0),
    "norm": lambda library, x: library.norm(x, 2, 1),
    "norm 1": lambda library, x: library.norm(x, 1, 1, keepdim=True),
    "norm 3": lambda library, x: library.norm(x, 3, 0),
    "norm inf": lambda library, x: library.norm(x, float("inf"), 1),
    "argmin": lambda library, x: library.argmin(x, 1),
    "argmin of all": lambda library, x: library.argmin(x),
    "cumsum": lambda library, x: library.cumsum(x, 1),
    "cumsum 0": lambda library, x: library.cumsum(x, 0),
}


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *inputs: np.ndarray) -> None:
    """Values and, where the result is a float that depends on its inputs, gradients: eager, then compiled."""
    their_inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    expected = theirs(*their_inputs)
    seed = normal(*expected.shape, seed=9, dtype=str(expected.dtype).removeprefix("torch."))
    if expected.requires_grad:
        expected.backward(torch.from_numpy(np.asarray(seed)))
    for function in (ours, lucid.compile(ours)):
        tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        got = function(*tensors)
        assert_close(got, expected)
        if expected.requires_grad:
            got.backward(seed)
            for x, y in zip(tensors, their_inputs, strict=True):
                if y.grad is not None:
                    assert x.grad is not None
                    assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in REDUCTIONS
        for shape in [(3, 4), (2, 1), (1, 1), (5, 37)]
        if not (name.startswith("std") and 1 in shape)  # one element has no deviation
    ],
)
def test_reduction(name: str, shape: tuple[int, int]) -> None:
    compare(lambda x: REDUCTIONS[name](lucid, x), lambda x: REDUCTIONS[name](torch, x), normal(*shape))


@pytest.mark.parametrize("name", ["prod", "logsumexp", "cumsum", "cumsum 0"])
def test_reduction_of_nothing(name: str) -> None:
    x = np.zeros((2, 0), np.float32)
    compare(lambda x: REDUCTIONS[name](lucid, x), lambda x: REDUCTIONS[name](torch, x), x)


@pytest.mark.parametrize("zeros", [1, 2])
def test_prod_of_zeros(zeros: int) -> None:
    x = normal(2, 5)
    x[0, :zeros] = 0
    compare(lambda x: lucid.prod(x, 1), lambda x: torch.prod(x, 1), x)


def test_logsumexp_of_infinities() -> None:
    x = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [-np.inf, 1.0], [1e4, 1e4]], np.float32)
    assert_close(lucid.logsumexp(x, 1), torch.logsumexp(torch.tensor(x), 1))


def test_norm_and_std_have_gradients_where_they_are_zero() -> None:
    x = np.zeros((2, 3), np.float32)
    compare(lambda x: lucid.norm(x, 2, 1), lambda x: torch.norm(x, 2, 1), x)
    compare(lambda x: lucid.std(x, 1), lambda x: torch.std(x, 1), x)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", ["sum", "prod", "cumsum"])
def test_sums_are_wide_enough(name: str, dtype: str) -> None:
    """200 four times over is not uint8."""
    x = np.full((2, 4), 200).astype(dtype)
    for along in ((), (1,), (0,)):
        if name == "cumsum" and not along:
            continue
        expected = getattr(torch, name)(torch.tensor(x), *along)
        for function in (getattr(lucid, name), lucid.compile(lambda *x: getattr(lucid, name)(*x))):
            found = function(x, *along)
            assert str(found.dtype) == str(expected.dtype).removeprefix("torch.")
            assert_close(found, expected)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), -1])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 2, 1)], ids=str)
def test_median(shape: tuple[int, ...], axis: Any) -> None:
    """NumPy's: PyTorch takes the lower of two middle elements."""
    x = normal(*shape)
    x[0, 0, 0] = np.nan
    for keepdims in (False, True):
        expected = np.median(x, axis, keepdims=keepdims)
        for function in (lucid.median, lucid.compile(lucid.median)):
            np.testing.assert_allclose(function(x, axis, keepdims=keepdims).numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(lucid.median(np.array([1, 4, 2, 3])).numpy(), np.float32(2.5))


def test_wrong_quantiles() -> None:
    with pytest.raises(ArgumentError) as refused:
        lucid.quantile(lucid.ones(3), 1.5)
    assert refused.value.sentence == "quantile takes a share q from 0 to 1, got 1.5."
    with pytest.raises(ShapeError) as empty:
        lucid.median(lucid.ones(2, 0), 1)
    assert empty.value.sentence == "quantile takes at least one element along its axes, got shape (2, 0)."


def test_sums_of_unsigned_numbers() -> None:
    assert lucid.sum(np.array([2**63, 1], np.uint64)).dtype == lucid.uint64
    assert lucid.sum(np.array([2**32 - 1, 1], np.uint32)).tolist() == 2**32


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_integers(dtype: str) -> None:
    x, y = np.array([7, 8, 250, 3], dtype), np.array([2, 3, 7, 5], dtype)
    if dtype != "uint8":
        x = x * np.array([1, -1, 1, -1], dtype)
        y = y * np.array([1, 1, -1, -1], dtype)
    counts = np.array([0, 1, 2, 3], dtype)
    for sign, other in [
        (operator.floordiv, y),
        (operator.mod, y),
        (operator.lshift, counts),
        (operator.rshift, counts),
        (operator.pow, counts),
    ]:
        expected = sign(torch.tensor(x), torch.tensor(other))
        for function in (sign, lucid.compile(lambda a, b, sign=sign: sign(a, b))):
            assert_close(function(Tensor(x), Tensor(other)), expected)
