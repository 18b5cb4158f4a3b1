"""Optimizers in compiled steps: the same path as eagerly, in one program."""

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import TraceError
from lucid.optim.lr_scheduler import CosineAnnealingLR, StepLR
from tests.training import classifying_step


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(step)
    return generator.standard_normal((6, 4)).astype(np.float32), generator.integers(0, 3, 6)


class Training:
    """A model, its optimizer and a step."""

    def __init__(self, name: str, options: dict[str, object], compiled: bool) -> None:
        lucid.seed(0)
        self.model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 3))
        self.optimizer = optimizer = getattr(optim, name)(self.model.parameters(), **options)
        model = self.model

        step = classifying_step(model, optimizer)

        self.step = lucid.compile(step) if compiled else step

    def numbers(self) -> dict[str, np.ndarray]:
        return {**self.model.state_dict(), **{name: x.numpy() for name, x in self.optimizer.state.items()}}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
        ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
        ("AdamW", {"lr": 0.05}),
    ],
)
def test_the_same_path_in_one_program(name: str, options: dict[str, object]) -> None:
    eager, compiled = Training(name, options, compiled=False), Training(name, options, compiled=True)
    schedules = [CosineAnnealingLR(training.optimizer, 8, 0.001) for training in (eager, compiled)]
    for training, schedule in zip((eager, compiled), schedules, strict=True):
        lucid.seed(1)
        for i in range(10):
            training.step(*batch(i))
            schedule.step()
    found = compiled.numbers()
    for key, array in eager.numbers().items():
        np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=1e-5, err_msg=key)
    assert len(compiled.step.programs) == 1


def test_a_setting_that_changes_compiles_again() -> None:
    training = Training("SGD", {"lr": 0.1}, compiled=True)
    lucid.seed(1)
    first = training.step(*batch(0)).item()
    training.optimizer.param_groups[0]["maximize"] = True
    training.step(*batch(0))
    assert len(training.step.programs) == 2
    lucid.seed(1)
    assert training.step(*batch(0)).item() != first


def test_weight_decay_that_comes_later_compiles_once_more() -> None:
    eager, compiled = (Training("AdamW", {"lr": 0.1, "weight_decay": 0.0}, compiled=c) for c in (False, True))
    for training in (eager, compiled):
        lucid.seed(1)
        for weight_decay in (0.0, 1.0, 0.5):
            training.optimizer.param_groups[0]["weight_decay"] = weight_decay
            training.step(*batch(0))
    for key, array in eager.numbers().items():
        np.testing.assert_allclose(compiled.numbers()[key], array, rtol=1e-4, atol=1e-5, err_msg=key)
    assert len(compiled.step.programs) == 2


def test_a_group_that_comes_later() -> None:
    training = Training("SGD", {"lr": 0.1}, compiled=True)
    extra = Tensor([1.0], requires_grad=True)
    training.step(*batch(0))
    training.optimizer.add_param_group({"params": [extra]})
    training.step(*batch(0))
    assert extra.tolist() == [1.0]
    assert len(training.step.programs) == 2


def test_a_schedule_does_not_step_in_a_trace() -> None:
    optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.1)
    schedule = StepLR(optimizer, 1)

    def step(x: Tensor) -> Tensor:
        schedule.step()
        return x

    with pytest.raises(TraceError, match=r"call scheduler.step\(\) outside the compiled function"):
        lucid.compile(step)(lucid.ones(2))
    assert (schedule.last_epoch, schedule.get_last_lr()) == (0, [0.1])


def test_an_index_out_of_range_writes_nothing() -> None:
    training = Training("Adam", {"lr": 0.1}, compiled=True)
    training.step(*batch(0))
    before, state = training.numbers(), lucid.random.get_state()
    with pytest.raises(IndexError, match="target 3 at position 1 is out of range"):
        training.step(batch(0)[0], np.array([0, 3, 1, 1, 1, 1]))
    assert all((training.numbers()[key] == array).all() for key, array in before.items())
    assert lucid.random.get_state() == state
