"""Processors that `LUCID_CPU` names."""

import numpy as np
import pytest

import lucid
from lucid.codegen.cpu import named
from lucid.errors import ArgumentError
from tests.codegen.processors import on_x86

pytestmark = on_x86


@pytest.mark.parametrize(
    ("cpu", "width"),
    [
        ("x86-64-v2", 16),
        ("btver2", 16),  # has 32 bytes for floats alone
        ("x86-64-v3", 32),
        ("znver3", 32),
        ("x86-64-v4", 64),
        ("znver4", 64),
        ("skylake-avx512", 64),
        ("icelake-server", 64),
    ],
)
def test_a_processor_has_the_vectors_of_its_features(cpu: str, width: int) -> None:
    assert named.vector_bytes("LUCID_CPU", cpu) == width


@pytest.mark.parametrize(
    ("cpu", "hint"),
    [
        ("skylake-avx", "names near it: skylake-avx512"),
        ("i386", "`llc -mcpu=help` lists them"),
        ("?", "llc"),
        ("nonsense", "llc"),
    ],
)
def test_a_processor_that_llvm_does_not_know_is_refused(cpu: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CPU", cpu)
    with pytest.raises(ArgumentError, match="LUCID_CPU takes LLVM's name of a processor of the kind") as caught:
        lucid.compile(lambda x: x + 1.0)(np.ones(3))
    assert f"got {cpu!r}." in str(caught.value)
    assert hint in str(caught.value)
