"""Whatever a file says, a command ends with an error or a result: no traceback, no hang, no memory by its wish."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ir.test_text_errors import SAMPLES, mutated

LARGE = "4000000000000"
CHAIN = "\n".join(f"  %x{i + 1} = slice %x{i}, start=(0,), step=(1,), shape=(9,)" for i in range(1500))
SUMS = "\n".join(f"  %x{i + 1} = exp %x{i}" for i in range(200))

NASTY = {
    "large": f"graph(%x: f32[{LARGE}]) {{ %y = neg %x; %z = sum %y, axes=(0,); return %z }}",
    "large constant": f"graph() {{ %x: f64[{LARGE}] = const value=1.5; %y = exp %x; return %y }}",
    "large iota": f"graph() {{ %x: i64[{LARGE}] = iota axis=0; %y = mul %x, %x; return %y }}",
    "large arena": f"graph(%x: f32[1]) {{ %y: f32[{LARGE}] = broadcast %x; %z: f32[{LARGE}] = exp %y; "
    "%a = sum %z, axes=(0,); %b: f32[4000000000000] = broadcast %a; %c = add %b, %z; return %c }",
    "wide": "graph(" + ", ".join(f"%x{i}: f32[2]" for i in range(2000)) + ") { return %x0 }",
    "chain of views": f"graph(%x0: f32[9]) {{\n{CHAIN}\n  return %x1500\n}}",
    "chain": f"graph(%x0: f32[9]) {{\n{SUMS}\n  return %x200\n}}",
    "empty": "",
    "zeros": "\0" * 1000,
    "no elements": "graph(%x: f32[0, 7]) { %y = sum %x, axes=(0,); return %y }",
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("arguments", [("opt", "--passes", "simplify,order,fuse,plan"), ("show",), ("check",)])
def test_nasty_files_end_in_a_result_or_an_error(
    name: str, arguments: tuple[str, ...], command: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "nasty.ir").write_text(NASTY[name])
    done = command(arguments[0], "nasty.ir", *arguments[1:], code=None)
    assert done.code in (0, 3)
    assert done.code == 0 or done.errors.startswith("error: ")


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_run_or_are_refused(seed: int, command: Callable[..., object], tmp_path: Path) -> None:
    generator = random.Random(seed)
    codes = set()
    for _ in range(50):
        (tmp_path / "mutant.ir").write_text(mutated(generator.choice(SAMPLES), generator))
        done = command("opt", "mutant.ir", "--passes", "simplify,order,fuse,plan", code=None)
        assert done.code == 0 or done.errors.startswith("error: ")
        codes.add(done.code)
    assert codes == {0, 3}
