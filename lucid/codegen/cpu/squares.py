"""Transposed reads: where lanes would each read a row of memory, squares of it are turned in registers.

A map whose last axis steps through an operand in rows, while another of its axes steps through the elements of a row,
would touch a cache line for each element that it reads, and come back for the next when the line is gone. So it walks
that other axis in blocks as long as a vector has lanes, inside of all its loops: a block of rows is loaded by whole
vectors, turned, and kept until its last line has been computed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.access import SPAN, Access
from lucid.codegen.cpu.control import I32, I64, element, i64, memory_type
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.kernel import Kernel, Load
from lucid.ir.index import Axis, Known
from lucid.ir.types import int64

# Turning takes as many registers as there are lanes.
MOST_LANES = 16

# With fewer rows than this, a vector of them holds too little.
LEAST_EXTENT = 8


class Squares(NamedTuple):
    """The axis that a kernel walks in blocks, and the loads that are turned, with their numbers."""

    axis: Axis
    loads: tuple[tuple[int, Load], ...]


def squares_of(kernel: Kernel, width: int) -> Squares | None:
    """What to turn in a kernel of vectors of so many lanes: nothing but in maps."""
    if not 1 < width <= MOST_LANES or len(kernel.axes) < 2 or any(s.axes or s.reductions for s in kernel.stages):
        return None
    found: dict[Axis, list[tuple[int, Load]]] = {}
    for number, value in enumerate(kernel.values):
        if isinstance(value, Load) and not value.bounds:
            axis = _along_memory(value, kernel.axes)
            if axis is not None:
                found.setdefault(axis, []).append((number, value))
    if not found:
        return None
    axis = max(found, key=lambda axis: len(found[axis]))
    return Squares(axis, tuple(found[axis]))


def _along_memory(load: Load, axes: Sequence[Axis]) -> Axis | None:
    """The axis, not the last, along which a load reads neighbours, where it steps widely along the last one."""
    stride = load.position.coefficient(axes[-1])
    if stride is None or abs(stride) < SPAN or any(isinstance(leaf, Known) for leaf in load.position.leaves()):
        return None
    near = (axis for axis in axes[:-1] if load.position.coefficient(axis) == 1 and axis.extent >= LEAST_EXTENT)
    return next(near, None)


class Square:
    """A block of rows of one operand, turned: `width` vectors of memory."""

    def __init__(self, entry: ir.IRBuilder, load: Load, width: int) -> None:
        self.load = load
        self.width = width
        self.type = memory_type(load.dtype, width)
        self.memory = entry.alloca(self.type, width)

    def fill(self, access: Access, count: ir.Value) -> None:
        """Read what the lanes read at the first `count` values of the walked axis from where it stands."""
        builder, dtype = access.builder, self.load.dtype
        stride, start = access.stride(self.load.position), access.first(self.load.position)
        assert stride is not None
        numbers = ir.Constant(ir.VectorType(I64, self.width), list(range(self.width)))
        mask = builder.icmp_signed("<", numbers, access.s.splat(Term(int64, count)).value)
        zeros = ir.Constant(self.type, None)
        rows = []
        for _ in range(access.active):
            address = element(builder, access.pointers[self.load.buffer.number], start, dtype)
            rows.append(access.load_masked(address, dtype, mask))
            start = builder.add(start, i64(stride))
        rows += [zeros] * (self.width - len(rows))
        for number, line in enumerate(transposed(builder, rows)):
            builder.store(line, self._line(builder, i64(number)), align=dtype.itemsize)

    def line(self, access: Access, number: ir.Value) -> Term:
        """What the lanes read at a value of the walked axis."""
        builder, dtype = access.builder, self.load.dtype
        address = self._line(builder, number)
        return access.from_memory(builder.load(address, align=dtype.itemsize, typ=self.type), dtype)

    def _line(self, builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
        return builder.gep(self.memory, [number], source_etype=self.type)


def transposed(builder: ir.IRBuilder, lines: Sequence[ir.Value]) -> list[ir.Value]:
    """Lines of as many lanes a group as there are lines, transposed within each group: line i is interleaved with
    line i + half, as often as halving goes."""
    group, half, lanes = len(lines), len(lines) // 2, lines[0].type.count

    def interleaving(start: int) -> ir.Constant:
        order = [lane - lane % group + start + lane % group // 2 + lane % 2 * lanes for lane in range(lanes)]
        return ir.Constant(ir.VectorType(I32, lanes), order)

    masks = interleaving(0), interleaving(half)
    result = list(lines)
    for _ in range(group.bit_length() - 1):
        pairs = zip(result[:half], result[half:], strict=True)
        result = [builder.shuffle_vector(x, y, mask) for x, y in pairs for mask in masks]
    return result
