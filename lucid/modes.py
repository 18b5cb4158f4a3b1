"""What the current thread is doing: recording gradients or not, tracing or not."""

from __future__ import annotations

import functools
import inspect
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
    """Sets the mode of a switch in a `with` block, or in each call of a decorated function."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(getattr(modes, self._switch.mode))
        setattr(modes, self._switch.mode, self._switch.value)

    def __exit__(self, *_: object) -> None:
        setattr(modes, self._switch.mode, self._before.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        self._expect_decorable(function)

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with Block(self._switch):
                return function(*args, **kwargs)

        return wrapped

    def _expect_decorable(self, function: Callable[..., Any]) -> None:
        """Raise ArgumentTypeError for a class, and for a function of which a call is over before its code runs."""
        name = self._switch.name
        if isinstance(function, type):
            raise ArgumentTypeError(
                f"{name} decorates a function, got the class {function.__name__}.",
                hint="decorate the methods of the class that need it.",
            )
        kinds = {
            "a generator": inspect.isgeneratorfunction,
            "an asynchronous generator": inspect.isasyncgenfunction,
            "a coroutine": inspect.iscoroutinefunction,
        }
        kind = next((kind for kind, is_one in kinds.items() if is_one(function)), None)
        if kind is not None:
            raise ArgumentTypeError(
                f"{name} decorates a function that computes when it is called, got one that makes {kind}.",
                hint=f"write `with {name}():` inside of it, around code without `yield` or `await`.",
            )


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
    def __call__(self, *functions: Callable[P, R], **options: object) -> Block | Callable[P, R]:
        if options or len(functions) > 1 or not all(map(callable, functions)):
            given = [*map(reprlib.repr, functions), *(f"{name}={reprlib.repr(options[name])}" for name in options)]
            raise ArgumentTypeError(
                f"{self.name} takes nothing, or the function that it decorates, got {', '.join(given)}."
            )
        block = Block(self)
        return block(functions[0]) if functions else block

    @property
    def __name__(self) -> str:
        return self.name.rpartition(".")[2]

    def __enter__(self) -> NoReturn:
        raise ArgumentTypeError(f"`with` takes a call of {self.name}.", hint=f"write `with {self.name}():`.")

    def __exit__(self, *_: object) -> None:
        """Python asks whether it is there before it enters."""

    def __repr__(self) -> str:
        return self.name


class NoGrad(Switch):
    """Operations inside are not recorded for `backward`, and leaves may be updated in place.

    It is for `with lucid.no_grad():`, and decorates functions: raises ArgumentTypeError for a class, and for one that
    makes a generator or a coroutine.

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
