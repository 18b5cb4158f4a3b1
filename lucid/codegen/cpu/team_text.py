"""The team of the thread pool as LLVM IR over pthreads: how it runs a job. What it does is said in `pool.py`, and how
its workers live in `workers_text.py`."""

from __future__ import annotations

from lucid.codegen.cpu.placement import LENT_WORD, LOAN_WORDS, placement_text
from lucid.codegen.cpu.workers_text import WORKERS
from lucid.codegen.threads import MAX_THREADS

# Pauses, of some ten nanoseconds: before an idle worker sleeps, who is often wanted again behind a few small kernels,
# and to wake whom takes as long as some of those; and of a caller whose last chunks are with workers, between looks
# whether they have run meanwhile. If not, another process is taken to hold their cores.
WORKER_SPINS, CALLER_SPINS = 30_000, 1_000

# Each worker has a share of the chunks, the same stretch of each job, so that what one job has written is in the cache
# of the worker that reads it in the next; who is done with its own share helps with those of others. `@left` counts the
# chunks of a share that nobody has claimed. A worker claims by subtracting one: what was there before, where positive,
# is a chunk that nobody else has, and says that the job cannot end before that chunk is done, so that task, context,
# number and the end of the share may be read. Late workers find nothing positive, or a chunk of the next job, which is
# as good. `@job` is the number of the job, which idle workers watch.
_JOBS = """
target triple = "{triple}"
target datalayout = "{layout}"

@left = internal global [{max_threads} x [8 x i64]] zeroinitializer, align 64
@ends = internal global [{max_threads} x i64] zeroinitializer, align 64
@job = internal global i64 0, align 64
@done = internal global i64 0, align 64
@task = internal global ptr null, align 64
@context = internal global ptr null
@number = internal global i64 0
@callers_core = internal global i32 -1, align 64
@mutex = internal global [128 x i8] zeroinitializer, align 64
@waiting = internal global i64 0, align 64
@finished = internal global [128 x i8] zeroinitializer, align 64
@running = internal global [{max_threads} x [8 x i64]] zeroinitializer, align 64 ; whether a worker runs a chunk

declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_cond_signal(ptr)
{pause_declaration}

; Claim chunks and run them until none is left: first those of the worker's own share.
define internal void @work(i64 %worker) {{
entry:
  %wanted = load i64, ptr @wanted
  br label %share
share:
  %offset = phi i64 [ 0, %entry ], [ %offset_after, %empty ]
  %some_share = icmp sle i64 %offset, %wanted
  br i1 %some_share, label %open, label %end
open:
  %sum = add i64 %worker, %offset
  %over = icmp sgt i64 %sum, %wanted
  %shares = add i64 %wanted, 1
  %around = sub i64 %sum, %shares
  %number = select i1 %over, i64 %around, i64 %sum
  %left = getelementptr [{max_threads} x [8 x i64]], ptr @left, i64 0, i64 %number
  br label %claim
claim:
  %seen = load atomic i64, ptr %left acquire, align 8
  %some = icmp sgt i64 %seen, 0
  br i1 %some, label %take, label %empty
take:
  %ticket = atomicrmw sub ptr %left, i64 1 acq_rel
  %mine = icmp sgt i64 %ticket, 0
  br i1 %mine, label %run, label %empty
empty:
  %offset_after = add i64 %offset, 1
  br label %share
run:
  %task = load ptr, ptr @task
  %context = load ptr, ptr @context
  %job = load i64, ptr @number
  %end_place = getelementptr [{max_threads} x i64], ptr @ends, i64 0, i64 %number
  %share_end = load i64, ptr %end_place
  %chunk = sub i64 %share_end, %ticket
  %running = getelementptr [{max_threads} x [8 x i64]], ptr @running, i64 0, i64 %worker
  store atomic i64 1, ptr %running release, align 8
  call void %task(ptr %context, i64 %chunk, i64 %worker, i64 %job)
  store atomic i64 0, ptr %running release, align 8
  %before = atomicrmw add ptr @done, i64 1 seq_cst
  %asleep = load atomic i64, ptr @waiting seq_cst, align 8
  %sleeps = icmp ne i64 %asleep, 0
  br i1 %sleeps, label %tell, label %claim
tell:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %told = call i32 @pthread_cond_broadcast(ptr @finished)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %claim
end:
  ret void
}}

; How long those workers have run that have a chunk.
define internal i64 @time_of_busy() {{
entry:
  %started = load i64, ptr @started
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %worker, %counted ]
  %sum = phi i64 [ 0, %entry ], [ %sum_after, %counted ]
  %worker = add i64 %n, 1
  %running = getelementptr [{max_threads} x [8 x i64]], ptr @running, i64 0, i64 %worker
  %runs = load atomic i64, ptr %running acquire, align 8
  %busy = icmp ne i64 %runs, 0
  br i1 %busy, label %ask, label %counted
ask:
  %thread = call i64 @thread_of(i64 %worker)
  %time = call i64 @lucid_ran(i64 %thread)
  %longer = add i64 %sum, %time
  br label %counted
counted:
  %sum_after = phi i64 [ %sum, %next ], [ %longer, %ask ]
  %all = icmp eq i64 %worker, %started
  br i1 %all, label %end, label %next
end:
  ret i64 %sum_after
}}

; Run the chunks of a job, together with the workers.
define void @lucid_team(ptr %task, ptr %context, i64 %count, i64 %job) {{
entry:
  %started = load i64, ptr @started
  %cold = icmp eq i64 %started, 0
  br i1 %cold, label %warm_up, label %publish
warm_up:
  call void @start()
  br label %publish
publish:
  %core = call i32 @this_core()
  store atomic i32 %core, ptr @callers_core monotonic, align 4
  store ptr %task, ptr @task
  store ptr %context, ptr @context
  store i64 %job, ptr @number
  store atomic i64 0, ptr @done release, align 8
  %workers = load i64, ptr @wanted ; fewer than before, where not all could be started
  %shares = add i64 %workers, 1
  br label %deal
deal:
  %number = phi i64 [ 0, %publish ], [ %following_share, %deal ]
  %begin = phi i64 [ 0, %publish ], [ %end_of_share, %deal ]
  %following_share = add i64 %number, 1
  %scaled = mul i64 %following_share, %count
  %end_of_share = sdiv i64 %scaled, %shares
  %end_place = getelementptr [{max_threads} x i64], ptr @ends, i64 0, i64 %number
  store i64 %end_of_share, ptr %end_place
  %size = sub i64 %end_of_share, %begin
  %left = getelementptr [{max_threads} x [8 x i64]], ptr @left, i64 0, i64 %number
  store atomic i64 %size, ptr %left release, align 8
  %dealt = icmp eq i64 %following_share, %shares
  br i1 %dealt, label %call_workers, label %deal
call_workers:
  store atomic i64 %job, ptr @job seq_cst, align 8
  %sleepers = load atomic i64, ptr @sleeping seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %rouse, label %help
rouse:
  call void @rouse(i64 %count, i64 %sleepers)
  br label %help
help:
  call void @work(i64 0)
  br label %wait
wait:
  %turn = phi i64 [ 0, %help ], [ %next, %idle ], [ 0, %ask ]
  %time = phi i64 [ -1, %help ], [ %time, %idle ], [ %time_now, %ask ]
  %done = load atomic i64, ptr @done acquire, align 8
  %all = icmp eq i64 %done, %count
  br i1 %all, label %end, label %idle
idle:
  {pause}
  %next = add i64 %turn, 1
  %long = icmp sge i64 %next, {caller_spins}
  br i1 %long, label %ask, label %wait
ask:
  %time_now = call i64 @time_of_busy()
  %they_run = icmp ne i64 %time_now, %time
  br i1 %they_run, label %wait, label %sleep
sleep:
  ; The worker may be waiting for its core: it gets this one, which is idle soon.
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  store atomic i64 1, ptr @waiting seq_cst, align 8
  br label %look
look:
  %now = load atomic i64, ptr @done seq_cst, align 8
  %enough = icmp eq i64 %now, %count
  br i1 %enough, label %rise, label %last
last:
  %missing = sub i64 %count, %now
  %one_missing = icmp eq i64 %missing, 1 ; of several, most would wait for this core
  br i1 %one_missing, label %bring, label %doze
bring:
  %n = phi i64 [ 0, %last ], [ %worker, %brought ]
  %worker = add i64 %n, 1
  %running = getelementptr [{max_threads} x [8 x i64]], ptr @running, i64 0, i64 %worker
  %runs = load atomic i64, ptr %running acquire, align 8
  %is_last = icmp ne i64 %runs, 0
  br i1 %is_last, label %bring_it, label %brought
bring_it:
  %thread = call i64 @thread_of(i64 %worker)
  call void @lucid_bring_here(i64 %thread)
  br label %brought
brought:
  %all_seen = icmp eq i64 %worker, %workers
  br i1 %all_seen, label %doze, label %bring
doze:
  %woken = call i32 @pthread_cond_wait(ptr @finished, ptr @mutex)
  br label %look
rise:
  store atomic i64 0, ptr @waiting seq_cst, align 8
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %end
end:
  ret void
}}
"""


def team_text(triple: str, layout: str) -> str:
    """The workers for a kind of machine, as a module."""
    pause_declaration, pause = _pause(triple)
    text = (_JOBS + WORKERS).format(
        triple=triple,
        layout=layout,
        max_threads=MAX_THREADS,
        loan_words=LOAN_WORDS,
        lent_word=LENT_WORD,
        worker_spins=WORKER_SPINS,
        caller_spins=CALLER_SPINS,
        pause_declaration=pause_declaration,
        pause=pause,
    )
    return text + placement_text(triple)


def _pause(triple: str) -> tuple[str, str]:
    """The declaration and the call of what tells a processor that a loop is waiting."""
    if triple.startswith(("x86_64", "i386", "i686")):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if triple.startswith(("aarch64", "arm64")):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "", "fence seq_cst"
