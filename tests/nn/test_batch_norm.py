"""BatchNorm's running statistics: updated once a call in training, eager and compiled, and not otherwise."""

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor


def batch(step: int) -> np.ndarray:
    return (np.random.default_rng(step).standard_normal((6, 3)) * 2.0 + 1.0).astype(np.float32)


@pytest.mark.parametrize("compiled", [False, True])
def test_once_a_step_of_training(compiled: bool) -> None:
    norm = nn.BatchNorm1d(3, momentum=0.25)
    optimizer = optim.SGD(norm.parameters(), lr=0.1)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        norm(x).sum().backward()
        optimizer.step()

    step_once = lucid.compile(step) if compiled else step
    mean, variance = np.zeros(3), np.ones(3)
    for i in range(4):
        x = batch(i)
        step_once(x)
        mean = 0.75 * mean + 0.25 * x.mean(0)
        variance = 0.75 * variance + 0.25 * x.var(0, ddof=1)
        assert norm.num_batches_tracked.item() == i + 1
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), variance, rtol=1e-5)


def test_lowering_updates_nothing() -> None:
    norm = nn.BatchNorm1d(3)
    lucid.compile(norm).lower(batch(0))
    assert norm.num_batches_tracked.item() == 0
    assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_evaluation_reads_them_and_training_goes_on(compiled: bool) -> None:
    norm = nn.BatchNorm1d(3)
    call = lucid.compile(norm) if compiled else norm
    call(batch(0))
    norm.eval()
    before = norm.state_dict()
    y = call(batch(1))
    expected = (batch(1) - before["running_mean"]) / np.sqrt(before["running_var"] + 1e-5)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert all((norm.state_dict()[name] == array).all() for name, array in before.items())
    norm.train()
    call(batch(2))
    assert norm.num_batches_tracked.item() == 2


def test_momentum_none_is_the_mean_of_all_batches() -> None:
    norm = nn.BatchNorm1d(3, momentum=None)
    fast = lucid.compile(norm)
    for i in range(5):
        fast(batch(i))
    np.testing.assert_allclose(norm.running_mean.numpy(), np.mean([batch(i).mean(0) for i in range(5)], 0), rtol=1e-5)
    assert len(fast.programs) == 1


def test_a_failed_call_updates_nothing() -> None:
    norm = nn.BatchNorm1d(3)
    fast = lucid.compile(lambda x, y: F.cross_entropy(norm(x), y))
    fast(batch(0), np.array([0, 1, 2, 0, 1, 2]))
    before = norm.state_dict()
    with pytest.raises(IndexError, match="target 3"):
        fast(batch(1), np.array([0, 1, 2, 0, 1, 3]))
    assert all((norm.state_dict()[name] == array).all() for name, array in before.items())


def test_statistics_have_no_gradient() -> None:
    norm = nn.BatchNorm1d(3)
    norm(Tensor(batch(0), requires_grad=True))
    assert not norm.running_mean.requires_grad
    assert norm.running_mean.is_leaf
