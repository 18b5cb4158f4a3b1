"""What LLVM knows about a processor by its name: whether there is one, and the width of its vectors."""

from __future__ import annotations

import difflib
import os
import platform
import re
import subprocess
import sys

from lucid.errors import ArgumentError

# Asked for a processor that it does not know, LLVM says so on the standard error stream, or ends the process: so it is
# another process that asks.
_ASK = """
import resource, sys
import llvmlite.binding as llvm
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
machine = llvm.Target.from_default_triple().create_target_machine(cpu=sys.argv[1])
print(machine.emit_assembly(llvm.parse_assembly(sys.argv[2])))
"""
# Integers: there is a processor that adds floats in vectors twice as wide.
_SUM = "define <16 x i32> @sum(<16 x i32> %x) { %y = add <16 x i32> %x, %x ret <16 x i32> %y }"
_REGISTERS = {"zmm": 64, "ymm": 32}  # of x86; others have 16 bytes
_UNKNOWN = "not a recognized processor", "64-bit code requested"
_LISTED = re.compile(r"^\s+(\S+)\s+- Select the \S+ processor", re.MULTILINE)


def vector_bytes(variable: str, name: str) -> int:
    """The bytes of the vector registers of a processor that an environment variable names. Raises ArgumentError where
    LLVM knows none of that name, for machines such as this one."""
    answer = _ask(name)
    if not _is_known(answer):
        listed = _LISTED.findall(_ask("help").stderr)  # those of other kinds, too
        near = [other for other in difflib.get_close_matches(name, listed, 5) if _is_known(_ask(other))]
        raise ArgumentError(
            f"{variable} takes LLVM's name of a processor of the kind {platform.machine()}, got {name!r}.",
            hint=f"names near it: {', '.join(near)}" if near else "`llc -mcpu=help` lists them",
        )
    answer.check_returncode()
    found = re.search(r"\bvpaddd\b.*%([yz]mm)", answer.stdout)
    return _REGISTERS[found[1]] if found else 16


def _is_known(answer: subprocess.CompletedProcess[str]) -> bool:
    return not any(sign in answer.stderr for sign in _UNKNOWN)


def _ask(name: str) -> subprocess.CompletedProcess[str]:
    """The answer of LLVM to a question for a processor."""
    command = [sys.executable, "-c", _ASK, name, _SUM]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
