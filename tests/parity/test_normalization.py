"""Normalization: values, gradients and running statistics over several calls, in training and in evaluation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, assert_same_module, normal, torch

CASES: list[tuple[Callable[[Any], Any], tuple[int, ...]]] = [
    (lambda nn: nn.GroupNorm(2, 4), (3, 4, 5)),
    (lambda nn: nn.GroupNorm(4, 4, eps=1e-3), (3, 4, 2, 3)),
    (lambda nn: nn.GroupNorm(1, 4, affine=False), (3, 4)),
    (lambda nn: nn.RMSNorm(4), (3, 5, 4)),
    (lambda nn: nn.RMSNorm((5, 4), eps=1e-3), (3, 5, 4)),
    (lambda nn: nn.RMSNorm(4, elementwise_affine=False), (4,)),
    (lambda nn: nn.BatchNorm1d(4), (6, 4)),
    (lambda nn: nn.BatchNorm1d(4), (3, 4, 5)),
    (lambda nn: nn.BatchNorm2d(4), (3, 4, 5, 2)),
    (lambda nn: nn.BatchNorm3d(2), (2, 2, 3, 2, 4)),
    (lambda nn: nn.BatchNorm1d(4, momentum=None), (6, 4)),
    (lambda nn: nn.BatchNorm1d(4, eps=1e-2, momentum=0.5), (6, 4)),
    (lambda nn: nn.BatchNorm1d(4, affine=False), (6, 4)),
    (lambda nn: nn.BatchNorm1d(4, track_running_stats=False), (6, 4)),
    (lambda nn: nn.InstanceNorm1d(4), (3, 4, 5)),
    (lambda nn: nn.InstanceNorm1d(4, affine=True), (4, 5)),
    (lambda nn: nn.InstanceNorm2d(4, affine=True, track_running_stats=True), (3, 4, 5, 2)),
    (lambda nn: nn.InstanceNorm3d(2, momentum=0.3, track_running_stats=True), (2, 2, 3, 2, 4)),
]


@pytest.mark.parametrize(("make", "shape"), CASES, ids=[f"{make(nn)}-{shape}" for make, shape in CASES])
@pytest.mark.parametrize("training", [True, False])
def test_module(make: Callable[[Any], Any], shape: tuple[int, ...], training: bool) -> None:
    ours, theirs = make(nn), make(torch.nn)
    rng = np.random.default_rng(1)
    values = {name: array + np.abs(rng.standard_normal(array.shape)) for name, array in ours.state_dict().items()}
    ours.load_state_dict({name: array for name, array in values.items() if array.dtype.kind == "f"}, strict=False)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.train(training)
    theirs.train(training)
    assert_same_module(ours, theirs, [normal(*shape) * np.float32(3.0) + np.float32(1.0)], calls=3)


@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 5), (2, 4, 0)])
def test_an_empty_batch_leaves_running_statistics_alone(shape: tuple[int, ...]) -> None:
    ours, theirs = nn.BatchNorm1d(4), torch.nn.BatchNorm1d(4)
    assert_same_module(ours, theirs, [normal(*shape)])


@pytest.mark.parametrize("shape", [(2, 4, 0), (4, 0)])
@pytest.mark.parametrize("training", [True, False])
def test_instances_without_positions_leave_running_statistics_alone(shape: tuple[int, ...], training: bool) -> None:
    for options in ({}, {"affine": True, "track_running_stats": True}):
        ours, theirs = nn.InstanceNorm1d(4, **options), torch.nn.InstanceNorm1d(4, **options)
        ours.train(training)
        theirs.train(training)
        assert_same_module(ours, theirs, [normal(*shape)])


def test_rms_norm_of_integers_has_the_epsilon_of_float32() -> None:
    x = np.array([[1, 2, 3], [0, 0, 0]])
    np.testing.assert_array_equal(F.rms_norm(x, 3).numpy(), F.rms_norm(x.astype("f"), 3).numpy())


@pytest.mark.parametrize(("p", "dim"), [(2.0, 1), (1.0, 0), (3.0, -1), (float("inf"), 1)])
def test_normalize(p: float, dim: int) -> None:
    x = normal(3, 4)
    x[1] = 0.0
    assert_same_both(
        lambda x: F.normalize(x, p, dim), lambda x: torch.nn.functional.normalize(x, p, dim), [x if p == 2.0 else x + 1]
    )


def test_batch_norm_of_large_numbers() -> None:
    """Two passes over the data: one that subtracted squares of means would lose all digits."""
    x = normal(64, 3) + np.float32(1000.0)
    ours = F.batch_norm(x, None, None, training=True).numpy()
    theirs = torch.nn.functional.batch_norm(torch.tensor(x, dtype=torch.float64), None, None, training=True).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def formula(x: Any, axes: tuple[int, ...], weight: Any, bias: Any) -> Any:
    """What normalizes over axes, of PyTorch's operations one by one: the third derivatives of its own batch_norm are
    those of another function, as finite differences show."""
    deviation = x - x.mean(axes, keepdim=True)
    return deviation / ((deviation**2).mean(axes, keepdim=True) + 1e-5) ** 0.5 * weight + bias


AFFINE: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[int, ...]]] = {
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: formula(x, (0, 2), w.reshape(4, 1), b.reshape(4, 1)),
        (3, 4, 2),
    ),
    "group_norm": (
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: formula(x.reshape(2, 2, 2, 2), (2, 3), w.reshape(2, 2, 1), b.reshape(2, 2, 1)).reshape(2, 4, 2),
        (2, 4, 2),
    ),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (4,), w, b),
        lambda x, w, b: formula(x, (1,), w, b),
        (3, 4),
    ),
    "rms_norm": (
        lambda x, w, b: F.rms_norm(x, (4,), w, 1e-5) + b,
        lambda x, w, b: torch.nn.functional.rms_norm(x, (4,), w, 1e-5) + b,
        (3, 4),
    ),
}


@pytest.mark.parametrize("name", AFFINE)
def test_first_to_third_derivatives(name: str) -> None:
    """Of what a compiled function differentiates in closed form, which must be differentiable itself; along directions
    that differ from order to order. The third ones are those of weights, too."""
    function, reference, shape = AFFINE[name]
    inputs = [normal(*shape, dtype="float64") + 0.5, *(normal(4, seed=n, dtype="float64") for n in (1, 2))]
    directions = [normal(*shape, seed=7 + order, dtype="float64") for order in range(2)]

    def derivatives(function: Any, grad: Any, xs: Sequence[Any], directions: Any) -> list[Any]:
        found = [*grad((function(*xs) ** 3).sum(), xs[:1], create_graph=True)]
        for direction, wrt in zip(directions, (xs[:1], xs), strict=True):
            found += grad((found[-1] * direction).sum(), wrt, create_graph=True)
        return found

    def ours(*xs: Tensor) -> list[Tensor]:
        return derivatives(function, lucid.grad, xs, directions)

    theirs = [torch.tensor(x, requires_grad=True) for x in inputs]
    expected = derivatives(reference, torch.autograd.grad, theirs, [*map(torch.tensor, directions)])
    assert len(expected) == 5
    assert min(float(derivative.detach().abs().max()) for derivative in expected) > 1e-3
    for call in (ours, lucid.compile(ours)):
        found = call(*(Tensor(x, requires_grad=True) for x in inputs))
        for derivative, other in zip(found, expected, strict=True):
            assert_close(derivative, other, rtol=1e-9, atol=1e-9)
