"""An empty disk cache for each test, and counts of what is to happen at misses only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import compilation
from lucid.codegen import cache
from lucid.codegen.cpu import machine as processors


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warnings", set())
    return tmp_path / "cache"


class Compilations:
    """Counts what is to happen at misses only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes = self.assembled = 0
        run_pipeline, object_code = compilation.run_pipeline, processors.Parsed.object_code

        def counted_run(*arguments: Any) -> Any:
            self.passes += 1
            return run_pipeline(*arguments)

        def counted_code(parsed: processors.Parsed) -> bytes:
            self.assembled += 1
            return object_code(parsed)

        monkeypatch.setattr(compilation, "run_pipeline", counted_run)
        monkeypatch.setattr("lucid.joint.run_pipeline", counted_run)
        monkeypatch.setattr(processors.Parsed, "object_code", counted_code)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Compilations:
    # What all programs share is loaded once a process. Here that is done before anything is counted.
    with monkeypatch.context() as patch:
        patch.setenv("LUCID_CACHE", "0")
        lucid.compile(lambda x, w: (x @ w).sum())(np.ones((256, 256), np.float32), np.ones((256, 256), np.float32))
    return Compilations(monkeypatch)
