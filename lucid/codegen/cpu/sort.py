"""The stable sort: the positions of a row's elements in order.

Elements become unsigned keys in the same order (`sort_keys.py`). A key and its position make a pair. Short rows are
sorted by insertion. Others are dealt to 256 buckets by one byte of the key after the other, from the lowest on, keeping
the order within a bucket (a radix sort); a byte that is the same in the whole row is left out. There is only one stable
order, so the result does not show how it was found.
"""

from __future__ import annotations

import math

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.chunks import sort_chunks
from lucid.codegen.cpu.control import I64, POINTER, Values, element, i64, loop, memory_type
from lucid.codegen.cpu.pool_text import SCRATCH
from lucid.codegen.cpu.scalars import LLVMScalars, Term
from lucid.codegen.cpu.task import Task
from lucid.codegen.sort_keys import sort_key
from lucid.ir.ops.indexing import Argsort
from lucid.ir.types import bool_, int64, uint8, uint64

# Up to this many elements for each byte of a key, insertion is faster than dealing.
SHORT = 12

BUCKETS = 256


def write_argsort(task: Task, op: Argsort) -> tuple[int, int]:
    """Write the task of a sort; return the number of its chunks, each of which is a range of rows, and the bytes of a
    worker's memory."""
    sort = _Sort(task, op)
    return sort.write(), sort.memory


