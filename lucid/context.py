"""Where execution stands, for messages and locations: the modules being called and the user's source line."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

_PACKAGE = str(Path(__file__).parent) + os.sep
_PYTHON = str(Path(os.__file__).parent) + os.sep  # its own modules, such as copy and threading
_INSTALLED = (os.path.join(_PYTHON, "site-packages"), os.path.join(_PYTHON, "dist-packages"))
LONGEST_LINE = 120  # characters of a user's line that errors show
_SHELL = os.path.join(_PACKAGE, "cli", "main.py")  # what has called a shell command is not a line of the user's
_TRACED_CALL = os.path.join(_PACKAGE, "traced_call.py")  # what calls the function that is traced


class Described(Protocol):
    """A module, as far as messages need one."""

    def describe(self) -> str:
        """`Linear(64, 128)`: the class and its arguments, in one line."""

    def name_of_child(self, child: Described) -> str | None:
        """The dotted name of a module inside this one."""

    def named_tensors(self) -> Iterable[tuple[str, object]]:
        """The parameters and buffers inside this module, with their dotted names."""


class _Stack(threading.local):
    def __init__(self) -> None:
        self.modules: list[Described] = []
        self.names: list[str | None] = []  # of as many calls as have been asked for, seen from the call around
        self.describes = False  # whether a module is asked for its description


_stack = _Stack()


def enter_module(module: Described) -> None:
    """Note that a call of a module begins. The caller calls `leave_module` in a `finally`."""
    _stack.modules.append(module)


def leave_module() -> None:
    _stack.modules.pop()
    del _stack.names[len(_stack.modules) :]


def calling_modules() -> list[Described]:
    """The modules being called, outermost first."""
    return _stack.modules


def module_path() -> str:
    """The dotted name of the innermost module being called, seen from the outermost: `encoder.0`, or nothing."""
    modules, names = _stack.modules, _stack.names
    # A name is a search among all members, and each operation asks for it: once for each call is enough.
    for number in range(len(names), len(modules)):
        names.append(modules[number - 1].name_of_child(modules[number]) if number else None)
    return ".".join(name for name in names if name is not None)


def module_description() -> str:
    """`0: Linear(64, 128)` for the innermost module being called, or nothing: within its own description, too."""
    if not _stack.modules or _stack.describes:
        return ""
    module = _stack.modules[-1]
    _stack.describes = True
    try:
        description = module.describe()
    except Exception:  # an extra_repr of the user's, of which no error is to be the one that is shown
        description = type(module).__name__
    finally:
        _stack.describes = False
    path = module_path()
    return f"{path}: {description}" if path else description


def user_frame(folder: str | None = None) -> tuple[str, int] | None:
    """File and line of the innermost frame outside Lucid and Python's own modules: the line that the user wrote. Code
    in a folder, if one is given, is not the user's either."""
    for frame in user_frames():
        filename = frame.f_code.co_filename
        if not (folder and filename.startswith(folder)):
            return filename, frame.f_lineno
    return None


def user_frames(caller: str = _SHELL) -> Iterator[FrameType]:
    """The frames outside Lucid and Python's own modules, innermost first, up to the code of a file that called them."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != caller:
        if _is_users(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def running_line() -> tuple[str, int] | None:
    """File and line of the innermost frame of the user's functions that a trace runs."""
    return next(((frame.f_code.co_filename, frame.f_lineno) for frame in running_frames()), None)


def running_frames() -> Iterator[FrameType]:
    """The frames of the user's functions that a trace runs, innermost first."""
    return user_frames(_TRACED_CALL)


def _is_users(filename: str) -> bool:
    if filename.startswith((_PACKAGE, "<frozen", "<lucid")):
        return False
    return not filename.startswith(_PYTHON) or filename.startswith(_INSTALLED)


def source_line(filename: str, line: int) -> str:
    """`train.py:18: the text of that line`, as errors show it: the beginning of a long one."""
    text = linecache.getline(filename, line).strip()
    if len(text) > LONGEST_LINE:
        text = text[:LONGEST_LINE] + "..."
    place = f"{Path(filename).name}:{line}"
    return f"{place}: {text}" if text else place
