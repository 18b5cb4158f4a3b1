"""What the current thread is doing: recording gradients or not, tracing or not."""

from __future__ import annotations

import functools
import reprlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, ParamSpec, TypeVar, overload

from lucid.errors import ArgumentTypeError

if TYPE_CHECKING:
    from lucid.core import TensorCore
    from lucid.savepoints import Savepoint
    from lucid.tracing import Tracer

P = ParamSpec("P")
R = TypeVar("R")


class _Modes(threading.local):
    def __init__(self) -> None:
        self.grad_enabled = True
        self.trap = False  # whether NaN and infinity are errors
        self.tracer: Tracer | None = None
        self.savepoint: Savepoint | None = None  # of the innermost eager call that changes all or nothing
        self.leaves_made: list[TensorCore] | None = None  # in the function with a custom_vjp that runs, if one does
        self.hook: Callable[..., Any] | None = None  # what the interpreter tells a trace of calls through


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


def unwatched(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of Lucid's, which calls none of a user's, run without the hook of the trace that it is in.

    A hook is called at every call and return, of C functions too, and first gets a dict of the frame's variables: half
    of the time of tracing a step went there. Other hooks than a trace's stay.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        hook = modes.hook
        if hook is None or sys.getprofile() is not hook:
            return function(*args, **kwargs)
        sys.setprofile(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.setprofile(hook)

    return run


class Block:
    """Sets a mode of the thread in a `with` block, or in each call of a decorated function."""

    def __init__(self, mode: str, value: bool) -> None:
        self._mode, self._value = mode, value
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(getattr(modes, self._mode))
        setattr(modes, self._mode, self._value)

    def __exit__(self, *_: object) -> None:
        setattr(modes, self._mode, self._before.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with Block(self._mode, self._value):
                return function(*args, **kwargs)

        return wrapped


class Switch:
    """What sets a mode of the thread: `with switch():` in a block, `@switch` or `@switch()` in each call of a function.
    Each class has one instance, which is the name that users know."""

    name: ClassVar[str]
    mode: ClassVar[str]
    value: ClassVar[bool]

    @overload
    def __call__(self) -> Block: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    def __call__(self, *functions: Callable[P, R]) -> Block | Callable[P, R]:
        block = Block(self.mode, self.value)
        if not functions:
            return block
        if len(functions) > 1 or not callable(functions[0]):
            given = ", ".join(map(reprlib.repr, functions))
            raise ArgumentTypeError(f"{self.name} takes nothing, or the function that it decorates, got {given}.")
        return block(functions[0])

    def __enter__(self) -> NoReturn:
        raise ArgumentTypeError(f"`with` takes a call of {self.name}.", hint=f"write `with {self.name}():`.")

    def __exit__(self, *_: object) -> None:
        """Python asks whether it is there before it enters."""

    def __repr__(self) -> str:
        return self.name


class NoGrad(Switch):
    """Operations inside are not recorded for `backward`, and leaves may be updated in place.

    >>> import lucid
    >>> w = lucid.Tensor([1.0], requires_grad=True)
    >>> with lucid.no_grad():
    ...     w -= 0.5
    >>> w
    Tensor([0.5], grad=None)
    """

    name, mode, value = "lucid.no_grad", "grad_enabled", False


class EnableGrad(Switch):
    """Operations inside are recorded for `backward` again, within a `no_grad` block."""

    name, mode, value = "lucid.enable_grad", "grad_enabled", True


no_grad, enable_grad = NoGrad(), EnableGrad()
