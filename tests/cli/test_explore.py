"""`lucid explore` writes the page of what a file defines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def data_of(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.read_text().partition('id="report">')[2].partition("</script>")[0])
    return found


def test_a_step_is_written_to_a_page(command: Callable[..., Any], tmp_path: Path) -> None:
    inputs = ("--input", "x=2x8xf32", "--input", "y=2xi64")
    assert command("explore", "train.py:train_step", *inputs, "-o", "page.html").output == "page.html\n"
    (program,) = data_of(tmp_path / "page.html")["programs"]
    assert program["name"] == "train_step"
    assert program["signature"] == "f32[2, 8], i64[2]", "as in Python: without the learning rate"
    assert [part["title"] for part in program["parts"]] == ["program"]


def test_an_ir_file_is_written_to_a_page(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text("graph @f(%x: f32[4]) { %0 = exp %x; %1 = neg %0; return %1 }")
    assert command("explore", "f.ir").output == "report.html\n"
    (program,) = data_of(tmp_path / "report.html")["programs"]
    assert program["signature"] == "f32[4]"
    assert program["parts"][0]["stages"][-1]["name"] == "planned"


def test_a_page_that_cannot_be_written(command: Callable[..., Any]) -> None:
    errors = command("explore", "train.py:square", "--input", "4xf32", "-o", "no/page.html", code=3).errors
    assert "no/page.html can't be written: No such file or directory." in errors
