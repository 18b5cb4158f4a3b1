"""A small compiler for tests: a function of scalars becomes a native loop over arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.scalars import LLVMScalars, Term, llvm_type
from lucid.ir.types import DType, bool_, uint8

Array = npt.NDArray[Any]
# A function of a vocabulary and its operands, with one result or a tuple of results.
ScalarFunction = Callable[..., Any]

INTEGER = ir.IntType(64)
ALIGNMENT = 1  # arrays of tests start anywhere

_library_numbers = count()


@cache
def _jit() -> llvm.LLJIT:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=1
    )
    return llvm.create_lljit_compiler(machine)


def elementwise_module(
    function: ScalarFunction, operands: Sequence[DType], width: int
) -> tuple[ir.Module, list[DType]]:
    """The module of `run(out..., in..., blocks)`, which handles `width` elements at a time, and the results' dtypes."""
    module = ir.Module("elementwise")
    results = list(_results(function, operands, width))
    pointers = [ir.PointerType()] * (len(results) + len(operands))
    run = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, INTEGER]), "run")
    entry, loop, done = (run.append_basic_block(name) for name in ("entry", "loop", "done"))
    ir.IRBuilder(entry).branch(loop)
    builder = ir.IRBuilder(loop)
    block = builder.phi(INTEGER)
    block.add_incoming(INTEGER(0), entry)
    start = builder.mul(block, INTEGER(width))
    scalars = LLVMScalars(builder, width)

    def address(argument: int, dtype: DType) -> ir.Value:
        return builder.gep(run.args[argument], [start], source_etype=llvm_type(_stored(dtype), 1))

    terms = []
    for number, dtype in enumerate(operands, len(results)):
        stored = _stored(dtype)
        loaded = builder.load(address(number, dtype), typ=llvm_type(stored, width), align=ALIGNMENT)
        terms.append(scalars.cast(Term(stored, loaded), dtype))
    for number, term in enumerate(_as_tuple(function(scalars, *terms))):
        builder.store(scalars.cast(term, _stored(term.dtype)).value, address(number, term.dtype), align=ALIGNMENT)

    following = builder.add(block, INTEGER(1))
    block.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, run.args[-1]), loop, done)
    ir.IRBuilder(done).ret_void()
    return module, results


def compile_elementwise(function: ScalarFunction, operands: Sequence[DType], width: int) -> Callable[..., Any]:
    """A native function of arrays of any equal length. Their last element fills the last block up."""
    module, results = elementwise_module(function, operands, width)
    builder = llvm.JITLibraryBuilder().add_ir(str(module)).export_symbol("run").add_current_process()
    library = builder.link(_jit(), f"elementwise_{next(_library_numbers)}")
    arguments = [ctypes.c_void_p] * (len(results) + len(operands)) + [ctypes.c_int64]
    run = ctypes.CFUNCTYPE(None, *arguments)(library["run"])

    def call(*arrays: Array) -> Any:
        length = arrays[0].size
        blocks = -(-length // width)
        inputs = [
            np.ascontiguousarray(
                np.pad(array.astype(dtype.numpy, copy=False), (0, blocks * width - length), mode="edge")
            )
            for array, dtype in zip(arrays, operands, strict=True)
        ]
        outputs = [np.empty(blocks * width, dtype.numpy) for dtype in results]
        run(*(array.ctypes.data for array in [*outputs, *inputs]), blocks)
        found = tuple(output[:length] for output in outputs)
        return found if len(found) > 1 else found[0]

    call.library = library  # type: ignore[attr-defined]  # it keeps the code alive
    return call


def _results(function: ScalarFunction, operands: Sequence[DType], width: int) -> Sequence[DType]:
    """The dtypes that a function gives, found by emitting it into a block that is thrown away."""
    scratch = ir.Function(ir.Module("elementwise"), ir.FunctionType(ir.VoidType(), []), "scratch")
    scalars = LLVMScalars(ir.IRBuilder(scratch.append_basic_block()), width)
    given = _as_tuple(function(scalars, *(scalars.constant(1, dtype) for dtype in operands)))
    return [term.dtype for term in given]


def _as_tuple(result: Any) -> tuple[Term, ...]:
    return result if type(result) is tuple else (result,)  # a term is a named one


def _stored(dtype: DType) -> DType:
    """A bool is a byte in memory."""
    return uint8 if dtype == bool_ else dtype
