"""The steps that the benchmark measures, as tests take them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
STEPS = ("linear-4-2", "linear-784-256", "mlp-b64", "mlp-b512-off", "cnn", "gpt", "lstm")


def benchmark_step(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A row of the benchmark, ready to run with Lucid: a `Step` of `benchmarks/worker.py`."""
    monkeypatch.syspath_prepend(str(FOLDER))
    workload = importlib.import_module("workloads").WORKLOADS[name]
    return importlib.import_module("run_lucid").build(workload, workload.arrays())
