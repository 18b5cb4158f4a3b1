"""Running an entry many times in one native call, on arrays that follow each other."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from lucid.codegen.cpu.machine import Machine, assemble_once, load

_TEXT = """
target triple = "{triple}"
target datalayout = "{layout}"

; Call entry(table, status) `times` times, and after each add strides[n] to table[slots[n]]. Stop at a call that fails.
define i32 @lucid_repeat(ptr %entry, ptr %table, ptr %status, i64 %times, ptr %slots, ptr %strides, i64 %count) {{
start:
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
  br label %next
end:
  ret i32 0
}}
"""


@functools.cache
def repeater(machine: Machine) -> Any:
    """`lucid_repeat` as a function of entry, table, status, times, slots, strides and their count."""
    triple, layout = machine.layout()
    text = _TEXT.format(triple=triple, layout=layout)
    addresses, code = load(machine, assemble_once(machine, text, lambda: text), ["lucid_repeat"])
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, pointer, number, pointer, pointer, number)(
        addresses["lucid_repeat"]
    )
    function.owns = code  # type: ignore[attr-defined]
    return function
