"""The side of a benchmark that runs in a process of its own: one framework, told what to do line by line.

Requests and answers are JSON, a line each: `start` builds a workload and times its first call, `parity` returns what
all frameworks have to agree on, `time` returns samples. A framework is a function `build` from a workload and its
arrays to a `Step`.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from workloads import WORKLOADS, Arrays, Workload, without_dropout

SAMPLE_SECONDS = 2e-3  # a sample is as many calls as fill it, so that reading the clock costs nothing
WARM_UP_SECONDS = 0.02  # at the start of each turn: other processes had the caches
PARITY_STEPS = 5


@dataclass(frozen=True)
class Step:
    """A workload that is ready to run."""

    run: Callable[[int], None]  # that many calls, complete when it returns
    check: Callable[[], float]  # one call: its loss, or a digest of what it returns
    programs: Callable[[], Sequence[Any]] = tuple  # what has been compiled, where the library shows it


Build = Callable[[Workload, Arrays], Step]


class UnavailableError(Exception):
    """The framework does not have what a workload needs."""


class Worker:
    """Answers the requests for one framework."""

    def __init__(self, build: Build, folder: Path) -> None:
        self.build = build
        self.folder = folder
        self.steps: dict[str, Step] = {}
        self.calls: dict[str, int] = {}  # in one sample

    def start(self, name: str) -> dict[str, Any]:
        """Build a workload, and time its first call: tracing, compiling, running."""
        self.steps[name] = step = self.build(WORKLOADS[name], self._arrays(name))
        start = time.perf_counter()
        step.run(1)
        cold = time.perf_counter() - start
        losses = [step.check() for _ in range(PARITY_STEPS)]
        return {"cold": cold, "losses": losses, "peak_bytes": peak_bytes()}

    def parity(self, name: str) -> dict[str, Any]:
        """The losses without Dropout after one call and more, which frameworks have in common."""
        step = self.build(without_dropout(WORKLOADS[name]), self._arrays(name))
        step.run(1)
        return {"losses": [step.check() for _ in range(PARITY_STEPS)]}

    def time(self, name: str, seconds: float) -> dict[str, Any]:
        """Seconds a call, sample by sample, for about that long."""
        step = self.steps[name]
        calls = self.calls.get(name) or self.calls.setdefault(name, calls_in_a_sample(step.run))
        run_for(WARM_UP_SECONDS, step.run, calls)
        return {"samples": run_for(seconds, step.run, calls)}

    def _arrays(self, name: str) -> Arrays:
        with np.load(self.folder / f"{name}.npz") as file:
            return dict(file)


def peak_bytes() -> int:
    """The peak resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def serve(build: Build, about: dict[str, Any]) -> None:
    """Answer requests from standard input until it ends; `about` is sent first. The data lie in the folder argv[1]."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints must not pass for an answer
    worker = Worker(build, Path(sys.argv[1]))
    gc.disable()
    _send(answers, {**about, "peak_bytes": peak_bytes()})
    for line in sys.stdin:
        request = json.loads(line)
        action = getattr(worker, request.pop("do"))
        try:
            answer = action(**request)
        except Exception as error:
            known = isinstance(error, UnavailableError)
            text = str(error) if known else f"{type(error).__name__}: {error}"
            answer = {"error": text, "unavailable": known}
        gc.collect()
        _send(answers, answer)


def _send(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def calls_in_a_sample(run: Callable[[int], None]) -> int:
    calls = 1
    while True:
        start = time.perf_counter()
        run(calls)
        if time.perf_counter() - start >= SAMPLE_SECONDS:
            return calls
        calls *= 2


def run_for(seconds: float, run: Callable[[int], None], calls: int) -> list[float]:
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while not samples or time.perf_counter() < end:
        start = time.perf_counter()
        run(calls)
        samples.append((time.perf_counter() - start) / calls)
    return samples
