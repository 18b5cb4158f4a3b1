"""Schedules of the learning rate. They write `group["lr"]`, which compiled steps read at each call."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from lucid.errors import ArgumentError, StateDictError, TraceError
from lucid.modes import current_tracer
from lucid.optim.optimizer import Group, Optimizer


class LRScheduler(ABC):
    """Changes the learning rate of each group when `step` is called, once an epoch (or as often as it is meant).

    A rate follows from the one before, so that schedulers may be combined. `last_epoch` counts the calls.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"{type(self).__name__} takes an optimizer, got {type(optimizer).__name__}.")
        self.optimizer = optimizer
        self.last_epoch = 0
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]

    @abstractmethod
    def next_rate(self, group: Group, base: float) -> float:
        """The learning rate of a group in epoch `last_epoch`, from that of the epoch before and the initial one."""

    def step(self) -> None:
        """Go on to the next epoch."""
        if current_tracer() is not None:
            raise TraceError(
                "a scheduler stepped while a function is traced; it would not step again in later calls.",
                hint="call scheduler.step() outside the compiled function.",
            )
        self.last_epoch += 1
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.next_rate(group, base)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. The rates themselves are part of the optimizer's state_dict."""
        own = self.state_dict()
        if own.keys() != state_dict.keys():
            raise StateDictError(
                f"the state_dict of {type(self).__name__} has {', '.join(own)}, got {', '.join(state_dict)}."
            )
        vars(self).update(state_dict)


class StepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ArgumentError(f"StepLR takes a step_size of at least 1, got {step_size!r}.")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        rate: float = group["lr"]
        return rate * self.gamma if self.last_epoch % self.step_size == 0 else rate


class CosineAnnealingLR(LRScheduler):
    """Takes the learning rate from its initial value to `eta_min` in `T_max` epochs along half a cosine, and back.

    In closed form eta_min + (initial - eta_min) * (1 + cos(pi * epoch / T_max)) / 2. Loshchilov and Hutter, "SGDR",
    arXiv:1608.03983, equation 5, without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803  PyTorch's name
        if T_max < 1:
            raise ArgumentError(f"CosineAnnealingLR takes a T_max of at least 1, got {T_max!r}.")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        before, now = self._height(self.last_epoch - 1), self._height(self.last_epoch)
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:  # the rate before was eta_min, which says nothing
            return self.eta_min + (base - self.eta_min) * now
        return self.eta_min + (float(group["lr"]) - self.eta_min) * now / before

    def _height(self, epoch: int) -> float:
        """Where the cosine stands in an epoch, from 1 at the start to 0 at the end."""
        return (1.0 + math.cos(math.pi * epoch / self.T_max)) / 2.0
