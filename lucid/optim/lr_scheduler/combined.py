"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from lucid.errors import ArgumentError
from lucid.optim.lr_scheduler.base import LRScheduler, Scheduler, check_steps, refuse_traces
from lucid.optim.optimizer import Optimizer


class _Combined(Scheduler):
    """The base of schedules that hold others of one optimizer."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
        super().__init__(optimizer)
        if not schedulers or not all(isinstance(scheduler, LRScheduler) for scheduler in schedulers):
            raise ArgumentError(f"{type(self).__name__} takes a list of schedulers.")
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
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
        vars(self).update({name: value for name, value in state_dict.items() if name != "_schedulers"})


class ChainedScheduler(_Combined):
    """Schedulers that all step in each epoch: their factors multiply."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        first = schedulers[0].optimizer if schedulers and isinstance(schedulers[0], LRScheduler) else None
        given = optimizer if optimizer is not None else first
        if given is None:
            raise ArgumentError("ChainedScheduler takes a list of schedulers.")
        super().__init__(given, schedulers)

    def step(self) -> None:
        """Go on to the next epoch."""
        refuse_traces()
        self.last_epoch += 1
        for scheduler in self._schedulers:
            scheduler.step()


class SequentialLR(_Combined):
    """Schedulers one after the other: the next one begins, from its epoch 0, in each of the epochs `milestones`."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        super().__init__(optimizer, schedulers)
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
        self.last_epoch += 1
        current = self._schedulers[bisect_right(self.milestones, self.last_epoch)]
        if self.last_epoch in self.milestones:
            current.restart()
        else:
            current.step()
