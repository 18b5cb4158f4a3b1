"""A schedule that goes up and down between two rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.operations.arguments import as_choice, as_flag
from lucid.optim.lr_scheduler.base import LRScheduler, check_real, check_steps
from lucid.optim.lr_scheduler.cycle import number_of_group, one_for_each_group
from lucid.optim.optimizer import Group, Optimizer

MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """Takes the learning rate from `base_lr` to `max_lr` in `step_size_up` steps, back in `step_size_down`, and so on.

    It is meant to be stepped after each batch. The height of a cycle stays ("triangular"), is halved each time
    ("triangular2"), or is multiplied by gamma^step ("exp_range"); or by `scale_fn` of the number of the cycle, from 1
    on, or of the step with scale_mode="iterations". With `cycle_momentum`, the momentum (or the first of `betas`) goes
    the other way between `max_momentum` and `base_momentum`; an optimizer that was made without gets it, as in PyTorch.
    Rates and momenta may be one for each group. Smith, "Cyclical learning rates for training neural networks",
    arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
    ) -> None:
        self.step_size_up = check_steps(self, "step_size_up", step_size_up)
        down = step_size_up if step_size_down is None else step_size_down
        self.step_size_down = check_steps(self, "step_size_down", down)
        if scale_fn is None:
            as_choice(f"CyclicLR takes mode={', '.join(map(repr, MODES))}, or a scale_fn", mode, MODES)
        as_choice('CyclicLR takes scale_mode="cycle" or "iterations"', scale_mode, ("cycle", "iterations"))
        if scale_fn is not None and not callable(scale_fn):
            raise ArgumentTypeError(f"CyclicLR takes a function as scale_fn, got {scale_fn!r}.")
        check_real(self, "gamma", gamma)
        self.mode, self.gamma, self.scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        self.cycle_momentum = as_flag("cycle_momentum", cycle_momentum)
        self.low_lrs = one_for_each_group(self, optimizer, "base_lr", base_lr)
        self.max_lrs = one_for_each_group(self, optimizer, "max_lr", max_lr)
        self.base_momenta = one_for_each_group(self, optimizer, "base_momentum", base_momentum)
        self.max_momenta = one_for_each_group(self, optimizer, "max_momentum", max_momentum)
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in optimizer.param_groups):
            raise ArgumentError("CyclicLR takes an optimizer with momentum or betas, or cycle_momentum=False.")
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        return self.next_rate(group, base)

    def next_rate(self, group: Group, base: float) -> float:
        number = number_of_group(self, group)
        total = self.step_size_up + self.step_size_down
        top = self.step_size_up / total
        cycle = math.floor(1 + self.last_epoch / total)
        way = 1.0 + self.last_epoch / total - cycle
        height = (way / top if way <= top else (way - 1.0) / (top - 1.0)) * self._scale(cycle)
        if self.cycle_momentum:
            low, high = self.base_momenta[number], self.max_momenta[number]
            self.optimizer.set_momentum(group, high - (high - low) * height)
        return self.low_lrs[number] + (self.max_lrs[number] - self.low_lrs[number]) * height

    def _scale(self, cycle: int) -> float:
        """By how much the height of the way is multiplied."""
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular":
            return 1.0
        return 1.0 / 2.0 ** (cycle - 1) if self.mode == "triangular2" else float(self.gamma**self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().state_dict().items() if name != "scale_fn"}
