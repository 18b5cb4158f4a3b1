"""What `benchmarks/compare.py` says of rows, from figures that are made up."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROOFS = {"2": {"flops_per_second": [1e9, 4e9, 2e9], "bytes_per_second": [2e9, 1e9]}}


def row(name: str, target: float | None, updates: int = 1, threads: int = 2, **medians: float) -> dict[str, Any]:
    """A row whose floor is a second: 4e9 operations at the best of the rates above."""
    results = {name: {"median": time, "quartiles": [time, time], "fastest": time} for name, time in medians.items()}
    row = {"name": name, "kind": "training", "threads": threads, "condition": "quiet", "target": target}
    return row | {"updates": updates, "flops": 4e9, "bytes": 1.0, "results": results, "missing": {}}


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("report")


@pytest.fixture
def page(report: ModuleType) -> ModuleType:
    return importlib.import_module("page")


def test_a_target_is_met_by_its_ratio_or_near_the_floor(report: ModuleType) -> None:
    roofs = importlib.import_module("machine").best(ROOFS)
    rows = [
        row("fast", 2.0, lucid=10.0, jax=20.0),
        row("near", 2.0, lucid=1.1, jax=1.2),
        row("far", 2.0, lucid=10.0, jax=19.0),
        row("lost", None, lucid=10.0, jax=9.0),
    ]
    assert [report.verdict(one, rows, roofs) for one in rows] == ["met", "met", "behind", "lost"]


def test_updates_in_one_call_are_held_against_single_calls_of_the_fastest_peer(report: ModuleType) -> None:
    roofs = importlib.import_module("machine").best(ROOFS)
    single = row("small", 4.0, lucid=20.0, jax=100.0, numpy=90.0)
    slow, fast = (row("small-repeat", 20.0, updates=1000, lucid=time, jax=9.0) for time in (4.6, 4.4))
    assert report.verdict(slow, [single, slow], roofs) == "behind"
    assert report.verdict(fast, [single, fast], roofs) == "met"
    assert report.target(fast, [single, fast]) == "20 of single calls: 20.5"
    assert report.verdict(fast, [fast], roofs) == "behind"  # nothing to hold it against


def test_the_page_shows_for_each_peer_the_fastest_way_to_run_it(page: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{page.BEGIN}\nreplaced\n{page.END}\nbehind\n")
    rows = [row("cnn", 3.0, lucid=2.0, torch=8.0) | {"target": 3.0}]
    rows[0]["results"] |= {"torch nhwc": {"median": 7.0}, "jax": {"median": 5.0}}
    page.put({"rows": rows, "roofs": ROOFS, "imports": {"lucid": {"median": 0.2}}}, file)
    text = file.read_text()
    assert "| cnn | 2 | 2 s (2 s to 2 s) | 7 s (nhwc) |  | **5 s** |  | 2.50 | 3 | 50% |" in text
    assert "of 1 rows with a target 0 reach it, 0 others 85% of their floor; missed by cnn." in text
    assert "copy 2.0 GB/s (best of 2 measurements from 1.0 on)" in text
    assert text.startswith("before\n")
    assert text.endswith(f"{page.END}\nbehind\n")
    assert "replaced" not in text


def test_a_page_without_a_place_for_tables_stays_as_it_is(page: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("text")
    with pytest.raises(SystemExit, match="does not mark where tables go"):
        page.put({"rows": [], "roofs": ROOFS, "imports": {}}, file)
    assert file.read_text() == "text"


def test_the_page_of_measured_figures_has_a_place(page: ModuleType) -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
