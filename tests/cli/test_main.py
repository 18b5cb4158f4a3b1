"""The shell as a whole: help, exit codes, colours, how it is started."""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lucid.cli.command import EXIT_CODES, painted
from lucid.cli.main import COMMANDS
from lucid.errors import ArgumentError

ROOT = Path(__file__).parents[2]
SECONDS = 120  # that a process may take, which takes one or two


def test_help_names_every_command_an_example_of_each_and_the_exit_codes(command: Callable[..., object]) -> None:
    text = command("--help").output
    for each in COMMANDS:
        assert f"\n    {each.name} " in text
        assert f"\n  lucid {each.name}" in text
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<5}{meaning}" in text


@pytest.mark.parametrize("each", COMMANDS, ids=lambda each: each.name)
def test_help_of_a_command_ends_with_examples(each: object, command: Callable[..., object]) -> None:
    text = command(each.name, "--help").output
    assert each.summary in text
    assert text.endswith(f"examples:\n{each.examples}\n")
    assert all(line.startswith(f"  lucid {each.name}") for line in each.examples.split("\n"))


def test_without_a_command_it_helps(command: Callable[..., object]) -> None:
    assert command().output == command("--help", code=0).output


def test_unknown_commands_are_usage_errors(command: Callable[..., object]) -> None:
    assert "invalid choice: 'shwo'" in command("shwo", code=2).errors


@pytest.mark.parametrize(
    "start", [(sys.executable, "-m", "lucid"), ("lucid",)], ids=["python -m lucid", "the script of the wheel"]
)
def test_it_starts_as_a_process(start: tuple[str, ...], tmp_path: Path) -> None:
    if start == ("lucid",):
        script = Path(sys.executable).with_name("lucid")
        start = (str(script),)
        if not script.exists():
            pytest.skip("Lucid is not installed here, so there is no script")
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=SECONDS)
    done = run([*start, "opt", "-"], input="graph() { return }", check=True)
    assert done.stdout == "graph () {\n  return\n}\n"
    failed = run([*start, "opt", "-"], input="graph() {\n  %x }", check=False)
    assert failed.returncode == 3
    assert failed.stderr == "error: expected `=`, got `}`.\n  line 2, column 6:\n      %x }\n         ^\n"


def test_a_closed_pipe_is_no_error() -> None:
    head = shutil.which("head")
    assert head is not None
    text = "graph() {\n" + "".join(f"%x{i}: f32[] = const value=1.0\n" for i in range(5000)) + "return }"
    command = f"{sys.executable} -m lucid opt - | {head} -n 1"
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=SECONDS)
    done = run(command, shell=True, input=text, check=True)
    assert (done.stdout, done.stderr) == ("graph () {\n", "")


def test_ctrl_c_has_the_exit_code_of_shells(monkeypatch: pytest.MonkeyPatch, command: Callable[..., object]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lucid.cli.opt.read_graph", interrupted)
    command("opt", "-", code=130)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_and_no_color_turns_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert painted("x", "added", io.StringIO()) == "x"
    assert painted("x", "added", Terminal()) == "\x1b[32mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert painted("x", "added", Terminal()) == "x"


def test_an_error_shows_no_line_of_what_has_started_the_shell(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(
        "graph(%x: f32[4]) { %y = fused %x (%x: f32[4]) { %y = neg %x; return %y }; return %y }"
    )
    assert "\n  test_main.py:" in str(ArgumentError("raised here."))
    errors = command("show", "f.ir", "--stage", "none", code=3).errors
    assert errors == "error: there is no stage 'none'; expected one of traced, differentiated, simplified, " + (
        "rematerialized, ordered, fused, planned.\n"
    )
