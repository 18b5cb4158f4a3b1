"""LUCID_LOG: what the compiler does, as log records of unchanged scripts."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.logs import FUSION, RECOMPILE, TOPICS, TRACE, configure

SCRIPT = """
import numpy as np
import lucid


@lucid.compile
def step(x):
    return (lucid.exp(x) @ x).sum(0).sum()


step(np.ones((4, 4)))
step(np.ones((8, 8)))
"""


def run(topics: str, folder: Path) -> list[str]:
    """What a script writes to standard error."""
    (folder / "train.py").write_text(SCRIPT)
    environment = {**os.environ, "LUCID_LOG": topics, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_an_unchanged_script_logs_what_it_is_asked_for(tmp_path: Path) -> None:
    for _ in range(2):  # the second time, programs are in the disk cache
        lines = run("recompile,fusion", tmp_path)
        assert lines[-1] == "lucid.recompile: step(f64[8, 8]) is compiled: x was f64[4, 4], is f64[8, 8]"
        assert "lucid.recompile: step(f64[4, 4]) is compiled: the first call" in lines
        assert "lucid.fusion: step: 4 nodes become 4" in lines
        reason = "their elements differ: 4 x 4 reduced along 0, and 4 reduced along 0"
        assert f"lucid.fusion:   sum and sum at f64[4]: {reason}" in lines
        assert not [line for line in lines if "not a loop nest" in line], "no news, and there would be many"
        assert not [line for line in lines if line.startswith("lucid.trace")]


def test_loggers_are_those_of_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    @lucid.compile
    def f(x):
        return x * 5.0 + 0.5

    with caplog.at_level(logging.INFO, "lucid"):
        f(np.ones(3))
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("f(f64[3]) is traced in ")
    assert messages[0].endswith(" ms: 4 nodes")
    assert messages[-1] == "f(f64[3]) is compiled: the first call"
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "lucid.trace"):
        f(np.ones(4))
    assert [record.getMessage().partition(":")[0] for record in caplog.records][1:] == [
        *("differentiated", "simplified", "rematerialized", "ordered", "fused")
    ]


def test_topics_are_configured_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for logger in TOPICS.values():
        for name in ("handlers", "propagate", "level"):
            monkeypatch.setattr(logger, name, getattr(logger, name))
    configure("fusion")
    assert (TRACE.handlers, RECOMPILE.handlers) == ([], [])
    assert FUSION.isEnabledFor(logging.DEBUG)
    configure("all")
    assert all(logger.handlers and not logger.propagate for logger in TOPICS.values())
    with pytest.warns(RuntimeWarning, match="LUCID_LOG takes trace, fusion, recompile or all, got fuse"):
        configure("fuse, trace")
    monkeypatch.undo()
    for logger in TOPICS.values():
        logger.setLevel(logging.NOTSET)
