"""`lucid info` says what Lucid runs on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.codegen import cache


def test_it_says_versions_processor_threads_and_cache(
    command: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path / "programs"))
    before = json.loads(command("info", "--json").output)
    assert list(before) == ["versions", "processor", "cache", "environment"]
    assert before["versions"]["numpy"] == np.__version__
    assert before["processor"]["threads"] == lucid.get_num_threads()
    assert before["processor"]["vector bytes"] in (16, 32, 64)
    assert before["cache"] == {"folder": str(tmp_path / "programs"), "programs": 0, "bytes": 0}
    assert before["environment"]["LUCID_CACHE_DIR"] == str(tmp_path / "programs")

    cache.store("0" * 64, cache.Entry(None, (b"code",)))
    (tmp_path / "programs" / "another file").write_text("not ours")
    after = json.loads(command("info", "--json").output)["cache"]
    assert after["programs"] == 1
    assert after["bytes"] == (tmp_path / "programs" / f"{'0' * 64}.lucid").stat().st_size

    text = command("info").output
    assert f"\n  numpy           {np.__version__}\n" in text
    assert f"\n  folder          {tmp_path / 'programs'}\n" in text


def test_a_cache_that_is_off_is_none(command: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE", "0")
    assert "  folder          none\n  programs        0\n" in command("info").output


def test_long_names_of_variables_stay_apart_from_their_values(
    command: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCID_NUM_THREADS", "1")
    assert "\n  LUCID_NUM_THREADS 1\n" in command("info").output
