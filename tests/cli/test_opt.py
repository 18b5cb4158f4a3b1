"""`lucid opt` runs passes on text."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lucid.cli.passes import PASSES
from lucid.ir.ops import REGISTRY
from lucid.ir.text import parse

TEXT = """\
graph @f(%x: f32[4], %w: f32[4]) {
  %one: f32[4] = const value=1.0
  %y: f32[4] = mul %x, %one
  %z: f32[4] = exp %y
  %s: f32[] = sum %z, axes=(0,)
  return %s
}
"""
SIMPLE = """\
graph @f(%x: f32[4], %w: f32[4]) {
  %z: f32[4] = exp %x
  %s: f32[] = sum %z, axes=(0,)
  return %s
}
"""


def test_text_goes_from_a_file_to_standard_output(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(TEXT)
    assert command("opt", "f.ir").output == TEXT
    assert command("opt", "f.ir", "--passes", "simplify", "--verify-each").output == SIMPLE
    assert "= fused %x @exp_sum(" in command("opt", "f.ir", "--passes", "simplify,order,fuse,plan").output


def test_text_goes_from_standard_input(command: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT))
    assert command("opt", "--passes", "simplify").output == SIMPLE


@pytest.mark.parametrize("name", [name for name in PASSES if name != "plan"])
def test_every_pass_has_its_name(name: str, command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(TEXT)
    parse(command("opt", "f.ir", "--passes", name).output)


def test_a_difference_is_shown_for_each_pass(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(TEXT)
    output = command("opt", "f.ir", "--passes", "simplify,simplify", "--diff").output
    assert "--- before simplify\n+++ after simplify\n" in output
    assert "\n-  %y: f32[4] = mul %x, %one\n" in output
    assert output.endswith("# simplify changes nothing\n")


def test_the_graph_after_each_pass_goes_to_standard_error(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(TEXT)
    done = command("opt", "f.ir", "--passes", "simplify,prune", "--print-after-all")
    assert done.errors == f"# after simplify\n{SIMPLE}# after prune\n{SIMPLE}"
    assert done.output == SIMPLE


def test_a_pass_may_be_the_users_own(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(TEXT)
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "def drop_all(graph):\n    return replace(graph, nodes=())\n"
        "def fail(graph):\n    raise ValueError('not today')\n"
    )
    done = command("opt", "f.ir", "--passes", "mine.py:drop_all", code=3)
    assert done.errors.startswith("error: expected results that are defined, got %s: f32[].\n")
    done = command("opt", "f.ir", "--passes", "mine.py:fail", code=3)
    assert done.errors == "error: the pass mine.py:fail fails on this graph: ValueError: not today.\n"


def test_what_cannot_be_used_is_named(command: Callable[..., object], tmp_path: Path) -> None:
    assert command("opt", "no.ir", code=3).errors == "error: no.ir can't be read: No such file or directory.\n"
    (tmp_path / "binary.ir").write_bytes(b"\xff\xfe")
    assert "error: binary.ir is not text in UTF-8: " in command("opt", "binary.ir", code=3).errors
    (tmp_path / "f.ir").write_text(TEXT)
    assert (
        "there is no pass 'fuze'; expected FILE.py:NAME, or one of"
        in command("opt", "f.ir", "--passes", "fuze", code=2).errors
    )
    assert "expected FILE.py:NAME, got ':x'." in command("opt", "f.ir", "--passes", ":x", code=3).errors


OP = """
from lucid.extend import Unary, op


@op("shelltest")
class Halve(Unary):
    \"\"\"x / 2, elementwise.\"\"\"

    floats_only = True

    def scalar(self, s, x):
        return s.multiply(x, s.constant_like(0.5, x))
"""


def test_ops_of_ones_own_are_imported(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "ops.py").write_text(OP)
    (tmp_path / "f.ir").write_text(TEXT.replace("exp", "shelltest.halve"))
    assert "expected an op, got `shelltest.halve`." in command("opt", "f.ir", code=3).errors
    try:
        assert "%z: f32[4] = shelltest.halve %y" in command("opt", "f.ir", "--import", "ops.py").output
        assert "all agree" in command("check", "f.ir", "--import", "ops.py").output
    finally:
        REGISTRY.pop("shelltest.halve", None)
    assert "no.py can't be read" in command("opt", "f.ir", "--import", "no.py", code=3).errors
