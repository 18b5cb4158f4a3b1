"""The disk cache: a hit runs no pass, changes no bit and can be read like any program."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cpu import library
from lucid.codegen.cpu.assembler import assemble_once
from lucid.codegen.cpu.machine import LEVEL, QUICK, Machine, machine
from lucid.errors import CheckError
from tests.codegen.disk_cache.conftest import Compilations
from tests.codegen.disk_cache.double import X
from tests.training import classifying_step


def training() -> tuple[bytes, Any]:
    """The bits of three training steps from one seed, and the function that was compiled for them."""
    lucid.seed(7)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    step = lucid.compile(classifying_step(model, optimizer))

    losses = [step(X, np.array([0, 1, 2])) for _ in range(3)]
    return b"".join(t.numpy().tobytes() for t in (*losses, *model.parameters())), step


def forward_and_backward() -> tuple[bytes, Any]:
    """The bits of a compiled forward and of the gradients of its compiled backward, and the compiled module."""
    lucid.seed(7)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    fast = lucid.compile(model)
    x = lucid.Tensor(X, requires_grad=True)
    result = fast(x)
    (result * result).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    return b"".join(t.numpy().tobytes() for t in (result, x.grad, *gradients)), fast


@pytest.mark.parametrize("run", [training, forward_and_backward])
def test_a_hit_runs_no_pass_and_changes_no_bit(
    run: Callable[[], tuple[bytes, Any]], counts: Compilations, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = run()
    assert counts.passes > 0
    assert counts.assembled > 0
    counts.passes = counts.assembled = 0
    again, _ = run()
    assert (counts.passes, counts.assembled) == (0, 0)
    assert again == first
    monkeypatch.setenv("LUCID_CACHE", "0")
    without, _ = run()
    assert counts.passes > 0
    assert without == first


@pytest.mark.parametrize("run", [training, forward_and_backward])
def test_a_hit_can_be_read_like_any_program(run: Callable[[], tuple[bytes, Any]], counts: Compilations) -> None:
    (_, made), (_, loaded) = run(), run()
    (one,), (other,) = made.programs, loaded.programs
    counts.passes = counts.assembled = 0
    assert other.ir("traced") == one.ir("traced")
    assert repr(other) == repr(one)
    assert counts.passes == 0, "the traced graph is at hand"
    parts = [(one, other)] if one.backward is None else [(one, other), (one.backward, other.backward)]
    for expected, got in parts:
        assert got.stages == expected.stages
        assert [got.ir(stage) for stage in got.stages] == [expected.ir(stage) for stage in expected.stages]
        assert got.milliseconds.keys() == expected.milliseconds.keys()
        assert got.llvm_ir() == expected.llvm_ir()
        assert got.assembly() == expected.assembly()
        assert str(got._compiled.executable.graph) == str(expected._compiled.executable.graph)
    runs = 1 if one.backward is None else 3  # joint, forward, backward
    assert (counts.passes, counts.assembled) == (runs, 0), "the passes run once"


def test_a_dump_of_the_stages_runs_the_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    training()
    monkeypatch.setenv("LUCID_DUMP", str(tmp_path / "dump"))
    training()
    assert {path.name for path in (tmp_path / "dump").rglob("*.ir")} >= {"00-traced.ir", "05-fused.ir"}


def test_checks_of_a_hit_raise_the_same_error(counts: Compilations) -> None:
    messages = []
    for _ in range(2):
        step = lucid.compile(lambda x, y: F.cross_entropy(x, y))
        for labels in ([0, 1, 3], [0, -1, 2]):
            with pytest.raises(CheckError) as caught:
                step(X[:, :3], np.array(labels))
            messages.append(str(caught.value))
    assert (counts.passes, counts.assembled) == (2, 1), "the passes run once more, for the line of the first failure"
    assert messages[:2] == messages[2:]
    assert "3" in messages[0]
    assert "-1" in messages[1]


PROGRAM = """
import sys
import numpy as np
import lucid, lucid.nn as nn, lucid.nn.functional as F
from lucid.codegen.cpu import machine

if sys.argv[1] == "warm":
    def refuse(*_):
        raise AssertionError("compiled in a warm process")
    machine.Parsed.object_code = refuse

lucid.seed(3)
lucid.set_num_threads(2)
model = nn.Sequential(nn.Linear(300, 300), nn.GELU(), nn.Linear(300, 2))
fast = lucid.compile(model)
x = np.linspace(-1, 1, 300 * 300, dtype=np.float32).reshape(300, 300)
y = fast(x)
y.sum().backward()
add = lucid.compile(lambda x: x.exp().sum())
print(y.numpy().tobytes().hex()[:4000], model[0].weight.grad.numpy().tobytes().hex()[:4000])
print(add.repeat(x).numpy().tobytes().hex())
if sys.argv[1] == "warm":
    assert "lucid.codegen.cpu.module" not in sys.modules, "nor imported what writes LLVM IR"
"""


def run_process(argument: str, program: str = PROGRAM) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, argument]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out


def test_a_warm_process_compiles_nothing_at_all() -> None:
    cold = finished(run_process("cold"))
    assert finished(run_process("warm")) == cold


def test_many_processes_fill_one_cache(folder: Path) -> None:
    processes = [run_process("cold") for _ in range(4)]
    assert len({finished(process) for process in processes}) == 1
    assert {path.suffix for path in folder.iterdir()} == {".lucid"}
    assert finished(run_process("warm"))


WRITER = """
import sys
from lucid.codegen import cache
from lucid.codegen.cpu import library

number = int(sys.argv[1])
for turn in range(150):
    cache.store("0" * 64, cache.Entry(number, (bytes([number]) * (1 << 12 + number),)))
    found = cache.fetch("0" * 64)
    assert found is not None
    assert found.blobs == (bytes([found.data]) * (1 << 12 + found.data),)
"""


def test_readers_see_whole_entries_while_others_write() -> None:
    for process in [run_process(str(number), WRITER) for number in range(4)]:
        finished(process)


def test_functions_that_share_code_are_compiled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[tuple[str, int]] = []

    def noted(machine: Machine, source: str, text: Callable[[], str], level: int) -> bytes:
        sources.append((source, level))
        return assemble_once(machine, source, text, level)

    monkeypatch.setattr(library, "assemble_once", noted)
    monkeypatch.setattr(library, "_of_dtype", functools.cache(library._of_dtype.__wrapped__))
    names = "channels_convolve_f32", "weigh_f32", "matmul_f32", "channels_convolve_f32"
    addresses = [library.shared_function(machine(), name) for name in names]
    assert sources == [("weigh_f32 channels_convolve_f32", LEVEL), ("matmul_f32", LEVEL), ("matmul_f32", QUICK)]
    assert len(set(addresses)) == 3
