"""Which core a thread of the pool runs on, as LLVM IR: the core at hand, ways to leave it, to keep others off, to bring
others here; and how long a thread has run."""

from __future__ import annotations

# Linux wakes a thread where its waker runs, and can leave both there for many steps although a core is idle: then two
# threads take as long as one. A worker that is woken is forbidden the waker's core meanwhile, and one that finds itself
# on the caller's leaves in the same way. A worker whose core another process holds comes to the caller's: Linux itself
# moves nobody who has run within half a millisecond.
_LINUX = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @pthread_getaffinity_np(i64, i64, ptr)
declare i32 @pthread_setaffinity_np(i64, i64, ptr)
declare i32 @pthread_getcpuclockid(i64, ptr)
declare i32 @clock_gettime(i32, ptr)

define internal i32 @this_core() {
  %core = call i32 @sched_getcpu()
  ret i32 %core
}

; The nanoseconds that a thread has run.
define i64 @lucid_ran(i64 %thread) {
  %clock_place = alloca i32
  %time = alloca [2 x i64]
  %failed = call i32 @pthread_getcpuclockid(i64 %thread, ptr %clock_place)
  %clock = load i32, ptr %clock_place
  %refused = call i32 @clock_gettime(i32 %clock, ptr %time)
  %seconds = load i64, ptr %time
  %rest_place = getelementptr i64, ptr %time, i32 1
  %rest = load i64, ptr %rest_place
  %whole = mul i64 %seconds, 1000000000
  %nanoseconds = add i64 %whole, %rest
  ret i64 %nanoseconds
}

; In a set of cores, as 16 words of 64 bits: where the word of a core lies, and its bit there.
define internal ptr @word_of(ptr %cores, i32 %core) {
  %number = lshr i32 %core, 6
  %place = getelementptr i64, ptr %cores, i32 %number
  ret ptr %place
}

define internal i64 @bit_of(i32 %core) {
  %digit = and i32 %core, 63
  %shift = zext i32 %digit to i64
  %bit = shl i64 1, %shift
  ret i64 %bit
}

; Move a thread to the core of the calling one, if it may run there.
define void @lucid_bring_here(i64 %thread) {
entry:
  %allowed = alloca [16 x i64]
  %here = alloca [16 x i64]
  %core = call i32 @sched_getcpu()
  %known = icmp ult i32 %core, 1024
  br i1 %known, label %ask, label %end
ask:
  %failed = call i32 @pthread_getaffinity_np(i64 %thread, i64 128, ptr %allowed)
  %place = call ptr @word_of(ptr %allowed, i32 %core)
  %all = load i64, ptr %place
  %bit = call i64 @bit_of(i32 %core)
  %same = and i64 %all, %bit
  %may = icmp ne i64 %same, 0
  %answered = icmp eq i32 %failed, 0
  %can = and i1 %answered, %may
  br i1 %can, label %move, label %end
move:
  store [16 x i64] zeroinitializer, ptr %here
  %here_place = call ptr @word_of(ptr %here, i32 %core)
  store i64 %bit, ptr %here_place
  %moved = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %here)
  %back = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %allowed)
  br label %end
end:
  ret void
}

; Forbid a thread the core of the calling one, if it may run on others. The cores it had are left in %allowed.
define void @lucid_keep_off(i64 %thread, ptr %allowed) {
entry:
  %core = call i32 @sched_getcpu()
  %known = icmp ult i32 %core, 1024
  %failed = call i32 @pthread_getaffinity_np(i64 %thread, i64 128, ptr %allowed)
  %answered = icmp eq i32 %failed, 0
  %can = and i1 %known, %answered
  br i1 %can, label %keep, label %end
keep:
  %place = call ptr @word_of(ptr %allowed, i32 %core)
  %all = load i64, ptr %place
  %bit = call i64 @bit_of(i32 %core)
  %here = xor i64 %bit, -1
  %others = and i64 %all, %here
  store i64 %others, ptr %place
  %kept = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %allowed) ; refused where there is no other
  store i64 %all, ptr %place
  br label %end
end:
  ret void
}

; Let a thread run on all these cores.
define void @lucid_let_back(i64 %thread, ptr %allowed) {
  %back = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %allowed)
  ret void
}

; Move the calling thread elsewhere if it runs on a core, and may run on others.
define void @lucid_leave_core(i32 %left) {
entry:
  %allowed = alloca [16 x i64]
  %core = call i32 @sched_getcpu()
  %together = icmp eq i32 %core, %left
  %known = icmp ult i32 %core, 1024
  %look = and i1 %together, %known
  br i1 %look, label %try, label %end
try: ; not while the caller has the cores of workers in hand: each would take for the worker's what the other left
  %busy = call i32 @pthread_mutex_trylock(ptr @placing)
  %mine = icmp eq i32 %busy, 0
  br i1 %mine, label %ask, label %end
ask:
  %failed = call i32 @sched_getaffinity(i32 0, i64 128, ptr %allowed)
  %answered = icmp eq i32 %failed, 0
  br i1 %answered, label %move, label %placed
move:
  %place = call ptr @word_of(ptr %allowed, i32 %core)
  %all = load i64, ptr %place
  %bit = call i64 @bit_of(i32 %core)
  %here = xor i64 %bit, -1
  %others = and i64 %all, %here
  store i64 %others, ptr %place
  %moved = call i32 @sched_setaffinity(i32 0, i64 128, ptr %allowed) ; refused where there is no other
  store i64 %all, ptr %place
  %back = call i32 @sched_setaffinity(i32 0, i64 128, ptr %allowed)
  br label %placed
placed:
  %unlocked = call i32 @pthread_mutex_unlock(ptr @placing)
  br label %end
end:
  ret void
}
"""

_ELSEWHERE = """
define internal i32 @this_core() {
  ret i32 -1
}

define void @lucid_leave_core(i32 %left) {
  ret void
}

define void @lucid_bring_here(i64 %thread) {
  ret void
}

define void @lucid_keep_off(i64 %thread, ptr %allowed) {
  ret void
}

define void @lucid_let_back(i64 %thread, ptr %allowed) {
  ret void
}

define i64 @lucid_ran(i64 %thread) {
  ret i64 0
}
"""


def placement_text(triple: str) -> str:
    """The functions above for a kind of machine. Only Linux has them; elsewhere `this_core` says -1, nobody ever runs,
    and the others do nothing."""
    return _LINUX if "linux" in triple else _ELSEWHERE
