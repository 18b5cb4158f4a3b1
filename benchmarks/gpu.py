"""What to run on a machine with an NVIDIA GPU: whether it computes the bits of the CPU, and how fast each kernel is.

    python benchmarks/gpu.py            # the tests of the target "cuda", all others with that target, then the table
    python benchmarks/gpu.py --table    # the table alone

The table has a row a launch: its time, the bytes of the arrays that it reads and writes, each once, against what a copy
of 256 MiB reaches, and for matrix products and convolutions the arithmetic against two operations a cycle of each lane
for their dtype. That of others is not counted: where one is far from a copy, its arithmetic may be what takes the time,
such as exponentials or the random generator's. Of a table whose rows are looked up, the bytes are those of these rows.
The graphs, in `gpu_graphs.py`, have kernels of every kind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gpu_graphs import GRAPHS, INDEXED, LOOKED_UP

from lucid.codegen.cuda.device import Device, gpu
from lucid.codegen.cuda.launches import ReadyLaunch
from lucid.codegen.cuda.plan import Launch, Loop, Step
from lucid.codegen.cuda.target import CUDATarget
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from lucid.ir.types import DType, TensorType, float32, float64

ROOT = Path(__file__).parents[1]
TESTS = (
    # What of tests/codegen runs on a GPU: ops and programs, and the tests that take the fixture `cupy`, or such a one.
    [f"tests/codegen/test_cuda_{name}.py" for name in ("gpu", "target", "tensors", "exchange", "source")],
    ["--target", "cuda"],  # the whole suite but tests/codegen
)
REPEATS = 20
COPIED = 256 << 20  # bytes
WORD = 8  # bytes at most that a check reads of each array: one element

# What the names of functions begin with that do the arithmetic of a graph.
PRODUCTS = ("product_", "dots_", "gathered_")

# Multiply-adds of float32 and of float64 in a cycle of a multiprocessor, by compute capability: "Arithmetic
# Instructions" in NVIDIA's CUDA C++ Programming Guide.
LANES = {
    **dict.fromkeys(("50", "52", "53", "61", "62"), (128, 4)),
    **dict.fromkeys(("60", "70", "72", "80"), (64, 32)),
    "75": (64, 2),
    **dict.fromkeys(("90", "100"), (128, 64)),
}
OTHER_LANES = (128, 2)

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


def products(graph: Graph) -> Iterator[Node]:
    """The products of a graph, those in loops included."""
    for node in graph.nodes:
        if node.op.products([value.type for value in node.inputs]):
            yield node
        for region in node.op.regions():
            yield from products(region)


def operations(graph: Graph) -> int:
    """The additions and multiplications of the products of a graph, where each is launched once."""
    return sum(2 * node.op.products([value.type for value in node.inputs]) for node in products(graph))


@dataclass(frozen=True)
class Row:
    """A launch: its function, how many times a loop of the plan makes it, the bytes of its arrays, its milliseconds."""

    function: str
    times: int
    moved: int
    milliseconds: float


def drawn(generator: np.random.Generator, type: TensorType) -> np.ndarray[Any, Any]:
    """Numbers for an input: floats from 0 to 1, or integers, which are indices of INDEXED rows, or bytes."""
    dtype = type.dtype.numpy
    if not type.dtype.is_integer:
        return np.asarray(generator.random(type.shape), dtype)
    return np.asarray(generator.integers(0, min(INDEXED, np.iinfo(dtype).max), type.shape), dtype)


def rows(device: Device, time: Timer, graph: Graph, looked_up: Mapping[int, int]) -> Iterator[Row]:
    """Each launch of a graph; of a loop, those of its first step. `looked_up` has the bytes that are read of an input,
    by its number, where these are not all."""
    executable = CUDATarget().compile(graph)
    generator = np.random.default_rng(0)
    held = [device.upload(drawn(generator, value.type)) for value in graph.inputs]
    held += [device.empty(value.type) for value in graph.outputs]
    table = executable.new_table()
    table[:] = [device.address(array) for array in held]
    executable.run(table.ctypes.data)
    device.check()
    launches = executable.launches()
    addresses = launches.addresses
    sizes = dict(enumerate([*(array.nbytes for array in held), *(part.size for part in executable.plan.stretches)]))
    sizes.update(looked_up)

    def measured(steps: Sequence[Step[Launch]], made: Sequence[Step[ReadyLaunch]], times: int) -> Iterator[Row]:
        for step, ready in zip(steps, made, strict=True):
            if not isinstance(step, Loop):
                looked_at = sizes if not step.is_check else dict.fromkeys(sizes, WORD)
                moved = sum(looked_at.get(buffer, 0) for buffer in step.buffers)  # but for the status
                yield Row(step.function, times, moved, time(partial(device.launch, [ready])))
                continue
            for number, element in enumerate(step.elements, step.first):
                sizes[number] = element.size
                addresses[number] = addresses[element.storage] + step.places()[0] * element.size
            yield from measured(step.steps, ready.steps, times * step.length)

    yield from measured(executable.plan.steps, launches.steps, 1)


def table(device: Device, time: Timer, bandwidth: float, peaks: Mapping[DType, float]) -> Iterator[str]:
    """The rows of the table; bandwidth in GB/s, the peaks in GFLOP/s."""
    yield "| graph | function | ms | GB/s | of a copy | GFLOP/s | of the peak |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, text in GRAPHS.items():
        graph = run_pipeline(parse(text)).final
        work, peak = operations(graph), max((peaks[node.output.type.dtype] for node in products(graph)), default=0.0)
        for row in rows(device, time, graph, LOOKED_UP.get(name, {})):
            function = row.function if row.times == 1 else f"{row.function}, {row.times} times"
            speed, rate = row.moved / row.milliseconds / 1e6, work / row.milliseconds / 1e6
            line = f"| {name} | {function} | {row.milliseconds:.3f} | {speed:.0f} | {speed / bandwidth:.0%} |"
            is_product = row.function.startswith(PRODUCTS)
            yield f"{line} {rate:.0f} | {rate / peak:.0%} |" if is_product else f"{line} not counted | |"


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
    billions = properties["multiProcessorCount"] * properties["clockRate"] / 1e6  # of cycles a second, of all
    peaks = {dtype: 2 * lane * billions for dtype, lane in zip((float32, float64), lanes, strict=True)}
    reached = " and ".join(f"{peak:.0f} GFLOP/s of {dtype}" for dtype, peak in peaks.items())
    print(f"\n{properties['name'].decode()}: a copy reaches {bandwidth:.0f} GB/s; the peaks are {reached}\n")
    for row in table(device, time, bandwidth, peaks):
        print(row)
    return status  # of the tests: the table is there whether they passed or not


if __name__ == "__main__":
    sys.exit(main())
