"""Functions and methods that are composed of others: values and gradients, eager and compiled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, normal, torch

Two = Callable[[Any, Any, Any], Any]  # of a library and two tensors of shape (3, 4)

FLOATS: dict[str, Two] = {
    "unbind": lambda library, x, y: library.unbind(x, 1)[2] * library.unbind(y)[1][0],
    "unbind method": lambda library, x, y: x.unbind(dim=-1)[3],
    "narrow": lambda library, x, y: library.narrow(x, 1, 1, 2),
    "narrow from the end": lambda library, x, y: x.narrow(1, -2, 2),
    "narrow to nothing": lambda library, x, y: x.narrow(0, 3, 0),
    "unflatten": lambda library, x, y: library.unflatten(x, 1, (2, -1)),
    "unflatten method": lambda library, x, y: x.unflatten(-1, (-1, 2)).permute(1, 0, 2),
    "repeat_interleave": lambda library, x, y: library.repeat_interleave(x, 3, dim=1),
    "repeat_interleave of all": lambda library, x, y: x.repeat_interleave(2),
    "diag of a matrix": lambda library, x, y: library.diag(x, 1),
    "diag of a vector": lambda library, x, y: library.diag(x[0], -2),
    "diag_embed": lambda library, x, y: library.diag_embed(x),
    "diag_embed above": lambda library, x, y: library.diag_embed(x, offset=2),
    "diag_embed elsewhere": lambda library, x, y: library.diag_embed(x, 1, 0, 2),
    "diag_embed below": lambda library, x, y: x.diag_embed(-1),
    "trace": lambda library, x, y: library.trace(x),
    **{f"rot90 {k}": lambda library, x, y, k=k: library.rot90(x, k) for k in (-1, 0, 1, 2, 3)},
    "rot90 back": lambda library, x, y: x.rot90(1, (1, 0)),
    "logaddexp": lambda library, x, y: library.logaddexp(x * 50, y * 50),
    "logaddexp of equals": lambda library, x, y: library.logaddexp(x, x),
    "xlogy": lambda library, x, y: library.xlogy(x, y * y),
    "hypot": lambda library, x, y: library.hypot(x, y),
    "fmod": lambda library, x, y: library.fmod(x * 10, y),
    "frac": lambda library, x, y: library.frac(x * 3),
    "masked_fill": lambda library, x, y: library.masked_fill(x, y > 0, -math.inf),
    "masked_fill by a row": lambda library, x, y: x.masked_fill(y[0] > 0, 2),
    "masked_fill by a tensor": lambda library, x, y: x.masked_fill(x > 0, y[0, 0]),
    "var_mean": lambda library, x, y: sum(library.var_mean(x, 1)),
    "std_mean": lambda library, x, y: sum(library.std_mean(x, dim=0, correction=0, keepdim=True)),
    "nansum": lambda library, x, y: library.nansum(x.masked_fill(y > 0, math.nan), 1),
    "nanmean": lambda library, x, y: x.masked_fill(y > 1, math.nan).nanmean(0),
    "cumprod": lambda library, x, y: library.cumprod(x, dim=1),
    "cumprod with zeros": lambda library, x, y: x.masked_fill(y > 1, 0.0).cumprod(0),
    "cumprod dtype": lambda library, x, y: library.cumprod(x, 1, dtype=library.float64),
    "diff": lambda library, x, y: library.diff(x, dim=0),
    "diff twice": lambda library, x, y: x.diff(2),
    "diff of more": lambda library, x, y: library.diff(x, 1, 1, y[:, :1], append=y[:, 1:]),
    "mv": lambda library, x, y: library.mv(x, y[0]),
    "inner": lambda library, x, y: library.inner(x, y),
    "inner of vectors": lambda library, x, y: x[0].inner(y[0]),
    "addmm": lambda library, x, y: library.addmm(x[:, :3], x, y.T, beta=0.5, alpha=2),
    "addmm of a row": lambda library, x, y: x[0, :3].addmm(x, y.T),
    "addmv": lambda library, x, y: library.addmv(y[:, 0], x, y[0], alpha=3),
    "baddbmm": lambda library, x, y: library.baddbmm(x[:, :3], x.unsqueeze(0), y.T.unsqueeze(0), beta=2),
    "kron": lambda library, x, y: library.kron(x, y),
    "kron of different ranks": lambda library, x, y: library.kron(x[0], y),
    "cross": lambda library, x, y: library.cross(x.T, y.T, dim=1),
    "cross method": lambda library, x, y: x.cross(y, 0),
    "cdist": lambda library, x, y: library.cdist(x, y),
    "cdist of batches, p=1": lambda library, x, y: library.cdist(x.unsqueeze(0), y[:2], p=1.0),
    "add": lambda library, x, y: x.add(y, alpha=2),
    "methods of arithmetic": lambda library, x, y: x.subtract(y).multiply(x).divide(y).negative().matmul(y.T),
    "expand_as": lambda library, x, y: x[0].expand_as(y) * y,
    "view_as": lambda library, x, y: x.view_as(y.T) + x.reshape_as(y.T),
    "repeat": lambda library, x, y: x.repeat(2, 1, 2),
    "type_as": lambda library, x, y: x.type_as(y.double()),
    "conversions": lambda library, x, y: x.double().float() * (x > 0).float(),
    "new tensors": lambda library, x, y: x.new_ones(3, 1) + x.new_zeros((3, 1)) + x * x.new_full((1,), 2.0),
}


@pytest.mark.parametrize("name", FLOATS)
def test_of_floats(name: str) -> None:
    function = FLOATS[name]
    inputs = [normal(3, 4), normal(3, 4, seed=1)]
    probe = [torch.tensor(x, requires_grad=True) for x in inputs]
    function(torch, *probe).sum().backward()
    reached = [number for number, tensor in enumerate(probe) if tensor.grad is not None]
    assert_same_both(lambda x, y: function(lucid, x, y), lambda x, y: function(torch, x, y), inputs, reached)


VALUES: dict[str, Two] = {
    "addmm without": lambda library, x, y: library.addmm(x[0, :3] * math.nan, x, y.T, beta=0),
    "isclose": lambda library, x, y: library.isclose(x, x + y * 1e-5),
    "isclose with NaN": lambda library, x, y: (x / 0).isclose(x / 0, equal_nan=True),
    "isclose of infinities": lambda library, x, y: library.isclose(x / 0.0, y / 0.0),
    "count_nonzero": lambda library, x, y: library.count_nonzero(x * (y > 0), dim=1),
    "count_nonzero of all": lambda library, x, y: (x > 0).count_nonzero(),
    "fmod of integers": lambda library, x, y: library.fmod((x * 10).int(), (abs(y) * 5).int() + 1),
    "fmod by negatives": lambda library, x, y: library.fmod((x * 10).long(), -3),
    "integers": lambda library, x, y: (x * 3).int() + (y * 3).long(),
    "bools": lambda library, x, y: (x * 3).long().bool(),
    "diag of integers": lambda library, x, y: library.diag((x[0] * 9).long()),
    "masked_fill of integers": lambda library, x, y: (x * 9).long().masked_fill(y > 0, 7),
    "logical methods": lambda library, x, y: (x > 0).logical_and(y > 0).logical_or(x > 1).logical_xor(y > 1),
    "bitwise methods": lambda library, x, y: (x * 9).int().bitwise_and((y * 9).int()).bitwise_or(1),
    "comparisons": lambda library, x, y: x.less(y).bitwise_xor(x.greater_equal(0)).bitwise_not(),
    "movements": lambda library, x, y: x.moveaxis(0, 1).tile((2, 1)).broadcast_to((2, 8, 3)),
    "diff of bools": lambda library, x, y: (x > 0).diff(),
    "diff until nothing is left": lambda library, x, y: x.diff(9, 0),
    "cumprod of integers": lambda library, x, y: (x * 3).int().cumprod(1),
    "hypot of large and small": lambda library, x, y: library.hypot(x * 1e30, y * 1e-30),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    function = VALUES[name]
    inputs = [normal(3, 4), normal(3, 4, seed=1)]
    inputs[0][0, 0] = 0.0
    expected = function(torch, *map(torch.tensor, inputs))
    assert_close(function(lucid, *map(Tensor, inputs)), expected)
    assert_close(lucid.compile(lambda x, y: function(lucid, x, y))(*inputs), expected)


@pytest.mark.parametrize("name", ["logaddexp", "xlogy", "hypot", "fmod"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_at_the_ends(name: str) -> None:
    line = np.array([0.0, -0.0, 1.0, -1.0, 3e38, 1e-40, math.inf, -math.inf, math.nan], np.float32)
    if name == "fmod":
        line[4:6] = 1e6, 0.75  # the quotient of the others has no digits behind the point
    x, y = (grid.ravel() for grid in np.meshgrid(line, line))
    theirs = getattr(torch, name)(torch.tensor(x), torch.tensor(y))
    ours = getattr(lucid, name)
    for call in (ours, lucid.compile(lambda x, y: ours(x, y))):
        assert_close(call(x, y), theirs)
