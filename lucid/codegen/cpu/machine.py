"""The processor that code is generated for, and LLVM's part of the compilation."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

# The processor to generate code for, by LLVM's name (`x86-64-v3`, `skylake`); the one at hand where it is unset.
CPU_VARIABLE = "LUCID_CPU"


@dataclass(frozen=True)
class Machine:
    """A processor by LLVM's name for it, its features, and the bytes of its vector registers."""

    cpu: str
    features: str
    vector_bytes: int

    def layout(self) -> tuple[str, str]:
        """The target triple and the data layout, as a module names them."""
        return _layout(self)

    def target_machine(self) -> Any:
        # Level 2 selects and schedules instructions well; level 3 compiles longer for the same code.
        target = llvm.Target.from_default_triple()
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=2, jit=True)


def machine() -> Machine:
    """The processor that `LUCID_CPU` names, without what this one has beyond it; by default this one."""
    return _named(os.environ.get(CPU_VARIABLE, ""))


@functools.cache
def _named(name: str) -> Machine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if name:
        wide = {"x86-64-v3": 32, "x86-64-v4": 64}
        return Machine(name, "", wide.get(name, 16))
    features = llvm.get_host_cpu_features()
    vector_bytes = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return Machine(llvm.get_host_cpu_name(), features.flatten(), vector_bytes)


@functools.cache
def _engine(machine: Machine) -> Any:
    return llvm.create_lljit_compiler(machine.target_machine())


@functools.cache
def _layout(machine: Machine) -> tuple[str, str]:
    target_machine = machine.target_machine()
    return target_machine.triple, str(target_machine.target_data)


_numbers = itertools.count()


def link(
    machine: Machine, text: str, exports: Sequence[str], imports: Mapping[str, int] | None = None
) -> tuple[dict[str, int], Any]:
    """Compile the text of a module: the addresses of the functions that it exports, and what keeps them alive.

    `imports` gives the addresses of functions that it calls, beside those of the C library.
    """
    library = llvm.JITLibraryBuilder().add_ir(text).add_current_process()
    for name in exports:
        library.export_symbol(name)
    for name, address in (imports or {}).items():
        library.import_symbol(name, address)
    tracker = library.link(_engine(machine), f"lucid_{next(_numbers)}")
    return {name: tracker[name] for name in exports}, tracker


def assembly(machine: Machine, text: str) -> str:
    """The assembly of the text of a module."""
    module = llvm.parse_assembly(text)
    code: str = machine.target_machine().emit_assembly(module)
    return code
