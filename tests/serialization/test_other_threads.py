"""Files are written and read while another thread runs or traces a compiled function."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import lucid
from lucid.codegen.threads import RUN_LOCK

SECONDS = 120  # that a thread has; it takes a fraction of one

MODULE = """
import __main__, lucid
__main__.importing.set()
__main__.tracing.wait()
W = lucid.load("weights.safetensors")["w"]
"""

IN_AN_IMPORT_AND_A_TRACE = """
import threading
import lucid

importing, tracing = threading.Event(), threading.Event()

def step(x):
    tracing.set()
    from weights import W
    return x + W

thread = threading.Thread(target=__import__, args=["weights"])
thread.start()
importing.wait()
print(lucid.compile(step)(lucid.zeros(3)).tolist())
thread.join()
"""


def test_a_module_that_loads_is_imported_while_a_trace_waits_for_it(tmp_path: Path) -> None:
    lucid.save(tmp_path / "weights.safetensors", {"w": lucid.ones(3)})
    (tmp_path / "weights.py").write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", IN_AN_IMPORT_AND_A_TRACE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=SECONDS)
    assert (done.stdout, done.stderr) == ("[1.0, 1.0, 1.0]\n", "")


def test_files_are_written_and_read_while_a_program_runs(tmp_path: Path) -> None:
    path, found = tmp_path / "weights.safetensors", []

    def write_and_read() -> None:
        lucid.save(path, {"w": lucid.ones(3)})
        found.append(lucid.load(path)["w"].tolist())

    thread = threading.Thread(target=write_and_read, daemon=True)
    with RUN_LOCK:  # as a running program has it
        thread.start()
        thread.join(SECONDS)
        assert found == [[1.0, 1.0, 1.0]]
