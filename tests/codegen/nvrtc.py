"""NVIDIA's run-time compiler from its wheel, which needs neither a GPU nor a driver."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

import pytest

from lucid.codegen.cuda.scalars import NVRTC_OPTIONS


def compile_with_nvrtc(text: str, architecture: str) -> None:
    """Compile CUDA C with our options, without errors; the test is skipped where there is no NVRTC."""
    nvrtc = _find_nvrtc()
    if nvrtc is None:
        pytest.skip("the wheel nvidia-cuda-nvrtc-cu12 is not installed")
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None) == 0
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *NVRTC_OPTIONS)]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    assert status == 0, log.value.decode()


@cache
def _find_nvrtc() -> ctypes.CDLL | None:
    spec = importlib.util.find_spec("nvidia")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    libraries = sorted(path for folder in folders for path in Path(folder).rglob("libnvrtc.so.*"))
    for builtins in [path for library in libraries[:1] for path in library.parent.glob("libnvrtc-builtins.so.*")]:
        ctypes.CDLL(str(builtins))
    return ctypes.CDLL(str(libraries[0])) if libraries else None
