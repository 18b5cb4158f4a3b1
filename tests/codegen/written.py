"""Every CUDA function that the tests write, whichever test it is: each text is kept, once, for NVRTC to compile.

Programs that the disk cache has are not written again: an earlier run has compiled them.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lucid.codegen.cuda import functions


@dataclass(frozen=True)
class Written:
    """A function under a name that no other has, and the test that was the first to write it."""

    name: str
    text: str
    test: str


NAME = "name_of_the_function"
_texts: dict[str, tuple[str, str]] = {}  # by the text: the label of a function, and the test


def record() -> None:
    """Have each kind of function keep what it writes."""
    for kind in vars(functions).values():
        if isinstance(kind, type) and kind.__module__ == functions.__name__ and kind is not functions.Function:
            kind.text = _kept(kind.text)  # type: ignore[attr-defined]


def renamed(text: str, name: str, new: str) -> str:
    """The code of a function under another name, without the comments."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
    return re.sub(rf"\b{name}\b", new, code)


def _kept(write: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(write)
    def write_and_keep(function: functions.Function, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        text = write(function, name, guarded, where)
        code = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
        test = os.environ.get("PYTEST_CURRENT_TEST", "no test")
        _texts.setdefault(re.sub(rf"\b{name}\b", NAME, code), (function.label, test))
        return text

    return write_and_keep


def written() -> Iterator[Written]:
    """What has been written so far."""
    for number, (code, (label, test)) in enumerate(_texts.items()):
        name = f"g{number}_{label}"
        yield Written(name, code.replace(NAME, name), test)
