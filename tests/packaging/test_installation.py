"""A foreign distribution that installs a package called `lucid` is noticed, and only such a one."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lucid
from lucid._installation import check_installation
from lucid.errors import InstallationError


def install(site: Path, distribution: str, version: str, *files: str) -> None:
    """Write what pip leaves behind for a distribution: the record of its files."""
    folder = site / f"{distribution}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text("".join(f"{file},sha256=0,1\n" for file in files))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder that holds lucid-compiler."""
    (tmp_path / "lucid").mkdir()
    install(tmp_path, "lucid_compiler", "0.1.0", "lucid/__init__.py", "lucid/errors.py")
    return tmp_path


def test_our_own_files_are_in_order(site: Path) -> None:
    check_installation(str(site / "lucid"))


def test_the_running_installation_is_in_order() -> None:
    check_installation()


@pytest.mark.parametrize(("distribution", "version"), [("lucid", "0.3.10"), ("lucid_vision", "1.2")])
def test_a_distribution_that_shares_the_folder_is_named(site: Path, distribution: str, version: str) -> None:
    install(site, distribution, version, "lucid/__init__.py", "lucid/optvis/render.py")
    with pytest.raises(InstallationError) as caught:
        check_installation(str(site / "lucid"))
    assert caught.value.sentence == (
        f"the package `lucid` in {site} mixes the files of lucid-compiler with those of another distribution, "
        f"{distribution} {version}."
    )
    assert caught.value.hint == f"pip uninstall {distribution} lucid-compiler, then pip install lucid-compiler"


def test_a_like_name_with_files_elsewhere_is_let_be(site: Path) -> None:
    install(site, "lucidity", "2.0", "lucidity/__init__.py", "../../bin/lucid/run")
    check_installation(str(site / "lucid"))


def test_a_record_that_is_gone_is_let_be(site: Path) -> None:
    (site / "lucid-0.3.10.dist-info").mkdir()
    check_installation(str(site / "lucid"))


def test_import_runs_the_check(tmp_path: Path) -> None:
    """`import lucid`, with a foreign distribution beside it, fails on the user's own line."""
    (tmp_path / "lucid").symlink_to(Path(lucid.__file__).parent)
    install(tmp_path, "lucid", "0.3.10", "lucid/__init__.py")
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""\
            try:
                import lucid
            except ImportError as error:
                print(error)
            """)
    )
    run = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert "mixes the files of lucid-compiler with those of another distribution, lucid 0.3.10." in run.stdout
    assert "program.py:2: import lucid" in run.stdout
