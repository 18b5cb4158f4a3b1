"""The life of the pool's workers as LLVM IR over pthreads: how they start, sleep, are woken and stop."""

from __future__ import annotations

# Workers are counted from 1 on. One that sleeps says so in `@asleep`, and is counted in `@sleeping`, until it is called
# or sees a job by itself; each waits for a call of its own. What it was lent to be woken it gives back when it runs.
WORKERS = """
@wanted = internal global i64 0, align 64
@started = internal global i64 0
@sleeping = internal global i64 0, align 64
@stopping = internal global i64 0
@asleep = internal global [{max_threads} x [8 x i64]] zeroinitializer, align 64
@wake = internal global [{max_threads} x [128 x i8]] zeroinitializer, align 64
@loans = internal global [{max_threads} x [{loan_words} x i64]] zeroinitializer, align 64
@handles = internal global [{max_threads} x i64] zeroinitializer

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)

define internal i64 @thread_of(i64 %worker) {{
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %worker
  %thread = load i64, ptr %handle
  ret i64 %thread
}}

; Start the wanted workers; fewer where the system refuses.
define internal void @start() {{
entry:
  %m = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
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
  %asleep = getelementptr [{max_threads} x [8 x i64]], ptr @asleep, i64 0, i64 %worker
  store i64 0, ptr %asleep
  %lent = getelementptr [{max_threads} x [{loan_words} x i64]], ptr @loans, i64 0, i64 %worker, i64 {lent_word}
  store i64 0, ptr %lent
  %wake = getelementptr [{max_threads} x [128 x i8]], ptr @wake, i64 0, i64 %worker
  %w = call i32 @pthread_cond_init(ptr %wake, ptr null)
  %handle = getelementptr [{max_threads} x i64], ptr @handles, i64 0, i64 %worker
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
  %asleep = getelementptr [{max_threads} x [8 x i64]], ptr @asleep, i64 0, i64 %worker
  %wake = getelementptr [{max_threads} x [128 x i8]], ptr @wake, i64 0, i64 %worker
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  store atomic i64 1, ptr %asleep release, align 8
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
  %woken = call i32 @pthread_cond_wait(ptr %wake, ptr @mutex)
  br label %look
rise:
  %uncalled = load atomic i64, ptr %asleep acquire, align 8
  store atomic i64 0, ptr %asleep release, align 8
  %fewer = atomicrmw sub ptr @sleeping, i64 %uncalled seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %thread = call i64 @thread_of(i64 %worker)
  %loan = getelementptr [{max_threads} x [{loan_words} x i64]], ptr @loans, i64 0, i64 %worker
  call void @lucid_let_back(i64 %thread, ptr %loan)
  br i1 %last, label %end, label %busy
end:
  ret ptr null
}}

; Wake as many sleeping workers as there are chunks for beside the caller and those that are awake, away from the
; caller's core.
define internal void @rouse(i64 %count, i64 %sleepers) {{
entry:
  %started = load i64, ptr @started
  %awake = sub i64 %started, %sleepers
  %others = sub i64 %count, 1
  %missing = sub i64 %others, %awake
  br label %next
next:
  %n = phi i64 [ 0, %entry ], [ %worker, %called ], [ %worker, %look ]
  %left = phi i64 [ %missing, %entry ], [ %left_after, %called ], [ %left, %look ]
  %some = icmp sgt i64 %left, 0
  %inside = icmp slt i64 %n, %started
  %further = and i1 %some, %inside
  br i1 %further, label %look, label %end
look:
  %worker = add i64 %n, 1
  %asleep = getelementptr [{max_threads} x [8 x i64]], ptr @asleep, i64 0, i64 %worker
  %seen = load atomic i64, ptr %asleep acquire, align 8
  %sleeps = icmp ne i64 %seen, 0
  br i1 %sleeps, label %call, label %next
call:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %now = load atomic i64, ptr %asleep acquire, align 8
  %still = icmp ne i64 %now, 0
  br i1 %still, label %send, label %called ; it has seen the job just now
send:
  %thread = call i64 @thread_of(i64 %worker)
  %loan = getelementptr [{max_threads} x [{loan_words} x i64]], ptr @loans, i64 0, i64 %worker
  call void @lucid_keep_off(i64 %thread, ptr %loan)
  store atomic i64 0, ptr %asleep release, align 8
  %fewer = atomicrmw sub ptr @sleeping, i64 1 seq_cst
  br label %called
called:
  %left_after = sub i64 %left, 1
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %wake = getelementptr [{max_threads} x [128 x i8]], ptr @wake, i64 0, i64 %worker
  %told = call i32 @pthread_cond_signal(ptr %wake)
  br label %next
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
  %locked = call i32 @pthread_mutex_lock(ptr @mutex) ; until those who have not seen it sleep
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %join
join:
  %n = phi i64 [ 0, %signal ], [ %worker, %joined ]
  %all = icmp sge i64 %n, %started
  br i1 %all, label %clear, label %joined
joined:
  %worker = add i64 %n, 1
  %wake = getelementptr [{max_threads} x [128 x i8]], ptr @wake, i64 0, i64 %worker
  %told = call i32 @pthread_cond_signal(ptr %wake)
  %thread = call i64 @thread_of(i64 %worker)
  %result = call i32 @pthread_join(i64 %thread, ptr null)
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
