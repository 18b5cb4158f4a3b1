"""The wheel installs into a bare environment and works there."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
DEPENDENCIES = ["llvmlite", "networkx", "numpy"]

PROGRAM = """
import lucid
import lucid.nn as nn
from lucid import Tensor


def outcome(function):
    lucid.seed(7)
    x = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    y = function(x)
    y.backward()
    return y.numpy().tolist(), x.grad.numpy().tolist()


dropout = nn.Dropout(p=0.5)
output, gradient = outcome(dropout)
assert set(gradient[0]) <= {0.0, 2.0}
assert output == [[x * g for x, g in zip([1.0, 2.0, 3.0, 4.0], gradient[0])]]
assert outcome(lucid.compile(dropout)) == (output, gradient)
assert lucid.compile(dropout).lower(Tensor([1.0])).explore("page.html").exists()
print(lucid.__file__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; a failing command fails the test with all that it printed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def link(package: str, site: Path) -> None:
    """Have another environment find a package of this one, so that pip need ask no index for it."""
    found = importlib.metadata.distribution(package)
    for top in {file.parts[0] for file in found.files or ()} - {".."}:
        (site / top).symlink_to(str(found.locate_file(top)))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that the checkout stays clean and nothing stale gets in."""
    copy = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "lucid", copy / "lucid", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", copy / "dist", ".", cwd=copy)
    (built,) = (copy / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


@pytest.mark.slow
def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    kinds = ("*.py", "py.typed", "simulator/host.h", "explorer/*.html", "explorer/*.css", "explorer/*.js")
    assert packed == {path.relative_to(ROOT).as_posix() for kind in kinds for path in (ROOT / "lucid").rglob(kind)}


@pytest.mark.slow
def test_it_depends_on_three_packages(metadata: Message) -> None:
    core = [requirement for requirement in metadata.get_all("Requires-Dist", []) if "extra ==" not in requirement]
    assert sorted(requirement.partition(">")[0] for requirement in core) == DEPENDENCIES
    assert metadata["Name"] == "lucid-compiler"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_payload().strip(), "the readme is the long description"


@pytest.mark.slow
def test_a_bare_environment_runs_eager_and_compiled(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    (site,) = (tmp_path / "bare" / "lib").glob("python*/site-packages")
    for package in DEPENDENCIES:
        link(package, site)
    run(*PIP, "--python", python, "install", "--no-index", wheel, cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    where = run(python, "-I", "program.py", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(tmp_path / "bare"), "the program ran the checkout, not the wheel"
    info = run(tmp_path / "bare" / "bin" / "lucid", "info", "--json", cwd=tmp_path)
    assert json.loads(info)["versions"]["python"].startswith("CPython ")
