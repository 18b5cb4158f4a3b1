"""NVIDIA's run-time compiler: CUDA C to machine code. It needs neither a GPU nor a driver."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.errors import CompileError

_VERBOSE = "--ptxas-options=-v"  # has the log say what each function takes
_SONAME = "libnvrtc.so.12"


@dataclass(frozen=True)
class Figures:
    """What a function takes: registers of a thread, bytes that it spills, bytes of shared memory of a block, and bytes
    of arrays that are not in registers."""

    registers: int
    spilled: int
    shared: int
    stack: int


@dataclass(frozen=True)
class Cubin:
    """Machine code for an architecture, and the figures of its functions."""

    image: bytes
    figures: dict[str, Figures]


class Nvrtc:
    """The loaded library."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value, minor.value
        count = ctypes.c_int()
        library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        library.nvrtcGetSupportedArchs(numbers)
        self.architectures = [f"sm_{number}" for number in numbers]

    def compile(self, source: str, architecture: str) -> Cubin:
        """The machine code of CUDA C for an architecture such as sm_80. Raises CompileError for one that this release
        does not know, and with the compiler's log."""
        if architecture not in self.architectures:
            raise CompileError(
                f"NVRTC {'.'.join(map(str, self.version))} compiles for {', '.join(self.architectures)}, "
                f"got {architecture}.",
                hint="for a newer GPU: pip install --upgrade nvidia-cuda-nvrtc-cu12; "
                "LUCID_CUDA_ARCH names another architecture.",
            )
        with self._program(source) as program:
            options = [x.encode() for x in (f"--gpu-architecture={architecture}", *NVRTC_OPTIONS, _VERBOSE)]
            status = self._library.nvrtcCompileProgram(
                program, len(options), (ctypes.c_char_p * len(options))(*options)
            )
            log = self._text(program, "ProgramLog")
            if status:
                raise CompileError(f"NVRTC refuses the CUDA C of a program for {architecture}: {log.strip()[:2000]}")
            return Cubin(self._bytes(program, "CUBIN"), dict(_figures(log)))

    @functools.cached_property
    def build(self) -> str:
        """What tells this compiler from all others, those of the same release too: the comment over any PTX of it."""
        with self._program("") as program:
            self._library.nvrtcCompileProgram(program, 0, None)
            return " ".join(re.findall(r"^// (.+)", self._text(program, "PTX"), re.MULTILINE))

    @contextlib.contextmanager
    def _program(self, source: str) -> Iterator[ctypes.c_void_p]:
        program = ctypes.c_void_p()
        self._library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"lucid.cu", 0, None, None)
        try:
            yield program
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _bytes(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        getattr(self._library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(self._library, f"nvrtcGet{what}")(program, buffer)
        return buffer.raw

    def _text(self, program: ctypes.c_void_p, what: str) -> str:
        return self._bytes(program, what).rstrip(b"\0").decode()


@functools.cache
def nvrtc() -> Nvrtc:
    """NVRTC from its wheel, or else that of an installed CUDA 12. Raises CompileError where there is none."""
    for path in _candidates():
        try:
            for builtins in sorted(Path(path).parent.glob("libnvrtc-builtins.so.*")):
                ctypes.CDLL(str(builtins))  # which the library looks for on the system's path only
            return Nvrtc(ctypes.CDLL(path))
        except OSError:
            continue
    raise CompileError(
        "compiling for CUDA needs NVRTC, and neither the wheel nvidia-cuda-nvrtc-cu12 nor CUDA 12 is installed.",
        hint='pip install "lucid-compiler[cuda-check]"; it needs no GPU. '
        "with target='cpu', lower(...).cuda_source() shows the kernels without it.",
    )


def _candidates() -> Iterator[str]:
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from map(str, sorted(Path(folder).rglob("libnvrtc.so.*")))
    yield _SONAME


_FUNCTION = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def _figures(log: str) -> Iterator[tuple[str, Figures]]:
    for match in _FUNCTION.finditer(log):
        shared = re.search(r"(\d+) bytes smem", match["rest"])
        spilled = int(match["stores"]) + int(match["loads"])
        in_shared = int(shared[1]) if shared else 0
        yield match["name"], Figures(int(match["registers"]), spilled, in_shared, int(match["stack"]))
