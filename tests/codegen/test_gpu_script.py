"""The script for machines with a GPU, as far as it goes without one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda import functions, module, target
from lucid.codegen.cuda.module import write_module
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from lucid.ir.types import float32, float64
from tests.codegen.fake_cupy import installed, make
from tests.codegen.simulated import need_compiler

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
AROUND = ("", "_epilogue", "_fused")


def test_without_a_gpu_it_says_what_is_missing() -> None:
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        pytest.skip("there is a GPU")
    assert "target 'cuda'" in run.stderr
    assert "hint:" in run.stderr


SMALL = {
    "map": "graph(%x: f32[50]) { %y = exp %x; return %y }",
    "matmul": "graph(%x: f32[4, 6], %y: f32[6, 5]) { %z = matmul %x, %y; return %z }",
    "matmul f64": "graph(%x: f64[4, 6], %y: f64[6, 5]) { %z = matmul %x, %y; return %z }",
    "loop": """graph(%h: f32[2, 3], %x: f32[4, 2, 3], %w: f32[3, 3]) {
  %last, %ys = scan %h, %x, %w, length=4, carries=1, sequences=1 (%h: f32[2, 3], %x: f32[2, 3], %w: f32[3, 3]) {
    %p = matmul %h, %w; %n = add %p, %x; return %n, %p
  }
  return %last, %ys }""",
    "check": """graph(%i: i64[50]) {
  %n: i64[50] = const value=50000; %ok = less %i, %n; %p: i64[] = first_false %ok, axes=(0,)
  check %p, %i, message="index {value}"; return %p }""",
    "gather": "graph(%x: f32[50000, 3], %i: i64[5, 1]) { %y = gather %x, %i, axis=0; return %y }",
    "sort": "graph(%x: f32[2, 40]) { %i: i64[2, 40] = argsort %x; return %i }",
}


def test_it_has_a_row_for_each_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu as script

    assert script.operations(run_pipeline(parse(SMALL["matmul"])).final) == 2 * 4 * 6 * 5

    def time(run: Callable[[], None]) -> float:
        run()
        return 0.001

    with installed() as calls, mock.patch.multiple(script, GRAPHS=SMALL, LOOKED_UP={"gather": {0: 60}}):
        found = list(script.table(target.gpu(), time, bandwidth=1.0, peaks={float32: 1.0, float64: 0.5}))
        launched = len(calls.launches)
    rows = [row.strip("| ").split(" | ") for row in found[2:]]
    assert [row[:2] for row in rows] == [
        ["map", "kernel_0"],
        ["matmul", "product_f32_nn"],
        ["matmul f64", "product_f64_nn"],
        ["loop", "kernel_0"],
        ["loop", "product_f32_nn_epilogue_0, 4 times"],
        ["loop", "kernel_0, 4 times"],
        ["check", "kernel_0"],
        ["check", "check_i64"],
        ["gather", "kernel_0"],
        ["sort", "argsort_0"],
    ]
    assert rows[0][3:5] == ["0", "40%"], "400 bytes in a microsecond, of which a copy would do 1000"
    assert rows[1][5:] == ["0", "24%"], "240 operations"
    assert rows[2][5:] == ["0", "48%"], "of half the peak"
    assert rows[4][3:] == ["0", "13%", "0", "4%"], "elements of what the loop reads and stacks, and 36 operations"
    assert rows[5][3:] == ["0", "5%", "not counted"]
    assert rows[8][3:5] == ["0", "16%"], "five rows of the table, as many of the result, and their indices"
    assert launched == 16 + 10, "each graph once, with four steps of the loop, and each row"


def test_all_of_it_runs_on_the_imitation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The tests that it begins with aside, which are run on the imitation anyway: here they fail."""
    need_compiler()
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu as script

    monkeypatch.setitem(sys.modules, "cupy", make())
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    failing = SimpleNamespace(run=lambda *_, check, **__: SimpleNamespace(returncode=1 - check))
    monkeypatch.setattr(script, "subprocess", failing)
    with installed():
        monkeypatch.setattr(script, "gpu", target.gpu)
        monkeypatch.setattr(script, "GRAPHS", SMALL)
        monkeypatch.setattr(script, "COPIED", 4096)
        assert script.main() == 1, "the table is there even so"
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        "an imitation: a copy reaches 0 GB/s; the peaks are 256 GFLOP/s of float32 and 128 GFLOP/s of float64"
    )
    assert lines[-1].startswith("| sort | argsort_0 | 0.500 | ")


