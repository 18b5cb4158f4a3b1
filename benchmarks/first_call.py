"""First calls of training steps in fresh processes, with Lucid and with JAX, and what they spend their time on.

    python benchmarks/first_call.py [--rows linear-4-2,gpt] [--threads 1,2] [--processes 4]
    python benchmarks/first_call.py --parts [--rows linear-4-2]    # on one thread, where parts follow each other

Rows are those of `compare.py`. Processes of Lucid and of JAX, with each of its generators, take turns: one that finds
nothing on disk, then one that finds there what that one has compiled. A call is timed from a process whose modules are
imported.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from workloads import WORKLOADS

ROWS = "linear-4-2,linear-784-256,mlp-b64,cnn,gpt,lstm"
LUCID, *JAX = "lucid", "jax", "jax rbg", "jax unsafe_rbg"
TRACING = "tracing"
EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": TRACING,
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "XLA",
}
GENERATORS = {"jax": "threefry2x32", "jax rbg": "rbg", "jax unsafe_rbg": "unsafe_rbg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=ROWS, help="rows of compare.py, with commas between")
    parser.add_argument("--threads", default="1", help="numbers of threads, with commas between")
    parser.add_argument("--processes", type=int, default=4, help="of each kind")
    parser.add_argument("--parts", action="store_true", help="show what a call consists of")
    parser.add_argument("--inside", metavar="FRAMEWORK", help=argparse.SUPPRESS)  # one call, in this process
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(parts_of_a_call(options.inside, options.rows)))
    elif options.parts:
        show_parts(options.rows.split(","), options.processes)
    else:
        for threads in map(int, options.threads.split(",")):
            show_times(options.rows.split(","), threads, options.processes)


def show_times(rows: list[str], threads: int, processes: int) -> None:
    """Print medians of so many processes each, and the range of Lucid's; of JAX the generator that is fastest."""
    from frameworks import FRAMEWORKS, Process

    print(
        "| step | threads | nothing compiled before | from the cache | JAX | from its cache | times as fast, target 3 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    frameworks = {framework.name: framework for framework in FRAMEWORKS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for row in rows:
            np.savez(folder / f"{row}.npz", allow_pickle=False, **WORKLOADS[row].arrays())
            cold: dict[str, list[float]] = {name: [] for name in (LUCID, *JAX)}
            cached: dict[str, list[float]] = {name: [] for name in cold}
            for _ in range(processes):
                for name in cold:
                    caches = Path(tempfile.mkdtemp(dir=folder))
                    for found in (cold[name], cached[name]):
                        with closing(Process(frameworks[name], threads, folder, caches)) as process:
                            found.append(1e3 * process.ask("start", name=row)["cold"])
            (ours, *jax), (later, *jax_later) = (
                [statistics.median(found) for found in times.values()] for times in (cold, cached)
            )
            spread = f"({min(cold[LUCID]):.0f} to {max(cold[LUCID]):.0f})"
            cells = row, threads, f"{ours:.0f} {spread}", f"{later:.0f}", f"{min(jax):.0f}", f"{min(jax_later):.0f}"
            print(f"| {' | '.join(map(str, cells))} | {min(jax) / ours:.1f} |", flush=True)


def show_parts(rows: list[str], processes: int) -> None:
    """Print the milliseconds of each part, medians of so many processes."""
    from frameworks import measured_apart

    for row in rows:
        for framework in (LUCID, *JAX):
            arguments = (__file__, "--inside", framework, "--rows", row)
            found = [measured_apart(*arguments) for _ in range(processes)]
            medians = {part: statistics.median(one.get(part, 0.0) for one in found) for part in found[0]}
            shown = ", ".join(f"{part} {1e3 * seconds:.0f}" for part, seconds in medians.items())
            print(f"{row}, {framework}, ms: {shown}", flush=True)


def parts_of_a_call(framework: str, row: str) -> dict[str, float]:
    """Seconds of a first call in this process: in all, and of its parts."""
    clock = Clock()
    workload = WORKLOADS[row]
    if framework == LUCID:
        build = importlib.import_module("run_lucid").build
    else:
        import jax

        jax.config.update("jax_default_prng_impl", GENERATORS[framework])
        jax.monitoring.register_event_duration_secs_listener(clock.add_event)
        build = importlib.import_module("run_jax").build
    step = build(workload, workload.arrays())
    if framework == LUCID:
        clock.watch_lucid()
    clock.seconds.clear()
    start = time.perf_counter()
    step.run(1)
    whole = time.perf_counter() - start
    return {"in all": whole, **clock.seconds, "other": whole - sum(clock.seconds.values())}


class Clock:
    """Seconds by what they are spent on. What a part calls of another counts for the other alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._count()
        self._running.append(name)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def _around(self, name: str | Callable[..., str], owner: Any, attribute: str) -> None:
        """Have a function of a module counted as a part, whose name may depend on its arguments."""
        function: Callable[..., Any] = getattr(owner, attribute)

        def counted(*arguments: Any, **named: Any) -> Any:
            if self._running == [TRACING]:  # where Lucid would take the clock for the user's, and refuse to see it move
                return function(*arguments, **named)
            with self.part(name if isinstance(name, str) else name(*arguments)):
                return function(*arguments, **named)

        setattr(owner, attribute, counted)

    def watch_lucid(self) -> None:
        """Have the parts of a compilation counted."""
        cpu = "lucid.codegen.cpu"
        for name, module, attributes in [
            (TRACING, "lucid.compiler", ["trace_call"]),
            ("passes", "lucid.compilation", ["run_pipeline"]),
            ("key and cache", "lucid.compilation", ["_key"]),
            ("key and cache", "lucid.codegen.cache", ["fetch", "store"]),
            ("writing LLVM IR", f"{cpu}.target", ["_write"]),
            ("writing LLVM IR", f"{cpu}.library", ["_module", "team_text", "common_parts"]),
            ("linking", f"{cpu}.machine", ["load"]),
            ("linking", f"{cpu}.library", ["load"]),
            ("imports", "builtins", ["__import__"]),
        ]:
            for attribute in attributes:
                self._around(name, importlib.import_module(module), attribute)
        parsed = importlib.import_module(f"{cpu}.machine").Parsed
        self._around(lambda _parsed, _machine, text, *_: _module(text), parsed, "__init__")
        self._around(lambda parsed: _module(parsed.text), parsed, "object_code")

    def add_event(self, event: str, seconds: float, **_: Any) -> None:
        """Count what JAX says that it has done."""
        if event in EVENTS:
            self.seconds[EVENTS[event]] += seconds


def _module(text: str) -> str:
    """The part of LLVM for a module, which a comment names at its start."""
    return f"LLVM for {text.partition(chr(10))[0].removeprefix('; ') or 'the pool'}"


if __name__ == "__main__":
    main()
