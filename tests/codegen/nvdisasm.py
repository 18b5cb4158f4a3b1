"""Reading the machine code of a GPU in tests, where NVIDIA's disassembler is installed."""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_SECTION = re.compile(r"//-+ \.text\.(\w+) ")
_INSTRUCTION = re.compile(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)")


@functools.cache
def _disassembler() -> str | None:
    """The program of the wheel nvidia-cuda-nvdisasm, or that of an installed CUDA."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations or () if spec else ()
    found = (path for folder in folders for path in sorted(Path(folder).rglob("bin/nvdisasm")))
    return next(map(str, found), None) or shutil.which("nvdisasm")


def instructions(image: bytes) -> Mapping[str, list[str]]:
    """The names of the instructions of each function in machine code; the test is skipped where nothing reads it."""
    program = _disassembler()
    if program is None:
        pytest.skip("there is no nvdisasm, which the wheel nvidia-cuda-nvdisasm and CUDA have.")
    with TemporaryDirectory() as folder:
        path = Path(folder, "code.cubin")
        path.write_bytes(image)
        text = subprocess.run([program, "-c", path], capture_output=True, text=True, check=True).stdout
    return dict(_functions(text))


def _functions(text: str) -> Iterator[tuple[str, list[str]]]:
    names: list[str] = []
    for line in text.splitlines():
        if section := _SECTION.match(line):
            names = []
            yield section[1], names
        elif instruction := _INSTRUCTION.match(line):
            names.append(instruction[1])
