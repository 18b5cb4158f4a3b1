"""Training steps on an NVIDIA GPU: Lucid, and what is installed of PyTorch and JAX there, each in a process of its own.

    python benchmarks/gpu_steps.py [--rows mlp,gpt]

The workloads are the steps of `compare.py` that are one update a call, with Dropout where they have any; data are on
the GPU. All compute in float32, and none in TF32. Before a row is timed they have to agree, as in `compare.py`. Lucid
is measured twice, launch by launch and with `LUCID_CUDA_GRAPHS=1`; `--compiled` adds torch.compile, which takes
minutes. A cell has the median of the samples of all turns, the fastest of a row in bold.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import machine
import numpy as np
import report
from compare import PARITY_TOLERANCE
from frameworks import Framework, Process
from workloads import WORKLOADS, Product, Workload

FRAMEWORKS = (
    Framework("lucid", "lucid", ("cuda",)),
    Framework("lucid, graphs", "lucid", ("cuda", "graphs")),
    Framework("torch", "torch", ("cuda",)),
    Framework("torch.compile", "torch", ("cuda", "default")),
    Framework("jax", "jax", ("rbg",)),
)
ROUNDS = 3
SECONDS = 0.3  # of each turn


class DisagreementError(Exception):
    """Frameworks compute something else."""


def started(workload: Workload, processes: Sequence[Process]) -> Iterator[Process]:
    """The processes that have made the first call of a workload; what failed in another is printed."""
    for process in processes:
        answer = process.ask("start", name=workload.name)
        if "error" in answer:
            print(f"{workload.name}: {process.framework.name}: {answer['error']}", file=sys.stderr, flush=True)
        else:
            yield process


def medians(workload: Workload, processes: Sequence[Process]) -> dict[str, float]:
    """The median seconds of a call of each framework. Raises DisagreementError where losses without Dropout differ."""
    losses = {process.framework.name: process.ask("parity", name=workload.name)["losses"] for process in processes}
    first = next(iter(losses.values()), [])
    for found in losses.values():
        if not all(math.isclose(x, y, rel_tol=PARITY_TOLERANCE) for x, y in zip(found, first, strict=True)):
            raise DisagreementError(f"{workload.name}: the losses without Dropout differ: {losses}")
    samples: dict[str, list[float]] = {process.framework.name: [] for process in processes}
    for _ in range(ROUNDS):
        for process in processes:
            samples[process.framework.name] += process.ask("time", name=workload.name, seconds=SECONDS)["samples"]
    return {name: statistics.median(times) for name, times in samples.items()}


def table(workloads: Sequence[Workload], processes: Sequence[Process]) -> Iterator[str]:
    """The rows, as they are measured."""
    names = [process.framework.name for process in processes]
    yield f"| step | {' | '.join(names)} |"
    yield f"| --- |{' --- |' * len(names)}"
    for workload in workloads:
        found = medians(workload, list(started(workload, processes)))
        cells = {name: report.duration(seconds) for name, seconds in found.items()}
        if found:
            fastest = min(found, key=found.__getitem__)
            cells[fastest] = f"**{cells[fastest]}**"
        yield f"| {workload.name} | {' | '.join(cells.get(name, 'failed') for name in names)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", default="", help="only rows that have one of these, separated by commas, in their names"
    )
    parser.add_argument("--compiled", action="store_true", help="torch.compile, too")
    options = parser.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or JAX takes most of the memory
    chosen = [
        workload
        for workload in WORKLOADS.values()
        if workload.updates == 1
        and not isinstance(workload, Product)
        and not workload.name.endswith("-off")
        and any(x in workload.name for x in options.rows.split(","))
    ]
    wanted = [f for f in FRAMEWORKS if f.installed and (options.compiled or f.name != "torch.compile")]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for workload in chosen:
            np.savez(folder / f"{workload.name}.npz", allow_pickle=False, **workload.arrays())
        cores = len(machine.cores())
        processes = []
        for framework in wanted:
            caches = Path(tempfile.mkdtemp(dir=folder))
            processes.append(stack.enter_context(closing(Process(framework, cores, folder, caches))))
        for line in table(chosen, processes):
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
