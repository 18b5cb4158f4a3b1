"""The thread pool as LLVM IR over pthreads. What it does is said in `pool.py`."""

from __future__ import annotations

from lucid.codegen.cpu.placement import placement_text

PARALLEL, SCRATCH, JOIN = "lucid_parallel", "lucid_scratch", "lucid_join"

MAX_THREADS = 256
# Pauses, of some ten nanoseconds: before an idle worker sleeps, who is often wanted again behind a few small kernels,
# and to wake whom takes as long as some of those; and of a caller whose last chunks are with workers, between looks
# whether they have run meanwhile. If not, another process is taken to hold their cores.
WORKER_SPINS, CALLER_SPINS = 30_000, 1_000

LINE = 64  # bytes of a cache line
LABEL = (-2, -1)  # the words of a label, counted from the memory: a job's number, and what the task tells panels by

# What all programs call: with one thread, all there is of the pool. `@team` runs chunks where there are workers.
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

# Each worker has a share of the chunks, the same stretch of each job, so that what one job has written is in the cache
# of the worker that reads it in the next; who is done with its own share helps with those of others. `@left` counts the
# chunks of a share that nobody has claimed. A worker claims by subtracting one: what was there before, where positive,
# is a chunk that nobody else has, and says that the job cannot end before that chunk is done, so that task, context,
# number and the end of the share may be read. Late workers find nothing positive, or a chunk of the next job, which is
# as good. `@job` is the number of the job, which idle workers watch.
_TEAM = """
target triple = "{triple}"
target datalayout = "{layout}"

@left = internal global [{max_threads} x [8 x i64]] zeroinitializer, align 64
@ends = internal global [{max_threads} x i64] zeroinitializer, align 64
@job = internal global i64 0, align 64
@done = internal global i64 0, align 64
@task = internal global ptr null, align 64
@context = internal global ptr null
@number = internal global i64 0
@wanted = internal global i64 0, align 64
@started = internal global i64 0
@sleeping = internal global i64 0, align 64
@stopping = internal global i64 0
@callers_core = internal global i32 -1, align 64
@mutex = internal global [128 x i8] zeroinitializer, align 64
@placing = internal global [128 x i8] zeroinitializer, align 64 ; whoever changes on which cores workers may run
@wake = internal global [128 x i8] zeroinitializer, align 64
@waiting = internal global i64 0, align 64
@finished = internal global [128 x i8] zeroinitializer, align 64
@handles = internal global [{max_threads} x i64] zeroinitializer
@allowed = internal global [{max_threads} x [16 x i64]] zeroinitializer ; the cores of each worker while one is woken
@running = internal global [{max_threads} x [8 x i64]] zeroinitializer, align 64 ; whether a worker runs a chunk

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_trylock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
{pause_declaration}

{placement}
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

; The life of a worker: work, spin, sleep.
define internal ptr @live(ptr %number) {{
entry:
  %worker = ptrtoint ptr %number to i64
  br label %busy
busy:
  %known = load atomic i64, ptr @job acquire, align 8
  %callers = load atomic i32, ptr @callers_core monotonic, align 4
  call void @lucid_leave_core(i32 %callers)
  call void @work(i64 %worker)
  br label %spin
spin:
  %turn = phi i64 [ 0, %busy ], [ %next, %again ]
  %seen = load atomic i64, ptr @job acquire, align 8
  %some = icmp ne i64 %seen, %known
  br i1 %some, label %busy, label %idle
idle:
  {pause}
  %next = add i64 %turn, 1
  %tired = icmp sge i64 %next, {worker_spins}
  br i1 %tired, label %park, label %again
again:
  br label %spin
park:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %sleepers = atomicrmw add ptr @sleeping, i64 1 seq_cst
  br label %look
look:
  %now = load atomic i64, ptr @job seq_cst, align 8
  %job = icmp ne i64 %now, %known
  %stop = load atomic i64, ptr @stopping seq_cst, align 8
  %last = icmp ne i64 %stop, 0
  %up = or i1 %job, %last
  br i1 %up, label %rise, label %sleep
sleep:
  %woken = call i32 @pthread_cond_wait(ptr @wake, ptr @mutex)
  br label %look
rise:
  %fewer = atomicrmw sub ptr @sleeping, i64 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br i1 %last, label %end, label %busy
end:
  ret ptr null
}}

define internal void @wake_all() {{
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr @wake)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
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
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %n
  %thread = load i64, ptr %handle
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

; Wake the workers, away from the caller's core.
define internal void @rouse() {{
entry:
  %started = load i64, ptr @started
  %locked = call i32 @pthread_mutex_lock(ptr @placing)
  br label %keep
keep:
  %n = phi i64 [ 0, %entry ], [ %kept, %keep ]
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %n
  %thread = load i64, ptr %handle
  %allowed = getelementptr [{max_threads} x [16 x i64]], ptr @allowed, i64 0, i64 %n
  call void @lucid_keep_off(i64 %thread, ptr %allowed)
  %kept = add i64 %n, 1
  %all_kept = icmp eq i64 %kept, %started
  br i1 %all_kept, label %wake, label %keep
wake:
  call void @wake_all()
  br label %free
free:
  %m = phi i64 [ 0, %wake ], [ %freed, %free ]
  %its_handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %m
  %its_thread = load i64, ptr %its_handle
  %its_cores = getelementptr [{max_threads} x [16 x i64]], ptr @allowed, i64 0, i64 %m
  call void @lucid_let_back(i64 %its_thread, ptr %its_cores)
  %freed = add i64 %m, 1
  %all_freed = icmp eq i64 %freed, %started
  br i1 %all_freed, label %end, label %free
end:
  %unlocked = call i32 @pthread_mutex_unlock(ptr @placing)
  ret void
}}

; Start the wanted workers; fewer where the system refuses.
define internal void @start() {{
entry:
  %m = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %p = call i32 @pthread_mutex_init(ptr @placing, ptr null)
  %w = call i32 @pthread_cond_init(ptr @wake, ptr null)
  %f = call i32 @pthread_cond_init(ptr @finished, ptr null)
  %wanted = load i64, ptr @wanted
  br label %more
more:
  %n = phi i64 [ 0, %entry ], [ %worker, %created ]
  %enough = icmp sge i64 %n, %wanted
  br i1 %enough, label %end, label %create
create:
  %worker = add i64 %n, 1
  %number = inttoptr i64 %worker to ptr
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %n
  %failed = call i32 @pthread_create(ptr %handle, ptr null, ptr @live, ptr %number)
  %refused = icmp ne i32 %failed, 0
  br i1 %refused, label %fewer, label %created
created:
  br label %more
fewer:
  store i64 %n, ptr @wanted
  br label %end
end:
  store i64 %n, ptr @started
  ret void
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
  call void @rouse()
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
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %n
  %thread = load i64, ptr %handle
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

define void @lucid_want(i64 %workers) {{
  store i64 %workers, ptr @wanted
  ret void
}}

define void @lucid_stop() {{
entry:
  %started = load i64, ptr @started
  %none = icmp eq i64 %started, 0
  br i1 %none, label %end, label %signal
signal:
  store atomic i64 1, ptr @stopping seq_cst, align 8
  call void @wake_all()
  br label %join
join:
  %n = phi i64 [ 0, %signal ], [ %next, %joined ]
  %all = icmp sge i64 %n, %started
  br i1 %all, label %clear, label %joined
joined:
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %n
  %thread = load i64, ptr %handle
  %result = call i32 @pthread_join(i64 %thread, ptr null)
  %next = add i64 %n, 1
  br label %join
clear:
  store atomic i64 0, ptr @stopping seq_cst, align 8
  store i64 0, ptr @started
  br label %end
end:
  ret void
}}

; In the child of a fork there are no workers, and the lock may have been held by one.
define void @lucid_forget() {{
  store atomic i64 0, ptr @sleeping seq_cst, align 8
  store atomic i64 0, ptr @waiting seq_cst, align 8
  store i64 0, ptr @started
  ret void
}}
"""


def alone_text(triple: str, layout: str) -> str:
    """What all programs call, for a kind of machine, as a module."""
    return _ALONE.format(triple=triple, layout=layout, max_threads=MAX_THREADS, line=LINE, job_word=LABEL[0])


def team_text(triple: str, layout: str) -> str:
    """The workers for a kind of machine, as a module."""
    pause_declaration, pause = _pause(triple)
    return _TEAM.format(
        triple=triple,
        layout=layout,
        max_threads=MAX_THREADS,
        worker_spins=WORKER_SPINS,
        caller_spins=CALLER_SPINS,
        pause_declaration=pause_declaration,
        pause=pause,
        placement=placement_text(triple),
    )


def _pause(triple: str) -> tuple[str, str]:
    """The declaration and the call of what tells a processor that a loop is waiting."""
    if triple.startswith(("x86_64", "i386", "i686")):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if triple.startswith(("aarch64", "arm64")):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "", "fence seq_cst"
