"""Schedules: closed forms, state, arguments. Their combinations are compared with PyTorch's in tests/parity."""

import math

import pytest

import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, StateDictError
from lucid.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR


def optimizer(lr: float = 0.1) -> optim.Optimizer:
    return optim.SGD([Tensor([1.0], requires_grad=True)], lr=lr)


def rates(schedule: LRScheduler, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found += schedule.get_last_lr()
        schedule.step()
    return found


def test_step_lr() -> None:
    assert rates(StepLR(optimizer(1.0), step_size=2, gamma=0.5), 6) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize("eta_min", [0.0, 0.01])
def test_cosine_is_its_closed_form_beyond_one_period(eta_min: float) -> None:
    expected = [eta_min + (0.1 - eta_min) * (1 + math.cos(math.pi * epoch / 5)) / 2 for epoch in range(23)]
    assert rates(CosineAnnealingLR(optimizer(0.1), 5, eta_min), 23) == pytest.approx(expected, abs=1e-12)


def test_resuming() -> None:
    first = optimizer()
    schedule = CosineAnnealingLR(first, 10)
    rates(schedule, 4)
    saved, state = schedule.state_dict(), first.state_dict()
    expected = rates(schedule, 5)
    second = optimizer(lr=7.0)
    resumed = CosineAnnealingLR(second, 99)
    second.load_state_dict(state)
    resumed.load_state_dict(saved)
    assert rates(resumed, 5) == expected
    with pytest.raises(StateDictError, match="StepLR has"):
        StepLR(second, 3).load_state_dict(saved)


def test_each_group_has_its_own_rate() -> None:
    groups = [{"params": [Tensor([1.0])], "lr": 1.0}, {"params": [Tensor([1.0])]}]
    schedule = StepLR(optim.SGD(groups, lr=0.5), 1, 0.5)
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.25]


def test_wrong_use() -> None:
    with pytest.raises(ArgumentError, match="step_size of at least 1"):
        StepLR(optimizer(), 0)
    with pytest.raises(ArgumentError, match="T_max of at least 1"):
        CosineAnnealingLR(optimizer(), 0)
    with pytest.raises(ArgumentError, match="takes an optimizer, got float"):
        StepLR(0.1, 1)
