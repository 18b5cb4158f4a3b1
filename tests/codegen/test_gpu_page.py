"""docs/gpu-kernels.md has room for what NVRTC says of some functions that it is about, a few of each kind."""

from __future__ import annotations

import re
import tomllib

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.nvrtc import Figures
from tests.codegen.cuda_graphs import GOLDEN, fused
from tests.codegen.cuda_programs import programs, recorded
from tests.codegen.nvrtc import compile_with_nvrtc
from tests.make_gpu_table import PAGE, page

SOME = ("Linear", "Conv2d", "Embedding")  # of the programs
VERSION = re.compile(r"NVRTC [\d.]+")
AGAIN = "run: python -m tests.make_gpu_table"


def figures_of_some(architecture: str) -> dict[str, Figures]:
    """What NVRTC says of the functions of a few programs and graphs."""
    graphs = [fused(text) for text in GOLDEN.values()]
    graphs += dict.fromkeys(run.graph for name in SOME for run in recorded(programs()[name]))
    texts = [write_module(graph, f"g{number}_").text for number, graph in enumerate(graphs)]
    return dict(compile_with_nvrtc("\n".join(texts), architecture).figures)


def head_and_rows(text: str) -> tuple[str, dict[tuple[str, str], list[int]]]:
    """What stands over the first table of a page, and its rows by functions and architecture."""
    head, _, rest = text.partition("| --- ")
    rows = [line.strip("| ").split(" | ") for line in rest.partition("\n\n")[0].splitlines()[1:]]
    return head, {(kind, architecture): [int(number) for number in numbers] for kind, architecture, *numbers in rows}


def test_the_page_is_of_the_release_that_is_pinned() -> None:
    extras = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (pinned,) = re.findall(r"nvrtc-cu12==(\d+\.\d+)", extras["cuda-check"][0])
    assert set(VERSION.findall(PAGE.read_text())) == {f"NVRTC {pinned}"}, AGAIN


def test_the_page_has_room_for_the_functions_of_some_programs() -> None:
    found = {architecture: figures_of_some(architecture) for architecture in ("sm_70", "sm_80", "sm_90")}
    head, rows = head_and_rows(PAGE.read_text())
    head_now, rows_now = head_and_rows(page(found))
    if VERSION.findall(head) != VERSION.findall(head_now):
        pytest.skip("this NVRTC is not the one that is pinned")
    kinds = {kind for kind, _ in rows_now}
    assert len(kinds) == 8, kinds
    for key, (_, _, *taken) in rows_now.items():  # the most registers, bytes spilled, bytes of shared memory
        assert key in rows, AGAIN
        number, _, *most = rows[key]
        assert taken == most if number == 1 else all(a <= b for a, b in zip(taken, most, strict=True)), (key, AGAIN)
