"""Loops and pointers in LLVM IR."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.ir.types import DType

I64 = ir.IntType(64)
I32 = ir.IntType(32)
I8 = ir.IntType(8)
POINTER = ir.PointerType()
VOID = ir.VoidType()
TASK = ir.FunctionType(VOID, [POINTER, I64, I64, I64])  # context, chunk, worker, job

Values = list[ir.Value]


def i64(value: int) -> ir.Value:
    return ir.Constant(I64, value)


def memory_type(dtype: DType, width: int) -> ir.Type:
    """The type of `width` neighbouring elements in memory, where a bool is a byte."""
    element: ir.Type
    if dtype.is_float:
        element = {32: ir.FloatType(), 64: ir.DoubleType()}[dtype.bits]
    else:
        element = ir.IntType(8 * dtype.itemsize)
    return element if width == 1 else ir.VectorType(element, width)


def first_lanes(active: int, width: int) -> ir.Value:
    """A mask of the first lanes of a vector."""
    return ir.Constant(ir.VectorType(ir.IntType(1), width), [int(lane < active) for lane in range(width)])


def loop(
    builder: ir.IRBuilder,
    start: ir.Value,
    stop: ir.Value,
    step: int | ir.Value,
    carried: Sequence[ir.Value],
    body: Callable[[ir.Value, Values], Sequence[ir.Value]],
) -> Values:
    """Run `body(index, carried)` for index = start, start + step, ... below stop, each time with what the time
    before returned; give what the last returned. The builder ends up behind the loop."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(I64)
    index.add_incoming(start, before)
    phis: list[ir.Phi] = []
    for value in carried:
        phis.append(builder.phi(value.type))
        phis[-1].add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), inside, after)
    builder.position_at_end(inside)
    results = body(index, [*phis])
    index.add_incoming(builder.add(index, i64(step) if isinstance(step, int) else step), builder.block)
    for phi, result in zip(phis, results, strict=True):
        phi.add_incoming(result, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return [*phis]


def element(builder: ir.IRBuilder, pointer: ir.Value, position: ir.Value, dtype: DType) -> ir.Value:
    """The address of an element of an array."""
    return builder.gep(pointer, [position], source_etype=memory_type(dtype, 1))


def intrinsic(module: ir.Module, name: str, result: ir.Type, operands: Sequence[ir.Type]) -> ir.Function:
    """The function `llvm.<name>`, declared on first use."""
    full_name = f"llvm.{name}"
    found = module.globals.get(full_name)
    return found or ir.Function(module, ir.FunctionType(result, operands), full_name)
