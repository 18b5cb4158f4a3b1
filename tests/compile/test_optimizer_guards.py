"""Hyperparameters are inputs of a compiled step; what else it reads of an optimizer is guarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.optim as optim
from lucid import Tensor
from lucid.compiler import CompiledFunction
from lucid.errors import ArgumentError
from tests.compile.changes import check


def sgd_step(**settings: Any) -> tuple[Tensor, optim.Optimizer, CompiledFunction]:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([weight], **settings)

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * 1.0).backward()
        optimizer.step()

    return weight, optimizer, step


def moved(weight: Tensor, step: CompiledFunction) -> float:
    before = weight.item()
    step()
    return before - weight.item()


def test_the_learning_rate_is_an_input() -> None:
    weight, optimizer, step = sgd_step(lr=0.5)
    assert moved(weight, step) == pytest.approx(0.5)
    for rate in (0.25, 0.125, 1, np.float32(2.0), 0.0):
        optimizer.param_groups[0]["lr"] = rate
        assert moved(weight, step) == pytest.approx(float(rate))
    assert len(step.programs) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 2, 0.5),
        lambda optimizer: optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
    ],
)
def test_a_scheduler_never_compiles_again(make: Callable[[optim.Optimizer], Any]) -> None:
    weight, optimizer, step = sgd_step(lr=0.5)
    scheduler = make(optimizer)
    for _ in range(20):
        (rate,) = scheduler.get_last_lr()
        assert moved(weight, step) == pytest.approx(rate, abs=1e-6)
        scheduler.step()
    assert len(step.programs) == 1


def test_step_counters_neither_freeze_nor_compile_again() -> None:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([weight], lr=0.1)

    @lucid.compile
    def step(scale: float) -> None:
        optimizer.zero_grad()
        (weight * scale).backward()
        optimizer.step()

    twin = Tensor([1.0], requires_grad=True)
    eager = optim.Adam([twin], lr=0.1)
    for number in range(10):
        step(float(number) - 3.0)
        eager.zero_grad()
        (twin * (float(number) - 3.0)).backward()
        eager.step()
        assert optimizer.state["step.0"].item() == number + 1
        assert weight.item() == pytest.approx(twin.item(), rel=1e-5)
    assert len(step.programs) == 1


def test_weight_decay_is_a_predicate_and_an_input() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    for decay in (0.0, 0.5, 0.25, 0.0, 0.125):
        with lucid.no_grad():
            weight.fill_(2.0)
        optimizer.param_groups[0]["weight_decay"] = decay
        assert moved(weight, step) == pytest.approx(1.0 + decay * 2.0)
    assert len(step.programs) == 2


def test_settings_of_an_optimizer() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    assert moved(weight, step) == 1.0
    optimizer.param_groups[0]["maximize"] = True
    assert moved(weight, step) == -1.0


class PlainDescent(optim.Optimizer):
    """An optimizer that reads its group as it is, without `hyperparameter`."""

    def initial_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Tensor]:
        return {}

    def update(self, group: dict[str, Any], members: Any) -> None:
        for _, parameter, gradient in members:
            parameter -= gradient * group["lr"]


def test_an_optimizer_of_a_user() -> None:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = PlainDescent([weight], {"lr": 0.5})

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * 1.0).backward()
        optimizer.step()

    assert moved(weight, step) == pytest.approx(0.5)
    optimizer.param_groups[0]["lr"] = 0.25
    assert moved(weight, step) == pytest.approx(0.25)


def test_a_group_that_the_step_reads_itself() -> None:
    _, optimizer, _ = sgd_step(lr=0.5)
    group = optimizer.param_groups[0]
    check(
        lambda x: x * optimizer.param_groups[0]["lr"],
        (lambda: group.__setitem__("lr", 0.25), 0.25),
        (lambda: setattr(optimizer, "param_groups", [{**group, "lr": 2.0}]), 2.0),
        first=0.5,
    )


def test_a_parameter_group_that_is_added() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    other = Tensor([3.0], requires_grad=True)
    other.grad = Tensor([1.0])
    step()
    assert other.item() == 3.0
    optimizer.add_param_group({"params": [other], "lr": 0.5})
    assert moved(weight, step) == 1.0
    assert other.item() == 3.0  # zero_grad has cleared its grad
    assert other.grad is None


def test_the_state_of_an_optimizer_is_loaded_in_place() -> None:
    weight, optimizer, step = sgd_step(lr=1.0, momentum=0.5)
    step()
    saved = optimizer.state_dict()
    step()
    optimizer.load_state_dict({**saved, "param_groups": [{**saved["param_groups"][0], "lr": 2.0}]})
    assert moved(weight, step) == pytest.approx(2.0 * 1.5)
    assert len(step.programs) == 1


def test_whether_a_grad_is_none() -> None:
    weight = Tensor([1.0], requires_grad=True)

    @lucid.compile
    def accumulate() -> None:
        (weight * 2.0).backward()

    for count in (1, 2, 3):
        accumulate()
        assert weight.grad is not None
        assert weight.grad.tolist() == [2.0 * count]
    weight.grad = None
    accumulate()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0]
    assert len(accumulate.programs) == 2


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("lr", "0.1", "SGD takes a number as lr, got lr='0.1'."),
        ("lr", None, "SGD takes a number as lr, got lr=None."),
        ("lr", [0.1], "SGD takes a number as lr, got lr=[0.1]."),
        ("lr", np.ones(2), "SGD takes a number as lr, got lr=array([1., 1.])."),
        ("lr", -1.0, "SGD takes lr of at least 0, got lr=-1.0."),
        ("lr", float("nan"), "SGD takes lr of at least 0, got lr=nan."),
        ("momentum", "x", "SGD takes a number as momentum, got momentum='x'."),
        ("weight_decay", "x", "SGD takes a number as weight_decay, got weight_decay='x'."),
        ("dampening", "x", "SGD takes a number as dampening, got 'x'."),
    ],
)
@pytest.mark.parametrize("calls", [0, 1, 3])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_hyperparameter_outside_its_range(key: str, value: object, sentence: str, calls: int, compiled: bool) -> None:
    weight, optimizer, step = sgd_step(lr=0.5, momentum=0.5, weight_decay=0.1)
    call: Callable[[], None] = step if compiled else step.__wrapped__  # type: ignore[attr-defined]  # as functools has it
    for _ in range(calls):
        call()
    (group,) = optimizer.param_groups
    before, known = weight.item(), group[key]
    group[key] = value
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.sentence == sentence
    assert weight.item() == before
    group[key] = known
    call()
    assert weight.item() < before
    assert len(step.programs) == compiled


def test_a_list_of_hyperparameters_whose_items_change() -> None:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([weight], lr=0.1)
    betas = optimizer.param_groups[0]["betas"] = [0.5, 0.5]

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * 1.0).backward()
        optimizer.step()

    step()
    betas[0] = 0.25
    step()
    assert len(step.programs) == 1
    betas[0] = 1.5
    with pytest.raises(ArgumentError, match="Adam takes betas"):
        step()
