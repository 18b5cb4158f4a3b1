"""The script for machines with a GPU, as far as it goes without one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from lucid.codegen.cuda import target
from lucid.codegen.cuda.module import write_module
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from tests.codegen.fake_cupy import installed, make
from tests.codegen.simulated import need_compiler

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_without_a_gpu_it_says_what_is_missing() -> None:
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        pytest.skip("there is a GPU")
    assert "target 'cuda'" in run.stderr
    assert "hint:" in run.stderr


SMALL = {
    "map": "graph(%x: f32[50]) { %y = exp %x; return %y }",
    "matmul": "graph(%x: f32[4, 6], %y: f32[6, 5]) { %z = matmul %x, %y; return %z }",
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

    with installed() as calls, mock.patch.object(script, "GRAPHS", SMALL):
        rows = list(script.table(target.gpu(), time, bandwidth=1.0, peak=1.0))
    functions = [["| map", "kernel_0"], ["| matmul", "product_f32_nn"], ["| sort", "argsort_0"]]
    assert [row.split(" | ")[:2] for row in rows[2:]] == functions
    assert "0 | 40% |" in rows[2]
    assert "24% |" in rows[3]
    assert len(calls.launches) == 6


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
    assert lines[1] == "an imitation: a copy reaches 0 GB/s; the peak is 256 GFLOP/s"
    assert lines[-1].startswith("| sort | argsort_0 | 0.500 | ")


def test_its_graphs_have_kernels_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu as script

    kinds = {
        re.sub(r"_\d+$", "", name)
        for text in script.GRAPHS.values()
        for name in write_module(run_pipeline(parse(text)).final).functions
    }
    expected = {"kernel", "rows", "product_f32_nn", "product_f32_nt", "product_f32_nt_epilogue", "product_f32_nt_fused"}
    assert kinds == expected | {"dots_f32_nt", "gathered", "scatter_add", "argsort", "merge"}
