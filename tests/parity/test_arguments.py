"""Arguments that PyTorch's functions have beside their operands: values and gradients with them, eager and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, normal, torch

TF = torch.nn.functional

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum dtype": lambda x, library: x.sum(1, dtype=library.float64),
    "sum of all, dtype": lambda x, library: library.sum(x, dtype=library.float64),
    "mean dtype": lambda x, library: library.mean(x, 0, dtype=library.float64),
    "prod dtype": lambda x, library: x.prod(1, dtype=library.float64),
    "cumsum dtype": lambda x, library: x.cumsum(1, dtype=library.float64),
    "norm dtype": lambda x, library: library.norm(x, 3, 1, dtype=library.float64),
    "norm fro": lambda x, library: x.norm("fro", 1),
    "var biased": lambda x, library: x.var(1, False),
    "var by position": lambda x, library: x.var(1, True, True),
    "std biased, keepdim": lambda x, library: library.std(x, 1, unbiased=False, keepdim=True),
    "std correction": lambda x, library: x.std(dim=1, correction=2),
    "var correction 0.5": lambda x, library: x.var(dim=1, correction=0.5),
    "add alpha": lambda x, library: library.add(x, x, alpha=3),
    "subtract alpha": lambda x, library: library.subtract(x, x * x, alpha=0.5),
    "round decimals": lambda x, library: library.round(x * 1.2345, decimals=2) + x,
    "round tens": lambda x, library: library.round(x * 123.45, decimals=-1) + x,
    "squeeze dim": lambda x, library: library.squeeze(x[:, :1], dim=1),
    "unsqueeze": lambda x, library: library.unsqueeze(x, dim=-1),
    "permute dims": lambda x, library: library.permute(x, dims=(1, 0)),
    "transpose": lambda x, library: library.transpose(x, dim0=0, dim1=1),
    "flatten": lambda x, library: library.flatten(x, start_dim=0, end_dim=1),
    "split": lambda x, library: library.split(x, split_size_or_sections=[1, 3], dim=1)[1],
    "tile": lambda x, library: library.tile(x, dims=(2, 1)),
    "stack": lambda x, library: library.stack(tensors=[x, x], dim=1),
    **{
        f"quantile {how} of {n}": lambda x, library, how=how, n=n: library.quantile(
            x[:, :n], 0.5, dim=1, interpolation=how
        )
        for how in ("linear", "lower", "higher", "midpoint", "nearest")
        for n in (2, 3, 4)
    },
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name: str) -> None:
    operation = OPERATIONS[name]
    assert_same_both(lambda x: operation(x, lucid), lambda x: operation(x, torch), [normal(3, 4)])


MAKERS: list[Callable[[Any], Any]] = [
    lambda library: library.zeros(2, 3, dtype=None),
    lambda library: library.ones(2, 3, dtype=None),
    lambda library: library.ones((2, 3), dtype=library.int64),
    lambda library: library.full(size=(2, 3), fill_value=2.5),
    lambda library: library.full((2,), 7, dtype=library.float64, device="cpu"),
    lambda library: library.zeros_like(library.ones(2), dtype=library.int32),
    lambda library: library.full_like(library.ones(2), fill_value=3, device="cpu"),
    lambda library: library.arange(start=1, end=8, step=2),
    lambda library: library.arange(3, dtype=library.float64, device="cpu"),
    lambda library: library.linspace(start=0, end=1, steps=4, dtype=None),
    lambda library: library.eye(2, m=3, dtype=None),
    lambda library: library.eye(n=2, device="cpu"),
    lambda library: library.as_tensor(data=[1, 2], dtype=library.float32, device="cpu"),
]


@pytest.mark.parametrize("make", MAKERS)
def test_making(make: Callable[[Any], Any]) -> None:
    assert_close(make(lucid), make(torch))
    assert_close(lucid.compile(lambda: make(lucid))(), make(torch))


def test_random_numbers_with_a_dtype_and_a_device() -> None:
    for name in ("rand", "randn"):
        make = getattr(lucid, name)
        assert make(2, dtype=None, device="cpu").dtype == lucid.float32
        assert make(2, dtype="float64").dtype == lucid.float64
        like = getattr(lucid, f"{name}_like")
        assert like(lucid.ones(2), dtype="float64").dtype == lucid.float64
        assert like(lucid.ones(2, dtype="float64"), device="cpu").dtype == lucid.float64
    assert lucid.randint(10, (3,), dtype=None).dtype == lucid.int64
    assert lucid.randperm(3, device="cpu").dtype == lucid.int64


def test_leaves_that_require_a_gradient() -> None:
    made = [
        lucid.zeros(2, requires_grad=True),
        lucid.ones((2,), requires_grad=True),
        lucid.full((2,), 1.0, requires_grad=True),
        lucid.ones_like(lucid.zeros(2), requires_grad=True),
        lucid.linspace(0, 1, 2, requires_grad=True),
        lucid.eye(2, requires_grad=True),
        lucid.arange(0.0, 2.0, requires_grad=True),
        lucid.rand(2, requires_grad=True),
        lucid.randn_like(lucid.ones(2), requires_grad=True),
    ]
    for tensor in made:
        (tensor * 3.0).sum().backward()
        assert tensor.grad is not None
        assert set(tensor.grad.numpy().flat) == {3.0}
    with pytest.raises(lucid.errors.DTypeError, match="only float tensors can require gradients"):
        lucid.randint(3, (2,), requires_grad=True)


def test_searchsorted() -> None:
    line, values = np.array([1.0, 3.0, 3.0, 5.0], np.float32), np.array([0.0, 3.0, 6.0], np.float32)
    for options in ({}, {"right": True}, {"side": "right"}, {"side": "left"}):
        theirs = torch.searchsorted(torch.tensor(line), torch.tensor(values), **options)
        assert_close(lucid.searchsorted(line, input=values, **options), theirs)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_losses(name: str, reduction: str) -> None:
    ours, theirs = getattr(F, name), getattr(TF, name)
    inputs = [normal(3, 4) * 2, normal(3, 4, seed=1), np.abs(normal(3, 4, seed=2))]
    assert_same_both(
        lambda x, y, w: ours(x, y, reduction=reduction, weight=w),
        lambda x, y, w: theirs(x, y, reduction=reduction, weight=w),
        inputs,
        (0, 1, 2),
    )


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_scale_factors_that_are_computed_again(mode: str) -> None:
    x = normal(1, 2, 5, 7)
    for recompute in (None, False, True):
        options = {"scale_factor": 1.7, "mode": mode, "recompute_scale_factor": recompute}
        assert_same_both(lambda x, o=options: F.interpolate(x, **o), lambda x, o=options: TF.interpolate(x, **o), [x])
        ours, theirs = nn.Upsample(**options), torch.nn.Upsample(**options)
        assert_same_both(ours, theirs, [x])


def test_moving_and_casting() -> None:
    x, y = Tensor([1.5, 2.5]), Tensor([1, 2])
    for ours in (x.to("cpu"), x.to(device="cpu"), x.to(lucid.float32), x.to("cpu", "float32"), x.to(x)):
        assert ours is x
    assert x.to(lucid.float64).dtype == x.to(dtype="float64").dtype == x.to("cpu", "float64").dtype == lucid.float64
    assert x.to(y).tolist() == [1, 2]
    assert lucid.compile(lambda x: (x * 2.0).to(lucid.int64))(x).tolist() == [3, 5]
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    assert {str(p.dtype) for p in model.double().parameters()} == {"float64"}
    assert {str(p.dtype) for p in model.to(lucid.float32).parameters()} == {"float32"}
    assert {str(p.dtype) for p in model.to("cpu", lucid.float64).parameters()} == {"float64"}
    assert {str(p.dtype) for p in model.float().parameters()} == {"float32"}
    assert {p.device for p in model.cpu().parameters()} == {"cpu"}
    assert str(model.get_buffer("1.num_batches_tracked").dtype) == "int64"
