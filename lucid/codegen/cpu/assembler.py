"""Object code, made on as many threads as compiled code runs on.

A job is done by a helper, or by the thread that asks for its result, whichever comes first. Helpers are threads that
end when no job waits: a process has none but while it compiles.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

from lucid.codegen import cache
from lucid.codegen.cpu import machine as processors
from lucid.codegen.cpu.machine import Machine
from lucid.codegen.threads import get_num_threads


class Job:
    """Object code that is to be made."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
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
        if self._error is not None:
            raise self._error
        return self._code

    def run(self) -> None:
        """Make it, in this thread. What is not an Exception, such as Ctrl-C, ends this call, too."""
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


def submit(make: Callable[[], bytes]) -> Job:
    """Have object code made: from now on where there are several threads, else when it is asked for."""
    job = Job(make)
    with _lock:
        _waiting.append(job)
        if len(_helpers) < get_num_threads() - 1:
            helper = threading.Thread(target=_help, name="lucid assembler")
            _helpers.add(helper)
            helper.start()
    return job


def begin_once(machine: Machine, source: str, text: Callable[[], str]) -> None:
    """Have what `assemble_once` gives for these arguments made, if there is a helper to do so, and nobody has asked
    for it yet."""
    with _lock:
        if get_num_threads() == 1 or (machine, source) in _known:
            return
        _known.add((machine, source))
    code = _kept(machine, source)
    if code is None:  # written here: a helper would wait for the interpreter's lock again and again meanwhile
        written = text()
        job = submit(lambda: _made(machine, source, written))
    else:
        job = Job(lambda: code)
        job.run()
    with _lock:
        _begun[machine, source] = job


def assemble_once(machine: Machine, source: str, text: Callable[[], str]) -> bytes:
    """The object code of a module that the programs of all processes share, from the disk cache if it is there.

    `source` says what its text depends on beside the machine and Lucid itself: it may be the text.
    """
    with _lock:
        _known.add((machine, source))
        job = _begun.pop((machine, source), None)
    if job is not None:
        return job.result()
    code = _kept(machine, source)
    return _made(machine, source, text()) if code is None else code


@contextlib.contextmanager
def helped() -> Iterator[None]:
    """Jobs are submitted inside. When this ends, all are done, or where it ends with an error, none waits; and no
    helper runs."""
    try:
        yield
        while (job := _take()) is not None:
            job.run()
    finally:
        with _lock:
            _waiting.clear()
            helpers = [*_helpers]
        for helper in helpers:
            helper.join()
        with _lock:
            kept = {key: job for key, job in _begun.items() if job.is_done}
            _begun.clear()
            _begun.update(kept)


def _key(machine: Machine, source: str) -> str:
    return cache.key_of(["shared", machine.identity(), source])


def _kept(machine: Machine, source: str) -> bytes | None:
    """The object code of a shared module from the disk cache."""
    entry = cache.fetch(_key(machine, source))
    return None if entry is None else entry.blobs[0]


def _made(machine: Machine, source: str, text: str) -> bytes:
    """The object code of a shared module, which the disk cache keeps from now on."""
    code = processors.assemble(machine, text)
    cache.store(_key(machine, source), cache.Entry(None, (code,)))
    return code


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
