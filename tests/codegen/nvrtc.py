"""Compiling with NVRTC in tests, where it is installed."""

from __future__ import annotations

import pytest

from lucid.codegen.cuda.nvrtc import Cubin, nvrtc
from lucid.errors import CompileError


def compile_with_nvrtc(text: str, architecture: str) -> Cubin:
    """Compile CUDA C with our options, without errors; the test is skipped where there is no NVRTC."""
    try:
        compiler = nvrtc()
    except CompileError as error:
        pytest.skip(error.sentence)
    return compiler.compile(text, architecture)
