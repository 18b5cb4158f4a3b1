"""The processor that code is generated for, and LLVM's part of the compilation."""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi

# The processor to generate code for, by LLVM's name (`x86-64-v3`, `skylake`); the one at hand where it is unset.
CPU_VARIABLE = "LUCID_CPU"

ENTRY = "entry"  # what the module of a graph exports

# The words of the status that an entry writes to: the one that says that all has been written, and how many there are.
DONE_WORD, STATUS_WORDS = 3, 4

# How much LLVM's code generator does: level 2 selects and schedules instructions well, and level 3 compiles longer for
# the same code; level 0 takes a quarter of the time, for code that keeps values in memory.
LEVEL, QUICK = 2, 0


@dataclass(frozen=True)
class Machine:
    """A processor by LLVM's name for it, its features, and the bytes of its vector registers."""

    cpu: str
    features: str
    vector_bytes: int

    def layout(self) -> tuple[str, str]:
        """The target triple and the data layout, as a module names them."""
        return _layout(self)

    def identity(self) -> str:
        """All that object code depends on beside the text of a module: the processor, and the releases of LLVM."""
        releases = (llvmlite.__version__, *llvm.llvm_version_info)
        return f"{self} {self.layout()} llvm {releases}"

    def target_machine(self, level: int = LEVEL) -> Any:
        target = llvm.Target.from_default_triple()
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=level, reloc="pic", jit=True)


def machine() -> Machine:
    """The processor that `LUCID_CPU` names, without what this one has beyond it; by default this one. Raises
    ArgumentError where LLVM knows none of that name."""
    return _named(os.environ.get(CPU_VARIABLE, ""))


@functools.cache
def _named(name: str) -> Machine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if name:
        from lucid.codegen.cpu.named import vector_bytes  # for those who name one

        return Machine(name, "", vector_bytes(CPU_VARIABLE, name))
    features = llvm.get_host_cpu_features()
    width = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return Machine(llvm.get_host_cpu_name(), features.flatten(), width)


@functools.cache
def _engine(machine: Machine) -> Any:
    # JITLink: LLVM's older linker reaches 4 GB on ARM, and ends the process where something lies further away.
    return llvm.create_lljit_compiler(machine.target_machine(), use_jit_link=True)


@functools.cache
def _layout(machine: Machine) -> tuple[str, str]:
    target_machine = machine.target_machine()
    return target_machine.triple, str(target_machine.target_data)


# LLVM's target machines that no thread is using, by their levels. What one finds out about the features of its
# processor, which takes as long as the code of a small function, it keeps.
_idle: defaultdict[tuple[Machine, int], list[Any]] = defaultdict(list)


class Parsed:
    """A module that LLVM has read. Any thread may make object code of it, and several of several at once.

    Reading is for the thread that has written the text: each call of LLVM gives the interpreter away, and a helper
    would wait for it again behind each, up to 5 ms while another thread runs Python. Emission is one call.
    """

    def __init__(self, machine: Machine, text: str, level: int = LEVEL) -> None:
        self.text = text
        self._module = llvm.parse_assembly(text, llvm.create_context())
        self._idle = _idle[machine, level]
        self._new = functools.partial(machine.target_machine, level)
        if not self._idle:
            self._idle.append(self._new())

    def object_code(self) -> bytes:
        """What `target_machine.emit_object(module)` gives, past the lock that llvmlite has around all calls of LLVM.

        LLVM allows that where no other thread uses the target machine, nor the context of the module: see
        docs/decisions/0029-code-is-generated-on-several-threads.md.
        """
        try:
            target_machine = self._idle.pop()
        except IndexError:  # there are more threads at it than ever before
            target_machine = self._new()
        emit, start, size, dispose = _emission()
        message = ctypes.c_char_p()
        buffer = emit(target_machine, self._module, True, ctypes.byref(message))
        self._idle.append(target_machine)
        if not buffer:
            with ffi.OutputString(init=message) as text:
                raise RuntimeError(str(text))
        try:
            return ctypes.string_at(start(buffer), size(buffer))
        finally:
            dispose(buffer)


def assemble(machine: Machine, text: str) -> bytes:
    """The object code of the text of a module."""
    return Parsed(machine, text).object_code()


@functools.cache
def _emission() -> tuple[Any, ...]:
    """LLVM's functions that emit an object, which gives the interpreter to other threads meanwhile, and that read and
    drop its buffer, which do not."""
    names = "TargetMachineEmitToMemory", "GetBufferStart", "GetBufferSize", "DisposeMemoryBuffer"
    functions = []
    for name, kind in zip(names, (ctypes.CDLL, *[ctypes.PyDLL] * 3), strict=True):
        locked = getattr(ffi.lib, f"LLVMPY_{name}")
        function = getattr(kind(ffi.lib._name), f"LLVMPY_{name}")
        function.argtypes, function.restype = locked.argtypes, locked.restype
        functions.append(function)
    return tuple(functions)


_numbers = itertools.count()


def load(
    machine: Machine, codes: Sequence[bytes], exports: Sequence[str], imports: Mapping[str, int] | None = None
) -> tuple[dict[str, int], Any]:
    """Load objects, which may call each other: the addresses of the functions that they export, and what keeps these
    alive.

    `imports` gives the addresses of functions that they call, beside those of the C library.
    """
    library = llvm.JITLibraryBuilder().add_current_process()
    for code in codes:
        library.add_object_img(code)
    for name in exports:
        library.export_symbol(name)
    for name, address in (imports or {}).items():
        library.import_symbol(name, address)
    tracker = library.link(_engine(machine), f"lucid_{next(_numbers)}")
    return {name: tracker[name] for name in exports}, tracker


def llvm_version() -> str:
    """The release of LLVM."""
    return ".".join(map(str, llvm.llvm_version_info))


def assembly(machine: Machine, text: str) -> str:
    """The assembly of the text of a module."""
    code: str = machine.target_machine().emit_assembly(llvm.parse_assembly(text))
    return code
