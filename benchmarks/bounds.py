"""What bounds training steps of Lucid: each kernel at the peak of multiply-adds, or at the speed of a large copy.

    python benchmarks/bounds.py [--threads 1,2] [--rows gpt,mlp-b64]
    python benchmarks/bounds.py --nodes --rows mlp-b512    # each kernel by itself

The floor of a row in `compare.py` is the larger of all its FLOPs over the peak and of all its bytes over the bandwidth,
as if one kernel did everything. Here each kernel has a bound of its own: a product or a convolution the larger of the
two, others their bytes. A step whose operands are in caches can be faster than the sum of these. Peak and bandwidth
are the best of what was measured before each row and behind the last; the least bandwidth that was measured says how
much of the last column hangs on it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import machine
import report
from run_lucid import build
from worker import Step
from workloads import WORKLOADS

import lucid
from lucid.explanation import Row

ROWS = "gpt,gpt-off,mlp-b64,mlp-b64-off,mlp-b512,cnn,lstm,linear-784-256"
SAMPLES, CALLS = 15, 5
SHOWN = 0.002  # of a step: kernels that take less are shown together


def multiplies(row: Row) -> bool:
    return row.ops[0].startswith(("matmul", "conv"))


def bound_of(row: Row, roof: dict[str, float]) -> float:
    """The seconds that a kernel takes at least."""
    moved = (row.work.read + row.work.written) / roof["bytes_per_second"]
    return max(moved, row.work.operations / roof["flops_per_second"]) if multiplies(row) else moved


def measured(step: Step) -> float:
    """Seconds of a call."""
    step.run(CALLS)
    samples = []
    for _ in range(SAMPLES):
        start = time.perf_counter()
        step.run(CALLS)
        samples.append((time.perf_counter() - start) / CALLS)
    return statistics.median(samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1", help="numbers of threads, with commas between")
    parser.add_argument("--rows", default=ROWS, help="rows of compare.py that train with one call a step")
    parser.add_argument("--nodes", action="store_true", help="show the kernels of each row, by a clock between them")
    options = parser.parse_args()
    for threads in map(int, options.threads.split(",")):
        lucid.set_num_threads(threads)
        roofs: machine.Roofs = {}
        found = []
        for name in options.rows.split(","):
            machine.add(roofs, {str(threads): machine.measured(threads)})
            workload = WORKLOADS[name]
            step = build(workload, workload.arrays())
            seconds = measured(step)
            (program,) = step.programs()
            found.append((name, seconds, program.explain(profile=options.nodes).rows))
        machine.add(roofs, {str(threads): machine.measured(threads)})
        show(threads, roofs, found)
        if options.nodes:
            for name, _, rows in found:
                show_nodes(name, rows, *machine.best(roofs).values())


def show(threads: int, roofs: machine.Roofs, found: list[tuple[str, float, list[Row]]]) -> None:
    """Print a table of names, seconds, and the kernels' rows."""
    (best,) = machine.best(roofs).values()
    slow = best | {"bytes_per_second": min(roofs[str(threads)]["bytes_per_second"])}
    print(f"threads {threads}: {report.roof(roofs[str(threads)])}; milliseconds\n")
    heading = (
        "step",
        "products",
        "other kernels",
        "sum of its kernels' bounds",
        "measured",
        "reached",
        "at the least copy",
    )
    print(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}")
    for name, seconds, rows in found:
        products = sum(bound_of(row, best) for row in rows if multiplies(row))
        others = sum(bound_of(row, best) for row in rows if not multiplies(row))
        cells = [f"{1e3 * value:.2f}" for value in (products, others, products + others, seconds)]
        cells += [f"{sum(bound_of(row, roof) for row in rows) / seconds:.0%}" for roof in (best, slow)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(flush=True)


def show_nodes(name: str, rows: list[Row], roof: dict[str, float]) -> None:
    """Print a table of the kernels of a step, those that are alike together, the longest first."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.name, row.modules, row.backward > 0, row.work), []).append(row)
    whole = sum(row.nanoseconds or 0.0 for row in rows)
    print(f"{name}, microseconds of each kernel; {whole / 1e6:.2f} ms in all\n")
    heading = ("kernel", "of", "times", "measured", "FLOPs at the peak", "bytes", "of step")
    print(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}")
    rest = 0.0
    for group in sorted(alike.values(), key=lambda group: -sum(row.nanoseconds or 0.0 for row in group)):
        took, one = sum(row.nanoseconds or 0.0 for row in group), group[0]
        if took < SHOWN * whole:
            rest += took
            continue
        flops = f"{1e6 * one.work.operations / roof['flops_per_second']:.1f}" if multiplies(one) else ""
        moved = f"{1e6 * (one.work.read + one.work.written) / roof['bytes_per_second']:.1f}"
        whose = ", ".join(one.modules) + (", backward" if one.backward else "")
        cells = one.name, whose, str(len(group)), f"{took / len(group) / 1e3:.1f}", flops, moved, f"{took / whole:.1%}"
        print(f"| {' | '.join(cells)} |")
    print(f"| all others | | | {rest / 1e3:.1f} | | | {rest / whole:.1%} |\n", flush=True)


if __name__ == "__main__":
    main()
