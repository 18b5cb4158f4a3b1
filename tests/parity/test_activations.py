"""Activations: values and gradients, near zero and far from it, eager and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
from tests.parity.compare import assert_same_both, assert_same_module, normal, torch

MODULES: list[Callable[[Any], Any]] = [
    lambda nn: nn.LeakyReLU(),
    lambda nn: nn.LeakyReLU(0.3),
    lambda nn: nn.ReLU6(),
    lambda nn: nn.Hardtanh(-0.5, 2.0),
    lambda nn: nn.Hardsigmoid(),
    lambda nn: nn.Hardswish(),
    lambda nn: nn.ELU(),
    lambda nn: nn.ELU(0.5),
    lambda nn: nn.CELU(),
    lambda nn: nn.CELU(2.0),
    lambda nn: nn.SELU(),
    lambda nn: nn.SiLU(),
    lambda nn: nn.Mish(),
    lambda nn: nn.Softplus(),
    lambda nn: nn.Softplus(beta=2.0, threshold=3.0),
    lambda nn: nn.Softsign(),
    lambda nn: nn.Tanhshrink(),
    lambda nn: nn.LogSigmoid(),
    lambda nn: nn.GLU(),
    lambda nn: nn.GLU(0),
    lambda nn: nn.Threshold(0.5, -1.5),
    lambda nn: nn.Hardshrink(),
    lambda nn: nn.Hardshrink(1.5),
    lambda nn: nn.Softshrink(),
    lambda nn: nn.Softshrink(1.5),
    lambda nn: nn.ReLU(inplace=False),
]


@pytest.mark.parametrize("make", MODULES, ids=[str(make(nn)) for make in MODULES])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_module(make: Callable[[Any], Any], dtype: str) -> None:
    x = np.concatenate([normal(6, 16, dtype=dtype), normal(6, 16, seed=1, dtype=dtype) * 5]).astype(dtype)
    assert_same_module(make(nn), make(torch.nn), [x])


@pytest.mark.parametrize("make", MODULES, ids=[str(make(nn)) for make in MODULES])
@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (2, 2)])
def test_empty_and_small(make: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    assert_same_module(make(nn), make(torch.nn), [normal(*shape)])


@pytest.mark.parametrize("make", MODULES, ids=[str(make(nn)) for make in MODULES])
def test_far_from_zero_and_at_it(make: Callable[[Any], Any]) -> None:
    """Where an exponential overflows or vanishes, values and gradients stay right; those at 0 are PyTorch's."""
    x = np.array([[-3e4, -200.0, -90.0, -30.0, 0.0, 30.0, 90.0, 200.0, 3e4, 1e-8, -1e-8, 1.0]], np.float32)
    assert_same_module(make(nn), make(torch.nn), [np.concatenate([x, x])])


@pytest.mark.parametrize("name", ["Softmax", "Softmin", "LogSoftmax", "Softmax2d"])
def test_along_axes(name: str) -> None:
    for shape in [(4,), (5, 4), (2, 3, 4), (2, 3, 4, 5)]:
        if name == "Softmax2d":
            if len(shape) > 2:
                assert_same_module(nn.Softmax2d(), torch.nn.Softmax2d(), [normal(*shape)])
            continue
        for dim in range(-len(shape), len(shape)):
            assert_same_module(getattr(nn, name)(dim), getattr(torch.nn, name)(dim), [normal(*shape)])


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_the_axis_and_the_dtype_that_are_not_given(name: str) -> None:
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    for shape in [(4,), (5, 4)]:
        assert_same_both(ours, theirs, [normal(*shape)])
    assert_same_both(lambda x: ours(x, 0, dtype="float64"), lambda x: theirs(x, 0, dtype=torch.float64), [normal(5, 4)])


@pytest.mark.parametrize(("shape", "parameters"), [((5, 4), 1), ((5, 4), 4), ((2, 4, 3, 2), 4), ((4,), 1), ((), 1)])
def test_prelu(shape: tuple[int, ...], parameters: int) -> None:
    assert_same_module(nn.PReLU(parameters, 0.1), torch.nn.PReLU(parameters, 0.1), [normal(*shape)])


def test_prelu_with_a_slope_for_each_channel() -> None:
    inputs = [normal(2, 4, 3), normal(4, seed=1)]
    assert_same_both(F.prelu, torch.nn.functional.prelu, inputs, (0, 1))
