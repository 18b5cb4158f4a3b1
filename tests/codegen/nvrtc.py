"""Compiling with NVRTC in tests, where it is installed."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pytest

from lucid.codegen.cuda.nvrtc import Cubin, nvrtc
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.errors import CompileError

ARCHITECTURES = ("sm_70", "sm_80", "sm_90")  # that all code is compiled for


def compile_with_nvrtc(text: str, architecture: str) -> Cubin:
    """Compile CUDA C with our options, without errors; the test is skipped where there is no NVRTC."""
    try:
        compiler = nvrtc()
    except CompileError as error:
        pytest.skip(error.sentence)
    return compiler.compile(text, architecture)


def ptx_of(text: str, options: Sequence[str] = NVRTC_OPTIONS) -> str:
    """What NVRTC makes of CUDA C before it is machine code."""
    compile_with_nvrtc("", "sm_80")
    compiler, program = nvrtc(), ctypes.c_void_p()
    library = compiler._library
    library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"lucid.cu", 0, None, None)
    given = [option.encode() for option in ("--gpu-architecture=sm_80", *options)]
    assert not library.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
    return compiler._text(program, "PTX")
