"""Entries of the disk cache: what goes in comes back, damage is noticed, and the least recently used go first."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from lucid.codegen import cache
from lucid.errors import CacheWarning
from tests.codegen.disk_cache.conftest import Compilations
from tests.codegen.disk_cache.double import compile_double

KEY, OTHER, THIRD = ("0" * 63 + digit for digit in "123")
ENTRY = cache.Entry({"numbers": [1, 2], "text": "f32[4]"}, (b"first", b"", b"\0\n" * 50))


# Entries.


def test_an_entry_comes_back(folder: Path) -> None:
    assert cache.fetch(KEY) is None
    cache.store(KEY, ENTRY)
    assert cache.fetch(KEY) == ENTRY
    assert cache.fetch(OTHER) is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def damages(raw: bytes) -> Iterator[bytes]:
    for position in range(len(raw)):
        yield raw[:position] + bytes([raw[position] ^ 0x40]) + raw[position + 1 :]
    for length in range(len(raw)):
        yield raw[:length]
    yield raw + b"\0"


def test_any_damage_is_noticed(folder: Path) -> None:
    cache.store(KEY, ENTRY)
    (path,) = folder.iterdir()
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        cache._warnings.clear()
        with pytest.warns(CacheWarning, match="is damaged"):
            assert cache.fetch(KEY) is None


def test_damaged_files_are_told_of_once(folder: Path) -> None:
    for key in (KEY, OTHER):
        cache.store(key, ENTRY)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.warns(CacheWarning, match=r"compiling again\. Other damaged files are not told of\.$") as caught:
        assert [cache.fetch(KEY), cache.fetch(OTHER)] == [None, None]
    assert len(caught) == 1


def test_an_entry_under_the_key_of_another_is_no_entry(folder: Path) -> None:
    cache.store(KEY, ENTRY)
    (path,) = folder.iterdir()
    path.rename(folder / f"{OTHER}.lucid")
    with pytest.warns(CacheWarning, match="that of another key"):
        assert cache.fetch(OTHER) is None


def test_a_damaged_program_is_compiled_again(folder: Path, counts: Compilations) -> None:
    compile_double()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.warns(CacheWarning, match=f"{path} of the disk cache is damaged: its checksum is wrong"):
        compile_double()
    assert counts.assembled == 2
    compile_double()
    assert counts.assembled == 2, "the entry is whole again"


# The bound.


def blob(size: int) -> cache.Entry:
    return cache.Entry(None, (bytes(size),))


def test_the_least_recently_used_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_SIZE", "10K")
    for age, key in enumerate((KEY, OTHER)):
        cache.store(key, blob(4000))
        os.utime(folder / f"{key}.lucid", (1000 + age, 1000 + age))
    kept = folder / "notes.txt"
    kept.write_text("x" * 20000)  # somebody else's
    assert cache.fetch(KEY) is not None  # now OTHER is the one used longest ago
    cache.store(THIRD, blob(4000))
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{KEY}.lucid", f"{THIRD}.lucid", "notes.txt"])


def test_all_files_are_looked_at_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = mock.Mock(wraps=cache._trim)
    monkeypatch.setattr(cache, "_trim", looks)
    monkeypatch.setenv("LUCID_CACHE_SIZE", "128K")
    for number in range(200):
        cache.store(f"{number:064x}", blob(800))
        assert cache.usage()[1] <= (128 << 10) + (128 << 10) // cache.UNSEEN
    assert 200 / 3 <= looks.call_count <= 200 / 2  # an entry takes more than 800 of the 2048 bytes


def test_a_bound_holds_again_where_another_held_meanwhile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(1000))
    for bound, entries in ((64 << 10, 1), (512 << 10, 300), (64 << 10, 1)):
        monkeypatch.setenv("LUCID_CACHE_SIZE", str(bound))
        for _ in range(entries):
            cache.store(f"{next(numbers):064x}", blob(800))
        assert cache.usage()[1] <= bound + bound // cache.UNSEEN


def test_a_path_may_mean_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", "cache")
    monkeypatch.setenv("LUCID_CACHE_SIZE", "128K")
    second = tmp_path / "second"
    (second / "cache").mkdir(mode=0o700, parents=True)
    for number in range(200):
        (second / "cache" / f"{number:064x}.lucid").write_bytes(bytes(1000))
    for place in (tmp_path, second):
        monkeypatch.chdir(place)
        cache.store(KEY, blob(10))
    assert cache.usage()[1] <= 128 << 10


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_looks_at_all_files_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_SIZE", "128K")
    cache.store(KEY, blob(10))
    looks = mock.Mock(wraps=cache._trim)
    monkeypatch.setattr(cache, "_trim", looks)
    if (child := os.fork()) == 0:
        try:
            cache.store(OTHER, blob(10))
            os._exit(looks.call_count)
        finally:  # or an error would have the child run the tests behind this one
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_what_a_process_left_behind_when_it_was_killed_goes_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, blob(10))
    left = folder / f"{OTHER}.{'a' * 16}.tmp"
    left.write_bytes(bytes(9000))
    os.utime(left, (1000, 1000))
    monkeypatch.setenv("LUCID_CACHE_SIZE", "8k")
    cache.store(THIRD, blob(10))
    assert not left.exists()
    assert cache.fetch(KEY) is not None


def test_an_entry_beyond_the_bound_is_not_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, blob(10))
    monkeypatch.setenv("LUCID_CACHE_SIZE", "1000")
    cache.store(OTHER, blob(1001))
    assert [path.stem for path in folder.iterdir()] == [KEY]


@pytest.mark.parametrize("text", ["much", "-5", "5\N{KELVIN SIGN}"])
@pytest.mark.parametrize("use", [cache.fetch, lambda key: cache.store(key, ENTRY)])
def test_a_bound_that_is_no_size_is_told(
    use: Callable[[str], object], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store(KEY, ENTRY)
    monkeypatch.setenv("LUCID_CACHE_SIZE", text)
    with pytest.warns(CacheWarning, match=f"LUCID_CACHE_SIZE takes a number of bytes such as 512M, got '{text}'"):
        use(KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(KEY, ENTRY)
    assert cache.fetch(KEY) == ENTRY
