"""A worker comes to the caller's core, leaves it and keeps off it, and may still run where others let it."""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import lucid
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.placement import LOAN_WORDS
from lucid.codegen.cpu.pool import BRING_HERE, KEEP_OFF, LEAVE_CORE, LET_BACK, RAN, pool
from lucid.codegen.threads import available_processors

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only there does the pool move its workers"
)

on_two_cores = pytest.mark.skipif(available_processors() < 2, reason="takes two cores")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = lucid.get_num_threads()
    lucid.set_num_threads(2)
    pool(machine()).share()
    yield
    lucid.set_num_threads(before)


@on_two_cores
def test_a_worker_leaves_the_callers_core_and_may_still_run_anywhere() -> None:
    leave = ctypes.CFUNCTYPE(None, ctypes.c_int)(pool(machine()).addresses[LEAVE_CORE])
    current_core = ctypes.CDLL(None).sched_getcpu
    allowed = os.sched_getaffinity(0)
    core = min(allowed)

    def leaves() -> bool:
        os.sched_setaffinity(0, {core})
        os.sched_setaffinity(0, allowed)
        leave(core)
        left = current_core() != core
        assert os.sched_getaffinity(0) == allowed
        return left

    try:
        # A busy system may send it back now and then, and seldom moves one that stays.
        assert sum(leaves() for _ in range(100)) > 50
        os.sched_setaffinity(0, {core})
        leave(core)  # there is nowhere to go
        assert os.sched_getaffinity(0) == {core}
    finally:
        os.sched_setaffinity(0, allowed)


@on_two_cores
def test_a_worker_is_brought_to_the_callers_core_and_may_still_run_anywhere() -> None:
    bring = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(pool(machine()).addresses[BRING_HERE])
    allowed = os.sched_getaffinity(0)
    here, elsewhere, *_ = sorted(allowed)
    numbers = np.random.default_rng(0).random(1_000_000)

    def sort(started: threading.Event, seen: threading.Event) -> None:
        os.sched_setaffinity(0, {elsewhere})
        os.sched_setaffinity(0, allowed)
        started.set()
        np.sort(numbers)
        seen.wait()  # who has brought it here may not get this core before it has sorted

    def comes() -> bool:
        started, seen = threading.Event(), threading.Event()
        thread = threading.Thread(target=sort, args=(started, seen), daemon=True)
        thread.start()
        started.wait()
        bring(thread.ident)
        assert os.sched_getaffinity(thread.native_id or 0) == allowed
        with open(f"/proc/self/task/{thread.native_id}/stat") as stat:
            core = int(stat.read().rsplit(")", 1)[1].split()[36])
        seen.set()
        thread.join()
        return core == here

    os.sched_setaffinity(0, {here})
    try:  # as above: a busy system may send it elsewhere
        assert sum(comes() for _ in range(20)) > 10
    finally:
        os.sched_setaffinity(0, allowed)


@on_two_cores
def test_a_worker_that_is_woken_keeps_off_the_callers_core_meanwhile() -> None:
    addresses = pool(machine()).addresses
    keep_off = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_void_p)(addresses[KEEP_OFF])
    let_back = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_void_p)(addresses[LET_BACK])
    allowed = os.sched_getaffinity(0)
    here = min(allowed)
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    loan = (ctypes.c_uint64 * LOAN_WORDS)()
    try:
        os.sched_setaffinity(0, {here})
        keep_off(thread.ident, loan)
        assert os.sched_getaffinity(thread.native_id or 0) == allowed - {here}
        let_back(thread.ident, loan)
        assert os.sched_getaffinity(thread.native_id or 0) == allowed
        os.sched_setaffinity(thread.native_id or 0, {here})
        keep_off(thread.ident, loan)  # there is nowhere to go
        let_back(thread.ident, loan)
        assert os.sched_getaffinity(thread.native_id or 0) == {here}
        os.sched_setaffinity(thread.native_id or 0, allowed)
        keep_off(thread.ident, loan)
        os.sched_setaffinity(thread.native_id or 0, {here})  # as `taskset` does
        let_back(thread.ident, loan)
        assert os.sched_getaffinity(thread.native_id or 0) == {here}, "others have chosen it meanwhile"
    finally:
        os.sched_setaffinity(0, allowed)
        end.set()
        thread.join()


def test_a_caller_sees_whether_a_worker_runs() -> None:
    ran = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64)(pool(machine()).addresses[RAN])
    work, done, end = threading.Event(), threading.Event(), threading.Event()

    def live() -> None:
        work.wait()
        until = time.thread_time_ns() + 10_000_000
        while time.thread_time_ns() < until:
            pass
        done.set()
        end.wait()

    thread = threading.Thread(target=live)
    thread.start()

    def sleeps() -> bool:
        before = ran(thread.ident)
        time.sleep(0.02)
        return bool(ran(thread.ident) == before)

    assert any(sleeps() for _ in range(500))  # on a busy system it may be late to wait
    asleep = ran(thread.ident)
    work.set()
    done.wait()
    assert ran(thread.ident) >= asleep + 10_000_000
    end.set()
    thread.join()
