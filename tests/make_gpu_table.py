"""The table of what the kernels take on a GPU, from NVRTC, which needs none.

`python -m tests.make_gpu_table` writes docs/gpu-kernels.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lucid.codegen.cuda.nvrtc import Figures, nvrtc
from tests.codegen.test_cuda_programs import ARCHITECTURES, figures

PAGE = Path(__file__).parents[1] / "docs" / "gpu-kernels.md"

HEAD = """\
# What the kernels take on a GPU

`python -m tests.make_gpu_table` writes this page: what NVRTC {version} says of every CUDA function of the test-suite,
that is of each op, module, loss and optimizer at small shapes, and of the examples. No GPU is needed for that, and
nothing here is a measurement of time. `tests/codegen/test_cuda_programs.py` holds every function to no spills, at most
48 KiB of shared memory, and registers for a block of 256 threads.

Loop nests have 256 threads a block, or fewer where there is less to do. A multiprocessor has 65536 registers: up to 32
a thread it is full of threads; with 128 it holds 512 of them.

| functions | architecture | number | registers: median | most | bytes spilled | bytes of shared memory |
| --- | --- | --- | --- | --- | --- | --- |
"""


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
    """`loop nests`, or the name of a function by hand."""
    kind = re.sub(r"^g\d+_", "", name)
    return "loop nests" if kind.startswith("kernel_") else f"`{kind.removesuffix('_guarded')}`"


if __name__ == "__main__":
    PAGE.write_text(page(figures(everywhere=True)))
