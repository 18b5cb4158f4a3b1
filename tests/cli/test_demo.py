"""`lucid demo` tells its story."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lucid.ir.text import parse


def test_the_demo_trains_shows_and_writes_its_page(command: Callable[..., object], tmp_path: Path) -> None:
    output = command("demo").output
    eager, compiled = (
        re.search(rf"^{name} +([\d.]+) us a step   loss ([\d.]+) \.\.\. ([\d.]+) after", output, re.MULTILINE)
        for name in ("eager", "compiled")
    )
    assert float(compiled[1]) < float(eager[1])
    assert eager[2] == compiled[2]
    assert float(compiled[3]) < 0.1 < float(eager[2])
    apart = re.search(r"losses agree to (\S+) of their value", output)
    assert float(apart[1]) < 1e-3

    traced, fused = (
        parse(text) for text in re.findall(r"^graph @Sequential\(.*?^}$", output, re.DOTALL | re.MULTILINE)
    )
    assert [node.op.name for node in traced.nodes][4:10] == ["const", "random_keep", "cast", "mul", "const", "mul"]
    assert [node.op.name for node in fused.nodes] == ["matmul", "fused", "fused"]
    assert fused.nodes[1].op.body.name == "add_random_keep_mul"
    assert "\nnot fused\n" in output

    page = (tmp_path / "lucid-demo.html").read_text()
    assert "train_step" in page
    assert "lucid-demo.html shows every stage" in output


def test_a_page_that_cannot_be_written_is_an_error(
    command: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lucid.cli.demo.EAGER_STEPS", 2)
    monkeypatch.setattr("lucid.cli.demo.STEPS", 3)
    errors = command("demo", "--output", "no/where.html", code=3).errors
    assert errors.endswith("error: no/where.html can't be written: No such file or directory.\n")
