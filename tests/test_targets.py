"""The suite with another default target: that it runs there, says what it leaves out, and can fail."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lucid.codegen.cuda import device
from lucid.errors import CompileError
from tests.codegen.simulated import need_compiler

ROOT = Path(__file__).parents[1]
OUTCOME = re.compile(r"(\d+) (passed|failed|skipped|error)")


def suite(*arguments: str | Path) -> tuple[Counter[str], str]:
    """How many tests of a run of pytest passed, failed and were skipped, and what it said."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    run = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode >= 0, f"signal {-run.returncode} ended {command}, which said:\n{run.stdout}{run.stderr}"
    counts = {outcome: int(count) for count, outcome in OUTCOME.findall(run.stdout.rpartition("\n=")[2])}
    return Counter(counts), run.stdout + run.stderr


ELSEWHERE = ("-p", "tests.conftest")  # for tests in other folders
TESTS = """
import numpy as np
import pytest
import lucid
from lucid.cli.main import main
from lucid.errors import CheckError

X = np.ones((2, 3), np.float32)

@lucid.compile
def double(x):
    return x * 2.0

def test_results_are_on_the_gpu_until_eager_code_reads_them():
    y = double(X)
    assert y.device == "cuda"
    assert (y + 1.0).tolist() == [[3.0] * 3] * 2
    assert y.device == "cpu"

def test_checks_fail_at_once():
    take = lucid.compile(lambda x, i: x[i])
    with pytest.raises(CheckError):
        take(X, np.array([2]))
    assert take(X, np.array([1])).tolist() == [[1.0] * 3]

def test_a_state_is_both_there_and_here():
    total = lucid.zeros(())
    def add(x):
        with lucid.no_grad():
            total.copy_(total + x.sum())
    for function in (lucid.compile(add), add, lucid.compile(add, target="cpu"), lucid.compile(add)):
        function(lucid.Tensor(X))
    assert total.item() == 24.0

def test_a_later_backward():
    x = lucid.ones(3, requires_grad=True)
    lucid.compile(lambda x: x * x)(x).backward()

@pytest.fixture
def squares():
    return lucid.compile(lambda x: x * x)(lucid.ones(3, requires_grad=True))

def test_a_later_backward_of_what_a_fixture_computes(squares):
    squares.backward()

def test_a_command_prints_what_the_target_cannot_do(tmp_path, capsys):
    (tmp_path / "train.py").write_text("def double(x): return x * 2.0")
    code = main(["show", str(tmp_path / "train.py:double"), "--input", "x=3xf32", "--as", "asm"])
    assert code == 0, capsys.readouterr().err

def test_lines_are_those_of_the_test():
    assert "test_some.py:" in lucid.compile(lucid.nn.ReLU()).lower(X).ir()
    with pytest.raises(lucid.errors.ShapeError, match="test_some.py:"):
        lucid.compile(lucid.nn.Linear(2, 1).requires_grad_(False)).lower(X)

def test_what_is_wrong():
    assert double(X).tolist() == X.tolist()
"""


def test_tests_run_on_the_target_and_fail_where_it_is_wrong(tmp_path: Path) -> None:
    need_compiler()
    (path := tmp_path / "test_some.py").write_text(TESTS)
    counts, said = suite(*ELSEWHERE, "--target", "cuda-imitated", path)
    assert counts == {"passed": 4, "skipped": 3, "failed": 1}, said
    assert "[2] tests/targets.py" in said
    assert "target 'cuda' cannot do it: a later backward" in said
    assert "target 'cuda' cannot do it: LLVM IR and assembly" in said
    assert "___ test_what_is_wrong ___" in said
    assert re.search(r"7 tests compiled \d programs for target 'cuda'", said), said


def test_without_a_gpu_it_says_what_is_missing(tmp_path: Path) -> None:
    try:
        device.gpu()
        pytest.skip("there is a GPU")
    except CompileError as error:
        missing = error.sentence
    counts, said = suite(*ELSEWHERE, "--target", "cuda", tmp_path)
    assert not counts
    assert missing in said


SAMPLED = ("compile", "debug", "nn", "optim", "table/test_derivatives.py", "test_autograd.py", "test_loops.py")


@pytest.mark.slow
def test_a_sample_of_the_suite_passes_on_the_imitation() -> None:
    """What runs is chosen by the names of tests, and the same each time."""
    need_compiler()
    folders = [f"tests/{name}" for name in SAMPLED]
    counts, said = suite("--target", "cuda-imitated", "--sample", "40", "-m", "not slow", *folders)
    assert counts["failed"] + counts["error"] == 0, said
    found = re.search(r"(\d+) tests compiled \d+ programs for target 'cuda'", said)
    assert found is not None, said
    assert int(found[1]) >= 15, said
