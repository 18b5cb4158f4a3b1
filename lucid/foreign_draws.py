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

PROGRESS = "tqdm._monitor"  # whose thread, which a progress bar leaves behind, draws nothing


@contextmanager
def told_of_draws(name: str) -> Iterator[None]:
    """Warn where the trace of a function in this block moves the global random state of NumPy or of Python.

    That costs some 70 us. While other threads of Python's run, the draws may be theirs, and nothing is told.
    """
    process, numpy_before, python_before = os.getpid(), _numpy_state(), random.getstate()
    had_company = _has_company()  # which may have drawn and ended meanwhile
    yield
    if os.getpid() != process:  # Python gives a child that was forked meanwhile a random state of its own
        return
    if had_company or _has_company():
        return
    moved = {"numpy.random": _numpy_has_moved(numpy_before), "random": random.getstate() != python_before}
    for module in (module for module, has_moved in moved.items() if has_moved):
        message = (
            f"{name} has drawn from {module} while it was traced: later calls use the same numbers again.\n"
            "  hint: lucid.rand, lucid.randn and the like draw at each call; or pass the numbers as an argument."
        )
        filename, line = user_frame() or (__file__, 1)
        warnings.warn_explicit(message, TraceWarning, filename, line)


def _has_company() -> bool:
    """Whether another thread may draw. Daemons may, too: nearly all that load batches ahead are. A false warning of a
    right program is worse than none of a wrong one, which an audit finds."""
    own = threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread is not own and thread.name != HELPER]
    return any(type(thread).__module__ != PROGRESS for thread in others)


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
