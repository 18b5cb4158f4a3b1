"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.optim.lr_scheduler.base import LRScheduler, Scheduler, check_steps, refuse_traces
from lucid.optim.optimizer import Optimizer


class _Combined(Scheduler):
    """The base of schedules that hold others of one optimizer."""

    def __init__(self, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
        if not isinstance(schedulers, Sequence) or not all(isinstance(each, LRScheduler) for each in schedulers):
            raise ArgumentTypeError(f"{type(self).__name__} takes a list of schedulers, got {schedulers!r}.")
        if not schedulers:
            raise ArgumentError(f"{type(self).__name__} takes at least one scheduler, got none.")
        super().__init__(schedulers[0].optimizer if optimizer is None else optimizer)
        if any(scheduler.optimizer is not self.optimizer for scheduler in schedulers):
            raise ArgumentError(f"{type(self).__name__} takes schedulers of one optimizer.")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the state of each scheduler."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. The rates themselves are part of the optimizer's state_dict."""
        self.check_state(state_dict)
        states = state_dict["_schedulers"]
        if len(states) != len(self._schedulers):
            raise ArgumentError(f"{type(self).__name__} has {len(self._schedulers)} schedulers, got {len(states)}.")
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(state)
        others = {name: value for name, value in state_dict.items() if name != "_schedulers"}
        vars(self).update({**others, "last_epoch": int(state_dict["last_epoch"])})


class ChainedScheduler(_Combined):
    """Schedulers that all step in each epoch: their factors multiply."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        super().__init__(optimizer, schedulers)

    def step(self) -> None:
        """Go on to the next epoch."""
        refuse_traces()
        with self.all_or_nothing():
            self.last_epoch += 1
            for scheduler in self._schedulers:
                scheduler.step()


class SequentialLR(_Combined):
    """Schedulers one after the other: the next one begins, from its epoch 0, in each of the epochs `milestones`."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        super().__init__(optimizer, schedulers)
        if not isinstance(milestones, Sequence):
            raise ArgumentTypeError(f"SequentialLR takes a list of epochs as milestones, got {milestones!r}.")
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(set(milestones)):
            raise ArgumentError(
                f"SequentialLR takes ascending milestones, one less than schedulers, got {list(milestones)} for "
                f"{len(schedulers)}."
            )
        self.milestones = [check_steps(self, "milestone", milestone) for milestone in milestones]
        self._schedulers[0].restart()

    def step(self) -> None:
        """Go on to the next epoch."""
        refuse_traces()
        with self.all_or_nothing():
            self.last_epoch += 1
            current = self._schedulers[bisect_right(self.milestones, self.last_epoch)]
            if self.last_epoch in self.milestones:
                current.restart()
            else:
                current.step()
