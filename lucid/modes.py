"""What the current thread is doing: recording gradients or not, tracing or not."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from lucid.tracing import Tracer

P = ParamSpec("P")
R = TypeVar("R")


class _Modes(threading.local):
    def __init__(self) -> None:
        self.grad_enabled = True
        self.trap = False  # whether NaN and infinity are errors
        self.tracer: Tracer | None = None


modes = _Modes()


class _Epoch:
    """Counts the changes that guards must hear of: attributes of modules and optimizers, flags of tensors."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


epoch = _Epoch()


def bump_epoch() -> None:
    """Have every compiled program check its guards before its next call."""
    epoch.count += 1


def current_tracer() -> Tracer | None:
    """The trace that this thread is recording, if any."""
    return modes.tracer


def is_grad_enabled() -> bool:
    """Whether operations are recorded for `backward` in this thread."""
    return modes.grad_enabled


class Switch:
    """Sets a mode of the thread in a `with` block, or in each call of a decorated function."""

    mode: str
    value: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(getattr(modes, self.mode))
        setattr(modes, self.mode, self.value)

    def __exit__(self, *_: object) -> None:
        setattr(modes, self.mode, self._before.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(Switch):  # noqa: N801  a context manager reads as a verb
    """Operations inside are not recorded for `backward`, and leaves may be updated in place.

    >>> import lucid
    >>> w = lucid.Tensor([1.0], requires_grad=True)
    >>> with lucid.no_grad():
    ...     w -= 0.5
    >>> w
    Tensor([0.5], grad=None)
    """

    mode, value = "grad_enabled", False


class enable_grad(Switch):  # noqa: N801  a context manager reads as a verb
    """Operations inside are recorded for `backward` again, within a `no_grad` block."""

    mode, value = "grad_enabled", True
