"""Derivatives and results where formulas have their edges: zeros, ties, NaN, and tensors without axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import CheckError
from tests.parity.compare import assert_close, assert_same_both, torch

NAN = float("nan")
X = np.array([0.0, 1.0, 2.0, -1.0], np.float32)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.0, 1.0, 2.0, 3.0])
def test_second_derivative_of_powers(exponent: float) -> None:
    theirs = torch.tensor(X, requires_grad=True)
    (first,) = torch.autograd.grad((theirs**exponent).sum(), theirs, create_graph=True)
    (second,) = torch.autograd.grad((first * theirs).sum(), theirs)

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        ours = lucid.grad((x**exponent).sum(), x, create_graph=True)
        return ours, lucid.grad((ours * x).sum(), x)

    for function in (both, lucid.compile(both)):
        for result, expected in zip(function(Tensor(X, requires_grad=True)), (first, second), strict=True):
            assert_close(result, expected)


def test_second_derivative_of_sinc() -> None:
    """PyTorch's is NaN at 0, and off by percents near it: sin(pi x) / (pi x) has the derivatives of its series."""
    x = np.array([0.0, 1e-4, -1e-3, 0.02, 0.1, 0.158, 0.16, 0.5, 3.0])
    a = np.pi * x[1:]
    expected = np.pi**2 * ((2.0 / a**2 - 1.0) * np.sin(a) - 2.0 * np.cos(a) / a) / a
    expected[:2] = np.pi**2 * (-1.0 / 3.0 + a[:2] ** 2 / 10.0)  # where the formula cancels

    def second(x: Tensor) -> Tensor:
        return lucid.grad(lucid.grad(lucid.sinc(x).sum(), x, create_graph=True).sum(), x)

    for function in (second, lucid.compile(second)):
        found = function(Tensor(x, requires_grad=True)).numpy()
        np.testing.assert_allclose(found, [-(np.pi**2) / 3.0, *expected], rtol=1e-9)


def test_a_first_power_is_a_copy() -> None:
    x = Tensor(X)
    y = x**1
    x += 1.0
    assert y.tolist() == X.tolist()


CASES: dict[str, tuple[Callable[[Any, Any], Any], list[Any]]] = {
    "minimum of NaN": (lambda library, x: library.minimum(x[0], x[1]), [[1.0, NAN, 2.0], [NAN, 1.0, 3.0]]),
    "maximum of NaN": (lambda library, x: library.maximum(x[0], x[1]), [[1.0, NAN, 2.0], [NAN, 1.0, 2.0]]),
    "max of NaN": (lambda library, x: library.max(x), [1.0, NAN, 0.0]),
    "min of NaN": (lambda library, x: library.min(x), [1.0, NAN, 0.0]),
    "max of equals": (lambda library, x: library.max(x), [1.0, 1.0, 0.0, 1.0]),
    "atan2": (lambda library, x: library.atan2(x[0], x[1]), [[0.0, -0.0, 1.0], [0.0, -0.0, 0.0]]),
    "prod of zeros": (lambda library, x: library.prod(x), [0.0, 2.0, 0.0]),
    "sum without axes": (lambda library, x: library.sum(x, 0), 2.0),
    "logsumexp without axes": (lambda library, x: library.logsumexp(x, -1), 2.0),
    "powers of zero": (
        lambda library, x: x[0] ** x[1],
        [[0.0, -0.0, 0.0, -0.0, 0.0, 0.0, -0.0, 2.0], [-1.0, -1.0, -2.0, -2.0, 0.0, 0.5, 3.0, 0.0]],
    ),
    **{
        f"{name} of equals and NaN": (
            lambda library, x, name=name: getattr(library, name)(x[0], x[1]),
            [[1.0, NAN, 1.0, NAN, 0.0, -0.0, 2.0, 1.0], [1.0, 1.0, NAN, NAN, -0.0, 0.0, 1.0, 2.0]],
        )
        for name in ("fmax", "fmin")
    },
    "logit at its ends": (lambda library, x: library.logit(x), [0.0, 1.0, 0.5]),
    "where": (lambda library, x: library.where(x == x, x, x * NAN), [1.0, 0.0, 4.0]),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str) -> None:
    function, x = CASES[name]
    assert_same_both(lambda x: function(lucid, x), lambda x: function(torch, x), [np.asarray(x, np.float32)])


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_without_axes(name: str) -> None:
    for dim in (0, -1):
        assert_same_both(
            lambda x, dim=dim: getattr(F, name)(x, dim),  # type: ignore[misc]
            lambda x, dim=dim: getattr(torch.nn.functional, name)(x, dim),  # type: ignore[misc]
            [np.array(2.0, np.float32)],
        )


def test_largest_bools() -> None:
    x = np.array([[True, False], [False, False]])
    for function in (lambda x: (x.max(1), x.min(0)), lucid.compile(lambda x: (x.max(1), x.min(0)))):
        largest, smallest = function(Tensor(x))
        assert_close(largest, torch.tensor(x).amax(1))
        assert_close(smallest, torch.tensor(x).amin(0))


