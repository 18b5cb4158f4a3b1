"""The thread pool: workers that claim the chunks of a parallel loop one by one.

A job is a task, a context and a number of chunks. The caller publishes it, works on it as worker 0, and returns when
every chunk is done. How a loop is cut into chunks is decided by its shape when it is compiled; which worker runs a
chunk makes no difference to the result. An idle worker spins briefly, then sleeps; where another process holds a core,
the others go on claiming. As many workers are woken as there are chunks for, away from the caller's core, and one that
comes to share it moves to another. A caller that waits for a last chunk whose worker does not run gives the worker its
own core, and sleeps.

The pool is LLVM IR over pthreads, compiled once: what all programs call (`pool_text.py`), with the function that takes
their steps (`runner.py`), and the team of workers (`team_text.py`), which is there from the first time on that a
program has work for more than one thread. It starts its threads at the first parallel loop, and again after a fork, in
whose child they do not exist.

Each thread has memory of its own, for what kernels pack, gather or sort. A program says how much its tasks take, and
that is reserved when it is loaded, or when threads are added: so no step allocates, and none fails for want of memory.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu.assembler import assemble_once
from lucid.codegen.cpu.machine import LEVEL, QUICK, Machine, load
from lucid.codegen.cpu.pool_text import EQUIP, JOIN, LINE, PARALLEL, SCRATCH, alone_text
from lucid.codegen.cpu.runner import COPY, RUN, copy_function, run_text
from lucid.codegen.cpu.team_text import team_text
from lucid.codegen.threads import RUN_LOCK, on_change
from lucid.errors import AllocationError

TEAM, LEAVE_CORE, BRING_HERE = "lucid_team", "lucid_leave_core", "lucid_bring_here"
KEEP_OFF, LET_BACK, RAN = "lucid_keep_off", "lucid_let_back", "lucid_ran"
_PLACEMENT = (LEAVE_CORE, BRING_HERE, KEEP_OFF, LET_BACK, RAN)
_OF_TEAM = (TEAM, *_PLACEMENT, "lucid_want", "lucid_stop", "lucid_forget")

_NOTHING = np.empty(0, np.uint8)


class Pool:
    """The compiled pool: the addresses of what kernels call, and its controls."""

    def __init__(self, machine: Machine) -> None:
        codes = [
            assemble_once(machine, text, functools.partial(str, text), level) for text, level in common_parts(machine)
        ]
        self.addresses, self._loaded = load(machine, codes, [PARALLEL, SCRATCH, JOIN, EQUIP, RUN, COPY])
        self._machine = machine
        self._shares = False  # whether a program shares work among threads
        self._team: Any = None  # keeps its code
        self._reserved = 0, 0  # bytes for the caller, and for each worker
        self._memory: list[npt.NDArray[np.uint8]] = []  # of each thread, the caller's first

    def resize(self, threads: int) -> None:
        """Work with so many threads from the next job on, the caller's included. No job may be running. Raises
        AllocationError where there is no memory for them; then all is as before."""
        self._equip(threads, self._reserved)
        if self._shares:
            self._man(threads)

    def share(self) -> None:
        """Have workers from now on, as many as there are to be: there is a program that shares work among threads."""
        with RUN_LOCK:
            if not self._shares:
                self._man(len(self._memory))
                self._shares = True

    def reserve(self, of_caller: int, of_worker: int) -> None:
        """Have memory for tasks that take so many bytes of the caller's, and of each worker's. Raises AllocationError
        where there is not so much; then all is as before."""
        with RUN_LOCK:
            self._equip(len(self._memory), (max(self._reserved[0], of_caller), max(self._reserved[1], of_worker)))

    def stop(self) -> None:
        self._call_team("lucid_stop")

    def forget(self) -> None:
        self._call_team("lucid_forget")

    def _equip(self, threads: int, sizes: tuple[int, int]) -> None:
        """Give so many threads memory. What is not written to takes none of the machine's."""
        memory = self._memory[:threads]
        memory += [_NOTHING] * (threads - len(memory))
        try:
            for worker, array in enumerate(memory):
                size = sizes[worker > 0] + 2 * LINE  # to begin at a line, behind one with the label
                if array.size < size:
                    memory[worker] = np.zeros(size, np.uint8)
        except MemoryError:
            raise AllocationError(
                f"kernels on {len(memory)} threads keep {max(sizes)} bytes each aside, more memory than there is."
            ) from None
        for worker, array in enumerate(memory):
            self._call(EQUIP, worker, -(-array.ctypes.data // LINE) * LINE + LINE)
        self._memory, self._reserved = memory, sizes

    def _man(self, threads: int) -> None:
        """Let a team of so many, the caller included, run chunks from now on."""
        if self._team is None and threads > 1:
            self._gather()
        self.stop()
        if self._team is not None:
            self._call("lucid_want", threads - 1)
            self._call(JOIN, self.addresses[TEAM] if threads > 1 else 0)

    def _gather(self) -> None:
        """Load the team. Quickly made code of it will do: chunks are some microseconds apart."""
        text = team_text(*self._machine.layout())
        code = assemble_once(self._machine, text, lambda: text, QUICK)
        addresses, self._team = load(self._machine, [code], _OF_TEAM)
        self.addresses |= addresses

    def _call_team(self, name: str) -> None:
        if self._team is not None:
            self._call(name)

    def _call(self, name: str, *arguments: int) -> None:
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))(self.addresses[name])(*arguments)


def common_parts(machine: Machine) -> list[tuple[str, int]]:
    """The modules of what all programs call, each with LLVM's level for it: beside what takes steps, of which some take
    nanoseconds, quickly made code will do."""
    layout = machine.layout()
    return [(run_text(*layout), LEVEL), (alone_text(*layout) + copy_function(), QUICK)]


@functools.cache
def pool(machine: Machine) -> Pool:
    """The pool of this process, for a processor."""
    made = Pool(machine)
    on_change(made.resize)
    atexit.register(made.stop)  # before its code goes
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.forget)
    return made
