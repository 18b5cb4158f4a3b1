"""The ways to run the workloads, and a process for each: on cores of its own choice, with caches of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from singles import Convolution, Product
from workloads import Images, Workload

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Framework:
    """A way to run the workloads: a program beside this file and its arguments."""

    name: str
    module: str  # what has to be installed
    arguments: tuple[str, ...] = ()
    random: bool = False  # differs from the one before in its random numbers alone
    images: bool = False  # differs from the one before in the order of an image's elements alone
    cached: bool = False  # a later process finds on disk what an earlier one has compiled

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    def runs(self, workload: Workload) -> bool:
        if isinstance(workload, Product):
            return self.name in ("lucid", "torch", "jax", "numpy")  # those that differ in more than a compiler's mode
        if isinstance(workload, Convolution):
            return self.name in ("lucid", "torch", "torch nhwc")
        if self.images and not isinstance(workload, Images):
            return False
        return not (self.random and workload.p == 0)


FRAMEWORKS = (
    Framework("lucid", "lucid", cached=True),
    Framework("torch", "torch"),
    Framework("torch nhwc", "torch", ("channels_last",), images=True),
    Framework("torch.compile", "torch", ("default",), cached=True),
    Framework("torch.compile nhwc", "torch", ("default", "channels_last"), images=True, cached=True),
    Framework("torch.compile tuned", "torch", ("max-autotune",), cached=True),
    Framework("jax", "jax", ("threefry2x32",), cached=True),
    Framework("jax rbg", "jax", ("rbg",), random=True, cached=True),
    Framework("jax unsafe_rbg", "jax", ("unsafe_rbg",), random=True, cached=True),
    Framework("numpy", "numpy"),
)


class ProcessError(Exception):
    """A process ended before it answered."""


class Process:
    """One framework in a process of its own, on the first `threads` of the cores.

    What it keeps on disk goes into `caches`, so that with a new folder there the first call compiles.
    """

    def __init__(self, framework: Framework, threads: int, folder: Path, caches: Path) -> None:
        self.framework = framework
        self.caches = caches
        self._log = caches / "standard-error.txt"
        command = [sys.executable, str(HERE / f"run_{framework.module}.py"), str(folder), *framework.arguments]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(threads, caches),
                preexec_fn=lambda: use_cores(machine.cores()[:threads]),
            )
        self.about = self._answer()

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Send a request, and wait for its answer."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: there is no answer, and the log says why
            self._process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProcessError(f"{self.framework.name} ended early:\n{self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def environment(threads: int, caches: Path) -> dict[str, str]:
    """The variables of a process: so many threads, caches of its own, and the kernels that a BLAS picks by itself.

    Lucid and torch.compile keep what they compile on disk by default. JAX does when it is told where, and then what
    took it a second or more: here, all of it. Where TORCHINDUCTOR_CACHE_DIR is set, torch.compile keeps there what it
    has compiled, which takes it minutes: then later runs start sooner, and its first calls are no measure.
    """
    forced = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # some systems set them; they would slow NumPy down
    kept = {name: value for name, value in os.environ.items() if name not in forced}
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LUCID_NUM_THREADS")
    folders = {"TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(caches))}
    return {
        **kept,
        **dict.fromkeys(counts, str(threads)),
        **folders,
        "XDG_CACHE_HOME": str(caches),
        "LUCID_CACHE_DIR": str(caches / "lucid"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def use_cores(cores: list[int]) -> None:
    """Keep the calling process on some cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def measured_apart(*command: str) -> dict[str, float]:
    """The figures that a program prints as JSON in a process of its own: on the first core, with nothing on disk."""
    with tempfile.TemporaryDirectory() as caches:
        run = subprocess.run(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment(1, Path(caches)),
            preexec_fn=lambda: use_cores(machine.cores()[:1]),
        )
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process that never rests, on the first core."""
    process = subprocess.Popen(
        [sys.executable, "-c", "while True: pass"], preexec_fn=lambda: use_cores(machine.cores()[:1])
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()
