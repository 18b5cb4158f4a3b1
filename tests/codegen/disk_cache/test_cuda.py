"""The disk cache of the target "cuda", across processes: a hit calls NVRTC for nothing, and machine code is kept for an
architecture and a build of NVRTC. Compiling needs no GPU; the step that runs does so on the imitation of CuPy.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.codegen.nvrtc import compile_with_nvrtc
from tests.codegen.simulated import need_compiler

ROOT = Path(__file__).parents[3]

COMPILE = """
import hashlib, json, sys
import numpy as np
import lucid
from lucid.codegen.cuda.nvrtc import Nvrtc, nvrtc

called, compile = [], Nvrtc.compile

def counted(self, source, architecture):
    called.append(architecture)
    return compile(self, source, architecture)

Nvrtc.compile = counted
if len(sys.argv) > 1:
    nvrtc().build = sys.argv[1]
program = lucid.compile(lambda x, w: (x @ w).tanh().sum(), target="cuda").lower(*np.ones((2, 8, 8), np.float32))
if not called:
    assert "lucid.codegen.cuda.module" not in sys.modules, "nor imported what writes CUDA C"
code = program._compiled.executable.code
assert code.machine_code.startswith(b"\\x7fELF")
print(hashlib.sha256(code.machine_code).hexdigest(), json.dumps(code.plan), *called, sep="\\n")
"""


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-W", "always", "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def compiled(*build: str, architecture: str = "sm_80") -> tuple[str, Sequence[str], str]:
    """In a new process: the machine code and its plan, the architectures that NVRTC was called for, and warnings."""
    process = run(COMPILE, *build, LUCID_CUDA_ARCH=architecture)
    assert process.returncode == 0, process.stderr
    code, plan, *called = process.stdout.splitlines()
    return code + plan, called, process.stderr


def test_a_second_process_does_not_call_nvrtc() -> None:
    compile_with_nvrtc("", "sm_80")
    first, called, said = compiled()
    assert (called, said) == (["sm_80"], "")
    assert compiled() == (first, [], "")


def test_machine_code_is_kept_for_an_architecture_and_a_build() -> None:
    compile_with_nvrtc("", "sm_80")
    code, *_ = compiled()
    other, called, _ = compiled(architecture="sm_90")
    assert called == ["sm_90"]
    assert other != code
    _, called, _ = compiled("V12.6.77")
    assert called == ["sm_80"]
    for build, architecture, expected in (((), "sm_80", code), ((), "sm_90", other), (("V12.6.77",), "sm_80", code)):
        assert compiled(*build, architecture=architecture) == (expected, [], ""), "all of them are kept"


def test_a_damaged_entry_is_told_and_compiled_again(folder: Path) -> None:
    compile_with_nvrtc("", "sm_80")
    code, *_ = compiled()
    (path,) = folder.iterdir()
    raw = path.read_bytes()
    path.write_bytes(raw[:-1000] + bytes([raw[-1000] ^ 1]) + raw[-999:])
    again, called, said = compiled()
    assert (again, called) == (code, ["sm_80"])
    assert (
        f"CacheWarning: the file {path} of the disk cache is damaged: its checksum is wrong; compiling again." in said
    )
    assert compiled() == (code, [], "")


TRAIN = """
import sys
from tests.codegen import fake_cupy
from tests.codegen.trained import state, trained

if sys.argv[1] == "warm":
    def refuse(*_):
        raise AssertionError("compiled in a warm process")
    fake_cupy.assemble = refuse
with fake_cupy.installed() as calls:
    model, optimizer, step, losses = trained("cuda", steps=3)
    assert calls.launches
    print([loss.item() for loss in losses], state(model, optimizer))
"""


def test_a_step_from_disk_is_the_same_step() -> None:
    need_compiler()
    cold, warm = run(TRAIN, "cold"), run(TRAIN, "warm")
    assert cold.returncode == 0, cold.stderr
    assert warm.returncode == 0, warm.stderr
    assert cold.stdout == warm.stdout
