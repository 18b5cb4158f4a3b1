"""Object code, made on as many threads as compiled code runs on.

A job is done by a helper, or by the thread that asks for its result, whichever comes first. Helpers are threads that
end when no job waits: a process has none but while it compiles, and while it forks it has none at all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator

from lucid.codegen import cache
from lucid.codegen.cpu.machine import LEVEL, Machine, Parsed
from lucid.codegen.threads import HELPER, RUN_LOCK, get_num_threads


class Job:
    """Object code that is to be made, and the key under which the disk cache is to have it, if it is."""

    def __init__(self, make: Callable[[], bytes], key: str | None = None) -> None:
        self._make: Callable[[], bytes] | None = make
        self._key = key
        self._ended = threading.Event()
        self._code = b""
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether the object code is there."""
        return self._ended.is_set() and self._error is None

    def result(self) -> bytes:
        """The object code. Where another thread is at it, waiting jobs are done meanwhile. Raises what making it has
        raised."""
        while not self._ended.is_set():
            job = _take(self)
            if job is None:
                self._ended.wait()
            else:
                job.run()
        self._make = None  # LLVM's module goes in this thread: a helper would wait for the interpreter
        if self._error is not None:
            raise self._error
        return self._code

    def kept(self) -> bytes:
        """The object code, as `result` gives it, which the disk cache has from now on."""
        code = self.result()
        if self._key is not None:
            cache.store(self._key, cache.Entry(None, (code,)))
            self._key = None
        return code

    def run(self) -> None:
        """Make it, in this thread. What is not an Exception, such as Ctrl-C, ends this call, too."""
        assert self._make is not None
        try:
            self._code = self._make()
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._ended.set()


Shared = tuple[Machine, str, int]  # what `assemble_once` is given: whose code, of what, and LLVM's level

_lock = threading.Lock()  # of what follows
_waiting: deque[Job] = deque()
_helpers: set[threading.Thread] = set()
_turns: list[float] = []  # while there are helpers: seconds as they were, and as they are now
_begun: dict[Shared, Job] = {}
_known: set[Shared] = set()  # begun or asked for in this process
_resting = threading.Event()  # set where no helper may take a job


def submit(make: Callable[[], bytes], key: str | None = None) -> Job:
    """Have object code made: from now on where there are several threads, else when it is asked for."""
    job = Job(make, key)
    with _lock:
        _waiting.append(job)
        _start_helper()
    return job


def begin_once(machine: Machine, source: str, text: Callable[[], str], level: int = LEVEL) -> None:
    """Have what `assemble_once` gives for these arguments made, if there is a helper to do so, and nobody has asked
    for it yet."""
    with _lock:
        if get_num_threads() == 1 or (machine, source, level) in _known:
            return
        _known.add((machine, source, level))
    key = _key(machine, source, level)
    entry = cache.fetch(key)
    job = submit(Parsed(machine, text(), level).object_code, key) if entry is None else _done(lambda: entry.blobs[0])
    with _lock:
        _begun[machine, source, level] = job


def assemble_once(machine: Machine, source: str, text: Callable[[], str], level: int = LEVEL) -> bytes:
    """The object code of a module that the programs of all processes share, from the disk cache if it is there.

    `source` says what its text depends on beside the machine and Lucid itself: it may be the text. `level` is LLVM's.
    """
    with _lock:
        _known.add((machine, source, level))
        job = _begun.pop((machine, source, level), None)
    if job is None:
        key = _key(machine, source, level)
        entry = cache.fetch(key)
        job = _done(Parsed(machine, text(), level).object_code, key) if entry is None else _done(lambda: entry.blobs[0])
    return job.kept()


@contextlib.contextmanager
def helped() -> Iterator[None]:
    """Jobs are submitted inside. When this ends, all are done, or where it ends with an error, none of them waits; and
    no helper runs. It may be inside another, whose jobs an error leaves waiting."""
    with _lock:
        before = {*_waiting}
    try:
        yield
        while (job := _take()) is not None:
            job.run()
    finally:
        with _lock:
            left = [job for job in _waiting if job in before]
            _waiting.clear()
            _waiting.extend(left)
        _await_helpers()
        with _lock:
            useful = {key: job for key, job in _begun.items() if job.is_done or job in _waiting}
            _begun.clear()
            _begun.update(useful)
    for job in useful.values():
        job.kept()


def _key(machine: Machine, source: str, level: int) -> str:
    return cache.key_of(["shared", machine.identity(), source, str(level)])


def _done(make: Callable[[], bytes], key: str | None = None) -> Job:
    """A job that is done in this thread, now."""
    job = Job(make, key)
    job.run()
    return job


def _start_helper() -> None:
    """Have one more, where there may be more. The caller holds the lock."""
    if len(_helpers) < get_num_threads() - 1 and not _resting.is_set():
        helper = threading.Thread(target=_help, name=HELPER)
        helper.start()
        _helpers.add(helper)
        _shorten_turns()


def _help() -> None:
    while (job := _take()) is not None:
        job.run()


def _take(wanted: Job | None = None) -> Job | None:
    """A job that waits: the one that is wanted, if it does. A helper that finds none is none any more."""
    with _lock:
        if wanted is not None and wanted in _waiting:
            _waiting.remove(wanted)
            return wanted
        me = threading.current_thread()
        if _waiting and not (_resting.is_set() and me in _helpers):
            return _waiting.popleft()
        _drop([me])
        return None


def _await_helpers() -> None:
    """Wait until those that run now have ended."""
    with _lock:
        helpers = [*_helpers]
    for helper in helpers:
        helper.join()
    with _lock:
        _drop(helpers)


def _drop(helpers: list[threading.Thread]) -> None:
    """Count on these no more. The caller holds the lock."""
    _helpers.difference_update(helpers)
    if not _helpers:
        _restore_turns()


# Seconds until a thread that runs Python lets another that waits for it do so: a helper comes back from LLVM, takes its
# next job and leaves again. Python's own interval, while a thread traces or writes, is as long as half a job.
TURN = 0.0005


def _shorten_turns() -> None:
    """Let helpers have the interpreter soon, where they don't yet."""
    if not _turns:
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, TURN))
        _turns[:] = before, sys.getswitchinterval()


def _restore_turns() -> None:
    """Have turns be as long as they were, unless somebody else has set them meanwhile."""
    if _turns:
        before, shortened = _turns
        _turns.clear()
        if sys.getswitchinterval() == shortened:
            sys.setswitchinterval(before)


# A traced function may fork. Its child has none of the threads, but every lock that they hold, those of LLVM too: so
# helpers end before, each with its job. What waits then, the child does itself, and helpers of the parent.


def _rest() -> None:
    RUN_LOCK.acquire()  # for another thread that compiles
    _resting.set()
    try:
        _await_helpers()
    finally:
        _lock.acquire()


def _go_on(helpers: int) -> None:
    if not _resting.is_set():  # this module was imported while the fork waited for the thread that did so
        return
    try:
        _resting.clear()
        for _ in range(helpers):
            _start_helper()
    finally:
        _lock.release()
        RUN_LOCK.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_rest, after_in_parent=lambda: _go_on(len(_waiting)), after_in_child=lambda: _go_on(0))
