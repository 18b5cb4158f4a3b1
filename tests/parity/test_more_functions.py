"""Functions that are compositions: values and first derivatives beside PyTorch's, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from tests.parity.compare import assert_close, normal, torch
from tests.parity.test_ops import compare

X, Y = normal(4, 5), normal(4, 5, seed=1)
TIES = np.random.default_rng(0).integers(0, 4, (4, 7)).astype(np.float32)
BATCH = normal(3, 2, 4), normal(3, 4, 5, seed=1)
SPOTTED = np.where(X > 0.5, np.float32(np.nan), Y)
SPOTTED[3] = np.nan
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.1, 1.5], np.float32)
COUNTS = np.array([1, 2, 3, 1, 2])
PLACES, Z = np.random.default_rng(0).integers(0, 5, (4, 9)), normal(4, 9, seed=2)
SOME = np.where(Z > 1.0, np.float32(np.nan), Z)

Row = tuple[Callable[..., Any], tuple[np.ndarray, ...]]
ROWS: dict[str, Row] = {
    "logcumsumexp": (lambda m, x: m.logcumsumexp(x, 1), (X * 30,)),
    "logcumsumexp of infinities": (lambda m, x: m.logcumsumexp(x.detach(), 0), (np.array([-np.inf, 1.0, np.inf, 2]),)),
    "cummax": (lambda m, x: m.cummax(x, 1)[0], (TIES,)),
    "cummax, positions": (lambda m, x: m.cummax(x, 0)[1], (TIES,)),
    "cummin": (lambda m, x: m.cummin(x, dim=0)[0], (X,)),
    "cummin, positions": (lambda m, x: m.cummin(x, 1)[1], (TIES,)),
    "cummin of nothing": (lambda m, x: m.cummin(x, 1)[0], (np.ones((2, 0), np.float32),)),
    "cummax of one": (lambda m, x: m.cummax(x, 0)[1], (np.float32(2.0),)),
    "cummax of integers": (lambda m, x: m.cummax(x, 1)[0], (TIES.astype(np.int64),)),
    "trapezoid": (lambda m, y: m.trapezoid(y, dx=0.5, dim=0), (X,)),
    "trapezoid at places": (lambda m, y, x: m.trapezoid(y, x), (X, WEIGHTS)),
    "cumulative_trapezoid": (lambda m, y, x: m.cumulative_trapezoid(y, x, dim=0), (X, Y)),
    "cov": (lambda m, x: m.cov(x), (X,)),
    "cov of a vector": (lambda m, x: m.cov(x, correction=0), (X[0],)),
    "cov, weighted": (lambda m, x, w: m.cov(x, aweights=w.detach()), (X, WEIGHTS)),
    "cov, counted": (lambda m, x, n: m.cov(x, correction=2, fweights=n), (X, COUNTS)),
    "cov, both": (lambda m, x, n, w: m.cov(x, fweights=n, aweights=w.detach()), (X, COUNTS, WEIGHTS)),
    "corrcoef": (lambda m, x: m.corrcoef(x), (X,)),
    "corrcoef of a vector": (lambda m, x: m.corrcoef(x), (X[0],)),
    "dist": (lambda m, x, y: m.dist(x, y, 3), (X, Y)),
    "renorm": (lambda m, x: m.renorm(x, 2, 1, 1.5), (X,)),
    "aminmax": (lambda m, x: m.aminmax(x, dim=1, keepdim=True)[0], (X,)),
    "aminmax of all": (lambda m, x: m.aminmax(x)[1], (X,)),
    "kthvalue": (lambda m, x: m.kthvalue(x, 2, 0)[0], (X,)),
    "kthvalue, positions": (lambda m, x: m.kthvalue(x, 5, keepdim=True)[1], (X,)),
    "bucketize": (lambda m, x, b: m.bucketize(x, b.detach()), (TIES, np.array([0.0, 1.0, 2.5], np.float32))),
    "bucketize, right": (lambda m, x, b: m.bucketize(x, b.detach(), right=True), (TIES, np.array([0.0, 1.0, 2.5]))),
    **{
        f"nanquantile, {how}": (
            lambda m, x, how=how: m.nanquantile(x, 0.3, dim=1, interpolation=how),
            (SPOTTED,),
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
    },
    "nanquantile of all": (lambda m, x: m.nanquantile(x, 0.9, keepdim=True), (SPOTTED[:3],)),
    "nanmedian": (lambda m, x: m.nanquantile(x, 0.5) if m is torch else m.nanmedian(x), (SPOTTED[:3],)),
    "broadcast_tensors": (lambda m, x, y: m.broadcast_tensors(x, y)[1], (X, Y[:, :1])),
    "tensor_split": (lambda m, x: m.tensor_split(x, 3, 1)[1], (X,)),
    "tensor_split at places": (lambda m, x: m.tensor_split(x, (1, 4), dim=1)[1], (X,)),
    "select": (lambda m, x: m.select(x, 1, -2), (X,)),
    "unfold": (lambda m, x: x.unfold(1, 3, 2), (X,)),
    "unfold the first": (lambda m, x: x.unfold(0, 2, 1), (X,)),
    "repeat_interleave by counts": (lambda m, x, n: m.repeat_interleave(x, n, 1, output_size=9), (X, COUNTS)),
    "repeat_interleave by none": (lambda m, x, n: m.repeat_interleave(x, n - n, 1, output_size=0), (X, COUNTS)),
    "repeat_interleave by one count": (lambda m, x, n: m.repeat_interleave(x, n[1:2], output_size=40), (X, COUNTS)),
    "repeat_interleave of positions": (lambda m, n: m.repeat_interleave(n - 1, output_size=4), (COUNTS,)),
    **{
        f"histc {options}": (lambda m, x, o=options: m.histc(x.detach(), **o), (TIES,))
        for options in ({}, {"bins": 4}, {"bins": 7, "min": -1, "max": 2}, {"bins": 3, "min": 1, "max": 1})
    },
    "histc of equals": (lambda m, x: m.histc(x.detach(), 3), (np.full(4, 2.0),)),
    "histc of large equals": (lambda m, x: m.histc(x.detach(), 4), (np.full(2, 3e7, "float32"),)),
    "histc of larger equals": (lambda m, x: m.histc(x.detach(), 4), (np.full(2, -(2.0**53)),)),
    "bincount": (lambda m, n: m.bincount(n, minlength=6), (COUNTS,)),
    "bincount of weights": (lambda m, n, w: m.bincount(n, w.detach(), 4), (COUNTS, WEIGHTS)),
    "bincount of integer weights": (lambda m, n: m.bincount(n, n, 4), (COUNTS,)),
    **{
        f"scatter_reduce {how}{'' if own else ' of src alone'}{dtype}": (
            lambda m, x, i, s, how=how, own=own: m.scatter_reduce(x, 1, i, s, how, include_self=own),
            ((X * 9).astype(dtype), PLACES, (Z * 9).astype(dtype)),
        )
        for how in ("sum", "mean", "prod", "amax", "amin")
        for own, dtype in ((True, "float64"), (False, "float64"), (True, "int64"))
    },
    "scatter_reduce along the first": (lambda m, x, i, s: m.scatter_reduce(x, 0, i, s, "prod"), (X, PLACES.T % 4, Z.T)),
    "scatter_reduce of NaN": (
        lambda m, x, i, s: m.scatter_reduce(x.detach(), 1, i, s.detach(), "amin"),
        (X, PLACES, SOME),
    ),
    "hstack": (lambda m, x, y: m.hstack((x, y)), (X, Y)),
    "hstack of vectors": (lambda m, x, y: m.hstack((x, y)), (X[0], Y[1])),
    "vstack": (lambda m, x, y: m.vstack((x, y)), (X[0], Y)),
    "dstack": (lambda m, x, y: m.dstack((x, y)), (X, Y)),
    "block_diag": (lambda m, x, y: m.block_diag(x, y), (X, Y[0])),
    "cartesian_prod": (lambda m, x, y: m.cartesian_prod(x, y, x), (X[0], Y[0, :2])),
    "cartesian_prod of one": (lambda m, x: m.cartesian_prod(x), (X[0],)),
    "tril_indices": (lambda m, x: m.tril_indices(3, 4, -1), (X,)),
    "triu_indices": (lambda m, x: m.triu_indices(3, 4, 1), (X,)),
    "addbmm": (lambda m, x, a, b: m.addbmm(x, a, b, beta=0.5, alpha=2), (normal(2, 5), *BATCH)),
    "addr": (lambda m, x, a, b: m.addr(x, a, b, alpha=3), (normal(2, 5), X[0, :2], Y[0])),
    **{f"matrix_power {n}": (lambda m, x, n=n: m.matrix_power(x, n), (normal(2, 3, 3),)) for n in (0, 1, 2, 5)},
    "signbit": (lambda m, x: m.signbit(x), (np.array([-0.0, 0.0, -1.0, np.inf, -np.inf]),)),
    "signbit of integers": (lambda m, x: m.signbit(x), (COUNTS - 2,)),
    "copysign": (lambda m, x, y: m.copysign(x, y.detach()), (X, np.where(Y > 0, Y, np.float32(-0.0)))),
    "heaviside": (lambda m, x, y: m.heaviside(x, y), (TIES.astype(np.int64) - 1, COUNTS[[0] * 7])),
    "fmax": (lambda m, x, y: m.fmax(x, y), (np.where(X > 1, np.float32(np.nan), X), np.where(X < 0, np.nan, Y))),
    "fmin": (lambda m, x, y: m.fmin(x, y), (np.where(X > 1, np.float32(np.nan), X), Y)),
    "isposinf": (lambda m, x: m.isposinf(x), (np.array([np.inf, -np.inf, 0.0]),)),
    "isneginf": (lambda m, x: m.isneginf(x), (np.array([np.inf, -np.inf, 0.0]),)),
    "isin": (lambda m, x, y: m.isin(x, y), (TIES.astype(np.int64), COUNTS[1:])),
    "isin, inverted": (lambda m, x, y: m.isin(x, y, invert=True), (TIES.astype(np.int64), COUNTS[1:])),
    "logaddexp2": (lambda m, x, y: m.logaddexp2(x, y), (X * 100, Y * 100)),
    "deg2rad": (lambda m, x: m.deg2rad(x), (X,)),
    "rad2deg": (lambda m, x: m.rad2deg(x), (X,)),
    "ldexp": (lambda m, x, n: m.ldexp(x, n), (X, COUNTS)),
    "float_power": (lambda m, x: m.float_power(x, 3), (X,)),
    "float_power of integers": (lambda m, x: m.float_power(x, -2), (COUNTS,)),
    "logspace": (lambda m, x: m.logspace(-1, 3, 7, base=2.0), (X,)),
}


@pytest.mark.parametrize("name", ROWS)
def test_as_pytorch(name: str) -> None:
    function, operands = ROWS[name]
    compare(lambda *x: function(lucid, *x), lambda *x: function(torch, *x), *operands)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_a_mean_of_more_integers_than_their_dtype_counts(dtype: str) -> None:
    x, index = np.full(257, 200, dtype), np.zeros(257, np.int64)
    found = lucid.scatter_reduce(x[:2], 0, index, x, "mean")  # PyTorch's count is 1, of uint8
    assert (found.tolist(), found.dtype.name) == ([200, 200], dtype)
    assert lucid.scatter_reduce(x[:2], 0, index, x, "mean", include_self=False).tolist() == [200, 200]


@pytest.mark.parametrize("dim", [None, 0, 1])
def test_repeats_that_are_added_up(dim: int | None) -> None:
    """Without the size of the result, which eager code finds in the data."""
    repeats = np.arange(X.size if dim is None else X.shape[dim])[::-1] % 3
    expected = torch.repeat_interleave(torch.tensor(X), torch.tensor(repeats.copy()), dim)
    assert_close(lucid.repeat_interleave(X, repeats, dim), expected)
    assert_close(lucid.Tensor(X).repeat_interleave(lucid.Tensor(repeats), dim), expected)


def test_counts_that_the_data_tells() -> None:
    for weights in (None, WEIGHTS):
        theirs = None if weights is None else torch.tensor(weights)
        assert_close(lucid.bincount(COUNTS, weights), torch.bincount(torch.tensor(COUNTS), theirs))
        assert_close(lucid.Tensor(COUNTS).bincount(weights, 2), torch.bincount(torch.tensor(COUNTS), theirs, 2))
    assert_close(lucid.bincount(COUNTS[:0]), torch.bincount(torch.tensor(COUNTS[:0])))


def test_float_power_keeps_the_digits_of_numbers() -> None:
    assert lucid.float_power(0.1, 2).item() == 0.1**2
    assert lucid.ldexp(np.float64(1.0), 1000).item() == 2.0**1000


@pytest.mark.parametrize("reach", ["cummax", "cummin"])
def test_running_extrema_from_a_nan_on(reach: str) -> None:
    x = np.array([1.0, np.nan, 3.0, np.nan, 0.0], np.float32)
    theirs = getattr(torch, reach)(torch.tensor(x), 0)
    for function in (getattr(lucid, reach), lucid.compile(getattr(lucid, reach))):
        ours = function(x)
        assert_close(ours.values, theirs.values)
        assert_close(ours.indices, theirs.indices)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 100])
def test_running_combinations_of_every_length(length: int) -> None:
    x = normal(2, length)
    for name in ("cummax", "cummin"):
        for ours, theirs in zip(getattr(lucid, name)(x, 1), getattr(torch, name)(torch.tensor(x), 1), strict=True):
            assert_close(ours, theirs)
    assert_close(lucid.logcumsumexp(x, 1), torch.logcumsumexp(torch.tensor(x), 1))
