"""`make` explains itself, and says what is wrong with an interpreter before it installs anything."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # `make test` leaves its own flags in the environment, where this make would take them for its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment |= variables
    return subprocess.run(["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def command(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)


def interpreter(folder: Path, version: tuple[int, int, int]) -> Path:
    """A command that answers like a Python of some version."""
    path, dotted = folder / "python", ".".join(map(str, version))
    command(
        path,
        f'if [ "$1" = --version ]; then echo "Python {dotted}"; exit; fi',
        f'exec "{sys.executable}" -c "import sys; sys.version_info = {version}; exec(sys.argv[1])" "$2"',
    )
    return path


def test_help_is_the_default_and_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    shown = make()
    assert shown.stdout == make("help").stdout
    assert sorted(line.split()[1] for line in shown.stdout.splitlines()) == sorted(phony[1].split())


def test_an_old_interpreter_is_refused(tmp_path: Path) -> None:
    python = interpreter(tmp_path, (3, 10, 9))
    run = make("test", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert run.returncode != 0
    assert f"Lucid needs Python 3.11 or newer; `{python} --version` says: Python 3.10.9" in run.stderr
    assert "hint: name a newer one, for instance: make test PYTHON=python3.12" in run.stderr
    assert not (tmp_path / "venv").exists()


def test_an_interpreter_that_is_missing_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "nothing"
    run = make("demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert run.returncode != 0
    assert f"Lucid needs Python 3.11 or newer; `{python} --version` says:" in run.stderr


@pytest.mark.parametrize("target", ["test", "test-all"])
@pytest.mark.parametrize(
    ("driver", "on_gpu"),
    [
        ("echo 'GPU 0: An imitation (UUID: GPU-0)'", True),
        ("echo 'No devices were found'; exit 6", False),
        ("echo 'NVIDIA-SMI has failed because it could not talk to the NVIDIA driver.'; exit 9", False),
        ("exec no-such-command", False),
    ],
)
def test_where_there_is_a_gpu_the_suite_runs_on_it_too(target: str, driver: str, on_gpu: bool, tmp_path: Path) -> None:
    command(tmp_path / "bin" / "nvidia-smi", driver)
    command(venv_python := tmp_path / "venv" / "bin" / "python", 'echo "$@" >> "$0.log"')
    (tmp_path / "venv" / "created").touch()
    run = make(target, f"VENV={tmp_path / 'venv'}", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert run.returncode == 0, run.stderr
    installed, tests = [], []
    for line in (venv_python.parent / "python.log").read_text().splitlines():
        installed += re.findall(r"--editable \.\[([\w-]+)\]", line)
        tests += re.findall(r"^-m pytest.*", line)
    assert tests == ["-m pytest", "-m pytest --target cuda"][: 1 + on_gpu]
    assert installed == ["dev", *["torch-parity"] * (target == "test-all"), *["cuda"] * on_gpu]


@pytest.mark.parametrize(
    ("capabilities", "is_newer"),
    [("7.0", False), ("9.0", False), ("Field not known", False), ("10.0", True), ("8.6\n12.0", True)],
)
def test_for_a_gpu_that_the_pinned_nvrtc_does_not_know_the_latest_is_installed(
    capabilities: str, is_newer: bool, tmp_path: Path
) -> None:
    answer = f'[ "$1" = --list-gpus ] && echo "GPU 0: An imitation (UUID: GPU-0)" || printf "{capabilities}\n"'
    command(tmp_path / "bin" / "nvidia-smi", answer)
    command(venv_python := tmp_path / "venv" / "bin" / "python", 'echo "$@" >> "$0.log"')
    (tmp_path / "venv" / "created").touch()
    run = make("test", f"VENV={tmp_path / 'venv'}", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert run.returncode == 0, run.stderr
    lines = (venv_python.parent / "python.log").read_text().splitlines()
    (extra,) = [number for number, line in enumerate(lines) if line.endswith("--editable .[cuda]")]
    upgrades = [
        line for line in lines[extra + 1 : lines.index("-m pytest")] if "--upgrade nvidia-cuda-nvrtc-cu12" in line
    ]
    assert len(upgrades) == is_newer
    assert not any("--constraint" in line for line in upgrades)


def test_a_failure_on_the_gpu_is_a_failure(tmp_path: Path) -> None:
    command(tmp_path / "bin" / "nvidia-smi", "echo 'GPU 0: An imitation (UUID: GPU-0)'")
    command(tmp_path / "venv" / "bin" / "python", 'case "$*" in *"--target cuda") exit 1;; esac')
    (tmp_path / "venv" / "created").touch()
    run = make("test", f"VENV={tmp_path / 'venv'}", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert run.returncode != 0
    assert "pytest --target cuda" in run.stdout


@pytest.mark.parametrize(
    ("options", "peers"),
    [
        ("--quick", ["jax", "torch"]),
        ("--frameworks lucid,numpy --quick", []),
        ("--frameworks=lucid,torch.compile", ["torch"]),
        ("--rows mlp --frameworks numpy,jax", ["jax"]),
        ("--load earlier.json", []),
    ],
)
def test_the_benchmark_installs_the_peers_that_it_is_told_to_measure(
    options: str, peers: list[str], tmp_path: Path
) -> None:
    command(venv_python := tmp_path / "venv-bench" / "bin" / "python", 'echo "$@" >> "$0.log"')
    (tmp_path / "venv-bench" / "created").touch()
    run = make("bench", f"VENV={tmp_path / 'venv'}", f"BENCH={options}")
    assert run.returncode == 0, run.stderr
    *installations, measured = (venv_python.parent / "python.log").read_text().splitlines()
    installed = [line.rpartition(" ")[2] for line in installations]
    assert installed == [".[bench]", *(f".[bench-{peer}]" for peer in peers)]
    assert measured == f"benchmarks/compare.py {options}"


def test_the_check_names_the_python_that_the_package_requires() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    major, minor = required.removeprefix(">=").split(".")
    assert f"sys.version_info < ({major}, {minor})" in (ROOT / "Makefile").read_text()


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(x for extra in project["optional-dependencies"].values() for x in extra)]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in wanted} - {"lucid-compiler"}
    lines = (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line and not line.startswith("#")}
    assert names <= pinned
