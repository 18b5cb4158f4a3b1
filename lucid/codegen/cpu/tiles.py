"""What the functions of products have in common: tiles of registers, vectors in memory, panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import (
    I32,
    I64,
    POINTER,
    TASK,
    VOID,
    Values,
    element,
    i64,
    intrinsic,
    loop,
    memory_type,
)
from lucid.codegen.cpu.squares import transposed
from lucid.ir.types import DType

# Rows and vectors of a tile: as many accumulators as the registers hold beside a row of B and an element of A.
# AVX-512 has 32 registers, AVX2 has 16; a machine of 16-byte vectors has 16 (SSE) or more.
TILES = {64: (8, 3), 32: (4, 3), 16: (4, 3)}

# Columns of B are transposed in groups of so many elements.
QUAD = 4


class Tiles:
    """The shape of the tiles for a dtype and a machine, and what the code around them is made of."""

    module: ir.Module

    def __init__(self, dtype: DType, vector_bytes: int) -> None:
        self.dtype = dtype
        self.lanes = vector_bytes // dtype.itemsize
        self.masks = vector_bytes > 16  # as AVX has them for loads; elsewhere each lane is a branch
        self.rows, self.vectors = TILES[vector_bytes]
        self.columns = self.vectors * self.lanes
        self.scalar = memory_type(dtype, 1)
        self.vector = memory_type(dtype, self.lanes)

    def panels(self, rows: int, columns: int) -> list[int]:
        """The vectors of each panel: a tile's, but for the last, and where that would have one, for the last two. Tiles
        of one vector are bound by what they load. Few rows have low tiles for full panels alone."""
        vectors = -(-columns // self.lanes)
        full, rest = divmod(vectors, self.vectors)
        if rest == 1 and full and rows >= 2 * self.rows:
            half = (self.vectors + 1) // 2
            return [self.vectors] * (full - 1) + [half, self.vectors + 1 - half]
        return [self.vectors] * full + [rest] * bool(rest)

    def begin(self, name: str, pointers: int, sizes: int) -> tuple[ir.Function, ir.IRBuilder]:
        signature = ir.FunctionType(VOID, [POINTER] * pointers + [I64] * sizes)
        function = ir.Function(self.module, signature, name)
        return function, ir.IRBuilder(function.append_basic_block("entry"))

    def begin_task(
        self, name: str, operands: int, sizes: int, functions: int = 0
    ) -> tuple[ir.IRBuilder, Sequence[ir.Value], Sequence[ir.Value], ir.Value, ir.Value]:
        """A task: the addresses of its operands, its sizes and behind them addresses of functions, the number of the
        chunk and that of the worker. `self.behind` is the address of what follows them."""
        function = ir.Function(self.module, TASK, name)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        context, number, worker, self.job = function.args

        def word(pointer: ir.Value, slot: int, type: ir.Type) -> ir.Value:
            return builder.load(builder.gep(pointer, [i64(slot)], source_etype=I64), typ=type)

        addresses = [word(context, slot, POINTER) for slot in range(operands)]
        constants = word(context, operands, POINTER)
        words = [word(constants, slot, I64 if slot < sizes else POINTER) for slot in range(sizes + functions)]
        self.behind = builder.gep(constants, [i64(sizes + functions)], source_etype=I64)
        return builder, addresses, words, number, worker

    def at(self, builder: ir.IRBuilder, pointer: ir.Value, *offsets: ir.Value) -> ir.Value:
        """The address of an element at the sum of offsets."""
        total = offsets[0]
        for offset in offsets[1:]:
            total = builder.add(total, offset)
        return element(builder, pointer, total, self.dtype)

    def load(self, builder: ir.IRBuilder, address: ir.Value, type: ir.Type) -> ir.Value:
        return builder.load(address, align=self.dtype.itemsize, typ=type)

    def store(self, builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
        builder.store(value, address, align=self.dtype.itemsize)

    def first(self, builder: ir.IRBuilder, count: ir.Value, lanes: int) -> ir.Value:
        """A mask of the first `count` lanes."""
        numbers = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        return builder.icmp_signed("<", numbers, self.spread(builder, count, lanes))

    def load_masked(self, builder: ir.IRBuilder, address: ir.Value, mask: ir.Value) -> ir.Value:
        """The elements at an address in the lanes of a mask, and zeros."""
        type = ir.VectorType(self.scalar, mask.type.count)
        operands = [address, I32(self.dtype.itemsize), mask, ir.Constant(type, None)]
        name = f"masked.load.v{type.count}{self.scalar.intrinsic_name}.p0"
        return builder.call(intrinsic(self.module, name, type, [x.type for x in operands]), operands)

    def store_masked(self, builder: ir.IRBuilder, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
        operands = [value, address, I32(self.dtype.itemsize), mask]
        name = f"masked.store.v{mask.type.count}{self.scalar.intrinsic_name}.p0"
        builder.call(intrinsic(self.module, name, VOID, [x.type for x in operands]), operands)

    def fetch(self, builder: ir.IRBuilder, address: ir.Value, to_write: bool = False) -> None:
        """Bring a cache line near. The address may lie outside of any array."""
        operands = [address, I32(int(to_write)), I32(3), I32(1)]  # to the nearest cache, as data
        builder.call(intrinsic(self.module, "prefetch.p0", VOID, [x.type for x in operands]), operands)

    def spread(self, builder: ir.IRBuilder, x: ir.Value, lanes: int) -> ir.Value:
        """A scalar in every lane."""
        undefined = ir.Constant(ir.VectorType(x.type, lanes), ir.Undefined)
        first = builder.insert_element(undefined, x, I32(0))
        return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), None))

    def smaller(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return builder.select(builder.icmp_signed("<", x, y), x, y)

    def larger(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return builder.select(builder.icmp_signed(">", x, y), x, y)

    def divided(self, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        """x / y, rounded up."""
        return builder.udiv(builder.sub(builder.add(x, y), i64(1)), y)

    def least(
        self, builder: ir.IRBuilder, count: ir.Value, sizes: Sequence[int], body: Callable[[int], object]
    ) -> None:
        """Run a body for the first of ascending sizes that holds `count`; the last one does."""
        if len(sizes) == 1:
            body(sizes[0])
            return
        with builder.if_else(builder.icmp_signed("<=", count, i64(sizes[0]))) as (fits, too_small):
            with fits:
                body(sizes[0])
            with too_small:
                self.least(builder, count, sizes[1:], body)

    # Panels.

    def write_pack_columns(self) -> ir.Function:
        """(b, panel, b_column, depth, columns): a panel from the columns of B, each contiguous. Columns from `columns`
        on repeat the last."""
        function, builder = self.begin("pack_columns", 2, 3)
        b, panel, b_column, depth, columns = function.args
        last = builder.sub(columns, i64(1))
        group = min(QUAD, self.lanes)
        # Where each lane reads. In memory, for registers hold fewer, and LLVM need not find out which.
        starts = builder.alloca(POINTER, self.lanes)

        def start(lane: int) -> ir.Value:
            return builder.gep(starts, [i64(lane)], source_etype=POINTER)

        def vectors(j: ir.Value, _: Values) -> Values:
            for lane in range(self.lanes):
                column = self.smaller(builder, builder.add(j, i64(lane)), last)
                builder.store(self.at(builder, b, builder.mul(column, b_column)), start(lane))

            def block(k: ir.Value, _: Values) -> Values:
                mask = self.first(builder, builder.sub(depth, k), group)
                addresses = [builder.load(start(lane), typ=POINTER) for lane in range(self.lanes)]
                parts = [self.load_masked(builder, self.at(builder, address, k), mask) for address in addresses]
                lines = [self.joined(builder, parts[n::group]) for n in range(group)]
                for n, line in enumerate(transposed(builder, lines)):
                    target = builder.mul(builder.add(k, i64(n)), i64(self.columns))
                    self.store(builder, line, self.at(builder, panel, target, j))
                return []

            loop(builder, i64(0), depth, group, [], block)
            return []

        loop(builder, i64(0), columns, self.lanes, [], vectors)
        builder.ret_void()
        return function

    def joined(self, builder: ir.IRBuilder, parts: Sequence[ir.Value]) -> ir.Value:
        """Vectors one after the other in one."""
        parts = list(parts)
        while len(parts) > 1:
            lanes = ir.Constant(ir.VectorType(I32, 2 * parts[0].type.count), list(range(2 * parts[0].type.count)))
            parts = [builder.shuffle_vector(x, y, lanes) for x, y in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]
