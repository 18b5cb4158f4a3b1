"""The explorer: what the compiler did, as one page that opens anywhere.

`program.explore("report.html")` writes it; so does `LUCID_EXPLORE=report.html python train.py`, for everything that a
script compiles, when the script ends.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lucid.codegen.threads import under_run_lock
from lucid.errors import ArgumentError, ArgumentTypeError, file_error

if TYPE_CHECKING:
    from lucid.program import Program

VARIABLE = "LUCID_EXPLORE"

_seen: list[Program] = []  # what this process has compiled, where the variable asks for a page
_process = 0


@under_run_lock
def explore(programs: Sequence[Program], path: str | os.PathLike[str]) -> Path:
    """Write the explorer page of some programs to a file, and return where that is. Raises FileError where it can't be
    written; a file that was there is then as before."""
    from lucid.explorer.page import page
    from lucid.explorer.report import Exhibit

    if not programs:
        hint = "call the function first, or lower it: f.lower(x).explore(path)."
        raise ArgumentError("there is no compiled program to show.", hint=hint)
    return write(page([Exhibit.of(program) for program in programs]), path)


def write(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page to a file, whole or not at all, and return where that is."""
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"explore takes the path of a file, got {path!r}.")
    target = Path(path)
    if not target.name or "\0" in target.name:
        raise ArgumentError(f"explore takes the path of a file, got {path!r}.")
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        raise file_error("written", path, error) from None
    finally:
        with suppress(OSError):  # it is where it belongs, or was never made
            draft.unlink()
    return target


def note(program: Program) -> None:
    """Have a program be in the page that is written when this process ends. A process that is forked from this one
    writes none."""
    global _process
    if not _process:
        _process = os.getpid()
        atexit.register(_write_at_exit)
    if os.getpid() == _process:
        _seen.append(program)


def _write_at_exit() -> None:
    """Write the page that the environment asks for. A script that has run must not fail for it: what goes wrong is
    said on stderr."""
    path = os.environ.get(VARIABLE)
    if not path or os.getpid() != _process:
        return
    try:
        explore(_seen, path)
        print(f"lucid: wrote {path}, with {_counted(len(_seen))}", file=sys.stderr)
    except Exception as error:
        print(f"lucid: could not write {path}: {type(error).__name__}: {error}", file=sys.stderr)


def _counted(number: int) -> str:
    return "1 program" if number == 1 else f"{number} programs"
