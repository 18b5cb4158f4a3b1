"""Processors that tests name in `LUCID_CPU`: their code runs where this one has vectors as wide."""

from __future__ import annotations

import functools
import platform

import pytest

from lucid.codegen.cpu import named
from lucid.codegen.cpu.machine import CPU_VARIABLE, machine

_vector_bytes = functools.cache(named.vector_bytes)  # which asks another process

X86 = platform.machine() in ("x86_64", "AMD64")
on_x86 = pytest.mark.skipif(not X86, reason="names x86-64 processors")


def runs_here(cpu: str) -> bool:
    """Whether the processor at hand can run what is compiled for another one of x86-64."""
    return X86 and _vector_bytes(CPU_VARIABLE, cpu) <= machine().vector_bytes


def need(cpu: str) -> None:
    """Skip the test where the code of a processor cannot run."""
    if not runs_here(cpu):
        pytest.skip(f"the processor at hand cannot run code for {cpu}")


def need_wider_than(cpu: str) -> None:
    """Skip the test where there is no code with wider vectors to compare that of a processor with."""
    need(cpu)
    if _vector_bytes(CPU_VARIABLE, cpu) == machine().vector_bytes:
        pytest.skip(f"the processor at hand has no wider vectors than {cpu}")