def test_gradient_of_a_pool_with_nan() -> None:
    x = np.array([[[1.0, NAN, 3.0, 2.0], [1.0, 2.0, 3.0, 4.0]]], np.float32)
    assert_same_both(lambda x: F.max_pool2d(x, 2), lambda x: torch.nn.functional.max_pool2d(x, 2), [x])


def test_binary_cross_entropy_at_its_ends() -> None:
    x, y = np.array([0.0, 1.0, 0.5, 1.0, 0.0], np.float32), np.array([0.0, 1.0, 1.0, 0.0, 1.0], np.float32)
    for reduction in ("none", "mean", "sum"):
        expected = torch.nn.functional.binary_cross_entropy(torch.tensor(x), torch.tensor(y), reduction=reduction)
        for function in (F.binary_cross_entropy, lucid.compile(F.binary_cross_entropy)):
            assert_close(function(Tensor(x), Tensor(y), reduction=reduction), expected)


@pytest.mark.parametrize("wrong", [1.5, -0.25, NAN])
def test_binary_cross_entropy_outside_of_its_range(wrong: float) -> None:
    y = Tensor([1.0, 0.0])
    for function in (F.binary_cross_entropy, lucid.compile(F.binary_cross_entropy)):
        with pytest.raises(CheckError) as caught:
            function(Tensor([0.5, wrong]), y)
        assert caught.value.sentence == (
            "binary_cross_entropy takes predictions from 0 to 1, which is not so at position 1; "
            "binary_cross_entropy_with_logits takes logits."
        )


def test_weights_of_losses_are_arrays_too() -> None:
    x, y, weight = X.reshape(2, 2), np.array([[0.0, 1.0], [1.0, 0.0]], np.float32), np.array([1.0, 3.0], np.float32)
    theirs, w = (torch.tensor(x), torch.tensor(y)), torch.tensor(weight)
    ours, nn = (Tensor(x), Tensor(y)), lucid.nn
    assert_close(
        nn.BCEWithLogitsLoss(weight, pos_weight=weight)(*ours), torch.nn.BCEWithLogitsLoss(w, pos_weight=w)(*theirs)
    )
    labels = np.array([0, 1])
    for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"):
        loss = getattr(nn, name)(weight=[1.0, 3.0])
        assert_close(loss(ours[0], labels), getattr(torch.nn, name)(weight=w)(theirs[0], torch.tensor(labels)))


@pytest.mark.parametrize("shape", [(), (1,), (4,)])
def test_a_power_of_a_half_is_no_root(shape: tuple[int, ...]) -> None:
    """pow(-0, 0.5) is 0 and pow(-inf, 0.5) is inf, as IEEE 754 and C have it, for an exponent that is a number, too;
    not beside PyTorch, which takes the root."""
    for number, expected in ((-0.0, "0.0"), (-np.inf, "inf"), (4.0, "2.0"), (-1.0, "nan")):
        x = np.full(shape, number, np.float32)
        for power in (lambda x: x**0.5, lambda x: x ** lucid.full(shape, 0.5)):
            for function in (power, lucid.compile(power)):
                assert {str(y) for y in function(lucid.Tensor(x)).numpy().ravel().tolist()} == {expected}


# Where the gradient is not PyTorch's, as docstrings say: a function of x, what x is, and the two gradients.
APART: dict[str, tuple[Callable[[Any, Any, Any], Any], float, float, float]] = {
    "clip of NaN": (lambda library, _, x: library.clip(x, 0.0, 1.0), NAN, 1.0, 0.0),
    "division of 0": (lambda library, _, x: library.zeros_like(x) / x, 1e-40, NAN, 0.0),
    "cross-entropy of 0 from 0": (
        lambda library, f, x: f.binary_cross_entropy(x, library.zeros_like(x)),
        *(0.0, 1.0, 0.0),
    ),
    "cross-entropy of 0 from 1": (
        lambda library, f, x: f.binary_cross_entropy(x, library.ones_like(x)),
        *(0.0, 0.0, -1e12),
    ),
    "divergence from 0": (lambda library, f, x: f.kl_div(library.ones_like(x), x, reduction="sum"), 0.0, -1.0, NAN),
}


@pytest.mark.parametrize("name", APART)
def test_gradient_that_is_not_pytorchs(name: str) -> None:
    function, number, own, pytorchs = APART[name]
    theirs = torch.tensor([number], requires_grad=True)
    function(torch, torch.nn.functional, theirs).sum().backward()
    np.testing.assert_allclose(theirs.grad, [pytorchs], rtol=1e-6)

    def gradient(x: Tensor) -> Tensor:
        return lucid.grad(function(lucid, F, x).sum(), x)

    for run in (gradient, lucid.compile(gradient)):
        np.testing.assert_array_equal(run(Tensor([number], requires_grad=True)).numpy(), [own])
