"""Calling an entry: on the arrays of Python objects, or many times on arrays that follow each other.

Asking an ndarray object for its shape, flags and address costs Python more than a small step computes. So a call that
expects to be like the one before hands over the objects themselves, and native code looks into them.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lucid.codegen.cpu.assembler import assemble_once
from lucid.codegen.cpu.machine import DONE_WORD, Machine, load
from lucid.codegen.target import Like

_REPEAT = """
target triple = "{triple}"
target datalayout = "{layout}"

; Call entry(table, status) `times` times. After each add strides[n] to table[slots[n]], and 1 to what `runs` points to.
; Stop at a call that fails.
define i32 @lucid_repeat(ptr %entry, ptr %table, ptr %status, i64 %times, ptr %slots, ptr %strides, i64 %count,
                         ptr %runs) {{
start:
  %before = load i64, ptr %runs
  br label %next
next:
  %turn = phi i64 [ 0, %start ], [ %turns, %moved ]
  %more = icmp slt i64 %turn, %times
  br i1 %more, label %run, label %end
run:
  %failed = call i32 %entry(ptr %table, ptr %status)
  %bad = icmp ne i32 %failed, 0
  br i1 %bad, label %fail, label %move
fail:
  ret i32 %failed
move:
  %n = phi i64 [ 0, %run ], [ %following, %one ]
  %some = icmp slt i64 %n, %count
  br i1 %some, label %one, label %moved
one:
  %slot_place = getelementptr i64, ptr %slots, i64 %n
  %slot = load i64, ptr %slot_place
  %stride_place = getelementptr i64, ptr %strides, i64 %n
  %stride = load i64, ptr %stride_place
  %place = getelementptr i64, ptr %table, i64 %slot
  %address = load i64, ptr %place
  %advanced = add i64 %address, %stride
  store i64 %advanced, ptr %place
  %following = add i64 %n, 1
  br label %move
moved:
  %turns = add i64 %turn, 1
  %ended = add i64 %before, %turns
  store i64 %ended, ptr %runs
  br label %next
end:
  ret i32 0
}}
"""

_CALL = """
target triple = "{triple}"
target datalayout = "{layout}"

