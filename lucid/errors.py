"""Every error that Lucid raises on purpose: one sentence, the user's line, a hint."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


def user_frame() -> tuple[str, int] | None:
    """File and line of the innermost frame outside Lucid: the line that the user wrote."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_PACKAGE) and not filename.startswith("<frozen"):
            return filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def source_line(filename: str, line: int) -> str:
    """`train.py:18: the text of that line`, as errors show it."""
    text = linecache.getline(filename, line).strip()
    place = f"{Path(filename).name}:{line}"
    return f"{place}: {text}" if text else place


class LucidError(Exception):
    """The base of Lucid's errors. The message is a sentence, the user's line and a hint, each on its own line."""

    def __init__(self, sentence: str, *, hint: str | None = None, where: tuple[str, int] | None = None) -> None:
        where = where if where is not None else user_frame()
        lines = [sentence]
        if where is not None:
            lines.append(f"  {source_line(*where)}")
        if hint is not None:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))
        self.sentence = sentence
        self.hint = hint


class ShapeError(LucidError, ValueError):
    """Shapes that do not fit each other or the operation."""


class DTypeError(LucidError, TypeError):
    """Element types that do not fit each other or the operation."""


class ArgumentError(LucidError, ValueError):
    """An argument with a value outside its documented range."""


class CheckError(LucidError, IndexError):
    """A condition on the data, such as the bounds of an index, that failed when the step ran."""


class GradientError(LucidError, RuntimeError):
    """A backward pass that cannot be done: no graph, a freed one, or a saved value that was overwritten."""


class TraceError(LucidError, RuntimeError):
    """Python code that a trace cannot represent."""


class CompileError(LucidError, RuntimeError):
    """A graph that a target cannot compile."""


class ParseError(LucidError, ValueError):
    """IR text that does not parse."""


class VerificationError(LucidError, ValueError):
    """A graph that breaks an invariant of the IR."""


class StateDictError(LucidError, KeyError):
    """A state_dict that does not match its module or optimizer."""

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0])
