"""The time of each kernel of a compiled program, each run alone, the slowest first.

    LUCID_DUMP=stages python train.py
    python benchmarks/kernels.py stages/0-train_step/05-fused.ir [--threads 1] [--top 20]

Reads the text of the stage `fused`. Inputs are random and lie in the caches, so that the sum is no more than the time
of a step; kernels that differ in their place alone are one row. FLOPs are those of matrix products.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import report

import lucid
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.contraction import Matmul
from lucid.ir.text import parse, print_graph

SAMPLES, SAMPLE_SECONDS = 7, 5e-3


def alone(node: Node) -> Graph:
    """A kernel as a graph of its own."""
    inputs = tuple(dict.fromkeys(node.inputs))
    return Graph("kernel", inputs, (), (node,), node.outputs)


def random_array(value: Value, generator: np.random.Generator) -> np.ndarray:
    """Numbers from 0 to 1, which keep logarithms and roots quick; zeros where they may be indices."""
    if value.type.dtype.is_float:
        return generator.random(value.type.shape).astype(value.type.dtype.numpy)
    return np.zeros(value.type.shape, value.type.dtype.numpy)


def seconds(graph: Graph) -> float:
    """The median time of one run."""
    generator = np.random.default_rng(0)
    executable = CPUTarget().compile(graph)
    arrays = [random_array(value, generator) for value in graph.arguments]
    arrays += [np.empty(value.type.shape, value.type.dtype.numpy) for value in graph.outputs]
    table = executable.new_table()
    table[: len(arrays)] = [array.ctypes.data for array in arrays]
    address = table.ctypes.data
    executable.run(address)
    calls, samples = 1, []
    while len(samples) < SAMPLES:
        start = time.perf_counter()
        for _ in range(calls):
            executable.run(address)
        passed = time.perf_counter() - start
        if passed < SAMPLE_SECONDS and not samples:
            calls *= 2
        else:
            samples.append(passed / calls)
    return float(np.median(samples))


def name(node: Node) -> str:
    """What a kernel is called, with the types that it reads and writes."""
    label = "".join(region.name for region in node.op.regions()) or node.op.name
    types = ", ".join(str(value.type) for value in node.inputs)
    return f"{label} ({types}) -> {', '.join(str(value.type) for value in node.outputs)}"


def flops(node: Node) -> int:
    nodes = [inner for region in node.op.regions() for inner in region.nodes] or [node]
    products = [inner for inner in nodes if isinstance(inner.op, Matmul)]
    return sum(
        2 * inner.output.type.size * inner.inputs[0].type.shape[-2 if inner.op.transpose_a else -1]  # type: ignore[attr-defined]
        for inner in products
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time each kernel of a program alone.")
    parser.add_argument("stage", type=Path, help="the text of a graph whose ops are kernels")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--top", type=int, default=20, help="how many kernels to list; default: 20")
    options = parser.parse_args()
    lucid.set_num_threads(options.threads)
    alike: dict[str, list[Node]] = defaultdict(list)
    for node in parse(options.stage.read_text()).nodes:
        if node.inputs and node.outputs:
            alike[print_graph(alone(node), locations=False)].append(node)
    rows = sorted(
        ((seconds(alone(nodes[0])), nodes) for nodes in alike.values()), key=lambda row: -row[0] * len(row[1])
    )
    total = math.fsum(time * len(nodes) for time, nodes in rows)
    lines = [("share", "together", "kernels", "of one", "GFLOP/s", "kernel")]
    for one, nodes in rows[: options.top]:
        rate = f"{flops(nodes[0]) / one / 1e9:.1f}" if flops(nodes[0]) else ""
        together = one * len(nodes)
        times = report.duration(together), str(len(nodes)), report.duration(one)
        lines.append((f"{together / total:.1%}", *times, rate, name(nodes[0])[:110]))
    print(report.table(lines))
    print(f"{report.duration(total)} together, in {sum(len(nodes) for _, nodes in rows)} kernels")


if __name__ == "__main__":
    main()
