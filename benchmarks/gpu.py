"""What to run on a machine with an NVIDIA GPU: whether it computes the bits of the CPU, and how fast each kernel is.

    python benchmarks/gpu.py            # the tests of the target "cuda", all tests with that target, then the table
    python benchmarks/gpu.py --table    # the table alone

The table has a row a launch: its time, the bytes that its arrays hold against what a copy of 256 MiB reaches, and for
matrix products and convolutions the arithmetic against two operations a cycle of each lane for float32.
Nobody has run this on a GPU yet.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lucid.codegen.cuda.device import Device, gpu
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.target import CUDATarget
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse

ROOT = Path(__file__).parents[1]
TESTS = (
    [f"tests/codegen/test_cuda_{name}.py" for name in ("gpu", "target", "tensors", "refusals")],
    ["--target", "cuda"],  # the whole suite
)
REPEATS = 20
COPIED = 256 << 20  # bytes

# Kernels of all kinds, at sizes that keep a GPU busy.
GRAPHS = {
    "map": "graph(%x: f32[16777216]) { %y = tanh %x; return %y }",
    "dropout": """graph(%x: f32[16777216], %seed: u64[], %draw: u64[], %p: f64[]) {
  %k: bool[16777216] = random_keep %seed, %draw, %p, draw=0, shape=(16777216,)
  %m: f32[16777216] = cast %k, dtype=f32; %y = mul %x, %m; return %y }""",
    "rows": "graph(%x: f32[65536, 256]) { %s: f32[65536] = sum %x, axes=(1,); return %s }",
    "long rows": "graph(%x: f32[1024, 16384]) { %s: f32[1024] = sum %x, axes=(1,); return %s }",
    "columns": "graph(%x: f32[65536, 256]) { %s: f32[256] = sum %x, axes=(0,); return %s }",
    "matmul": "graph(%x: f32[4096, 4096], %y: f32[4096, 4096]) { %z = matmul %x, %y; return %z }",
    "matmul^T": "graph(%x: f32[4096, 4096], %y: f32[4096, 4096]) { %z = matmul %x, %y, transpose_b=true; return %z }",
    "convolution": """graph(%x: f32[32, 64, 56, 56], %w: f32[64, 64, 3, 3]) {
  %y = convolution %x, %w, stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1; return %y }""",
    "to weight": """graph(%x: f32[32, 64, 56, 56], %g: f32[32, 64, 56, 56]) {
  %w = convolution_weight %x, %g, stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1, kernel=(3, 3)
  return %w }""",
    "layer": """graph(%x: f32[4096, 1024], %w: f32[4096, 1024], %b: f32[4096]) {
  %h = matmul %x, %w, transpose_b=true; %c: f32[4096, 4096] = broadcast %b
  %s = add %h, %c; %y = tanh %s; return %y }""",
    "bytes": """graph(%x: u8[65536, 784], %w: f32[64, 784], %by: f32[]) {
  %f: f32[65536, 784] = cast %x; %s: f32[65536, 784] = broadcast %by; %h = mul %f, %s
  %y = matmul %h, %w, transpose_b=true; return %y }""",
    "narrow": "graph(%x: f32[65536, 1024], %w: f32[2, 1024]) { %y = matmul %x, %w, transpose_b=true; return %y }",
    "softmax": """graph(%x: f32[65536, 256]) {
  %m: f32[65536] = max %x, axes=(1,); %mk: f32[65536, 1] = reshape %m; %mb: f32[65536, 256] = broadcast %mk
  %d = sub %x, %mb; %e = exp %d; %s: f32[65536] = sum %e, axes=(1,); %sk: f32[65536, 1] = reshape %s
  %sb: f32[65536, 256] = broadcast %sk; %y = div %e, %sb; return %y }""",
    "gather": """graph(%x: f32[50000, 512], %i: i64[8192, 1]) { %y = gather %x, %i, axis=0; return %y }""",
    "scatter_add": "graph(%g: f32[8192, 512], %i: i64[8192, 1]) "
    "{ %y = scatter_add %g, %i, axis=0, extent=50000; return %y }",
    "sort": "graph(%x: f32[64, 4096]) { %i: i64[64, 4096] = argsort %x; return %i }",
}

PRODUCTS = (
    "product_",
    "dots_",
    "gathered_",
)  # what the names of functions begin with that do the arithmetic of a graph

# Multiply-adds of float32 in a cycle of a multiprocessor, by compute capability: "Arithmetic Instructions" in NVIDIA's
# CUDA C++ Programming Guide.
LANES = {"60": 64, "70": 64, "72": 64, "75": 64, "80": 64}
OTHER_LANES = 128

Timer = Callable[[Callable[[], None]], float]


def timer(cupy: Any) -> Timer:
    """The milliseconds of something that is launched, the median of some runs."""

    def time(run: Callable[[], None]) -> float:
        found = []
        for _ in range(REPEATS + 3):
            start, end = cupy.cuda.Event(), cupy.cuda.Event()
            start.record()
            run()
            end.record()
            end.synchronize()
            found.append(cupy.cuda.get_elapsed_time(start, end))
        return float(np.median(found[3:]))

    return time


def operations(graph: Graph) -> int:
    """The additions and multiplications of the products of a graph."""
    return sum(2 * node.op.products([value.type for value in node.inputs]) for node in graph.nodes)


def launches(device: Device, time: Timer, graph: Graph) -> Iterator[tuple[str, int, float]]:
    """The function, the bytes of its arrays and the milliseconds of each launch of a graph."""
    executable = CUDATarget().compile(graph)
    generator = np.random.default_rng(0)
    held = []
    for value in graph.inputs:
        numbers = generator.integers(0, 100, value.type.shape) if value.type.dtype.is_integer else None
        drawn = generator.random(value.type.shape) if numbers is None else numbers
        held.append(device.upload(np.asarray(drawn, value.type.dtype.numpy)))
    held += [device.empty(value.type) for value in graph.outputs]
    table = executable.new_table()
    table[:] = [device.address(array) for array in held]
    executable.run(table.ctypes.data)
    functions, addresses, _ = executable.loaded()
    plan = executable.plan
    sizes = [array.nbytes for array in held] + [stretch.size for stretch in plan.stretches]
    for step in plan.steps:
        if isinstance(step, Launch):
            moved = sum(sizes[buffer] for buffer in step.buffers if buffer < len(sizes))
            yield (
                step.function,
                moved,
                time(lambda step=step: device.launch(functions[step.function], step, addresses, 0)),
            )


def table(device: Device, time: Timer, bandwidth: float, peak: float) -> Iterator[str]:
    """The rows of the table; bandwidth in GB/s, the peak in GFLOP/s."""
    yield "| graph | function | ms | GB/s | of a copy | GFLOP/s | of the peak |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, text in GRAPHS.items():
        graph = run_pipeline(parse(text)).final
        work = operations(graph)
        for function, moved, milliseconds in launches(device, time, graph):
            speed = moved / milliseconds / 1e6
            row = f"| {name} | {function} | {milliseconds:.3f} | {speed:.0f} | {speed / bandwidth:.0%} |"
            rate = work / milliseconds / 1e6
            yield f"{row} {rate:.0f} | {rate / peak:.0%} |" if function.startswith(PRODUCTS) else f"{row} | |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="leave the tests out")
    options = parser.parse_args()
    try:
        device = gpu()
    except CompileError as error:
        sys.exit(str(error))
    import cupy

    status = 0
    if not options.table:
        for arguments in TESTS:
            run = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False)
            status = max(status, run.returncode)
    time = timer(cupy)
    source, target = (cupy.empty(COPIED, "uint8") for _ in range(2))
    bandwidth = 2 * COPIED / time(lambda: cupy.copyto(target, source)) / 1e6
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    lanes = LANES.get(cupy.cuda.Device().compute_capability, OTHER_LANES)
    peak = properties["multiProcessorCount"] * lanes * 2 * properties["clockRate"] / 1e6
    print(f"\n{properties['name'].decode()}: a copy reaches {bandwidth:.0f} GB/s; the peak is {peak:.0f} GFLOP/s\n")
    for row in table(device, time, bandwidth, peak):
        print(row)
    return status  # of the tests: the table is there whether they passed or not


if __name__ == "__main__":
    sys.exit(main())
