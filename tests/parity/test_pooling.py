"""Pools: values and gradients, ties, sizes that do not divide, indices, and the sums of windows behind them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same, assert_same_both, assert_same_module, normal, torch

MODULES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "max": (lambda nn: nn.MaxPool2d(2), (2, 3, 6, 8)),
    "max, left over": (lambda nn: nn.MaxPool2d((2, 3)), (2, 3, 7, 37)),
    "max, ceil": (lambda nn: nn.MaxPool2d(2, ceil_mode=True), (2, 3, 7, 5)),
    "max, overlapping": (lambda nn: nn.MaxPool2d(3, stride=2, padding=1), (2, 2, 9, 38)),
    "max, dilated": (lambda nn: nn.MaxPool2d(2, stride=(1, 2), dilation=(3, 2)), (1, 2, 9, 8)),
    "max, stride above kernel": (lambda nn: nn.MaxPool2d(2, stride=3), (1, 2, 9, 8)),
    "max, ceil and padding": (lambda nn: nn.MaxPool1d(4, stride=3, padding=2, ceil_mode=True), (2, 2, 12)),
    "max, no batch": (lambda nn: nn.MaxPool1d(2), (3, 9)),
    "max, three dimensions": (lambda nn: nn.MaxPool3d(2, stride=1), (1, 2, 3, 4, 3)),
    "max, one window": (lambda nn: nn.MaxPool2d((5, 20)), (1, 2, 5, 20)),
    "mean": (lambda nn: nn.AvgPool2d(2), (2, 3, 6, 34)),
    "mean, padded": (lambda nn: nn.AvgPool2d(3, stride=2, padding=1), (2, 2, 7, 8)),
    "mean of what is inside": (lambda nn: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), (2, 2, 7, 8)),
    "mean, ceil": (lambda nn: nn.AvgPool2d((2, 3), padding=(0, 1), ceil_mode=True), (1, 2, 5, 9)),
    "mean, one dimension": (lambda nn: nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 2, 10)),
    "mean, three dimensions": (lambda nn: nn.AvgPool3d((1, 2, 3), padding=(0, 1, 1)), (1, 2, 3, 4, 6)),
    "sum over a number": (lambda nn: nn.AvgPool2d(2, divisor_override=3), (1, 2, 4, 4)),
    "adaptive mean": (lambda nn: nn.AdaptiveAvgPool2d(2), (2, 3, 6, 8)),
    "adaptive mean to one": (lambda nn: nn.AdaptiveAvgPool2d(1), (2, 3, 5, 7)),
    "adaptive mean, uneven": (lambda nn: nn.AdaptiveAvgPool2d((3, None)), (2, 2, 7, 4)),
    "adaptive mean that enlarges": (lambda nn: nn.AdaptiveAvgPool1d(7), (2, 2, 4)),
    "adaptive mean, three dimensions": (lambda nn: nn.AdaptiveAvgPool3d((2, 3, 2)), (1, 2, 4, 5, 3)),
    "adaptive max": (lambda nn: nn.AdaptiveMaxPool2d((2, 4)), (2, 3, 6, 8)),
    "adaptive max, uneven": (lambda nn: nn.AdaptiveMaxPool2d((3, 5)), (2, 2, 7, 8)),
    "adaptive max, one dimension": (lambda nn: nn.AdaptiveMaxPool1d(3), (2, 2, 8)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODULES)
def test_module(name: str, dtype: str) -> None:
    make, shape = MODULES[name]
    ours, theirs = make(nn), make(torch.nn)
    assert ours.extra_repr() == theirs.extra_repr()
    assert_same_module(ours, theirs, [normal(*shape, dtype=dtype)])


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "stride": 1}])
def test_of_equal_elements_the_first_has_the_gradient(options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 2, 8, 8)).astype(np.float32)
    ours, theirs = nn.MaxPool2d(3, **options), torch.nn.MaxPool2d(3, **options)
    assert_same_both(ours, theirs, [x])


def test_ties_of_uneven_windows() -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 2, 7, 8)).astype(np.float32)
    assert_same_both(nn.AdaptiveMaxPool2d((3, 5)), torch.nn.AdaptiveMaxPool2d((3, 5)), [x])


@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}])
def test_indices(options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).integers(0, 4, (2, 3, 9, 8)).astype(np.float32)
    theirs = torch.nn.functional.max_pool2d(torch.tensor(x), **options, return_indices=True)

    def pool(x: Tensor) -> tuple[Tensor, Tensor]:
        values, indices = F.max_pool2d(x, **options, return_indices=True)
        return values, indices

    for function in (pool, lucid.compile(pool)):
        for a, b in zip(function(Tensor(x)), theirs, strict=True):
            assert_close(a, b)


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (9, 8), (1, 1)])
def test_indices_of_adaptive_pools(size: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 4, (2, 3, 9, 8)).astype(np.float32)
    ours, theirs = (library.AdaptiveMaxPool2d(size, return_indices=True) for library in (nn, torch.nn))
    for function in (ours, lucid.compile(ours)):
        for given in (x, x[0]):
            for a, b in zip(function(Tensor(given)), theirs(torch.tensor(given)), strict=True):
                assert_close(a, b)


def test_extremes() -> None:
    x = normal(1, 1, 4, 6)
    x[0, 0, 0, 0], x[0, 0, 1, 3], x[0, 0, 2:, :2] = np.nan, np.inf, -np.inf
    for function in (nn.MaxPool2d(2), lucid.compile(nn.MaxPool2d(2))):
        assert_close(function(Tensor(x)), torch.nn.MaxPool2d(2)(torch.tensor(x)))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 1)},
        {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2},
        {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
    ],
)
def test_padding_has_no_gradient_of_windows_of_minus_infinity(options: dict[str, Any]) -> None:
    x = normal(2, 3, 7, 8)
    x[0, 0], x[0, 1, :3, :4], x[1, 2, 5:] = -np.inf, -np.inf, -np.inf
    given = torch.tensor(x, requires_grad=True)
    expected, places = torch.nn.functional.max_pool2d(given, **options, return_indices=True)
    seed = normal(*expected.shape)
    expected.backward(torch.tensor(seed))

    def pool(x: Tensor) -> tuple[Tensor, ...]:
        y, indices = F.max_pool2d(x, **options, return_indices=True)
        return y, indices, lucid.grad(y, x, Tensor(seed))

    for call in (pool, lucid.compile(pool)):
        y, indices, gradient = call(Tensor(x, requires_grad=True))
        assert_close(y, expected.detach())
        assert_close(indices, places)
        assert_close(gradient, given.grad)


def test_second_derivatives() -> None:
    def penalty(pool: Any, grad: Any, x: Any) -> Any:
        y = pool(x)
        (to_x,) = grad((y * y * y).sum(), [x], create_graph=True)
        return (to_x * to_x).sum()

    for name in ("MaxPool2d", "AvgPool2d"):
        x = normal(2, 2, 7, 7)
        ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        penalty(getattr(nn, name)(3, 2, 1), lucid.grad, ours).backward()
        penalty(getattr(torch.nn, name)(3, 2, 1), torch.autograd.grad, theirs).backward()
        assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_an_empty_batch_and_other_strides() -> None:
    for shape in ((0, 2, 4, 4), (1, 1, 2, 2)):
        assert_same_module(nn.MaxPool2d(2), torch.nn.MaxPool2d(2), [normal(*shape)])
    x = normal(6, 5, 4, 2)
    assert_same(
        lambda x: F.max_pool2d(x.permute(3, 2, 1, 0)[..., ::2], 2),
        lambda x: torch.nn.functional.max_pool2d(x.permute(3, 2, 1, 0)[..., ::2], 2),
        [x],
    )
