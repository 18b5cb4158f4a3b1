"""The tables of what the kernels take on a GPU, from NVRTC, which needs none, and of the time that making them takes.

`python -m tests.make_gpu_table` writes docs/gpu-kernels.md, after a run of the tests that write the kernels: of all, or
of those that are named. With `--times` it writes the second table only.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.nvrtc import Figures, nvrtc
from lucid.codegen.cuda.simulator.library import FORWARD, build
from lucid.codegen.cuda.simulator.target import SimulatorExecutable
from lucid.codegen.target import Code
from tests.codegen.cuda_programs import example, recorded
from tests.codegen.nvrtc import ARCHITECTURES
from tests.codegen.test_cuda_every_function import figures
from tests.oracle import run_executable

PAGE = Path(__file__).parents[1] / "docs" / "gpu-kernels.md"

HEAD = """\
# What the kernels take on a GPU, as NVRTC reports it

`python -m tests.make_gpu_table` writes this page: what NVRTC {version} says of every CUDA function that a test writes,
that is of each op, module, loss and optimizer at small shapes, of the examples, of random graphs, and of what the tests
of each kind of kernel are about. No GPU is needed for that. `tests/codegen/test_cuda_every_function.py` holds every
function to no spills, no arrays in memory, at most 48 KiB of shared memory, and registers for as many threads as a
block has.

Loop nests have 256 threads a block, or fewer where there is less to do. A multiprocessor has 65536 registers: up to 32
a thread it is full of threads; with 128 it holds 512 of them. Long rows and products have 256 threads a block too.

| functions | architecture | number | registers: median | most | bytes spilled | bytes of shared memory |
| --- | --- | --- | --- | --- | --- | --- |
"""


NESTS = {"kernel": "loop nests", "rows": "long rows"}


def page(found: Mapping[str, Mapping[str, Figures]]) -> str:
    """The text of the page."""
    version = ".".join(map(str, nvrtc().version))
    return HEAD.format(version=version) + "".join(_rows(found))


def _rows(found: Mapping[str, Mapping[str, Figures]]) -> Iterator[str]:
    kinds: dict[str, dict[str, list[Figures]]] = {}
    for architecture in ARCHITECTURES:
        for name, figure in found[architecture].items():
            kinds.setdefault(_kind(name), {}).setdefault(architecture, []).append(figure)
    for kind, of in sorted(kinds.items()):
        for architecture, figure in of.items():
            registers = sorted(one.registers for one in figure)
            spilled, shared = sum(one.spilled for one in figure), max(one.shared for one in figure)
            yield (
                f"| {kind} | {architecture} | {len(figure)} | {registers[len(registers) // 2]} | {registers[-1]} "
                f"| {spilled} | {shared} |\n"
            )


def _kind(name: str) -> str:
    """`loop nests`, those with `long rows`, or the name of a function by hand."""
    kind = re.sub(r"^g\d+_", "", name).removesuffix("_guarded")
    # Those of a kind are numbered in each module, but for products, whose last digits are the lanes of theirs.
    kind = kind if kind.startswith(("dots_", "check_")) else re.sub(r"_\d+$", "", kind)
    return NESTS.get(kind, f"`{kind}`")


TIMES = """
## What it takes to make them

Seconds for the training step of an example, the longest of its programs: writing its CUDA C and its launch plan, then
NVRTC for sm_80; for the target `cuda-sim`, the C++ compiler instead; and one step there. On one core of the machine of
[performance.md](performance.md). How long a step takes on a GPU, nobody knows yet.

| example | functions | launches | write | NVRTC | C++ compiler | a step on `cuda-sim` |
| --- | --- | --- | --- | --- | --- | --- |
"""
TIMED = ("01_train_digits.py", "03_cnn.py", "04_lstm_adding.py", "06_character_gpt.py")


def _times() -> Iterator[str]:
    for name in TIMED:
        run = max(recorded(example(name)), key=lambda run: len(run.graph.nodes))
        start = time.perf_counter()
        module = write_module(run.graph)
        written = time.perf_counter()
        nvrtc().compile(module.text, "sm_80")
        compiled = time.perf_counter()
        code = Code(module.plan.to_json(), build(module.text, module.plan.functions))
        built = time.perf_counter()
        executable = SimulatorExecutable(code, lambda module=module: module, FORWARD)
        loaded = time.perf_counter()
        run_executable(executable, run.graph, run.arrays)
        ran = time.perf_counter()
        launches = sum(1 for _ in module.plan.launches([0] * (module.plan.status + 1)))
        seconds = written - start, compiled - written, built - compiled, ran - loaded
        cells = " | ".join(f"{number:.2f}" for number in seconds)
        yield f"| `{name}` | {len(module.functions)} | {launches} | {cells} |\n"


def main() -> None:
    times_alone = sys.argv[1:] == ["--times"]
    if not times_alone and pytest.main(sys.argv[1:] or ["tests"]):
        sys.exit("The page was not written: a test has failed.")
    times = TIMES + "".join(_times())
    kept = PAGE.read_text().split(TIMES.splitlines()[1])[0]
    found = kept if times_alone else page(figures())
    PAGE.write_text(found.rstrip("\n") + "\n" + times)


if __name__ == "__main__":
    main()
