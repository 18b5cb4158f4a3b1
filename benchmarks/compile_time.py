"""How long compiling takes: by the size of a program, and with LLVM's passes over IR before its code generator.

    python benchmarks/compile_time.py
    python benchmarks/compile_time.py --middle-end [--rows linear-784-256,mlp-b512]

By size: seconds of first calls in this process, without the disk cache, behind that of another program; nodes are those
of the simplified graph. Middle end: Lucid runs LLVM's code generator alone; rows of `compare.py` with that and with
LLVM's default pipeline in front of it, in fresh processes with nothing on disk, in turns. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from frameworks import measured_apart
from run_lucid import build
from worker import run_for
from workloads import WORKLOADS

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.codegen.cpu import machine as code_generator

ROWS = "linear-784-256,mlp-b512,cnn,gpt"
OFF, ON = "off", "on"
STEP_SECONDS = 1.0  # for which a step is timed in each process
Compiled = lucid.compiler.CompiledFunction


def perceptron(count: int, normalized: bool = False) -> Compiled:
    """A training step of so many Linears and GELUs."""

    def layer() -> list[nn.Module]:
        return [nn.Linear(128, 128), *([nn.LayerNorm(128)] if normalized else []), nn.GELU()]

    model = nn.Sequential(*(module for _ in range(count) for module in layer()))
    optimizer = optim.AdamW(model.parameters())

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        if normalized:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def loop(count: int) -> Compiled:
    """Multiply, tanh and add so many times, in a loop of Python's, and the gradient."""
    first = lucid.Tensor(np.ones((64, 128), np.float32), requires_grad=True)

    @lucid.compile
    def gradient(x: lucid.Tensor) -> lucid.Tensor:
        y = first
        for _ in range(count):
            y = (y * x).tanh() + x
        return lucid.grad(y.sum(), first)

    return gradient


PROGRAMS: dict[str, Callable[[], Compiled]] = {
    **{f"{n} layers of Linear(128, 128) and GELU, AdamW": (lambda n=n: perceptron(n)) for n in (5, 10, 20, 40)},
    "25 layers of Linear(128, 128), LayerNorm and GELU, `clip_grad_norm_`, AdamW": lambda: perceptron(25, True),
    **{f"{n} times multiply, tanh, add, and the gradient": (lambda n=n: loop(n)) for n in (100, 200, 400)},
}


def show_sizes(processes: int) -> None:
    """Print a table of programs, medians of so many first calls each."""
    os.environ["LUCID_CACHE"] = "0"
    x = lucid.Tensor(np.ones((64, 128), np.float32))
    perceptron(1, True)(x)
    loop(1)(x)
    print("| program | nodes | seconds |\n| --- | --- | --- |")
    for title, make in PROGRAMS.items():
        times = []
        for _ in range(processes):
            compiled = make()
            start = time.perf_counter()
            compiled(x)
            times.append(time.perf_counter() - start)
        (program,) = compiled.programs
        nodes = sum(1 for _ in program.graph("simplified").nodes)
        print(f"| {title} | {nodes} | {statistics.median(times):.2f} |", flush=True)


def show_middle_end(rows: list[str], processes: int) -> None:
    """Print a table of rows, medians of so many processes each."""
    print("| step | middle end | first call, ms | of it LLVM | step, ms |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        found: dict[str, list[dict[str, float]]] = {OFF: [], ON: []}
        for _ in range(processes):
            for how, results in found.items():
                results.append(measured_apart(__file__, "--inside", how, "--rows", row))
        for how, results in found.items():
            first, inside, step = (1e3 * statistics.median(one[part] for one in results) for part in results[0])
            print(f"| {row} | {how} | {first:.0f} | {inside:.0f} | {step:.3f} |", flush=True)


def one_process(how: str, row: str) -> dict[str, float]:
    """Seconds of a first call in this process, of LLVM in it, and of a later step."""
    seconds: Counter[str] = Counter()
    object_code = code_generator.Parsed.object_code

    def timed(parsed: Any) -> bytes:
        start = time.perf_counter()
        if how == ON:
            optimize(parsed._module)
        code = object_code(parsed)
        seconds["llvm"] += time.perf_counter() - start
        return code

    code_generator.Parsed.object_code = timed
    step = build(WORKLOADS[row], WORKLOADS[row].arrays())
    start = time.perf_counter()
    step.run(1)
    first = time.perf_counter() - start
    return {"first call": first, "LLVM": seconds["llvm"], "step": statistics.median(run_for(STEP_SECONDS, step.run, 5))}


def optimize(module: Any) -> None:
    """Run LLVM's default pipeline of its level 2, with vectorization of loops and of straight-line code."""
    target = code_generator.machine().target_machine()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    passes = llvm.create_pass_builder(target, tuning)
    passes.getModulePassManager().run(module, passes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--middle-end", action="store_true", help="compare LLVM with and without its passes over IR")
    parser.add_argument("--rows", default=ROWS, help="rows of compare.py that train with one call a step")
    parser.add_argument("--samples", type=int, default=3, help="first calls, or processes, of each kind")
    parser.add_argument("--inside", choices=(OFF, ON), help=argparse.SUPPRESS)  # one of them, in this process
    options = parser.parse_args()
    lucid.set_num_threads(1)
    if options.inside:
        print(json.dumps(one_process(options.inside, options.rows)))
    elif options.middle_end:
        show_middle_end(options.rows.split(","), options.samples)
    else:
        show_sizes(options.samples)


if __name__ == "__main__":
    main()
