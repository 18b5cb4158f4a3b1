"""Schedules along a cosine: annealing, with restarts, and one cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lucid.errors import ArgumentError
from lucid.operations.arguments import as_choice, as_flag
from lucid.optim.lr_scheduler.base import LRScheduler, Scheduler, check_optimizer, check_real, check_steps
from lucid.optim.optimizer import Group, Optimizer


class CosineAnnealingLR(LRScheduler):
    """Takes the learning rate from its initial value to `eta_min` in `T_max` epochs along half a cosine, and back.

    In closed form eta_min + (initial - eta_min) * (1 + cos(pi * epoch / T_max)) / 2. Loshchilov and Hutter, "SGDR",
    arXiv:1608.03983, equation 5, without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803  PyTorch's name
        self.T_max = check_steps(self, "T_max", T_max)
        self.eta_min = check_real(self, "eta_min", eta_min)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        before, now = self._height(self.last_epoch - 1), self._height(self.last_epoch)
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:  # the rate before was eta_min, which says nothing
            return self.eta_min + (base - self.eta_min) * now
        return self.eta_min + (float(group["lr"]) - self.eta_min) * now / before

    def _height(self, epoch: int) -> float:
        """Where the cosine stands in an epoch, from 1 at the start to 0 at the end."""
        return (1.0 + math.cos(math.pi * epoch / self.T_max)) / 2.0


class CosineAnnealingWarmRestarts(LRScheduler):
    """Takes the learning rate from its initial value to `eta_min` along half a cosine, again and again.

    The first time it takes `T_0` epochs, and each time `T_mult` times as many as before. Loshchilov and Hutter,
    "SGDR", arXiv:1608.03983, equation 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803  PyTorch's name
        T_mult: int = 1,  # noqa: N803  PyTorch's name
        eta_min: float = 0.0,
    ) -> None:
        self.T_0 = check_steps(self, "T_0", T_0)
        self.T_mult = check_steps(self, "T_mult", T_mult)
        self.eta_min = check_real(self, "eta_min", eta_min)
        super().__init__(optimizer)

    def next_rate(self, group: Group, base: float) -> float:
        since, period = self.last_epoch, self.T_0
        while since >= period:
            since, period = since - period, period * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1.0 + math.cos(math.pi * since / period)) / 2.0


class OneCycleLR(LRScheduler):
    """Takes the learning rate up to `max_lr` and down again, in `total_steps` steps, or epochs * steps_per_epoch.

    It starts at max_lr / div_factor, is max_lr after the share `pct_start` of the steps, and ends at the start divided
    by `final_div_factor`; with `three_phase`, it goes back to the start as fast as it went up, before it ends. The
    rate goes along half a cosine or, with anneal_strategy="linear", a line. With `cycle_momentum`, the momentum (or the
    first of `betas`) goes the other way between `base_momentum` and `max_momentum`; an optimizer that was made without
    gets it, as in PyTorch. `max_lr` and the momenta may be one for each group. Smith and Topin, "Super-convergence",
    arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError("OneCycleLR takes total_steps, or epochs and steps_per_epoch.")
            total_steps = check_steps(self, "epochs", epochs) * check_steps(self, "steps_per_epoch", steps_per_epoch)
        self.total_steps = check_steps(self, "total_steps", total_steps)
        if not 0.0 <= check_real(self, "pct_start", pct_start) <= 1.0:
            raise ArgumentError(f"OneCycleLR takes a pct_start from 0 to 1, got {pct_start!r}.")
        self.anneal_strategy = as_choice(
            'OneCycleLR takes anneal_strategy="cos" or "linear"', anneal_strategy, ("cos", "linear")
        )
        self.cycle_momentum = as_flag("cycle_momentum", cycle_momentum)
        self.max_lrs = one_for_each_group(self, optimizer, "max_lr", max_lr)
        if (
            min(check_real(self, "div_factor", div_factor), check_real(self, "final_div_factor", final_div_factor))
            <= 0.0
        ):
            raise ArgumentError(
                "OneCycleLR takes div_factor and final_div_factor above 0, "
                f"got {div_factor!r} and {final_div_factor!r}."
            )
        self.initial_lrs = [rate / div_factor for rate in self.max_lrs]
        self.min_lrs = [rate / final_div_factor for rate in self.initial_lrs]
        self.base_momenta = one_for_each_group(self, optimizer, "base_momentum", base_momentum)
        self.max_momenta = one_for_each_group(self, optimizer, "max_momentum", max_momentum)
        top = pct_start * self.total_steps - 1.0
        last = self.total_steps - 1.0
        self.phase_ends = [top, 2.0 * top, last] if as_flag("three_phase", three_phase) else [top, last]
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in optimizer.param_groups):
            raise ArgumentError("OneCycleLR takes an optimizer with momentum or betas, or cycle_momentum=False.")
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        return self.next_rate(group, base)

    def next_rate(self, group: Group, base: float) -> float:
        if self.last_epoch > self.total_steps:
            raise ArgumentError(f"OneCycleLR has {self.total_steps} steps, and was stepped {self.last_epoch} times.")
        number = number_of_group(self, group)
        start, top, end = self.initial_lrs[number], self.max_lrs[number], self.min_lrs[number]
        high, low = self.max_momenta[number], self.base_momenta[number]
        if len(self.phase_ends) == 3:
            rates, momenta = [start, top, start, end], [high, low, high, high]
        else:
            rates, momenta = [start, top, end], [high, low, high]
        if self.cycle_momentum:
            self.optimizer.set_momentum(group, self._between(momenta))
        return self._between(rates)

    def _between(self, corners: list[float]) -> float:
        """Where the value that goes from one corner to the next in each phase is now."""
        begin = 0.0
        for i, end in enumerate(self.phase_ends):
            if self.last_epoch <= end or i == len(self.phase_ends) - 1:
                share = (self.last_epoch - begin) / (end - begin)
                break
            begin = end
        if self.anneal_strategy == "linear":
            return corners[i] + (corners[i + 1] - corners[i]) * share
        return corners[i + 1] + (corners[i] - corners[i + 1]) * (1.0 + math.cos(math.pi * share)) / 2.0


def number_of_group(scheduler: Scheduler, group: Group) -> int:
    """The position of a group among those of the optimizer."""
    return next(i for i, candidate in enumerate(scheduler.optimizer.param_groups) if candidate is group)


def one_for_each_group(
    scheduler: Scheduler, optimizer: Optimizer, name: str, given: float | Sequence[float]
) -> list[float]:
    """A number for each group: one for all, or as many as there are."""
    groups = check_optimizer(scheduler, optimizer).param_groups
    numbers = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * len(groups)
    if len(numbers) != len(groups):
        raise ArgumentError(
            f"{type(scheduler).__name__} takes a {name} for each of {len(groups)} groups, got {len(numbers)}."
        )
    return [check_real(scheduler, name, number) for number in numbers]