class _Sort:
    def __init__(self, task: Task, op: Argsort) -> None:
        (x,) = task.operands
        self.dtype, self.descending = x.dtype, op.descending
        self.rows, self.length = math.prod(x.shape[:-1]), x.shape[-1]
        # A key of up to 32 bits and its position share a word, and the key is its upper half. Then the pairs of a row
        # have room in the row of the result.
        self.is_packed = x.dtype.bits <= 32
        self.words = 1 if self.is_packed else 2
        self.digits = x.dtype.itemsize
        self.function = task.function
        self.builder = ir.IRBuilder(task.function.append_basic_block("entry"))
        self.s = LLVMScalars(self.builder, 1)
        _, self.chunk, worker, _ = task.function.args
        self.x, self.result = task.address(self.builder, 0), task.address(self.builder, 1)
        self.is_short = self.length <= SHORT * self.digits
        row = self.length * self.words
        places = (1 if self.is_short else 2) - (1 if self.is_packed else 0)  # in scratch memory, for all pairs of a row
        counts = 0 if self.is_short else self.digits * BUCKETS
        self.pairs = self.others = self.counts = self.result
        self.memory = 8 * (counts + places * row) if places else 0
        if places:
            self.counts = self.builder.call(task.imported(SCRATCH, [I64], POINTER), [worker])
            self.others = self.word(self.counts, i64(counts))
            self.pairs = self.word(self.counts, i64(counts + (places - 1) * row))

    def write(self) -> int:
        builder = self.builder
        chunks = sort_chunks(self.rows, self.length, self.digits)
        grain = -(-self.rows // chunks)
        first = builder.mul(self.chunk, i64(grain))
        last = builder.add(first, i64(grain))
        last = builder.select(builder.icmp_signed("<", last, i64(self.rows)), last, i64(self.rows))

        def each(row: ir.Value, carried: Values) -> Values:
            start = builder.mul(row, i64(self.length))
            if self.is_packed:
                self.pairs = self.word(self.result, start)
            if self.is_short:
                self.insert_all(start)
                self.store(start, self.pairs)
            else:
                self.count(start)
                self.store(start, self.deal())
            return []

        loop(builder, first, last, 1, [], each)
        builder.ret_void()
        return chunks

    # Words and pairs.

    def word(self, pointer: ir.Value, number: ir.Value) -> ir.Value:
        """The address of a word."""
        return self.builder.gep(pointer, [number], source_etype=I64)

    def load(self, pointer: ir.Value, number: ir.Value) -> ir.Value:
        return self.builder.load(self.word(pointer, number), typ=I64)

    def load_pair(self, pointer: ir.Value, number: ir.Value) -> Values:
        """The words of a pair: the key with its position, or the key and its position."""
        start = self.builder.mul(number, i64(self.words))
        return [self.load(pointer, self.builder.add(start, i64(n))) for n in range(self.words)]

    def store_pair(self, pair: Values, pointer: ir.Value, number: ir.Value) -> None:
        start = self.builder.mul(number, i64(self.words))
        for n, value in enumerate(pair):
            self.builder.store(value, self.word(pointer, self.builder.add(start, i64(n))))

    def pair(self, start: ir.Value, position: ir.Value) -> Values:
        """The pair of an element of a row that begins at `start`."""
        builder, dtype = self.builder, self.dtype
        address = element(builder, self.x, builder.add(start, position), dtype)
        stored = uint8 if dtype == bool_ else dtype
        x = Term(stored, builder.load(address, align=dtype.itemsize, typ=memory_type(dtype, 1)))
        key = self.s.cast(sort_key(self.s, x, self.descending), uint64).value
        return [builder.or_(builder.shl(key, i64(32)), position)] if self.is_packed else [key, position]

    def store(self, start: ir.Value, pairs: ir.Value) -> None:
        """Write the positions of sorted pairs to the result."""
        builder = self.builder

        def step(number: ir.Value, carried: Values) -> Values:
            position = self.load_pair(pairs, number)[-1]
            if self.is_packed:
                position = builder.and_(position, i64(0xFFFFFFFF))
            builder.store(position, element(builder, self.result, builder.add(start, number), int64))
            return []

        loop(builder, i64(0), i64(self.length), 1, [], step)

    # Short rows.

    def insert_all(self, start: ir.Value) -> None:
        """Sort the pairs of a row by inserting one after the other behind those that are not larger."""

        def step(number: ir.Value, carried: Values) -> Values:
            self.insert(self.pair(start, number), number)
            return []

        loop(self.builder, i64(0), i64(self.length), 1, [], step)

    def insert(self, pair: Values, count: ir.Value) -> None:
        """Insert a pair into the first `count`, moving up those with a larger key."""
        builder = self.builder
        before = builder.block
        look, compare, move, done = (builder.append_basic_block(n) for n in ("look", "compare", "move", "done"))
        builder.branch(look)
        builder.position_at_end(look)
        place = builder.phi(I64)
        place.add_incoming(count, before)
        builder.cbranch(builder.icmp_signed(">", place, i64(0)), compare, done)
        builder.position_at_end(compare)
        lower = builder.sub(place, i64(1))
        other = self.load_pair(self.pairs, lower)
        # Where key and position share a word, words are in order as pairs are: the positions are, too.
        builder.cbranch(builder.icmp_unsigned(">", other[0], pair[0]), move, done)
        builder.position_at_end(move)
        self.store_pair(other, self.pairs, place)
        place.add_incoming(lower, move)
        builder.branch(look)
        builder.position_at_end(done)
        self.store_pair(pair, self.pairs, place)

    # Long rows.

    def count(self, start: ir.Value) -> None:
        """Write the pairs of a row, and count for each byte of the key how often it has each value."""
        builder = self.builder

        def clear(number: ir.Value, carried: Values) -> Values:
            builder.store(i64(0), self.word(self.counts, number))
            return []

        def step(position: ir.Value, carried: Values) -> Values:
            pair = self.pair(start, position)
            self.store_pair(pair, self.pairs, position)
            for digit in range(self.digits):
                place = self.word(self.counts, self.bucket(pair, digit))
                builder.store(builder.add(builder.load(place, typ=I64), i64(1)), place)
            return []

        loop(builder, i64(0), i64(self.digits * BUCKETS), 1, [], clear)
        loop(builder, i64(0), i64(self.length), 1, [], step)

    def bucket(self, pair: Values, digit: int) -> ir.Value:
        """Where the count of a pair's bucket is, for a byte of its key."""
        shift = 8 * digit + (32 if self.is_packed else 0)
        value = self.builder.and_(self.builder.lshr(pair[0], i64(shift)), i64(BUCKETS - 1))
        return self.builder.add(value, i64(digit * BUCKETS))

    def deal(self) -> ir.Value:
        """Sort the pairs, byte after byte, to and fro between two places; return the one where they end up."""
        builder = self.builder
        here, there = self.pairs, self.others
        for digit in range(self.digits):
            first = self.word(self.counts, self.bucket(self.load_pair(here, i64(0)), digit))
            is_needed = builder.icmp_signed("<", builder.load(first, typ=I64), i64(self.length))
            before, then, after = builder.block, *(builder.append_basic_block(n) for n in ("deal", "dealt"))
            builder.cbranch(is_needed, then, after)
            builder.position_at_end(then)
            self.deal_by(digit, here, there)
            then = builder.block
            builder.branch(after)
            builder.position_at_end(after)
            sorted_here, spare = builder.phi(POINTER), builder.phi(POINTER)
            for phi, kept, swapped in ((sorted_here, here, there), (spare, there, here)):
                phi.add_incoming(kept, before)
                phi.add_incoming(swapped, then)
            here, there = sorted_here, spare
        return here

    def deal_by(self, digit: int, source: ir.Value, target: ir.Value) -> None:
        """Deal the pairs to the buckets of a byte, in their order."""
        builder = self.builder

        def begin(bucket: ir.Value, carried: Values) -> Values:
            place = self.word(self.counts, builder.add(bucket, i64(digit * BUCKETS)))
            count = builder.load(place, typ=I64)
            builder.store(carried[0], place)
            return [builder.add(carried[0], count)]

        def step(number: ir.Value, carried: Values) -> Values:
            pair = self.load_pair(source, number)
            place = self.word(self.counts, self.bucket(pair, digit))
            at = builder.load(place, typ=I64)
            self.store_pair(pair, target, at)
            builder.store(builder.add(at, i64(1)), place)
            return []

        loop(builder, i64(0), i64(BUCKETS), 1, [i64(0)], begin)
        loop(builder, i64(0), i64(self.length), 1, [], step)
