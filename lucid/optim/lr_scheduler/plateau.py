"""A schedule that watches a figure of merit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lucid.errors import ArgumentError
from lucid.operations.arguments import as_choice, as_number
from lucid.optim.lr_scheduler.base import Scheduler, check_real, refuse_traces
from lucid.optim.lr_scheduler.cycle import one_for_each_group
from lucid.optim.optimizer import Optimizer
from lucid.tensor import Tensor


class ReduceLROnPlateau(Scheduler):
    """Multiplies the learning rate by `factor` when a figure has not improved for more than `patience` epochs.

    It improves where it is below the best so far by the share `threshold` (above it with mode="max"), or by the
    amount with threshold_mode="abs". After a reduction, `cooldown` epochs do not count. The rate stays at least
    `min_lr`, one for all groups or one for each, and reductions of less than `eps` are left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(optimizer)
        self.mode = as_choice('ReduceLROnPlateau takes mode="min" or "max"', mode, ("min", "max"))
        self.threshold_mode = as_choice(
            'ReduceLROnPlateau takes threshold_mode="rel" or "abs"', threshold_mode, ("rel", "abs")
        )
        if not check_real(self, "factor", factor) < 1.0:
            raise ArgumentError(f"ReduceLROnPlateau takes a factor below 1, got {factor!r}.")
        self.min_lrs = one_for_each_group(self, optimizer, "min_lr", min_lr)
        for name, value in (("patience", patience), ("threshold", threshold), ("cooldown", cooldown), ("eps", eps)):
            check_real(self, name, value)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.eps = cooldown, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def step(self, metrics: float | Tensor) -> None:
        """Go on to the next epoch, whose figure is `metrics`."""
        refuse_traces()
        current = as_number("ReduceLROnPlateau takes a number as metrics", metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, current: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "abs":
            return sign * current > sign * self.best + self.threshold
        return sign * current > sign * self.best * (1.0 + sign * self.threshold)

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            rate = max(float(group["lr"]) * self.factor, least)
            if float(group["lr"]) - rate > self.eps:
                group["lr"] = rate
