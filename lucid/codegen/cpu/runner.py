"""The steps of a program as data, and the function that takes them.

What a program calls, on which addresses, in which order, is an array of 64-bit words, and one function that all
programs share goes through it. So LLVM compiles kernels, and no code for each call of one
(docs/decisions/0028-entries-are-data.md).

The array begins with the number of words of the longest context of a task, and with the place of the first of the
constants in the array, which stand behind the steps. An operand is two words: a slot of the table, and how many bytes
behind the address there it lies. A step is one of

- a task: its address, its chunks, how many operands it takes, its place among the constants, the operands. It runs on a
  context of the addresses of the operands, then that of its constants;
- END, with two words that mean nothing: all has been written, which the status then says;
- CHECK: its number, the position, the values. Unless the position is -1, the run ends, and the status begins with the
  number, the position, and the address of the values;
- SET: a slot, an operand: the slot gets its address;
- NEXT: a slot, a number: the slot counts down; while it is not at zero, so many words further back is the next step.
"""

from __future__ import annotations

import time

from lucid.codegen.cpu.machine import DONE_WORD
from lucid.codegen.cpu.pool_text import PARALLEL

RUN, RUN_TIMED, COPY = "lucid_run", "lucid_run_timed", "lucid_copy"

END, CHECK, SET, NEXT = range(4)  # no task has such an address

_TEXT = """
target triple = "{triple}"
target datalayout = "{layout}"

{declaration}

; Take steps from the first to END, or to a check that fails: 0 or 1.
define i32 @{name}(ptr %steps, ptr %table, ptr %status{parameter}) {{
entry:
  %room = load i64, ptr %steps
  %context = alloca i64, i64 %room
  %constants_place = getelementptr i64, ptr %steps, i64 1
  %constants_at = load i64, ptr %constants_place
  %constants = getelementptr i64, ptr %steps, i64 %constants_at
  %first = getelementptr i64, ptr %steps, i64 2
  {before}
  br label %step
step:
  %at = phi ptr [ %first, %entry ], [ %place_after, %ran ], [ %past_check, %check ], [ %past_set, %set ], [ %to, %next ]
  %what = load i64, ptr %at
  %at_1 = getelementptr i64, ptr %at, i64 1
  %at_2 = getelementptr i64, ptr %at, i64 2
  %at_3 = getelementptr i64, ptr %at, i64 3
  %at_4 = getelementptr i64, ptr %at, i64 4
  %one = load i64, ptr %at_1
  %two = load i64, ptr %at_2
  switch i64 %what, label %task [
    i64 {end}, label %end
    i64 {check}, label %check
    i64 {set}, label %set
    i64 {next}, label %next
  ]
task:
  %own = load i64, ptr %at_3
  %own_constants = getelementptr i64, ptr %constants, i64 %own
  %last = getelementptr i64, ptr %context, i64 %two
  store ptr %own_constants, ptr %last
  br label %operand
operand:
  %n = phi i64 [ 0, %task ], [ %n_after, %operand ]
  %place = phi ptr [ %at_4, %task ], [ %place_after, %operand ]
  %slot = load i64, ptr %place
  %offset_place = getelementptr i64, ptr %place, i64 1
  %offset = load i64, ptr %offset_place
  %base_place = getelementptr i64, ptr %table, i64 %slot
  %base = load i64, ptr %base_place
  %address = add i64 %base, %offset
  %target = getelementptr i64, ptr %context, i64 %n
  store i64 %address, ptr %target
  %place_after = getelementptr i64, ptr %place, i64 2
  %n_after = add i64 %n, 1
  %more = icmp slt i64 %n_after, %two
  br i1 %more, label %operand, label %run
run:
  %function = inttoptr i64 %what to ptr
  %single = icmp eq i64 %one, 1
  br i1 %single, label %here, label %divided
here:
  call void %function(ptr %context, i64 0, i64 0, i64 0)
  br label %ran
divided:
  call void @{parallel}(ptr %function, ptr %context, i64 %one)
  br label %ran
ran:
  {after}
  br label %step
check:
  %check_offset = load i64, ptr %at_3
  %check_base_place = getelementptr i64, ptr %table, i64 %two
  %check_base = load i64, ptr %check_base_place
  %check_address = add i64 %check_base, %check_offset
  %check_place = inttoptr i64 %check_address to ptr
  %position = load i64, ptr %check_place
  %holds = icmp slt i64 %position, 0
  %past_check = getelementptr i64, ptr %at, i64 6
  br i1 %holds, label %step, label %fail
fail:
  %at_5 = getelementptr i64, ptr %at, i64 5
  %values_slot = load i64, ptr %at_4
  %values_offset = load i64, ptr %at_5
  %values_base_place = getelementptr i64, ptr %table, i64 %values_slot
  %values_base = load i64, ptr %values_base_place
  %values = add i64 %values_base, %values_offset
  %status_1 = getelementptr i64, ptr %status, i64 1
  %status_2 = getelementptr i64, ptr %status, i64 2
  store i64 %one, ptr %status
  store i64 %position, ptr %status_1
  store i64 %values, ptr %status_2
  ret i32 1
set:
  %set_offset = load i64, ptr %at_3
  %set_base_place = getelementptr i64, ptr %table, i64 %two
  %set_base = load i64, ptr %set_base_place
  %set_address = add i64 %set_base, %set_offset
  %set_place = getelementptr i64, ptr %table, i64 %one
  store i64 %set_address, ptr %set_place
  %past_set = getelementptr i64, ptr %at, i64 4
  br label %step
next:
  %count_place = getelementptr i64, ptr %table, i64 %one
  %count = load i64, ptr %count_place
  %left = sub i64 %count, 1
  store i64 %left, ptr %count_place
  %done = icmp eq i64 %left, 0
  %back = sub i64 0, %two
  %way = select i1 %done, i64 3, i64 %back
  %to = getelementptr i64, ptr %at, i64 %way
  br label %step
end:
  %done_place = getelementptr i64, ptr %status, i64 {done_word}
  store i64 1, ptr %done_place
  ret i32 0
}}
"""

