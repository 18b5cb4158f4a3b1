"""Where the disk cache is, and what is refused: a warning once, and then no cache."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lucid.codegen import cache
from lucid.errors import CacheWarning
from tests.codegen.disk_cache.conftest import Compilations
from tests.codegen.disk_cache.double import compile_double

# What is refused: a warning once, and then no cache.


def expect_refused(match: str, counts: Compilations) -> None:
    with pytest.warns(CacheWarning, match=match) as caught:
        compile_double()
    assert len(caught) == 1
    compile_double()  # warns no more; nor does it load what was refused
    assert counts.assembled == 2


def test_a_link_is_refused(folder: Path, counts: Compilations) -> None:
    real = folder.with_name("real")
    real.mkdir(mode=0o700)
    folder.symlink_to(real)
    expect_refused("is a link", counts)
    assert list(real.iterdir()) == []


def test_a_file_in_place_of_the_directory_is_refused(folder: Path, counts: Compilations) -> None:
    folder.write_text("")
    expect_refused("is a link, or not a directory", counts)


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_directory_that_others_can_write_is_refused(folder: Path, mode: int, counts: Compilations) -> None:
    folder.mkdir()
    folder.chmod(mode)
    expect_refused("can be written by others", counts)
    assert list(folder.iterdir()) == []


def test_a_link_to_nowhere_is_refused(folder: Path, counts: Compilations) -> None:
    folder.symlink_to(folder.with_name("nowhere"))
    expect_refused("is a link", counts)
    assert not folder.exists()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_closed_to_them(folder: Path, mode: int, counts: Compilations) -> None:
    folder.mkdir()
    for _ in range(2):  # when it is filled, then read
        folder.chmod(mode)
        compile_double()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert counts.assembled == 1


def test_a_directory_of_other_things_that_others_can_enter_is_refused(folder: Path, counts: Compilations) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "notes.txt").write_text("for all to read")
    expect_refused("is open to others and holds other files", counts)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def give_away(path: Path) -> None:
    try:
        os.chown(path, 12345, 12345)
    except OSError as error:  # root can, but not in every container
        pytest.skip(f"files can't be given away here: {error.strerror}")


def test_a_directory_of_somebody_else_is_refused(folder: Path, counts: Compilations) -> None:
    folder.mkdir(mode=0o700)
    give_away(folder)
    expect_refused("belongs to another user", counts)


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (make_link, "is a link"),
        (lambda path: path.chmod(0o620), "can be written by others"),
        (lambda path: path.chmod(0o602), "can be written by others"),
        (give_away, "belongs to another user"),
    ],
)
def test_a_file_that_others_may_have_written_is_refused(
    folder: Path, change: Callable[[Path], None], match: str, counts: Compilations
) -> None:
    compile_double()
    (path,) = folder.iterdir()
    change(path)
    with pytest.warns(CacheWarning, match=match):
        compile_double()
    assert counts.assembled == 2
    compile_double()
    assert counts.assembled == 2, "it was replaced by one of ours"


# No failure of the file system breaks a compilation.


@pytest.mark.parametrize("function", ["mkdir", "open", "fchmod", "replace", "utime", "scandir", "unlink", "write"])
def test_a_file_system_that_fails_is_no_error(
    function: str, folder: Path, monkeypatch: pytest.MonkeyPatch, counts: Compilations
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    class FullFile(io.FileIO):
        write = fail  # type: ignore[assignment]

    if function == "fchmod":
        folder.mkdir()
        folder.chmod(0o755)  # has it close the directory
    if function == "write":
        monkeypatch.setattr(cache, "open", FullFile, raising=False)
    else:
        monkeypatch.setattr(cache.os, function, fail)
        monkeypatch.setenv("LUCID_CACHE_SIZE", "1K")  # has it remove files
    compile_double()
    compile_double()
    monkeypatch.undo()
    assert not folder.exists() or not [path for path in folder.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("home", ["/dev/null", "relative", ""])
def test_without_a_home_there_is_no_cache(home: str, monkeypatch: pytest.MonkeyPatch, counts: Compilations) -> None:
    for name in ("LUCID_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda _: home)
    compile_double()
    compile_double()
    assert counts.assembled == 2


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.directory() == Path(os.environ["LUCID_CACHE_DIR"])
    monkeypatch.delenv("LUCID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache.directory() == Path("/somewhere/lucid")
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        monkeypatch.setattr(sys, "platform", "linux")
        assert cache.directory() == Path("/home/me/.cache/lucid")
        monkeypatch.setattr(sys, "platform", "darwin")
        assert cache.directory() == Path("/home/me/Library/Caches/lucid")


def test_it_can_be_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch, counts: Compilations) -> None:
    monkeypatch.setenv("LUCID_CACHE", "0")
    compile_double()
    compile_double()
    assert counts.assembled == 2
    assert not folder.exists()


# What the environment says of the cache, and can't be so, is told once.


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/null/cache", "Not a directory"),
        pytest.param(
            "/proc/cache",
            "No such file or directory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no /proc"),
        ),
    ],
)
def test_a_directory_that_is_asked_for_and_cannot_be_written(
    path: str, reason: str, monkeypatch: pytest.MonkeyPatch, counts: Compilations
) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", path)
    with pytest.warns(CacheWarning) as caught:
        compile_double()
    expected = f"{path}, which LUCID_CACHE_DIR names, can't be written: {reason}."
    assert [str(warning.message) for warning in caught] == [expected]
    compile_double()
    assert counts.assembled == 2
    monkeypatch.delenv("LUCID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/another")  # which nobody has chosen for Lucid
    compile_double()


def test_a_switch_that_is_neither_on_nor_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch, counts: Compilations
) -> None:
    monkeypatch.setenv("LUCID_CACHE", "maybe")
    with pytest.warns(CacheWarning) as caught:
        compile_double()
    assert [str(warning.message) for warning in caught] == [
        "LUCID_CACHE takes 0 or 1, got 'maybe'; the disk cache is used."
    ]
    monkeypatch.setenv("LUCID_CACHE", "1")
    compile_double()
    assert counts.assembled == 1
    assert [*folder.iterdir()]
