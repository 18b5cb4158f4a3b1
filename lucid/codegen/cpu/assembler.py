"""Object code, made on as many threads as compiled code runs on.

A job is done by a helper, or by the thread that asks for its result, whichever comes first. Helpers are threads that
end when no job waits: a process has none but while it compiles.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator

from lucid.codegen import cache
from lucid.codegen.cpu.machine import LEVEL, Machine, Parsed
from lucid.codegen.threads import get_num_threads


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


_lock = threading.Lock()  # of what follows
_waiting: deque[Job] = deque()
_helpers: set[threading.Thread] = set()
_begun: dict[tuple[Machine, str], Job] = {}  # by what `assemble_once` is given
_known: set[tuple[Machine, str]] = set()  # begun or asked for in this process


def submit(make: Callable[[], bytes], key: str | None = None) -> Job:
    """Have object code made: from now on where there are several threads, else when it is asked for."""
    job = Job(make, key)
    with _lock:
        _waiting.append(job)
        if len(_helpers) < get_num_threads() - 1:
            helper = threading.Thread(target=_help, name="lucid assembler")
            _helpers.add(helper)
            helper.start()
    return job


def begin_once(machine: Machine, source: str, text: Callable[[], str], level: int = LEVEL) -> None:
    """Have what `assemble_once` gives for these arguments made, if there is a helper to do so, and nobody has asked
    for it yet."""
    with _lock:
        if get_num_threads() == 1 or (machine, source) in _known:
            return
        _known.add((machine, source))
    key = _key(machine, source)
    entry = cache.fetch(key)
    job = submit(Parsed(machine, text(), level).object_code, key) if entry is None else _done(lambda: entry.blobs[0])
    with _lock:
        _begun[machine, source] = job


def assemble_once(machine: Machine, source: str, text: Callable[[], str], level: int = LEVEL) -> bytes:
    """The object code of a module that the programs of all processes share, from the disk cache if it is there.

    `source` says what its text depends on beside the machine and Lucid itself: it may be the text.
    """
    with _lock:
        _known.add((machine, source))
        job = _begun.pop((machine, source), None)
    if job is None:
        key = _key(machine, source)
        entry = cache.fetch(key)
        job = _done(Parsed(machine, text(), level).object_code, key) if entry is None else _done(lambda: entry.blobs[0])
    return job.kept()


# Seconds until a thread that runs Python lets another that waits for it do so: a helper comes back from LLVM, takes its
# next job and leaves again. Python's own interval, while a thread traces or writes, is as long as half a job.
TURN = 0.0005


@contextlib.contextmanager
def helped() -> Iterator[None]:
    """Jobs are submitted inside. When this ends, all are done, or where it ends with an error, none waits; and no
    helper runs. It may be inside another."""
    turn = sys.getswitchinterval()
    try:
        if get_num_threads() > 1:
            sys.setswitchinterval(min(turn, TURN))
        yield
        while (job := _take()) is not None:
            job.run()
    finally:
        sys.setswitchinterval(turn)
        with _lock:
            _waiting.clear()
            helpers = [*_helpers]
        for helper in helpers:
            helper.join()
        with _lock:
            done = {key: job for key, job in _begun.items() if job.is_done}
            _begun.clear()
            _begun.update(done)
    for job in done.values():
        job.kept()


def _key(machine: Machine, source: str) -> str:
    return cache.key_of(["shared", machine.identity(), source])


def _done(make: Callable[[], bytes], key: str | None = None) -> Job:
    """A job that is done in this thread, now."""
    job = Job(make, key)
    job.run()
    return job


def _help() -> None:
    while (job := _take()) is not None:
        job.run()


def _take(wanted: Job | None = None) -> Job | None:
    """A job that waits: the one that is wanted, if it does. A helper that finds none is none any more."""
    with _lock:
        if wanted is not None and wanted in _waiting:
            _waiting.remove(wanted)
            return wanted
        if _waiting:
            return _waiting.popleft()
        _helpers.discard(threading.current_thread())
        return None