def test_its_graphs_have_kernels_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All classes of functions, all names that these have, and whatever the page has of all programs of the tests."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu as script

    classes, names, named = set(), set(), module._Writer.new_name

    def new_name(self: module._Writer, function: functions.Function, guarded: bool) -> str:
        name = named(self, function, guarded)
        classes.add(type(function))
        names.add(name.removesuffix("_guarded"))
        return name

    monkeypatch.setattr(module._Writer, "new_name", new_name)
    for text in script.GRAPHS.values():
        write_module(run_pipeline(parse(text)).final)
    assert classes == {
        kind for kind in vars(functions).values() if is_dataclass(kind) and kind.__module__ == functions.__name__
    }
    # The last digits of some are those of lanes and dtypes; all others are numbered in each module.
    kinds = {name if name.startswith(("dots_", "check_")) else re.sub(r"_\d+$", "", name) for name in names}
    dtypes, layouts = ("f32", "f64"), ("nn", "nt", "tn", "tt")
    expected = {
        *("kernel", "rows", "scatter_add", "argsort", "merge", "check_i64", "check_bool"),
        *(f"product_{dtype}_{layout}{around}" for dtype in dtypes for layout in layouts for around in AROUND),
        *(f"dots_{dtype}_{layout}_{lanes}" for dtype in dtypes for layout in layouts for lanes in (16, 32)),
        *(f"gathered{around}" for around in AROUND),
    }
    assert kinds == expected
    page = (SCRIPT.parents[1] / "docs" / "gpu-kernels.md").read_text()
    of_tests = set(re.findall(r"^\| `(\w+)` \| sm_80 ", page, re.MULTILINE))
    assert len(of_tests) > 20
    # Few GPUs hold the operands of wide products, and a check is one thread whatever it reads.
    assert {name for name in of_tests if not name.endswith("_wide") and not name.startswith("check_")} <= expected


STEP = "linear-4-2"


def test_steps_are_timed_where_frameworks_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the CPU, with the frameworks that need no GPU: what the script adds to them is the same."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu_steps as script
    from frameworks import Framework, Process
    from workloads import WORKLOADS

    monkeypatch.setattr(script, "SECONDS", 0.01)
    workload = WORKLOADS[STEP]
    np.savez(tmp_path / f"{STEP}.npz", allow_pickle=False, **workload.arrays())
    chosen = [Framework("lucid", "lucid"), Framework("numpy", "numpy")]
    with (
        closing(Process(chosen[0], 1, tmp_path, tmp_path)) as one,
        closing(Process(chosen[1], 1, tmp_path, tmp_path)) as two,
    ):
        header, _, row = script.table([workload], [one, two])
        assert header == "| step | lucid | numpy |"
        assert re.fullmatch(rf"\| {STEP} \| \S+ [num]?s(\*\*)? \| \S+ [num]?s(\*\*)? \|", row), row
        with monkeypatch.context() as patch:
            patch.setattr(script, "medians", lambda *_: {"lucid": 2e-6, "numpy": 3e-6})
            *_, row = script.table([workload], [one, two])
        assert row == f"| {STEP} | **2 us** | 3 us |"
        other = {name: array + array.dtype.type(1) for name, array in workload.arrays().items()}
        np.savez(tmp_path / f"{STEP}.npz", allow_pickle=False, **other)
        assert two.ask("start", name=STEP)["losses"]  # with other data than the one before
        monkeypatch.setattr(one, "ask", lambda action, **_: {"losses": [0.0] * 5})
        with pytest.raises(script.DisagreementError, match=f"{STEP}: the losses without Dropout differ"):
            script.medians(workload, [one, two])


@pytest.mark.parametrize("graphs", ["0", "1"])
def test_steps_of_the_benchmark_train_on_the_gpu_as_on_the_cpu(graphs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", graphs)
    import run_lucid
    from workloads import WORKLOADS, Dropout

    small = Dropout(STEP, 100, 0.5)
    for workload in (WORKLOADS[STEP], replace(WORKLOADS[f"{STEP}-repeat"], updates=3), small):
        found = []
        for device in ("cpu", "cuda"):
            monkeypatch.setattr(run_lucid, "DEVICE", device)
            lucid.seed(3)
            with installed():
                step = run_lucid.build(workload, workload.arrays())
                step.run(2)
                found.append([step.check() for _ in range(3)])
        assert found[0] == found[1]
        assert len(set(found[0])) == 3
