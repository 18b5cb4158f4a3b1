"""How many threads compiled code uses, and the locks under which it runs and other packages are imported."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from lucid.codegen.cgroup import quota
from lucid.errors import ArgumentError, ArgumentTypeError

P = ParamSpec("P")
R = TypeVar("R")

THREADS_VARIABLE = "LUCID_NUM_THREADS"
MAX_THREADS = 256
HELPER = "lucid assembler"  # the name of the threads that make machine code, in which no code of the user's runs

# One executable runs at a time: they share the state tensors and the pool, and ctypes releases the interpreter's lock.
RUN_LOCK = threading.RLock()

# One thread imports a package for files at a time. Not under RUN_LOCK, for which a thread that holds the import of a
# module of the user's might wait, while that which has it, in a trace, waits for this module.
PACKAGE_LOCK = threading.RLock()

# A fork waits for a running executable, so that its child finds the pool at rest, and for a package that is imported.
# Of functions called before a fork, the last one is called first: who waits for RUN_LOCK does not have PACKAGE_LOCK.
if hasattr(os, "register_at_fork"):
    for lock in (PACKAGE_LOCK, RUN_LOCK):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def under_run_lock(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run under RUN_LOCK. It imports what it needs when it is called, so a fork waits for it: the child
    could not import what another thread was importing."""

    @wraps(function)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        with RUN_LOCK:
            return function(*args, **kwargs)

    return locked


_chosen: list[int] = []
_listeners: list[Callable[[int], None]] = []


def get_num_threads() -> int:
    """How many threads compiled code uses: what `set_num_threads` or LUCID_NUM_THREADS says, or else the processors
    that this process may use, up to 256. Raises ArgumentError where LUCID_NUM_THREADS is not a number of threads."""
    if not _chosen:
        text = os.environ.get(THREADS_VARIABLE, "").strip()
        if text and not (re.fullmatch(r"0*[1-9][0-9]{0,8}", text) and int(text) <= MAX_THREADS):
            raise ArgumentError(f"{THREADS_VARIABLE} takes an integer from 1 to {MAX_THREADS}, got {text!r}.")
        _chosen.append(int(text) if text else min(available_processors(), MAX_THREADS))
    return _chosen[0]


def set_num_threads(threads: int) -> None:
    """Have compiled code use so many threads, from 1 to 256. Results do not depend on it, bit for bit. Raises
    AllocationError where there is no memory for so many, and then they are as many as before."""
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise ArgumentTypeError(f"set_num_threads takes an integer from 1 to {MAX_THREADS}, got {threads!r}.")
    if not 1 <= threads <= MAX_THREADS:
        raise ArgumentError(f"set_num_threads takes an integer from 1 to {MAX_THREADS}, got {threads!r}.")
    with RUN_LOCK:
        for listener in _listeners:
            listener(threads)
        _chosen[:] = [threads]


def on_change(listener: Callable[[int], None]) -> None:
    """Call a function with the number of threads now, and whenever it changes."""
    _listeners.append(listener)
    listener(get_num_threads())


def available_processors() -> int:
    """The processors that this process may use: those of its affinity, within the quotas of its control groups."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(int(min(allowed, quota())), 1)
