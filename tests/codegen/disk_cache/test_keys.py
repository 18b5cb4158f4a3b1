"""What is in the key of an entry of the disk cache, and what is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lucid import compilation
from lucid.codegen import cache
from lucid.codegen.cpu import machine as processors
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.text import parse
from tests.codegen.disk_cache.double import DOUBLE


def key_of(text: str = DOUBLE, kind: str = "whole") -> str:
    return compilation._key(parse(text), CPUTarget(), kind, pytest.fail, compilation.PIPELINE)


def test_names_and_lines_are_not_in_the_key() -> None:
    assert key_of() == key_of(
        "graph @twice(%in: f32[3, 4]) {\n  %out = add %in, %in  # 0: Linear  train.py:12\n return %out }"
    )


@pytest.mark.parametrize(
    "other",
    [
        "graph @double(%x: f32[3, 5]) { %y = add %x, %x; return %y }",
        "graph @double(%x: f64[3, 4]) { %y = add %x, %x; return %y }",
        "graph @double(%x: state f32[3, 4]) { %y = add %x, %x; return %y }",
        "graph @double(%x: f32[3, 4]) { %y = add %x, %x; return %x }",
        "graph @double(%x: f32[3, 4]) { %y = mul %x, %x; return %y }",
    ],
)
def test_what_the_graph_says_is_in_the_key(other: str) -> None:
    assert key_of(other) != key_of()


def test_the_kind_of_program_is_in_the_key() -> None:
    assert key_of(kind="1 outputs, 1 seeds") != key_of(kind="1 outputs, 2 seeds")


def change_processor(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("LUCID_CPU", "x86-64-v2" if sys.platform != "darwin" else "generic")


def change_release_of_llvmlite(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processors.llvmlite, "__version__", "0.0")


def change_release_of_llvm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processors.llvm, "llvm_version_info", (1, 0, 0))


def change_sources(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "sources", lambda: "others")


def change_format(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "FORMAT", "lucid-cache 0")


def change_pipeline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compilation, "PIPELINE", compilation.PIPELINE[:-1])


@pytest.mark.parametrize(
    "change",
    [
        change_processor,
        change_release_of_llvmlite,
        change_release_of_llvm,
        change_sources,
        change_format,
        change_pipeline,
    ],
)
def test_what_makes_the_code_is_in_the_key(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of()
    change(monkeypatch)
    assert key_of() != before


def test_another_source_is_another_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lucid"
    (package / "codegen").mkdir(parents=True)
    (package / "ir").mkdir()
    for name in ("compilation.py", "joint.py", "ir/graph.py", "codegen/cache.py"):
        (package / name).write_text("one\n")
    monkeypatch.setattr(cache, "__file__", str(package / "codegen/cache.py"))
    hashes = {cache.sources.__wrapped__()}
    for name in ("joint.py", "ir/graph.py"):
        (package / name).write_text("two\n")
        hashes.add(cache.sources.__wrapped__())
    (package / "ir/graph.py").rename(package / "ir/other.py")
    hashes.add(cache.sources.__wrapped__())
    assert len(hashes) == 4
    (package / "joint.py").unlink()
    assert cache.sources.__wrapped__() == "", "there is no telling what an archive holds"
