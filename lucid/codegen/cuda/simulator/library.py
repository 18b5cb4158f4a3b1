"""CUDA C compiled for the CPU: a developer's tool, which needs a C++ compiler."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lucid.codegen.cuda.plan import Launch
from lucid.errors import CompileError, LucidError

HEADER = Path(__file__).with_name("host.h")

# As NVRTC_OPTIONS: no contraction. Stretches of the arena hold values of different types one after the other.
_OPTIONS = ("-std=c++17", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE")
_SHARED = ("-shared", "-fPIC", "-fno-stack-protector", "-fcf-protection=none")

FORWARD, REVERSE = 0, 1  # orders of threads and blocks; a larger number is the seed of a shuffled one


@functools.cache
def options() -> tuple[str, ...]:
    """The options of the compiler; with fused multiply-adds as instructions, where the processor has them."""
    cpuinfo = Path("/proc/cpuinfo")
    fma = platform.machine() == "x86_64" and cpuinfo.exists() and " fma " in cpuinfo.read_text()
    return (*_OPTIONS, "-mfma") if fma else _OPTIONS


class SimulationError(LucidError, RuntimeError):
    """A kernel that did on the simulator what it must not do on a GPU."""


@functools.cache
def compiler() -> str:
    """The path of the C++ compiler: what CXX names, else g++ or clang++. Raises CompileError where there is none."""
    if chosen := os.environ.get("CXX"):
        if path := shutil.which(chosen):
            return path
        raise CompileError(
            f"CXX is the C++ compiler of target 'cuda-sim', and there is no program {chosen!r}.",
            hint="name a compiler without arguments, such as g++, by its name on the PATH or its path; or unset CXX.",
        )
    for name in ("g++", "clang++"):
        if path := shutil.which(name):
            return path
    raise CompileError(
        "target 'cuda-sim' runs CUDA C as C++ and needs a C++ compiler; there is no g++ and no clang++ on the PATH.",
        hint="install one (Debian: apt install g++), or name one in the environment variable CXX; "
        "it is a tool for developers of Lucid: target='cpu' needs none.",
    )


@functools.cache
def identity() -> str:
    """What a library depends on beside the CUDA C: the compiler, its options, the header."""
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False).stdout
    return f"cuda-sim {version.splitlines()[:1]} {options()} {_SHARED} {HEADER.read_text()}"


def build(text: str, functions: Sequence[str]) -> bytes:
    """The shared library of the CUDA C of one or more modules with these functions. Raises CompileError with what the
    compiler says where it refuses."""
    table = "".join(f"    LUCID_KERNEL({name}),\n" for name in functions)
    source = f'#include "{HEADER}"\n#line 1 "kernels.cu"\n{text}\n{_EXPORTS % table}'
    with tempfile.TemporaryDirectory(prefix="lucid-cuda-sim-") as folder:
        (path := Path(folder, "kernels.cpp")).write_text(source)
        library = Path(folder, "kernels.so")
        command = [compiler(), *options(), *_SHARED, "-o", str(library), str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            said = run.stderr.strip()[:2000] or f"exit status {run.returncode}"
            raise CompileError(f"{compiler()} refuses the CUDA C of a program: {said}")
        return library.read_bytes()


_EXPORTS = """
static const lucid::Kernel lucid_kernels[] = {
%s};
extern "C" const char *lucid_name(unsigned kernel) {
    return kernel < sizeof lucid_kernels / sizeof *lucid_kernels ? lucid_kernels[kernel].name : 0;
}
extern "C" int lucid_launch(unsigned kernel, unsigned blocks_x, unsigned blocks_y, unsigned threads, void **arguments,
                            unsigned order, char *text, unsigned text_size) {
    return lucid::launch(lucid_kernels[kernel], blocks_x, blocks_y, threads, arguments, order, text, text_size);
}
"""


class Library:
    """The functions of a shared library that `build` made. It stays loaded until the process ends."""

    def __init__(self, image: bytes) -> None:
        with tempfile.NamedTemporaryFile(prefix="lucid-cuda-sim-", suffix=".so") as file:
            file.write(image)
            file.flush()
            library = ctypes.CDLL(file.name)
        library.lucid_name.restype = ctypes.c_char_p
        self._launch = library.lucid_launch
        self._text = ctypes.create_string_buffer(300)
        self._numbers: dict[str, int] = {}
        while name := library.lucid_name(len(self._numbers)):
            self._numbers[name.decode()] = len(self._numbers)

    def launch(self, launch: Launch, addresses: Sequence[int], order: int = FORWARD) -> None:
        """Run a launch on the storages at some addresses, its threads and blocks in an order. Raises SimulationError
        where it does what is undefined on a GPU."""
        pointers = [ctypes.c_void_p(addresses[buffer]) for buffer in launch.buffers]
        values = [*pointers, *(ctypes.c_int(scalar) for scalar in launch.scalars)]
        arguments = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        number = self._numbers[launch.function]
        text = self._text
        if not self._launch(number, *launch.blocks, launch.threads, arguments, order, text, len(text)):
            raise SimulationError(f"{launch.function}, {text.value.decode()}.")
