"""Each row of "What it cannot do" in docs/gpu.md raises when the page says, and the suite knows it by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda.module import write_module
from lucid.errors import LucidError
from lucid.ir.text import parse
from tests.codegen.fake_cupy import Calls
from tests.targets import REFUSALS, refusal

X = np.ones((3, 4), np.float32)
COMPILED, CALLED = "when it is compiled", "at the call"

Call = Callable[[], Any]


def double(x: Any) -> Any:
    return x * 2.0


def write_to_captured(array: Any = X) -> None:
    lucid.as_tensor(array)[0] = 7.0


def write_to_argument(x: Any) -> None:
    with lucid.no_grad():
        x.copy_(x * 2.0)


def lowered(function: Any, *arguments: Any, **options: Any) -> Any:
    return lucid.compile(function, target="cuda", **options).lower(*arguments)


def compiled(text: str) -> Call:
    module = write_module(parse(text))
    return lambda: module


def trap() -> Any:
    with lucid.debug.trap_nan():
        return lucid.compile(double, target="cuda")(X)


def view() -> Call:
    base = lucid.Tensor(X)
    row = base[0]
    lucid.compile(lambda: base * 2.0, target="cuda")()  # which moves it
    return row.tolist


def write() -> Call:
    x, step = lucid.Tensor(X), lucid.compile(write_to_argument, target="cuda")
    step.lower(x)
    return lambda: step(x)


# What raises, by the words that a row of the page begins with: its making where it is when something is compiled, what
# that makes where it is at the call; and how the error begins.
ROWS: dict[str, tuple[str, Callable[[], Call], str]] = {
    "eager operations on tensors on the GPU": (
        CALLED,
        lambda: lambda: lucid.Tensor(X).to("cuda") + 1.0,
        "eager operations run on the CPU",
    ),
    "a later backward": (
        COMPILED,
        lambda: lowered(double, lucid.ones(3, requires_grad=True)),
        "target 'cuda' compiles steps whose backward is inside",
    ),
    "traps of a function": (
        COMPILED,
        lambda: lowered(double, X, trap="nan"),
        "numbers that are not finite are trapped on the CPU only",
    ),
    "traps around a call": (CALLED, lambda: trap, "numbers that are not finite are trapped on the CPU only"),
    "kernel rules of your own": (
        COMPILED,
        lambda: lowered(double, X, kernel_rules=[lambda node: None]),
        "kernel rules are for the target 'cpu', got target 'cuda'",
    ),
    "updates in place of NumPy arrays that a function captures": (
        COMPILED,
        lambda: lowered(write_to_captured),
        "target 'cuda' cannot update a NumPy array that the function captures",
    ),
    "updates in place of arguments": (
        CALLED,
        write,
        "an argument that a compiled function updates in place is not a contiguous tensor on the GPU",
    ),
    "a view of what has moved": (CALLED, view, "a view of a tensor was used that has since been moved to 'cuda'"),
    "LLVM IR and assembly": (CALLED, lambda: lowered(double, X).llvm_ir, "a program for CUDA has no LLVM IR"),
    "times of kernels": (
        CALLED,
        lambda: lambda: lowered(double, X).explain(profile=True),
        "kernels can be timed on the CPU target only",
    ),
    "reductions in more than 32 lanes": (
        COMPILED,
        lambda: compiled("graph(%x: f32[3, 100]) { %s = sum %x, axes=(1,), lanes=64; return %s }"),
        "a CUDA kernel reduces in one number of lanes, at most 32; got 64",
    ),
    "matrix products of more than 2^30 rows": (
        COMPILED,
        lambda: compiled("graph(%x: f32[1073741825, 1], %y: f32[1, 1]) { %z = matmul %x, %y, chunk=1; return %z }"),
        "a matrix product on CUDA has at most 2^30 rows, columns, terms of a sum and matrices",
    ),
    "several GPUs": (CALLED, lambda: lambda: lucid.Tensor(X).to("cuda:1"), "a device is 'cpu' or 'cuda'"),
}


@pytest.mark.parametrize("row", ROWS)
def test_it_raises_when_the_page_says(row: str, calls: Calls) -> None:
    when, make, sentence = ROWS[row]
    raising = make if when == COMPILED else make()
    with pytest.raises(LucidError) as raised:
        raising()
    assert raised.value.sentence.startswith(sentence)
    assert refusal(raised.value) == next((what for what in REFUSALS if row.startswith(what)), None)


def test_the_page_has_these_rows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gpu.md").read_text()
    table = page.split("## What it cannot do")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    found = [(what[: len(row)], when) for (what, when, _), row in zip(lines, ROWS, strict=True)]
    assert found == [(row, when) for row, (when, _, _) in ROWS.items()]


def test_what_the_suite_leaves_out_is_among_them() -> None:
    assert [what for what in REFUSALS if not any(row.startswith(what) for row in ROWS)] == []
