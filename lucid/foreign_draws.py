"""Random numbers of NumPy and of Python that a trace draws: a program has them as constants, so a warning tells."""

from __future__ import annotations

import os
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lucid.codegen.threads import HELPER
from lucid.context import user_frame
from lucid.errors import TraceWarning


@contextmanager
def told_of_draws(name: str) -> Iterator[None]:
    """Warn where the trace of a function in this block moves the global random state of NumPy or of Python.

    That costs some 70 us. While other threads run that are not daemons, the draws may be theirs, and nothing is told.
    """
    process, numpy_before, python_before = os.getpid(), _numpy_state(), random.getstate()
    yield
    if os.getpid() != process:  # Python gives a child that was forked meanwhile a random state of its own
        return
    if any(_may_draw(thread) for thread in threading.enumerate()):
        return
    moved = {"numpy.random": _numpy_has_moved(numpy_before), "random": random.getstate() != python_before}
    for module in (module for module, has_moved in moved.items() if has_moved):
        message = (
            f"{name} has drawn from {module} while it was traced: later calls use the same numbers again. "
            "lucid.rand, lucid.randn and the like draw at each call; or pass the numbers as an argument."
        )
        filename, line = user_frame() or (__file__, 1)
        warnings.warn_explicit(message, TraceWarning, filename, line)


def _may_draw(other: threading.Thread) -> bool:
    return not other.daemon and other.name != HELPER and other is not threading.current_thread()


def _numpy_state() -> dict[str, Any] | None:
    """NumPy's global random state, None where NumPy has not loaded it yet: it does that when it is first used."""
    if "numpy.random" not in sys.modules:
        return None
    state: dict[str, Any] = np.random.get_state(legacy=False)
    words = {name: word.tobytes() if isinstance(word, np.ndarray) else word for name, word in state["state"].items()}
    return state | {"state": words}


def _numpy_has_moved(before: dict[str, Any] | None) -> bool:
    now = _numpy_state()
    if now is None or before is not None:
        return now != before
    fresh: dict[str, Any] = np.random.RandomState().get_state(legacy=False)
    return bool(now["state"]["pos"] != fresh["state"]["pos"])
