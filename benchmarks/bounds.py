"""What bounds training steps of Lucid: each kernel at the peak of multiply-adds, or at the speed of a large copy.

    python benchmarks/bounds.py [--threads 1] [--rows gpt,mlp-b64]

The floor of a row in `compare.py` is the larger of all its FLOPs over the peak and of all its bytes over the bandwidth,
as if one kernel did everything. Here each kernel has a floor of its own: a product or a convolution the larger of the
two, others their bytes. A step whose operands are in caches can be faster than the sum of these.
"""

from __future__ import annotations

import argparse
import statistics
import time

from run_lucid import build
from workloads import WORKLOADS

import lucid
from lucid.codegen.cpu.peaks import Peaks, peaks
from lucid.explanation import Row

ROWS = "gpt,gpt-off,mlp-b64,mlp-b64-off,mlp-b512,cnn,lstm,linear-784-256"
SAMPLES, CALLS = 15, 5


def floor_of(row: Row, best: Peaks) -> float:
    """The seconds that a kernel takes at least."""
    moved = (row.work.read + row.work.written) / best.bytes
    return max(moved, row.work.operations / best.operations) if multiplies(row) else moved


def multiplies(row: Row) -> bool:
    return row.ops[0].startswith(("matmul", "conv"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", default=ROWS, help="rows of compare.py that train with one call a step")
    options = parser.parse_args()
    lucid.set_num_threads(options.threads)
    best = peaks(options.threads)
    print(f"{options.threads} threads: {best.operations / 1e9:.0f} GFLOP/s, {best.bytes / 1e9:.0f} GB/s; milliseconds")
    print("| step | products | other kernels | both | measured | reached |\n| --- | --- | --- | --- | --- | --- |")
    for name in options.rows.split(","):
        workload = WORKLOADS[name]
        step = build(workload, workload.arrays())
        step.run(CALLS)
        samples = []
        for _ in range(SAMPLES):
            start = time.perf_counter()
            step.run(CALLS)
            samples.append((time.perf_counter() - start) / CALLS)
        measured = statistics.median(samples)
        (program,) = step.programs()
        rows = program.explain().rows
        products = sum(floor_of(row, best) for row in rows if multiplies(row))
        others = sum(floor_of(row, best) for row in rows if not multiplies(row))
        both = products + others
        cells = [f"{1e3 * seconds:.2f}" for seconds in (products, others, both, measured)]
        print(f"| {name} | {' | '.join(cells)} | {both / measured:.0%} |")


if __name__ == "__main__":
    main()
