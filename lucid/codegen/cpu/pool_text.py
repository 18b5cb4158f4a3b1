"""What all programs call of the thread pool, as LLVM IR: with one thread, all there is of it. What the pool does is
said in `pool.py`; its workers are in `team_text.py`."""

from __future__ import annotations

PARALLEL, SCRATCH, JOIN = "lucid_parallel", "lucid_scratch", "lucid_join"

MAX_THREADS = 256

LINE = 64  # bytes of a cache line
LABEL = (-2, -1)  # the words of a label, counted from the memory: a job's number, and what the task tells panels by

# `@team` runs chunks where there are workers.
_ALONE = """
target triple = "{triple}"
target datalayout = "{layout}"

@team = internal global ptr null
@jobs = internal global i64 0
@scratch = internal global [{max_threads} x ptr] zeroinitializer
@scratch_size = internal global [{max_threads} x i64] zeroinitializer

declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)

; Run task(context, chunk, worker, job) for each chunk below count, with a number of the job that no other has. One job
; runs at a time.
define void @lucid_parallel(ptr %task, ptr %context, i64 %count) {{
entry:
  %before = load i64, ptr @jobs
  %job = add i64 %before, 1
  store i64 %job, ptr @jobs
  %team = load ptr, ptr @team
  %alone = icmp eq ptr %team, null
  br i1 %alone, label %serial, label %together
together:
  tail call void %team(ptr %task, ptr %context, i64 %count, i64 %job)
  ret void
serial:
  %chunk = phi i64 [ 0, %entry ], [ %following, %one ]
  %more = icmp slt i64 %chunk, %count
  br i1 %more, label %one, label %end
one:
  call void %task(ptr %context, i64 %chunk, i64 0, i64 %job)
  %following = add i64 %chunk, 1
  br label %serial
end:
  ret void
}}

; Memory of at least `size` bytes that is the worker's own until it asks again. The two words in front of it are its
; label, for tasks that look whether it still holds what an earlier chunk of the same job has left there.
define ptr @lucid_scratch(i64 %worker, i64 %size) {{
entry:
  %slot = getelementptr [{max_threads} x ptr], ptr @scratch, i64 0, i64 %worker
  %size_slot = getelementptr [{max_threads} x i64], ptr @scratch_size, i64 0, i64 %worker
  %have = load i64, ptr %size_slot
  %old = load ptr, ptr %slot
  %fits = icmp sge i64 %have, %size
  br i1 %fits, label %use, label %grow
use:
  %found = getelementptr i8, ptr %old, i64 {line}
  ret ptr %found
grow:
  call void @free(ptr %old)
  %with_label = add i64 %size, {line}
  %failed = call i32 @posix_memalign(ptr %slot, i64 {line}, i64 %with_label)
  store i64 %size, ptr %size_slot
  %new = load ptr, ptr %slot
  %made = getelementptr i8, ptr %new, i64 {line}
  %job_place = getelementptr i64, ptr %made, i64 {job_word}
  store i64 0, ptr %job_place
  ret ptr %made
}}

; Have chunks run by a function such as `lucid_team`, or by the caller alone where it is null.
define void @lucid_join(ptr %team) {{
  store ptr %team, ptr @team
  ret void
}}
"""


def alone_text(triple: str, layout: str) -> str:
    """What all programs call, for a kind of machine, as a module."""
    return _ALONE.format(triple=triple, layout=layout, max_threads=MAX_THREADS, line=LINE, job_word=LABEL[0])
