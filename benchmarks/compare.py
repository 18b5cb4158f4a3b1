"""Lucid against PyTorch, torch.compile, JAX and NumPy, on the workloads of `workloads.py`.

    python benchmarks/compare.py [--quick] [--rows mlp,product] [--threads 1,2] [--json FILE] [--plot FILE.png]
    python benchmarks/compare.py --load FILE --load FILE --plot FILE.png    # show what earlier runs have written
    python benchmarks/compare.py --load FILE --markdown docs/performance.md  # and put its tables into that page

Each framework runs in a process of its own, with as many cores and threads as the row allows. The processes of a row
take turns, round by round and each time in another order, so that what disturbs the machine disturbs all of them.
What the machine can do at most is measured before each round and behind the last: the best that it showed counts.
Before anything is timed they have to agree: the same initial weights and data, Dropout off, give the same loss after
one step and after five. A row in which they do not is not timed, and the run fails.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Hashable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import page
import report
from cores import PATIENCE, Cores
from frameworks import FRAMEWORKS, Framework, Process, ProcessError, busy_core
from singles import Convolution, Product
from workloads import WORKLOADS, Dropout, Images, Language, Sequences, Training, Workload

PARITY_TOLERANCE = 1e-4  # relative, of losses in float32
SETTLE_SECONDS = 0.2  # between turns: OpenBLAS's idle threads spin for 0.11 s before they sleep, OpenMP's for 0.01


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: float  # of each turn
    patience: float  # the seconds that a turn waits for whole cores


QUICK = Options(2, 0.05, 0.0)


class Comparison:
    """Runs rows, and collects what `report` shows of them."""

    def __init__(self, frameworks: list[Framework], options: Options, folder: Path) -> None:
        self.frameworks = frameworks
        self.options = options
        self.folder = folder
        self.versions: dict[str, str] = {}
        self.failures: list[str] = []
        self.skipped: list[str] = []  # rows that none of the frameworks runs
        self.roofs: machine.Roofs = {}
        self._agreed: dict[Hashable, dict[str, list[float]]] = {}  # losses without Dropout

    def rows(self, workloads: list[Workload], threads: int) -> list[dict[str, Any]]:
        """Measure workloads in one process a framework; a row each, and another where a core is kept busy."""
        for workload in workloads:
            np.savez(self.folder / f"{workload.name}.npz", allow_pickle=False, **workload.arrays())
        wanted = [f for f in self.frameworks if any(f.runs(workload) for workload in workloads)]
        with ExitStack() as stack:
            try:
                processes = [stack.enter_context(closing(self._process(f, threads))) for f in wanted]
                return [row for workload in workloads for row in self._rows(workload, threads, processes)]
            except ProcessError as error:  # the other rows can still be measured
                self.failures.append(f"{workloads[0].name}: {error}")
                return []

    def _process(self, framework: Framework, threads: int) -> Process:
        caches = Path(tempfile.mkdtemp(dir=self.folder))
        process = Process(framework, threads, self.folder, caches)
        self.versions[framework.name] = process.about["version"]
        return process

    def _rows(self, workload: Workload, threads: int, processes: list[Process]) -> list[dict[str, Any]]:
        progress(f"{workload.name}: {workload.title}; threads {threads}\n  first calls:")
        measured: dict[str, dict[str, Any]] = {}
        timed = []
        for process in processes:
            name = process.framework.name
            if not process.framework.runs(workload):
                continue
            answer = process.ask("start", name=workload.name)
            measured[name] = answer
            if "error" in answer:
                if not answer["unavailable"]:
                    self.failures.append(f"{workload.name}: {name}: {answer['error']}")
                continue
            timed.append(process)
            progress(f" {name} {report.duration(answer['cold'])}")
            if process.framework.cached and not isinstance(workload, Product | Convolution):
                with closing(Process(process.framework, threads, self.folder, process.caches)) as later:
                    answer["cached"] = later.ask("start", name=workload.name)["cold"]
        progress("\n")
        if not timed:
            if all(answer["unavailable"] for answer in measured.values()):
                reasons = "; ".join(f"{name}: {answer['error']}" for name, answer in measured.items())
                self.skipped.append(f"{workload.name} x{threads}" + (f" ({reasons})" if reasons else ""))
            return []
        if not self._agree(workload, timed, measured):
            return []
        rows = [self._row(workload, threads, "quiet", timed, measured)]
        if workload.busy and threads > 1:
            with busy_core():
                rows.append(self._row(workload, threads, "busy", timed, measured))
        return rows

    def _agree(self, workload: Workload, processes: list[Process], measured: dict[str, dict[str, Any]]) -> bool:
        """Whether all compute the same: without Dropout the same losses, with it others."""
        agreed = self._agreed.setdefault(_computation(workload), {})
        for process in processes:
            name = process.framework.name
            if name not in agreed:
                answer = process.ask("parity", name=workload.name) if workload.p else measured[name]
                if "error" in answer:
                    self.failures.append(f"{workload.name}: {name}: {answer['error']}")
                    return False
                agreed[name] = answer["losses"]
        for step in (0, -1):
            losses = [losses[step] for losses in agreed.values()]
            if not all(math.isclose(loss, losses[0], rel_tol=PARITY_TOLERANCE) for loss in losses):
                self.failures.append(f"{workload.name}: the losses without Dropout differ: {agreed}")
                return False
        for process in processes:
            name = process.framework.name
            if workload.p and np.allclose(measured[name]["losses"], agreed[name], rtol=1e-6):
                self.failures.append(f"{workload.name}: {name} has the same losses with and without Dropout")
                return False
        return True

    def _row(
        self, workload: Workload, threads: int, condition: str, processes: list[Process], measured: dict[str, Any]
    ) -> dict[str, Any]:
        samples: dict[str, list[float]] = {process.framework.name: [] for process in processes}
        cores = Cores(threads, self.options.patience)
        progress(f"  rounds, of {self.options.rounds}{', a core busy' if condition == 'busy' else ''}:")
        for number in range(self.options.rounds):
            self._measure_roofs(threads)
            shift = number % len(processes)
            for process in processes[shift:] + processes[:shift]:
                time.sleep(SETTLE_SECONDS)
                if condition == "quiet":
                    cores.wait()
                answer = process.ask("time", name=workload.name, seconds=self.options.seconds)
                samples[process.framework.name] += answer["samples"]
            progress(f" {number + 1}")
        progress("\n")
        self._measure_roofs(threads)
        results = {}
        for name, times in samples.items():
            start = {key: measured[name].get(key) for key in ("cold", "cached", "peak_bytes")}
            results[name] = summary([seconds / workload.updates for seconds in times]) | start
        kinds = {Dropout: "dropout", Product: "product", Convolution: "convolution"}
        kind = kinds.get(type(workload), "training")
        return {
            "name": workload.name,
            "title": workload.title,
            "kind": kind,
            "threads": threads,
            "condition": condition,
            "target": workload.target if condition == "quiet" else None,
            "updates": workload.updates,
            "flops": workload.flops() / workload.updates,
            "bytes": workload.bytes() / workload.updates,
            "results": results,
            "missing": {name: answer["error"] for name, answer in measured.items() if "error" in answer},
        }

    def _measure_roofs(self, threads: int) -> None:
        time.sleep(SETTLE_SECONDS)
        machine.add(self.roofs, {str(threads): machine.measured(threads)})


def _computation(workload: Workload) -> Hashable:
    """What rows that compute the same, were it not for Dropout, have in common."""
    if isinstance(workload, Training):
        return (workload.batch, workload.features, workload.optimizer, workload.updates)
    return type(workload) if isinstance(workload, Language | Images | Sequences) else workload.name


def import_times(frameworks: list[Framework], rounds: int) -> dict[str, Any]:
    """The time of `import`, in fresh processes that have imported nothing else."""
    samples: dict[str, list[float]] = {framework.module: [] for framework in frameworks}
    for _ in range(rounds):
        for module, times in samples.items():
            program = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
            run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            times.append(float(run.stdout))
    return {module: summary(times) for module, times in samples.items()}


def summary(times: list[float]) -> dict[str, Any]:
    """What the report shows of some samples."""
    first, median, third = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": median, "quartiles": [first, third], "fastest": min(times), "samples": len(times)}


def groups(workloads: list[Workload]) -> list[list[Workload]]:
    """Workloads that share processes: single products do, and convolutions; others have their own, for a first call."""
    alone: list[list[Workload]] = [[w] for w in workloads if not isinstance(w, Product | Convolution)]
    shared: list[list[Workload]] = [[w for w in workloads if isinstance(w, kind)] for kind in (Product, Convolution)]
    return [*alone, *filter(None, shared)]


def progress(text: str) -> None:
    """Say what is being done, where it does not mix with the report."""
    print(text, end="", file=sys.stderr, flush=True)


def chosen_frameworks(names: str | None) -> list[Framework]:
    """Those of these names, separated by commas, or all that are installed."""
    if not names:
        return [framework for framework in FRAMEWORKS if framework.installed]
    known = {framework.name: framework for framework in FRAMEWORKS}
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known:
            raise SystemExit(f"no framework is named {name}; the frameworks are {', '.join(known)}")
        if not known[name].installed:
            raise SystemExit(f"{name} needs the package {known[name].module}, which is not installed here")
    return [framework for framework in FRAMEWORKS if framework.name in chosen]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen rows."""
    frameworks = chosen_frameworks(options.frameworks)
    if options.rows:
        workloads = [w for w in WORKLOADS.values() if any(pattern in w.name for pattern in options.rows.split(","))]
    else:
        workloads = [w for w in WORKLOADS.values() if not isinstance(w, Convolution)]
    if not workloads:
        raise SystemExit(f"no row has {options.rows} in its name; the rows are {', '.join(WORKLOADS)}")
    if options.rounds < 2:
        raise SystemExit("it takes two rounds at least to tell the spread")
    counts = [int(count) for count in options.threads.split(",")]
    if max(counts) > len(machine.cores()):
        raise SystemExit(f"{max(counts)} threads asked for, but this process may use {len(machine.cores())} cores")
    result: dict[str, Any] = {"setting": machine.setting(), "quick": options.quick, "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        pace = QUICK if options.quick else Options(options.rounds, options.seconds, PATIENCE)
        comparison = Comparison(frameworks, pace, Path(folder))
        for threads in counts:
            for group in groups(workloads):
                result["rows"] += comparison.rows(group, threads)
    if not result["rows"] and not comparison.failures:
        raise SystemExit(f"none of {', '.join(f.name for f in frameworks)} runs {', '.join(comparison.skipped)}")
    progress("imports\n")
    result["imports"] = import_times(frameworks, pace.rounds)
    result["setting"]["load after"] = os.getloadavg()[0]
    found = ("roofs", "versions", "failures", "skipped")
    return result | {name: getattr(comparison, name) for name in found}


def load(files: list[Path]) -> dict[str, Any]:
    """What earlier runs on one machine have written, as one."""
    runs = [json.loads(file.read_text()) for file in files]
    merged: dict[str, Any] = runs[0]
    for run in runs[1:]:
        merged["rows"] += run["rows"]
        merged["failures"] += run["failures"]
        merged["skipped"] = merged.get("skipped", []) + run.get("skipped", [])
        merged["quick"] = merged.get("quick", False) or run.get("quick", False)
        merged["setting"]["load"] = max(merged["setting"]["load"], run["setting"]["load"])
        machine.add(merged["roofs"], run["roofs"])
        merged["versions"] |= run["versions"]
    return merged


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure Lucid against its peers.")
    parser.add_argument(
        "--rows",
        help="rows with one of these, separated by commas, in their names; by default all but convolutions",
    )
    parser.add_argument("--threads", default="1,2" if len(machine.cores()) > 1 else "1", help="counts of threads")
    parser.add_argument("--frameworks", help="only these: " + ", ".join(f.name for f in FRAMEWORKS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each process in each row")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    parser.add_argument("--quick", action="store_true", help="two short turns: to see that it works, not to compare")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw bars and a roofline (needs matplotlib)")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put tables into a page, where it marks their place"
    )
    parser.add_argument("--load", type=Path, action="append", metavar="FILE", help="measure nothing, show this")
    options = parser.parse_args()
    result = load(options.load) if options.load else measure(options)
    print(report.text(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        page.put(result, options.markdown)
    if options.plot:
        import plot  # matplotlib is needed for this alone

        plot.draw(result, options.plot)
    if result["failures"]:
        raise SystemExit("failed: " + "; ".join(result["failures"]))


if __name__ == "__main__":
    main()
