"""What `benchmarks/compare.py` says of rows, from figures that are made up."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ROOFS = {"2": {"flops_per_second": [1e9, 4e9, 2e9], "bytes_per_second": [2e9, 1e9]}}


def row(name: str, target: float | None, updates: int = 1, threads: int = 2, **medians: float) -> dict[str, Any]:
    """A row whose floor is a second: 4e9 operations at the best of the rates above."""
    start = {"cold": 1.0, "cached": None, "peak_bytes": 0}
    results = {
        name: {"median": time, "quartiles": [time, time], "fastest": time, **start} for name, time in medians.items()
    }
    row = {
        "name": name,
        "title": f"what {name} is",
        "kind": "training",
        "threads": threads,
        "condition": "quiet",
        "target": target,
    }
    return row | {"updates": updates, "flops": 4e9, "bytes": 1.0, "results": results, "missing": {}}


def result(rows: list[dict[str, Any]], load: float = 0.0, quick: bool = False) -> dict[str, Any]:
    """What a run writes."""
    setting = {"processor": "a processor", "python": "3.11", "load": load}
    found = {"setting": setting, "quick": quick, "rows": rows, "roofs": ROOFS, "failures": [], "skipped": []}
    versions = {"lucid": "1", "torch": "2", "torch.compile tuned": "2", "jax rbg": "3"}
    return found | {"versions": versions, "imports": {"lucid": {"median": 0.2}}}


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("report")


@pytest.fixture
def page(report: ModuleType) -> ModuleType:
    return importlib.import_module("page")


@pytest.fixture
def compare(report: ModuleType) -> ModuleType:
    return importlib.import_module("compare")


def test_each_step_with_dropout_stands_behind_the_same_without(compare: ModuleType) -> None:
    steps = [one for one in compare.WORKLOADS.values() if not isinstance(one, compare.Dropout | compare.Product)]
    with_dropout = [number for number, step in enumerate(steps) if step.p]
    assert len(with_dropout) == 8
    for number in with_dropout:
        off, step = steps[number - 1 : number + 1]
        assert (off.name, off.p) == (f"{step.name}-off", 0)
        assert compare._computation(off) == compare._computation(step)


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
    assert report.target(fast, [single, fast]) == "20.5 times a single call, of 20"
    assert report.verdict(fast, [fast], roofs) == "behind"  # nothing to hold it against
    assert report.target(fast, [fast]) == "20 times a single call"


def test_the_page_shows_for_each_peer_the_fastest_way_to_run_it(page: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{page.BEGIN}\nreplaced\n{page.END}\nbehind\n")
    rows = [row("cnn", 3.0, lucid=2.0, torch=8.0) | {"target": 3.0}]
    start = {"cold": 1.0, "cached": None}
    rows[0]["results"] |= {"torch nhwc": {"median": 7.0, **start}, "jax": {"median": 5.0, **start}}
    page.put(result(rows), file)
    text = file.read_text()
    assert "| cnn | 2 | 2 s (2 s to 2 s) | 7 s (nhwc) |  | **5 s** |  | 2.50 | 3 | 50% |" in text
    assert "of 1 rows with a target 0 reach it, 0 others 85% of their floor; missed by cnn." in text
    assert "copy 2.0 GB/s (best of 2 measurements from 1.0 on)" in text
    assert text.startswith("before\n")
    assert text.endswith(f"{page.END}\nbehind\n")
    assert "replaced" not in text


def test_the_page_begins_with_a_summary_and_with_what_the_steps_are(page: ModuleType) -> None:
    rows = [
        row("mlp-off", None, lucid=2.0, jax=1.0),
        row("mlp", 3.0, lucid=2.0, jax=5.0),
        row("cnn", 1.5, lucid=2.0, jax=8.0),
        row("alone-off", None, threads=1, lucid=2.0, jax=2.2),
        row("product", None, lucid=2.0, numpy=1.0) | {"kind": "product"},
    ]
    summary, _, rest = page.tables(result(rows) | {"roofs": ROOFS | {"1": ROOFS["2"]}}).partition("The steps;")
    assert summary.startswith(
        "In short:\n\n- Of 4 rows of steps Lucid is ahead of the fastest peer in 3; times as fast as it: 0.50 (mlp-off "
        "on 2 threads) to 4.00 (cnn on 2 threads), 1.80 in the median; behind in mlp-off on 2 threads.\n"
        "- On 2 threads: of 2 rows with a target 1 reach it, 0 others 85% of their floor; missed by mlp.\n"
    )
    assert "called from Python, against NumPy: geometric mean 0.50, worst 0.50" in summary
    assert "1 of 1 are slower than the fastest peer's" in summary
    assert summary.count("`products.py` calls Lucid's and NumPy's in native loops") == 1
    assert rest.startswith(" `-off` is the same without Dropout")
    assert [line for line in rest.splitlines() if line.startswith("|") and "what" in line] == [
        "| step | what it is | FLOPs | bytes that move at least |",
        "| mlp | what mlp is | 4 G | 1 |",
        "| cnn | what cnn is | 4 G | 1 |",
        "| alone-off | what alone-off is | 4 G | 1 |",
    ]
    assert "Measured with lucid 1, torch 2, jax 3, on a processor, Python 3.11." in rest


def test_the_products_that_are_slower_come_first_and_are_named_with_their_ratios(page: ModuleType) -> None:
    names = {"half": 1.0, "most": 1.8, "equal": 2.0}
    rows = [row(name, None, lucid=2.0, numpy=time) | {"kind": "product"} for name, time in names.items()]
    rows[1]["results"]["jax"] = {"median": 1.6, "fastest": 1.6}
    text = page.tables(result([row("mlp", None, lucid=2.0, jax=1.0), *rows]))
    _, _, slower = text.partition(
        "The products that are slower than the fastest peer's; T marks a factor that is read transposed:"
    )
    assert slower.partition("The steps;")[0].splitlines()[4:] == [
        "| what half is | 2 | 2 s |  | **1 s** | 0.50 | 0.50 |",
        "| what most is | 2 | 2 s | **1.6 s** | 1.8 s | 0.80 | 0.80 |",
        "",
    ]
    assert "The products that are slower" not in page.tables(result([rows[-1]]))
    assert (
        "called from Python, against JAX: geometric mean 0.80, worst 0.80; against NumPy: geometric mean 0.77, worst "
        "0.50 (targets 1.0 and 0.95); 2 of 3 are slower than the fastest peer's."
    ) in text


def test_convolutions_stand_beside_both_layouts_of_pytorch(page: ModuleType) -> None:
    rows = [
        row(f"a-{form}", None, lucid=2.0, torch=time, **{"torch nhwc": 1.0})
        | {"kind": "convolution", "title": f"{form}, 3x3"}
        for form, time in (("forward", 3.0), ("image", 1.5), ("weight", 4.0))
    ]
    text = page.tables(result(rows))
    assert "| 3x3 | 2 s, 2 (1.50, 0.50) | 2 s, 2 (0.75, 0.50) | 2 s, 2 (2.00, 0.50) |" in text
    assert "In short" not in text
    assert "`import`" not in text


def test_first_calls_stand_beside_those_that_find_their_code_on_disk(page: ModuleType) -> None:
    rows = [row("mlp", None, lucid=2.0, jax=1.0, torch=3.0)]
    rows[0]["results"]["lucid"] |= {"cold": 0.2, "cached": 0.01}
    rows[0]["results"]["jax rbg"] = {**rows[0]["results"]["jax"], "cold": 0.5, "cached": 0.25}
    rows[0]["results"]["jax"] |= {"cold": 0.75, "cached": None}
    text = page.tables(result(rows))
    assert "| step | threads | Lucid | from disk | torch.compile | from disk | JAX | from disk |" in text
    assert "| mlp | 2 | 200 ms | 10 ms |  |  | 500 ms | 250 ms |" in text


def test_headlines_say_why_they_are_in_doubt(report: ModuleType) -> None:
    rows = [row("fast", None, lucid=1.0, jax=2.0), row("alone", None, lucid=1.0)]
    headline = "FASTER than every peer that ran (JAX), and no target missed"
    assert f"{headline}\n" in report.text(result(rows))
    busy, both = report.text(result(rows, load=1.0)), report.text(result(rows, load=1.0, quick=True))
    assert f"{headline} (in doubt: the machine was busy before the run, load 1.0)\n" in busy
    assert "load 1.0; --quick takes two short turns and waits for no core)\n" in both
    assert "NOT COMPARED: only Lucid was measured, or only others\n" in both


def test_what_no_chosen_framework_runs_is_named(report: ModuleType) -> None:
    found = result([]) | {"skipped": ["lstm x1 (numpy: not written)"]}
    assert "NOT MEASURED: none of the chosen frameworks runs lstm x1 (numpy: not written)" in report.text(found)


def test_names_of_frameworks_have_to_be_right(compare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [framework.name for framework in compare.chosen_frameworks("numpy, lucid")] == ["lucid", "numpy"]
    with pytest.raises(SystemExit, match="no framework is named tf; the frameworks are lucid, torch, torch nhwc, "):
        compare.chosen_frameworks("lucid,tf")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="jax rbg needs the package jax, which is not installed here"):
        compare.chosen_frameworks("jax rbg")
    assert compare.chosen_frameworks(None) == []


def test_a_row_that_no_chosen_framework_runs_is_no_division_by_zero(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["compare.py", "--rows", "lstm", "--threads", "1", "--frameworks", "numpy"])
    with pytest.raises(SystemExit, match=r"none of numpy runs lstm x1 \(numpy: written by hand for a single Linear"):
        compare.main()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)  # it is not started: the rows are not for it
    monkeypatch.setattr(
        "sys.argv", ["compare.py", "--rows", "convolution-3-64", "--threads", "1", "--frameworks", "jax"]
    )
    with pytest.raises(SystemExit, match="none of jax runs convolution-3-64-7-224-2-1-forward x1, convolution-3-64-7"):
        compare.main()


def test_runs_that_are_shown_as_one_are_as_doubtful_as_the_worst(compare: ModuleType, tmp_path: Path) -> None:
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    old = result([], load=0.1)
    for name in ("quick", "skipped"):
        del old[name]  # as files from before have it
    for file, run in zip(files, [old, result([], load=0.7, quick=True) | {"skipped": ["lstm x1"]}], strict=True):
        file.write_text(json.dumps(run))
    merged = compare.load(files)
    assert (merged["setting"]["load"], merged["quick"], merged["skipped"]) == (0.7, True, ["lstm x1"])


def test_a_page_without_a_place_for_tables_stays_as_it_is(page: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("text")
    with pytest.raises(SystemExit, match="does not mark where tables go"):
        page.put({"rows": [], "roofs": ROOFS, "imports": {}}, file)
    assert file.read_text() == "text"


def test_the_page_of_measured_figures_has_a_place(page: ModuleType) -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
