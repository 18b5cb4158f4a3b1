"""Audit mode: trace again from time to time, and raise where the program is no longer what the function would give.

Set LUCID_AUDIT=1 to audit each call (LUCID_AUDIT=n: every n-th call of a function), or use `lucid.audit()`.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from typing import TYPE_CHECKING

from lucid.core import here
from lucid.errors import ArgumentError, AuditError
from lucid.ir.text import print_graph
from lucid.operations.arguments import as_integer

if TYPE_CHECKING:
    from lucid.program import Program
    from lucid.trace import Trace

VARIABLE = "LUCID_AUDIT"


def configured(text: str) -> list[int]:
    """The period that a text names: every n-th call is audited, for 0 and for none no call."""
    if text and not re.fullmatch("[0-9]+", text):
        warnings.warn(
            f"{VARIABLE} takes a number of calls, got {text!r}; each call is audited.", RuntimeWarning, stacklevel=2
        )
        return [1]
    return [period for period in [int(text or 0)] if period]


periods = configured(os.environ.get(VARIABLE, ""))  # and those of the `audit` blocks that are open: the last counts


class audit:  # noqa: N801  a context manager reads as a verb
    """Have compiled functions called in the `with` block audited at every n-th call, every call by default.

    Raises AuditError, with the difference as text, where tracing again gives another graph: the function depends on
    something that is not guarded, such as NumPy's random numbers, the time, or an attribute of a foreign object.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = as_integer("audit takes a number of calls", every)
        if self._every < 1:
            raise ArgumentError(f"audit takes a number of calls from 1 on, got {every!r}.")

    def __enter__(self) -> None:
        periods.append(self._every)

    def __exit__(self, *_: object) -> None:
        periods.pop()


class Audit:
    """Counts the calls of one compiled function."""

    def __init__(self) -> None:
        self._calls = 0

    def due(self) -> bool:
        """Whether this call is to be audited."""
        if not periods:
            return False
        self._calls += 1
        return self._calls % periods[-1] == 0

    def compare(self, program: Program, trace: Trace) -> None:
        """Raise AuditError where a new trace differs from a program's."""
        before = print_graph(program.graph("traced"), locations=False)
        now = print_graph(trace.graph, locations=False)
        if before != now:
            lines = difflib.unified_diff(
                before.splitlines(), now.splitlines(), "compiled", "traced again", lineterm="", n=1
            )
            difference = "\n".join(lines)
            raise AuditError(
                f"{trace.graph.name} gives another graph when it is traced again:\n{difference}",
                hint="pass what changes as an argument, or keep it in a registered buffer.",
            )
        pairs = zip(program.captured_arrays, trace.captured_arrays(), strict=True)
        if not all(a is b or here(a).tobytes() == here(b).tobytes() for a, b in pairs):
            raise AuditError(
                f"{trace.graph.name} takes up an array of other elements when it is traced again.",
                hint="make the array outside the function, or pass it as an argument.",
            )