_COPY = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; The task that copies as many bytes as its constant says from context[1] to context[0].
define void @{copy}(ptr %context, i64 %chunk, i64 %worker, i64 %job) {{
  %source_place = getelementptr i64, ptr %context, i64 1
  %constants_place = getelementptr i64, ptr %context, i64 2
  %to = load ptr, ptr %context
  %source = load ptr, ptr %source_place
  %bytes_place = load ptr, ptr %constants_place
  %bytes = load i64, ptr %bytes_place
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %source, i64 %bytes, i1 false)
  ret void
}}
"""

# With a clock that is read after each task: the nanoseconds since the reading before are added to the word of `%passed`
# that stands where the step does among the steps.
_TIMED = {
    "name": RUN_TIMED,
    "declaration": f"declare void @{PARALLEL}(ptr, ptr, i64)\ndeclare i32 @clock_gettime(i32, ptr)",
    "parameter": ", ptr %passed",
    "before": """%timespec = alloca i64, i64 2
  %nanoseconds_place = getelementptr i64, ptr %timespec, i64 1
  %latest = alloca i64
  %read_first = call i32 @clock_gettime(i32 {clock}, ptr %timespec)
  %first_seconds = load i64, ptr %timespec
  %first_rest = load i64, ptr %nanoseconds_place
  %first_scaled = mul i64 %first_seconds, 1000000000
  %first_time = add i64 %first_scaled, %first_rest
  store i64 %first_time, ptr %latest""",
    "after": """%read = call i32 @clock_gettime(i32 {clock}, ptr %timespec)
  %seconds = load i64, ptr %timespec
  %rest = load i64, ptr %nanoseconds_place
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  %before = load i64, ptr %latest
  store i64 %now, ptr %latest
  %took = sub i64 %now, %before
  %step_address = ptrtoint ptr %at to i64
  %steps_address = ptrtoint ptr %steps to i64
  %step_bytes = sub i64 %step_address, %steps_address
  %passed_place = getelementptr i8, ptr %passed, i64 %step_bytes
  %passed_before = load i64, ptr %passed_place
  %passed_now = add i64 %passed_before, %took
  store i64 %passed_now, ptr %passed_place""",
}
_PLAIN = {
    "name": RUN,
    "declaration": f"declare void @{PARALLEL}(ptr, ptr, i64)",
    "parameter": "",
    "before": "",
    "after": "",
}


def run_text(triple: str, layout: str) -> str:
    """The module of `lucid_run`."""
    return _run(_PLAIN, triple, layout)


def run_timed_text(triple: str, layout: str) -> str:
    """The module of the `lucid_run` with a clock."""
    return _run(_TIMED, triple, layout)


def copy_function() -> str:
    """`lucid_copy`."""
    return _COPY.format(copy=COPY)


def _run(kind: dict[str, str], triple: str, layout: str) -> str:
    parts = {name: part.format(clock=time.CLOCK_MONOTONIC) for name, part in kind.items()}
    codes = {"end": END, "check": CHECK, "set": SET, "next": NEXT, "done_word": DONE_WORD}
    return _TEXT.format(triple=triple, layout=layout, parallel=PARALLEL, **codes, **parts)
