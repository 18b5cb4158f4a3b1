"""The thread pool: workers that claim the chunks of a parallel loop one by one.

A job is a task, a context and a number of chunks. The caller publishes it, works on it as worker 0, and returns when
every chunk is done. How a loop is cut into chunks is decided by its shape when it is compiled; which worker runs a
chunk makes no difference to the result. An idle worker spins briefly, then sleeps; where another process holds a
core, the others go on claiming. A worker that the system has put on the caller's core moves to another, and a caller
that waits for a worker's last chunk soon sleeps, so that the worker can have its core.

The pool is LLVM IR over pthreads (`pool_text.py`), compiled once. It starts its threads at the first parallel loop, and
again after a fork, in whose child they do not exist.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
from dataclasses import dataclass
from typing import Any

from lucid.codegen.cpu.assembler import assemble_once
from lucid.codegen.cpu.machine import Machine, load
from lucid.codegen.cpu.pool_text import MAX_THREADS, pool_text
from lucid.codegen.threads import on_change

PARALLEL, SCRATCH = "lucid_parallel", "lucid_scratch"
LEAVE_CORE = "lucid_leave_core"
_EXPORTED = (PARALLEL, SCRATCH, LEAVE_CORE, "lucid_want", "lucid_stop", "lucid_forget")


@dataclass(frozen=True)
class Pool:
    """The compiled pool: the addresses of what kernels call, and its controls."""

    addresses: dict[str, int]
    keep_alive: Any

    def _call(self, name: str, *arguments: int) -> None:
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))(self.addresses[name])(*arguments)

    def resize(self, threads: int) -> None:
        """Work with so many threads from the next job on, the caller's included. No job may be running."""
        self._call("lucid_stop")
        self._call("lucid_want", min(threads, MAX_THREADS) - 1)

    def stop(self) -> None:
        self._call("lucid_stop")

    def forget(self) -> None:
        self._call("lucid_forget")


@functools.cache
def pool(machine: Machine) -> Pool:
    """The pool of this process, for a processor."""
    text = pool_text(*machine.layout())
    addresses, keep_alive = load(machine, [assemble_once(machine, text, lambda: text)], _EXPORTED)
    made = Pool(addresses, keep_alive)
    on_change(made.resize)
    atexit.register(made.stop)  # before its code goes
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.forget)
    return made