; Call entry(table, status) on ndarray objects, if they are as the record says: see `Record`. {unlike} where one is not.
define i32 @lucid_call(ptr %record) {{
start:
  %entry = load ptr, ptr %record
  %table_place = getelementptr i64, ptr %record, i64 1
  %table = load ptr, ptr %table_place
  %status_place = getelementptr i64, ptr %record, i64 2
  %status = load ptr, ptr %status_place
  %type_place = getelementptr i64, ptr %record, i64 3
  %type = load i64, ptr %type_place
  %kept_place = getelementptr i64, ptr %record, i64 4
  %kept = load i64, ptr %kept_place
  %count_place = getelementptr i64, ptr %record, i64 5
  %count = load i64, ptr %count_place
  %done = getelementptr i64, ptr %status, i64 {done}
  store i64 0, ptr %done
  %blocks = getelementptr i64, ptr %record, i64 6
  %twice = mul i64 %kept, 2
  %objects = getelementptr i64, ptr %blocks, i64 %twice
  %first = getelementptr i64, ptr %objects, i64 %count
  br label %arrays
arrays:
  %n = phi i64 [ 0, %start ], [ %after, %apart ]
  %at = phi ptr [ %first, %start ], [ %next, %apart ]
  %some = icmp slt i64 %n, %count
  br i1 %some, label %array, label %run
array:
  %object_place = getelementptr ptr, ptr %objects, i64 %n
  %object = load ptr, ptr %object_place
  %slot = load i64, ptr %at
  %bytes_place = getelementptr i64, ptr %at, i64 1
  %bytes = load i64, ptr %bytes_place
  %dtype_place = getelementptr i64, ptr %at, i64 2
  %dtype = load i64, ptr %dtype_place
  %rank_place = getelementptr i64, ptr %at, i64 3
  %rank = load i64, ptr %rank_place
  %shape = getelementptr i64, ptr %at, i64 4
  %next = getelementptr i64, ptr %shape, i64 %rank
  %its_type_place = getelementptr i8, ptr %object, i64 {type}
  %its_type = load i64, ptr %its_type_place
  %is_array = icmp eq i64 %its_type, %type
  br i1 %is_array, label %look, label %other
look:
  %its_rank_place = getelementptr i8, ptr %object, i64 {rank}
  %its_rank = load i32, ptr %its_rank_place
  %its_wide_rank = sext i32 %its_rank to i64
  %same_rank = icmp eq i64 %its_wide_rank, %rank
  %its_dtype_place = getelementptr i8, ptr %object, i64 {dtype}
  %its_dtype = load i64, ptr %its_dtype_place
  %same_dtype = icmp eq i64 %its_dtype, %dtype
  %flags_place = getelementptr i8, ptr %object, i64 {flags}
  %flags = load i32, ptr %flags_place
  %needed = and i32 %flags, {plain}
  %plain = icmp eq i32 %needed, {plain}
  %same_kind = and i1 %same_rank, %same_dtype
  %like = and i1 %same_kind, %plain
  br i1 %like, label %measure, label %other
measure:
  %its_shape_place = getelementptr i8, ptr %object, i64 {shape}
  %its_shape = load ptr, ptr %its_shape_place
  %address_place = getelementptr i8, ptr %object, i64 {data}
  %address = load i64, ptr %address_place
  %end = add i64 %address, %bytes
  br label %axes
axes:
  %axis = phi i64 [ 0, %measure ], [ %axis_after, %same_extent ]
  %more_axes = icmp slt i64 %axis, %rank
  br i1 %more_axes, label %extent, label %kept_blocks
extent:
  %wanted_place = getelementptr i64, ptr %shape, i64 %axis
  %wanted = load i64, ptr %wanted_place
  %found_place = getelementptr i64, ptr %its_shape, i64 %axis
  %found = load i64, ptr %found_place
  %equal = icmp eq i64 %wanted, %found
  br i1 %equal, label %same_extent, label %other
same_extent:
  %axis_after = add i64 %axis, 1
  br label %axes
kept_blocks:
  %b = phi i64 [ 0, %axes ], [ %b_after, %clear ]
  %more_blocks = icmp slt i64 %b, %kept
  br i1 %more_blocks, label %block, label %apart
block:
  %pair = mul i64 %b, 2
  %block_slot_place = getelementptr i64, ptr %blocks, i64 %pair
  %block_slot = load i64, ptr %block_slot_place
  %block_bytes_place = getelementptr i64, ptr %block_slot_place, i64 1
  %block_bytes = load i64, ptr %block_bytes_place
  %block_place = getelementptr i64, ptr %table, i64 %block_slot
  %block_address = load i64, ptr %block_place
  %block_end = add i64 %block_address, %block_bytes
  %begins_in = icmp ult i64 %address, %block_end
  %ends_in = icmp ult i64 %block_address, %end
  %overlaps = and i1 %begins_in, %ends_in
  br i1 %overlaps, label %other, label %clear
clear:
  %b_after = add i64 %b, 1
  br label %kept_blocks
apart:
  %place = getelementptr i64, ptr %table, i64 %slot
  store i64 %address, ptr %place
  %after = add i64 %n, 1
  br label %arrays
run:
  %failed = call i32 %entry(ptr %table, ptr %status)
  ret i32 %failed
other:
  ret i32 {unlike}
}}
"""

# What a call returns beside 0: that a check failed, and, from `lucid_call`, that it has called nothing.
FAILED, UNLIKE = 1, 2

# An ndarray begins with the fields of NumPy's public struct PyArrayObject, behind the object header, whose last word
# is the type: data, rank, shape, strides, base, dtype, flags.
_HEADER = object.__basicsize__
_OFFSETS = {
    "type": _HEADER - 8,
    "data": _HEADER,
    "rank": _HEADER + 8,
    "shape": _HEADER + 16,
    "dtype": _HEADER + 40,
    "flags": _HEADER + 48,
}
_PLAIN = 0x1 | 0x100  # contiguous in row-major order, and aligned


@functools.cache
def knows_arrays() -> bool:
    """Whether ndarray objects are laid out as `lucid_call` expects."""
    array = np.zeros((2, 3), np.float32)

    def word(name: str, kind: Any = ctypes.c_uint64, base: int | None = None, offset: int = 0) -> int:
        start = id(array) + _OFFSETS[name] if base is None else base
        value: int = kind.from_address(start + offset).value
        return value

    return (
        word("type") == id(np.ndarray)
        and word("data") == array.ctypes.data
        and word("rank", ctypes.c_int32) == 2
        and [word("", base=word("shape"), offset=8 * axis) for axis in range(2)] == [2, 3]
        and word("dtype") == id(array.dtype)
        and word("flags", ctypes.c_int32) & _PLAIN == _PLAIN
        and word("flags", ctypes.c_int32) == array.flags.num
    )


def call_text(machine: Machine) -> str:
    """The module of `lucid_call`."""
    triple, layout = machine.layout()
    names = {**_OFFSETS, "plain": _PLAIN, "done": DONE_WORD, "unlike": UNLIKE}
    return _CALL.format(triple=triple, layout=layout, **names)


@functools.cache
def repeater(machine: Machine) -> Any:
    """`lucid_repeat` as a function of entry, table, status, times, slots, strides, their number and runs."""
    triple, layout = machine.layout()
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, pointer, number, pointer, pointer, number, pointer)
    return _loaded(machine, _REPEAT.format(triple=triple, layout=layout), "lucid_repeat", kind)


@functools.cache
def caller(machine: Machine) -> Callable[[int], int]:
    """`lucid_call` as a function of the address of a record."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    function: Callable[[int], int] = _loaded(machine, call_text(machine), "lucid_call", kind)
    return function


def _loaded(machine: Machine, text: str, name: str, kind: Any) -> Any:
    """The function of a module, which it keeps alive."""
    addresses, code = load(machine, [assemble_once(machine, text, lambda: text)], [name])
    function = kind(addresses[name])
    function.owns = code
    return function


class Record:
    """What `lucid_call` is given: an entry, its table and status; the slots and bytes of what is kept between calls,
    which no array may overlap; the identities of the arrays; and for each its slot, bytes, dtype, rank and shape.

    See `lucid.codegen.target.Record`.
    """

    def __init__(
        self,
        entry: tuple[int, int, int],
        kept: Sequence[tuple[int, int]],
        arrays: Sequence[Like],
        run: Callable[[int], int],
        ran: Callable[[int], bool],
    ) -> None:
        self.run, self.ran = run, ran
        words = [*entry, id(np.ndarray), len(kept), len(arrays)]
        for slot, size in kept:
            words += [slot, size]
        self.objects = len(words)
        words += [id(like.array) for like in arrays]
        for like in arrays:
            words += [like.slot, like.array.nbytes, id(like.array.dtype), like.array.ndim, *like.array.shape]
        self._dtypes = [like.array.dtype for like in arrays]  # identities stay theirs while they live
        self._words = np.array(words, np.int64)
        self.words = self._words.data
        self.address = self._words.ctypes.data
