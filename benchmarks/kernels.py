"""Single kernels beside those of NumPy and PyTorch, and what bounds them: random numbers, Dropout, transposed reads.

    python benchmarks/kernels.py [--threads 1] [--seconds 0.1]

Medians of samples in turns, in one process; NumPy's on one thread, its generator SFC64. A column is empty where the
library has no such call, or PyTorch is not installed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from worker import calls_in_a_sample, run_for

import lucid
import lucid.nn.functional as F

TURNS = 5
DRAWN = 2**22  # elements, beyond the caches
CACHED = 2**17  # elements, small enough for the last cache
SHAPES = (2048, 2048), (1000, 777), (256, 512), (8, 56, 56, 64)  # of what is turned
Call = Callable[[], Any]


@dataclass(frozen=True)
class Kernel:
    """One computation of so many elements, with each library that has it."""

    title: str
    elements: int
    lucid: Call
    numpy: Call | None = None
    torch: Call | None = None


def draws() -> Iterator[Kernel]:
    """Random numbers; NumPy and PyTorch write them into arrays that are there, where they can."""
    generator, n = np.random.Generator(np.random.SFC64(0)), DRAWN
    single, double = np.empty(n, np.float32), np.empty(n)
    of_numpy: dict[str, Call] = {
        "rand": lambda: generator.random(out=single, dtype=np.float32),
        "randn": lambda: generator.standard_normal(out=single, dtype=np.float32),
        "randn, float64": lambda: generator.standard_normal(out=double),
        "randint of 1000, int64": lambda: generator.integers(1000, size=n),
    }
    of_lucid: list[Call] = [
        lambda: lucid.rand(n),
        lambda: lucid.randn(n),
        lambda: lucid.randn(n, dtype=lucid.float64),
        lambda: lucid.randint(1000, size=(n,)),
    ]
    of_torch: list[Call | None] = [None] * len(of_lucid)
    if torch := library():
        of_torch = [
            torch.empty(n).uniform_,
            torch.empty(n).normal_,
            torch.empty(n, dtype=torch.float64).normal_,
            functools.partial(torch.empty(n, dtype=torch.int64).random_, 0, 1000),
        ]
    for (title, numpy), ours, theirs in zip(of_numpy.items(), of_lucid, of_torch, strict=True):
        yield Kernel(title, n, lucid.compile(ours), numpy, theirs)


def dropouts() -> Iterator[Kernel]:
    """What Dropout consists of: its words without its memory, its memory without its words, and both."""
    yield Kernel("words drawn and summed", DRAWN, lucid.compile(lambda: lucid.rand(DRAWN).sum()))
    for n in (CACHED, DRAWN):
        where = f"{n * 16 / 2**20:g} MiB"
        x, g = (lucid.Tensor(np.ones(n, np.float32)) for _ in range(2))
        x.requires_grad_()

        def both(x: lucid.Tensor = x, g: lucid.Tensor = g) -> Any:
            y = F.dropout(x, 0.5)
            return y.detach(), lucid.grad(y, x, g)

        def scaled(x: lucid.Tensor = x, g: lucid.Tensor = g) -> Any:
            y = 2.0 * x
            return y.detach(), lucid.grad(y, x, g)

        yield Kernel(f"two arrays scaled, {where}", n, lucid.compile(scaled))
        yield Kernel(f"Dropout, forward and backward, {where}", n, lucid.compile(both))


def turns() -> Iterator[Kernel]:
    """Maps that read across rows; of NumPy and PyTorch a copy."""
    for shape in SHAPES:
        x = np.ones(shape, np.float32)
        axes = (1, 0) if len(shape) == 2 else (0, 3, 1, 2)
        tensor = lucid.Tensor(x)
        copy = None
        if torch := library():
            of_torch = torch.from_numpy(x)

            def copy(x: Any = of_torch, axes: tuple[int, ...] = axes) -> Any:
                return x.permute(axes).contiguous()

        yield Kernel(
            f"{'x'.join(map(str, shape))} to {axes}, doubled",
            x.size,
            lucid.compile(lambda x=tensor, axes=axes: 2.0 * x.permute(*axes)),
            lambda x=x, axes=axes: np.ascontiguousarray(x.transpose(axes)),
            copy,
        )


GROUPS = {"draws": draws, "dropouts": dropouts, "turns": turns}


def library() -> Any:
    """PyTorch, where it is installed."""
    return importlib.import_module("torch") if importlib.util.find_spec("torch") else None


def measured(kernel: Kernel, seconds: float) -> list[float | None]:
    """Nanoseconds an element with each library."""

    def steps(call: Call) -> Callable[[int], None]:
        def run(count: int) -> None:
            for _ in range(count):
                call()

        return run

    runs = [call and steps(call) for call in (kernel.lucid, kernel.numpy, kernel.torch)]
    calls = [run and calls_in_a_sample(run) for run in runs]
    samples: list[list[float]] = [[] for _ in runs]
    for _ in range(TURNS):
        for run, count, found in zip(runs, calls, samples, strict=True):
            if run:
                found += run_for(seconds / TURNS, run, count or 1)
    return [1e9 * statistics.median(found) / kernel.elements if found else None for found in samples]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each kernel with each library")
    options = parser.parse_args()
    lucid.set_num_threads(options.threads)
    if torch := library():
        torch.set_num_threads(options.threads)
    print("| kernel | Lucid, ns an element | NumPy | PyTorch |\n| --- | --- | --- | --- |")
    for group in GROUPS.values():
        for kernel in group():
            cells = ("" if time is None else f"{time:.3g}" for time in measured(kernel, options.seconds))
            print(f"| {kernel.title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
