"""A process may fork while it compiles: its child finds no lock taken, and has all the code that it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lucid.codegen.cpu import assembler
from lucid.codegen.cpu.assembler import helped, submit
from lucid.codegen.threads import get_num_threads, set_num_threads

SECONDS = 120  # that a child has; it takes a fraction of one

IN_A_TRACE = f"""
import os, signal, sys
import numpy as np
import lucid

os.register_at_fork(after_in_child=lambda: signal.alarm({SECONDS}))
lucid.set_num_threads(4)
x, y = np.ones((128, 300), np.float32), np.ones((300, 257), np.float32)

def product(x, y):
    os.environ["CHILD"] = str(os.fork())
    return lucid.as_tensor(x) @ y + 1.0

found = lucid.compile(product)(x, y).numpy()
child = int(os.environ["CHILD"])
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else None
print(code, np.unique(found), sys.getswitchinterval(), flush=True)
"""

IN_AN_IMPORT = f"""
import os, signal, sys, threading, time
import numpy as np
import lucid
from lucid.codegen import threads

os.register_at_fork(after_in_child=lambda: signal.alarm({SECONDS}))
importing, unlocked = threading.Event(), []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if not getattr(threads, "PACKAGE_LOCK" if name.startswith("safetensors") else "RUN_LOCK")._is_owned():
            unlocked.append(name)
        if name == sys.argv[1]:
            importing.set()
            time.sleep(0.05)

def call():
    layer = lucid.nn.Conv2d(2, 3, 3)
    x = np.ones((1, 2, 4, 4), np.float32)
    step = lucid.compile(lambda x: layer(x).sum())
    step(x).backward()
    program = step.programs[0]
    for read in sys.argv[2:]:
        eval(read)

sys.meta_path.insert(0, Finder())
thread = threading.Thread(target=call)
thread.start()
importing.wait()
child = os.fork()
if child == 0:
    call()
    os._exit(0)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), unlocked)
"""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


def run(script: str, folder: Path, *arguments: str) -> list[str]:
    """The lines that a script prints that runs in a folder, with a disk cache there."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *arguments]
    environment = {**os.environ, "LUCID_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=4 * SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_traced_function_may_fork(tmp_path: Path) -> None:
    turn = sys.getswitchinterval()
    assert run(IN_A_TRACE, tmp_path) == [f"None [301.] {turn}", f"0 [301.] {turn}"]


def test_a_fork_waits_for_what_a_first_call_imports(tmp_path: Path) -> None:
    assert run(IN_AN_IMPORT, tmp_path, "lucid.codegen.cpu.target") == ["0 []"]


@pytest.mark.parametrize(
    ("module", "read"),
    [
        ("lucid.explanation", "program.explain(profile=True)"),
        ("lucid.codegen.cpu.timed", "program.explain(profile=True)"),
        ("lucid.codegen.cpu.module", "program.llvm_ir(), program.assembly()"),
        ("lucid.codegen.cpu.module", "program.ir()"),
        ("lucid.codegen.cuda.source", "program.cuda_source()"),
        ("lucid.explorer.page", "program.explore('page.html')"),
        ("lucid.explorer.notebook", "program._repr_html_()"),
        ("safetensors", "lucid.save('weights.safetensors', layer)"),
    ],
)
def test_a_fork_waits_for_what_reading_a_program_imports(module: str, read: str, tmp_path: Path) -> None:
    run(
        IN_AN_IMPORT, tmp_path, "lucid.codegen.cpu.target"
    )  # from now on, what writes code is imported for readers only
    assert run(IN_AN_IMPORT, tmp_path, module, read) == ["0 []"]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_fork_waits_for_helpers_and_what_they_have_left_is_made_on_both_sides() -> None:
    begun, forked = threading.Event(), threading.Event()

    def first() -> bytes:
        begun.set()
        assembler._resting.wait(SECONDS)  # no other job begins once the fork waits for this one
        return b"first"

    def second() -> bytes:
        forked.wait(SECONDS)
        return b"second"

    def helpers() -> int:
        return sum(thread.name == "lucid assembler" for thread in threading.enumerate())

    turn = sys.getswitchinterval()
    with helped():
        jobs = [submit(first), submit(second)]
        begun.wait()
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(SECONDS)
                forked.set()
                as_before = (helpers(), sys.getswitchinterval(), jobs[0].is_done) == (0, turn, True)
                os._exit(not (as_before and [job.result() for job in jobs] == [b"first", b"second"]))
            finally:  # or an error would have the child run the tests behind this one
                os._exit(1)
        assert helpers() == 1
        forked.set()
    assert [job.result() for job in jobs] == [b"first", b"second"]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
