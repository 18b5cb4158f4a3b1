"""Which core a thread of the pool runs on, as LLVM IR: the core at hand, ways to leave it, to keep others off, to bring
others here; and how long a thread has run."""

from __future__ import annotations

# Of a loan: the cores that a thread had, those that it was given, and whether it was given any; in whole lines.
LENT_WORD = 32
LOAN_WORDS = 40

# Linux wakes a thread where its waker runs, and can leave both there for many steps although a core is idle: then two
# threads take as long as one. A worker that is woken is forbidden the waker's core until it runs, and one that finds
# itself on the caller's leaves in the same way. A worker whose core another process holds comes to the caller's: Linux
# itself moves nobody who has run within half a millisecond.
#
# Others may set the cores of a thread at any time, such as `taskset` or a batch system. So what a thread had is read
# each time, and given back only where it still has what it was given: a choice of others that comes in between stays.
# Linux has no way to compare and set at once: a choice is lost that falls between a reading and the call behind it, a
# fraction of a microsecond apart.
_LINUX = """
declare i32 @sched_getcpu()
declare i64 @pthread_self()
declare i32 @pthread_getaffinity_np(i64, i64, ptr)
declare i32 @pthread_setaffinity_np(i64, i64, ptr)
declare i32 @pthread_getcpuclockid(i64, ptr)
declare i32 @clock_gettime(i32, ptr)
declare i32 @memcmp(ptr, ptr, i64)
declare ptr @memcpy(ptr, ptr, i64)
declare ptr @memset(ptr, i32, i64)

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

; Lend a thread some of its cores: this one alone, or all but this one. Nothing, where it may not run there, or has no
; other. A set of cores is 16 words of 64 bits.
define internal void @lend(i64 %thread, i32 %core, i1 %alone, ptr %loan) {
entry:
  %given = getelementptr i64, ptr %loan, i32 16
  %lent = getelementptr i64, ptr %loan, i32 32
  store i64 0, ptr %lent
  %known = icmp ult i32 %core, 1024
  br i1 %known, label %ask, label %end
ask:
  %failed = call i32 @pthread_getaffinity_np(i64 %thread, i64 128, ptr %loan)
  %number = lshr i32 %core, 6
  %digit = and i32 %core, 63
  %shift = zext i32 %digit to i64
  %bit = shl i64 1, %shift
  %place = getelementptr i64, ptr %loan, i32 %number
  %word = load i64, ptr %place
  %same = and i64 %word, %bit
  %answered = icmp eq i32 %failed, 0
  %may = icmp ne i64 %same, 0
  %can = and i1 %answered, %may
  br i1 %can, label %choose, label %end
choose:
  %others = xor i64 %word, %bit
  %chosen = select i1 %alone, i64 %bit, i64 %others
  %copied = select i1 %alone, i64 0, i64 128
  %given_place = getelementptr i64, ptr %given, i32 %number
  %cleared = call ptr @memset(ptr %given, i32 0, i64 128)
  %begun = call ptr @memcpy(ptr %given, ptr %loan, i64 %copied)
  store i64 %chosen, ptr %given_place
  %refused = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %given) ; where there is no other
  %taken = icmp eq i32 %refused, 0
  %mark = zext i1 %taken to i64
  store i64 %mark, ptr %lent
  br label %end
end:
  ret void
}

; Give a thread back what it had, unless others have set its cores since.
define void @lucid_let_back(i64 %thread, ptr %loan) {
entry:
  %now = alloca [16 x i64]
  %given = getelementptr i64, ptr %loan, i32 16
  %lent = getelementptr i64, ptr %loan, i32 32
  %mark = load i64, ptr %lent
  store i64 0, ptr %lent
  %some = icmp ne i64 %mark, 0
  br i1 %some, label %ask, label %end
ask:
  %failed = call i32 @pthread_getaffinity_np(i64 %thread, i64 128, ptr %now)
  %order = call i32 @memcmp(ptr %now, ptr %given, i64 128)
  %difference = or i32 %failed, %order
  %ours = icmp eq i32 %difference, 0
  br i1 %ours, label %give, label %end
give:
  %back = call i32 @pthread_setaffinity_np(i64 %thread, i64 128, ptr %loan)
  br label %end
end:
  ret void
}

; Forbid a thread the core of the calling one, if it may run on others, until it is let back.
define void @lucid_keep_off(i64 %thread, ptr %loan) {
  %core = call i32 @sched_getcpu()
  call void @lend(i64 %thread, i32 %core, i1 false, ptr %loan)
  ret void
}

; Move a thread to the core of the calling one, if it may run there.
define void @lucid_bring_here(i64 %thread) {
  %loan = alloca i64, i64 33
  %core = call i32 @sched_getcpu()
  call void @lend(i64 %thread, i32 %core, i1 true, ptr %loan)
  call void @lucid_let_back(i64 %thread, ptr %loan)
  ret void
}

; Move the calling thread elsewhere if it runs on a core, and may run on others.
define void @lucid_leave_core(i32 %left) {
entry:
  %core = call i32 @sched_getcpu()
  %together = icmp eq i32 %core, %left
  br i1 %together, label %leave, label %end
leave:
  %loan = alloca i64, i64 33
  %self = call i64 @pthread_self()
  call void @lend(i64 %self, i32 %core, i1 false, ptr %loan)
  call void @lucid_let_back(i64 %self, ptr %loan)
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

define void @lucid_keep_off(i64 %thread, ptr %loan) {
  ret void
}

define void @lucid_let_back(i64 %thread, ptr %loan) {
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
