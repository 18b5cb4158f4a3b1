"""Calls that change everything or nothing: what an eager call has written before it raises is put back.

A compiled call needs none of this: its program fails before it writes, and a trace writes to an overlay.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lucid.modes import modes

P = ParamSpec("P")
R = TypeVar("R")
Restore = Callable[[], None]


class Savepoint:
    """A `with` block that puts back what was written in it where it is left by an exception, Ctrl-C included.

    Of what is written several times, the first state counts; what an inner block has written is part of the outer one.
    """

    __slots__ = ("_outer", "_restores")

    def __init__(self) -> None:
        self._restores: dict[int, Restore] = {}  # by the identity of what was written, which is kept alive

    def __enter__(self) -> None:
        self._outer, modes.savepoint = modes.savepoint, self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        modes.savepoint = self._outer
        if kind is not None:
            for restore in reversed(self._restores.values()):
                restore()
        elif self._outer is not None:
            for written, restore in self._restores.items():
                self._outer._restores.setdefault(written, restore)

    def note(self, written: object, remember: Callable[[], Restore]) -> None:
        """Have a thing that is about to be written put back by what `remember` gives, which keeps it alive."""
        if id(written) not in self._restores:
            self._restores[id(written)] = remember()


def about_to_write(written: object, remember: Callable[[], Restore]) -> None:
    """Say that a thing is about to be written, outside a trace: where the call raises, what `remember` gives is called
    to put it back, and keeps it alive until then."""
    if modes.savepoint is not None:
        modes.savepoint.note(written, remember)


def all_or_nothing(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function put back what it has written where it raises."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with Savepoint():
            return function(*args, **kwargs)

    return run
