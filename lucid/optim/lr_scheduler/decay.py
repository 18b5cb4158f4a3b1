"""Schedules that go one way: decays, warm-ups, and functions of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.operations.arguments import as_integer, as_list
from lucid.optim.lr_scheduler.base import LRScheduler, check_optimizer, check_real, check_steps
from lucid.optim.optimizer import Group, Optimizer

Rule = Callable[[int], float]


class StepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = check_steps(self, "step_size", step_size)
        self.gamma = check_real(self, "gamma", gamma)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.gamma if self.last_epoch % self.step_size == 0 else rate


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` in each of the epochs `milestones`."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        listed = as_list("MultiStepLR takes a list of epochs as milestones", milestones)
        self.milestones = sorted(as_integer("MultiStepLR takes milestones that are integers", each) for each in listed)
        self.gamma = check_real(self, "gamma", gamma)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.gamma ** self.milestones.count(self.last_epoch)


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = check_real(self, "gamma", gamma)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.gamma


class ConstantLR(LRScheduler):
    """Multiplies the learning rate by `factor` for the first `total_iters` epochs."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3.0, total_iters: int = 5) -> None:
        if not 0.0 < check_real(self, "factor", factor) <= 1.0:
            raise ArgumentError(f"ConstantLR takes a factor above 0, up to 1, got {factor!r}.")
        self.factor = factor
        self.total_iters = as_integer("ConstantLR takes a number of epochs as total_iters", total_iters)
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.factor

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate / self.factor if self.last_epoch == self.total_iters else rate


class LinearLR(LRScheduler):
    """Multiplies the learning rate by a factor that goes evenly from `start_factor` to `end_factor`.

    It gets there in `total_iters` epochs: a warm-up where the end is larger.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3.0,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        if not 0.0 < check_real(self, "start_factor", start_factor) <= 1.0:
            raise ArgumentError(f"LinearLR takes a start_factor above 0, up to 1, got {start_factor!r}.")
        if not 0.0 <= check_real(self, "end_factor", end_factor) <= 1.0:
            raise ArgumentError(f"LinearLR takes an end_factor from 0 to 1, got {end_factor!r}.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = check_steps(self, "total_iters", total_iters)
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.start_factor

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        if self.last_epoch > self.total_iters:
            return rate
        return rate * self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)

    def _factor(self, epoch: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * epoch / self.total_iters


class PolynomialLR(LRScheduler):
    """Takes the learning rate to 0 in `total_iters` epochs as (1 - epoch / total_iters)^power."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters = check_steps(self, "total_iters", total_iters)
        self.power = check_real(self, "power", power)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        if self.last_epoch > self.total_iters:
            return rate
        left = self.total_iters - self.last_epoch
        return rate * math.pow(left / (left + 1), self.power)


class LambdaLR(LRScheduler):
    """Multiplies the initial learning rate by a function of the epoch, or one function for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Rule | Sequence[Rule]) -> None:
        self.lr_lambdas = _one_for_each_group(self, optimizer, lr_lambda)
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        return self.next_rate(group, base)

    def next_rate(self, group: Group, base: float) -> float:
        return base * _rule_of(self, self.lr_lambdas, group)(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return _without_functions(super().state_dict())


class MultiplicativeLR(LRScheduler):
    """Multiplies the learning rate of the epoch before by a function of the epoch, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Rule | Sequence[Rule]) -> None:
        self.lr_lambdas = _one_for_each_group(self, optimizer, lr_lambda)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * _rule_of(self, self.lr_lambdas, group)(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return _without_functions(super().state_dict())


def _one_for_each_group(scheduler: LRScheduler, optimizer: Optimizer, given: Rule | Sequence[Rule]) -> list[Rule]:
    name, groups = type(scheduler).__name__, check_optimizer(scheduler, optimizer).param_groups
    rules = list(given) if isinstance(given, Sequence) else [given] * len(groups)
    for rule in rules:
        if not callable(rule):
            raise ArgumentTypeError(f"{name} takes a function of the epoch, or a list of them, got {given!r}.")
    if len(rules) != len(groups):
        raise ArgumentError(f"{name} takes a function for each of {len(groups)} groups, got {len(rules)}.")
    return rules


def _rule_of(scheduler: LRScheduler, rules: list[Rule], group: Group) -> Rule:
    groups = scheduler.optimizer.param_groups
    return next(rule for rule, candidate in zip(rules, groups, strict=True) if candidate is group)


def _without_functions(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "lr_lambdas"}
