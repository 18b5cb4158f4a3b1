"""Schedules: closed forms, state, arguments. Their combinations are compared with PyTorch's in tests/parity."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, StateDictError, TraceError
from lucid.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


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


def test_an_epoch_of_numpy_is_one() -> None:
    first = optimizer()
    for schedule in (StepLR(first, 3), ChainedScheduler([StepLR(first, 3)])):
        schedule.load_state_dict({**schedule.state_dict(), "last_epoch": np.int64(2)})
        assert type(schedule.last_epoch) is int
        assert schedule.last_epoch == 2


def test_each_group_has_its_own_rate() -> None:
    groups = [{"params": [Tensor([1.0])], "lr": 1.0}, {"params": [Tensor([1.0])]}]
    schedule = StepLR(optim.SGD(groups, lr=0.5), 1, 0.5)
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.25]


def sequence(made: optim.Optimizer) -> SequentialLR:
    return SequentialLR(made, [LinearLR(made, 0.1, total_iters=3), ExponentialLR(made, 0.5)], milestones=[3])


def test_resuming_a_sequence() -> None:
    first = optimizer()
    schedule = sequence(first)
    rates(schedule, 4)
    saved, state = schedule.state_dict(), first.state_dict()
    expected = rates(schedule, 4)
    second = optimizer(lr=7.0)
    resumed = sequence(second)
    second.load_state_dict(state)
    resumed.load_state_dict(saved)
    assert rates(resumed, 4) == expected


def test_functions_are_not_saved() -> None:
    state = LambdaLR(optimizer(), lambda epoch: 0.5**epoch).state_dict()
    assert state == {"last_epoch": 0, "base_lrs": [0.1]}


def test_resuming_a_plateau() -> None:
    first, second = optimizer(), optimizer()
    schedule, resumed = ReduceLROnPlateau(first, patience=2), ReduceLROnPlateau(second, patience=9)
    for _ in range(3):
        schedule.step(Tensor(1.0))
    resumed.load_state_dict(schedule.state_dict())
    resumed.step(1.0)
    assert resumed.get_last_lr() == pytest.approx([0.01])


def test_the_end_of_a_cycle() -> None:
    schedule = OneCycleLR(optimizer(), 1.0, total_steps=3, cycle_momentum=False)
    rates(schedule, 3)
    with pytest.raises(ArgumentError, match="has 3 steps, and was stepped 4 times"):
        schedule.step()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: StepLR(o, 0), "step_size of at least 1"),
        (lambda o: CosineAnnealingLR(o, 0), "T_max of at least 1"),
        (lambda o: CosineAnnealingWarmRestarts(o, 3, 0), "T_mult of at least 1"),
        (lambda o: StepLR(0.1, 1), "takes an optimizer, got float"),
        (lambda o: ConstantLR(o, 1.5), "factor above 0, up to 1"),
        (lambda o: LinearLR(o, 0.0), "start_factor above 0, up to 1"),
        (lambda o: LinearLR(o, end_factor=2.0), "end_factor from 0 to 1"),
        (lambda o: PolynomialLR(o, 0), "total_iters of at least 1"),
        (lambda o: LambdaLR(o, []), "a function for each of 1 groups, got 0"),
        (lambda o: OneCycleLR(o, 1.0), "takes total_steps, or epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, 5, pct_start=2.0), "pct_start from 0 to 1"),
        (lambda o: OneCycleLR(o, [1.0, 2.0], 5), "max_lr for each of 1 groups, got 2"),
        (lambda o: OneCycleLR(o, 1.0, 5, anneal_strategy="exp"), "anneal_strategy"),
        (lambda o: OneCycleLR(optim.Adagrad([Tensor([1.0])]), 1.0, 5), "momentum or betas"),
        (lambda o: ReduceLROnPlateau(o, "least"), 'mode="min" or "max"'),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), "factor below 1"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[0.0, 0.0]), "min_lr for each of 1 groups"),
        (lambda o: ChainedScheduler([]), "takes a list of schedulers"),
        (lambda o: ChainedScheduler([StepLR(o, 1), StepLR(optimizer(), 1)]), "schedulers of one optimizer"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [1]), "one less than schedulers"),
        (lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 1)], [0]), "milestone of at least 1"),
    ],
)
def test_wrong_use(make: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make(optimizer())


CYCLES: dict[str, Callable[..., LRScheduler]] = {
    "OneCycleLR": lambda o, **options: OneCycleLR(o, 0.1, total_steps=8, **options),
    "CyclicLR": lambda o, **options: CyclicLR(o, 0.01, 0.1, **options),
}


def settings(made: optim.Optimizer) -> list[dict[str, Any]]:
    return [{**group} for group in made.param_groups]


@pytest.mark.parametrize("name", CYCLES)
class TestMomentumOfACycle:
    def test_where_its_state_can_not_be_allocated_nothing_has_changed(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = optim.SGD([{"params": [Tensor([1.0])]}, {"params": [Tensor([2.0])]}])
        before, first = settings(made), made.param_groups[0]

        def fail_for_the_second(group: dict[str, Any], parameter: Tensor) -> dict[str, Tensor]:
            if group["params"] is first["params"]:
                return optim.SGD.initial_state(made, group, parameter)
            raise MemoryError

        monkeypatch.setattr(made, "initial_state", fail_for_the_second)
        with pytest.raises(MemoryError):
            CYCLES[name](made)
        assert settings(made) == before
        assert made.state == {}

    def test_in_a_trace_nothing_has_changed(self, name: str) -> None:
        made = optimizer()
        before = settings(made)

        @lucid.compile
        def step(x: Tensor) -> Tensor:
            CYCLES[name](made)
            return x

        with pytest.raises(TraceError, match="a scheduler was made while a function is traced") as caught:
            step(Tensor([1.0]))
        assert caught.value.hint == "make it outside the compiled function."
        assert settings(made) == before
        assert made.state == {}

    def test_it_brings_no_other_state(self, name: str) -> None:
        made = optim.RMSprop([Tensor([1.0])])
        made.param_groups[0]["centered"] = True
        CYCLES[name](made)
        assert sorted(made.state) == ["momentum_buffer.0", "square_avg.0", "step.0"]
        adam = optim.Adam([Tensor([1.0])])
        adam.param_groups[0]["amsgrad"] = True
        before = adam.state
        CYCLES[name](adam)
        assert adam.state is before

    def test_only_groups_that_were_without_get_it(self, name: str) -> None:
        made = optim.SGD([{"params": [Tensor([1.0])], "momentum": 0.9}, {"params": [Tensor([2.0]), Tensor([3.0])]}])
        kept = made.state["momentum_buffer.0"]
        CYCLES[name](made, cycle_momentum=False)
        assert list(made.state) == ["momentum_buffer.0"]
        CYCLES[name](made)
        assert list(made.state) == ["momentum_buffer.0", "momentum_buffer.1", "momentum_buffer.2"]
        assert made.state["momentum_buffer.0"] is kept
