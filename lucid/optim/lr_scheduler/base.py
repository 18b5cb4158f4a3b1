"""LRScheduler: what all schedules share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

from lucid.errors import ArgumentTypeError, TraceError, argument_error
from lucid.missing_names import refuse_attribute
from lucid.modes import current_tracer
from lucid.optim.optimizer import Group, Optimizer
from lucid.savepoints import Savepoint, about_to_write
from lucid.state_dicts import check_counter, check_names


class Scheduler(ABC):
    """The base of everything that writes `group["lr"]` between steps."""

    optimizer: Optimizer
    last_epoch: int

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are
        __getattr__ = refuse_attribute

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = check_optimizer(self, optimizer)
        if current_tracer() is not None:
            raise TraceError(
                "a scheduler was made while a function is traced; it would not be made again in later calls.",
                hint="make it outside the compiled function.",
            )
        self.last_epoch = 0

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def all_or_nothing(self) -> Savepoint:
        """A block which leaves the schedule and the groups as they were where it raises."""
        savepoint = Savepoint()
        for attributes in (vars(self), *self.optimizer.param_groups):
            savepoint.note(attributes, partial(_remember, attributes))
        return savepoint

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. The rates themselves are part of the optimizer's state_dict."""
        self.check_state(state_dict)
        vars(self).update({**state_dict, "last_epoch": int(state_dict["last_epoch"])})

    def check_state(self, state_dict: Mapping[str, Any]) -> None:
        """Raise StateDictError unless the names are those of `state_dict`, and the epoch is one."""
        check_names(type(self).__name__, self.state_dict(), state_dict)
        check_counter(type(self).__name__, "last_epoch", state_dict["last_epoch"])


class LRScheduler(Scheduler):
    """Changes the learning rate of each group when `step` is called, once an epoch (or as often as it is meant).

    A rate follows from the one before, so that schedulers may be combined. `last_epoch` counts the calls.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        with Savepoint():
            for group in optimizer.param_groups:
                about_to_write(group, partial(_remember, group))
                group.setdefault("initial_lr", group["lr"])
            self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
            self._apply()

    def first_rate(self, group: Group, base: float) -> float:
        """The learning rate of a group in epoch 0, from what it is without this scheduler, and the initial one."""
        return float(group["lr"])

    @abstractmethod
    def next_rate(self, group: Group, base: float) -> float:
        """The learning rate of a group in epoch `last_epoch`, from that of the epoch before and the initial one."""

    def step(self) -> None:
        """Go on to the next epoch."""
        refuse_traces()
        with self.all_or_nothing():
            self.last_epoch += 1
            self._apply()

    def restart(self) -> None:
        """Go back to epoch 0, with the rates of this scheduler alone."""
        self.last_epoch = 0
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base
        self._apply()

    def _apply(self) -> None:
        rate = self.next_rate if self.last_epoch else self.first_rate
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = rate(group, base)


def _remember(entries: dict[str, Any]) -> Callable[[], None]:
    """What gives a dict the entries back that it has now."""
    kept = dict(entries)

    def restore() -> None:
        entries.clear()
        entries.update(kept)

    return restore


def check_optimizer(scheduler: Scheduler, optimizer: object) -> Optimizer:
    """The argument, if it is an optimizer; else ArgumentTypeError."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"{type(scheduler).__name__} takes an optimizer, got {type(optimizer).__name__}.")
    return optimizer


def check_real(scheduler: Scheduler, name: str, value: float) -> float:
    """The argument, if it is a number; else ArgumentTypeError."""
    if not isinstance(value, Real):
        raise ArgumentTypeError(f"{type(scheduler).__name__} takes a number as {name}, got {value!r}.")
    return value


def refuse_traces() -> None:
    """Raise TraceError while a function is traced."""
    if current_tracer() is not None:
        raise TraceError(
            "a scheduler stepped while a function is traced; it would not step again in later calls.",
            hint="call scheduler.step() outside the compiled function.",
        )


def check_steps(scheduler: Scheduler, name: str, value: int) -> int:
    """The argument, if it is an integer of at least 1; else ArgumentError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise argument_error(value, int, f"{type(scheduler).__name__} takes a {name} of at least 1, got {value!r}.")
    return value
