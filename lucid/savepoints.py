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
Finish = Callable[[], None]


class Savepoint:
    """A `with` block that puts back what was written in it where it is left by an exception, Ctrl-C included.

    Of what is written several times, the first state counts; what an inner block has written is part of the outer one.

    With `later`, the elements of leaves are written when the block ends. Until then a leaf has the array that was
    computed for it, and is put back by having its own again: nothing is copied for the case of an exception. That is
    for blocks in which only Lucid's code runs: a NumPy view of a leaf would show its elements as they were.
    """

    __slots__ = ("_outer", "_put_off", "_restores", "later")

    def __init__(self, later: bool = False) -> None:
        self.later = later
        self._restores: dict[int, Restore] = {}  # by the identity of what was written, which is kept alive
        self._put_off: dict[int, tuple[Restore, Finish]] = {}  # likewise, of what is to be written

    def __enter__(self) -> None:
        self._outer, modes.savepoint = modes.savepoint, self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        modes.savepoint = self._outer
        if kind is not None:
            for put_back, _finish in self._put_off.values():
                put_back()
            for restore in reversed(self._restores.values()):
                restore()
            return
        try:
            self._finish()
        except BaseException:  # Ctrl-C in the middle of it: all is written then, too
            self._finish()
            raise
        if self._outer is not None:
            for written, restore in self._restores.items():
                self._outer._restores.setdefault(written, restore)

    def put_off(self, written: object, remember: Callable[[], tuple[Restore, Finish]]) -> None:
        """Have a thing be written when the block ends: `remember` gives what puts back the state that it has now, and
        what writes that which it has at the end, and does no harm when it is called again."""
        if id(written) not in self._put_off:
            self._put_off[id(written)] = remember()

    def _finish(self) -> None:
        for _, finish in self._put_off.values():
            finish()

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
