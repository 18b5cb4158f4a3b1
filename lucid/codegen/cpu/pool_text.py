"""What all programs call of the thread pool, as LLVM IR: with one thread, all there is of it. What the pool does is
said in `pool.py`; its workers are in `team_text.py`."""

from __future__ import annotations

from lucid.codegen.threads import MAX_THREADS

PARALLEL, SCRATCH, JOIN, EQUIP = "lucid_parallel", "lucid_scratch", "lucid_join", "lucid_equip"

LINE = 64  # bytes of a cache line
LABEL = (-2, -1)  # the words of a label, counted from the memory: a job's number, and what the task tells panels by

# `@team` runs chunks where there are workers.
_ALONE = """
target triple = "{triple}"
target datalayout = "{layout}"

@team = internal global ptr null
@jobs = internal global i64 0
@scratch = internal global [{max_threads} x ptr] zeroinitializer

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

; The worker's own memory, which any task may write. The two words in front of it are its label, for tasks that look
; whether it still holds what an earlier chunk of the same job has left there.
define ptr @lucid_scratch(i64 %worker) {{
  %slot = getelementptr [{max_threads} x ptr], ptr @scratch, i64 0, i64 %worker
  %memory = load ptr, ptr %slot
  ret ptr %memory
}}

; Give a worker its memory. The label of new memory is zero: no job has that number.
define void @lucid_equip(i64 %worker, ptr %memory) {{
  %slot = getelementptr [{max_threads} x ptr], ptr @scratch, i64 0, i64 %worker
  store ptr %memory, ptr %slot
  ret void
}}

; Have chunks run by a function such as `lucid_team`, or by the caller alone where it is null.
define void @lucid_join(ptr %team) {{
  store ptr %team, ptr @team
  ret void
}}
"""


def alone_text(triple: str, layout: str) -> str:
    """What all programs call, for a kind of machine, as a module."""
    return _ALONE.format(triple=triple, layout=layout, max_threads=MAX_THREADS)
