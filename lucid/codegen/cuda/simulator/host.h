// What NVRTC provides and a C++ compiler does not, so that CUDA C of Lucid's runs on a CPU, one CUDA thread at a time.
//
// A thread of a block runs until it waits for others, at __syncthreads, __syncwarp or a shuffle; then the next one
// does, in the order that the launch asks for. A thread that waits keeps a stack of its own (a fiber); one that runs to
// its end leaves its stack to the next, so kernels that never wait need a single one. Blocks run one after the other.
//
// Found out: accesses to memory that is not there (as an error, not a crash), barriers that some threads do not reach or
// reach at different lines, shuffles outside their mask, vectors that are not aligned. Shared memory holds NaNs when a
// block begins.
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "Lucid's simulator of CUDA runs on Linux, on x86-64 and 64-bit ARM"
#endif

// The part of CUDA C that Lucid writes.

template <class To, class From> static inline To lucid_bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "");
    To y;
    memcpy(&y, &x, sizeof y);
    return y;
}
#define __float_as_int(x) lucid_bits<int, float>(x)
#define __float_as_uint(x) lucid_bits<unsigned int, float>(x)
#define __int_as_float(x) lucid_bits<float, int>(x)
#define __uint_as_float(x) lucid_bits<float, unsigned int>(x)
#define __double_as_longlong(x) lucid_bits<long long, double>(x)
#define __longlong_as_double(x) lucid_bits<double, long long>(x)
static inline unsigned int __umulhi(unsigned int x, unsigned int y) { return (unsigned long long)x * y >> 32; }

#define __global__
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("lucid_shared"), aligned(16)))
#define __syncthreads() lucid::wait(lucid::AT_BARRIER, 0, __LINE__)
#define __syncwarp(mask) lucid::wait(lucid::IN_WARP, mask, __LINE__)
#define __shfl_sync(mask, x, lane, width) lucid::exchange(mask, x, lucid::lane_of(lane, width), __LINE__)
#define __shfl_down_sync(mask, x, delta, width) lucid::exchange(mask, x, lucid::lane_below(delta, width), __LINE__)

struct LucidPlace { unsigned int x, y; };
static LucidPlace threadIdx, blockIdx, blockDim, gridDim;

// A vector moves as a whole, between addresses that are multiples of its size.
namespace lucid { static void expect_aligned(const void *address, unsigned size); }
template <class T, unsigned N> struct alignas(N * sizeof(T)) LucidVector {
    T parts[N];
    LucidVector &operator=(const LucidVector &from) {
        lucid::expect_aligned(this, N * sizeof(T));
        lucid::expect_aligned(&from, N * sizeof(T));
        memcpy((char *)this, (const char *)&from, N * sizeof(T));
        return *this;
    }
};
typedef LucidVector<unsigned char, 4> uchar4;
typedef LucidVector<int, 4> int4;
typedef LucidVector<unsigned int, 4> uint4;
typedef LucidVector<float, 4> float4;
typedef LucidVector<long long, 2> longlong2;
typedef LucidVector<unsigned long long, 2> ulonglong2;
typedef LucidVector<double, 2> double2;

// Switching stacks: the registers that a call preserves go onto the stack, whose pointer is kept.

extern "C" void lucid_switch(void **save, void *load);
#if defined(__x86_64__)
enum { LUCID_SAVED = 6, LUCID_RETURN = 6 };  // words that a switch pushes, and the one behind which it returns
asm(".text\n.local lucid_switch\nlucid_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#else
enum { LUCID_SAVED = 20, LUCID_RETURN = 11 };
asm(".text\n.local lucid_switch\nlucid_switch:\n"
    "sub sp, sp, #160\n"
    "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"
    "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
    "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
    "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\n"
    "ldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
    "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
    "add sp, sp, #160\nret\n");
#endif

extern "C" {
extern char __start_lucid_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_lucid_shared[] __attribute__((weak, visibility("hidden")));
}

namespace lucid {

enum State : uint8_t { READY, AT_BARRIER, IN_WARP, DONE };
enum : unsigned { MOST_THREADS = 1024, WARP = 32, STACK = 64 << 10 };

struct Thread {
    State state;
    bool started;
    int line;             // where it waits
    unsigned mask;        // of the lanes that it waits for
    void *stack_pointer;  // while it waits
    unsigned stack;
    unsigned turn;        // which of two slots its next shuffle uses: the other may still be read
    uint64_t slots[2];
};

static Thread threads[MOST_THREADS];
static unsigned order[MOST_THREADS], free_stacks[MOST_THREADS], count, started, done, free_count, current;
static char *stacks;
static void *scheduler;
static void (*body)(void **);
static void **body_arguments;
static char *message;
static unsigned message_size;
static sigjmp_buf failed;
static volatile sig_atomic_t running;

[[noreturn]] static void fail(const char *what, long a = 0, long b = 0) {
    int used = snprintf(message, message_size, "block (%u, %u), thread %u: ", blockIdx.x, blockIdx.y, threadIdx.x);
    snprintf(message + used, message_size - used, what, a, b);
    siglongjmp(failed, 1);
}

static void expect_aligned(const void *address, unsigned size) {
    if ((uintptr_t)address % size) fail("access to %ld bytes at address 0x%lx", size, (long)address);
}

static void illegal_access(int number, siginfo_t *info, void *) {
    if (!running) {  // not ours
        signal(number, SIG_DFL);
        return;
    }
    running = 0;
    fail("illegal access to memory at address 0x%lx", (long)info->si_addr);
}

static void enter(unsigned thread) {
    current = thread;
    threadIdx.x = thread;
}

// What each stack runs: a thread that has not begun, and on, until one of them waits.
static void fiber() {
    for (;;) {
        body(body_arguments);
        threads[current].state = DONE;
        ++done;
        if (started == count) {
            free_stacks[free_count++] = threads[current].stack;
            void *unused;
            lucid_switch(&unused, scheduler);
        }
        const unsigned stack = threads[current].stack, next = order[started++];
        threads[next].started = true;
        threads[next].stack = stack;
        enter(next);
    }
}

static void wait(State state, unsigned mask, int line) {
    Thread &me = threads[current];
    me.state = state;
    me.mask = mask;
    me.line = line;
    if (state == IN_WARP && !(mask >> current % WARP & 1)) fail("is not in its own mask, line %ld", line);
    lucid_switch(&me.stack_pointer, scheduler);
}

static inline unsigned lane_of(unsigned lane, unsigned width) { return current / width * width % WARP + lane; }
static inline unsigned lane_below(unsigned delta, unsigned width) {
    return current % WARP + (current % width + delta < width ? delta : 0);
}

// The value that another lane of the warp passes, which must take part.
template <class T> static T exchange(unsigned mask, T x, unsigned lane, int line) {
    const unsigned me = current, other = me / WARP * WARP + lane, turn = threads[me].turn ^= 1;
    memcpy(&threads[me].slots[turn], &x, sizeof x);
    wait(IN_WARP, mask, line);
    if (other >= count || !(mask >> lane & 1)) fail("reads a lane that is not in the mask, line %ld", line);
    T y;
    memcpy(&y, &threads[other].slots[turn], sizeof y);
    return y;
}

// Let the lanes of a warp go on that wait for each other.
static bool release_warp(unsigned first) {
    unsigned waiting = 0;
    bool any = false;
    for (unsigned lane = 0; lane < WARP && first + lane < count; ++lane) {
        waiting |= (unsigned)(threads[first + lane].state == IN_WARP) << lane;
    }
    for (unsigned lane = 0; lane < WARP && first + lane < count; ++lane) {
        const Thread &one = threads[first + lane];
        if (one.state != IN_WARP || (waiting & one.mask) != one.mask) continue;
        for (unsigned other = 0; other < WARP; ++other) {
            if (!(one.mask >> other & 1)) continue;
            const Thread &met = threads[first + other];
            if (met.line != one.line) fail("waits at line %ld for a lane that waits at line %ld", one.line, met.line);
            if (met.mask != one.mask) fail("waits with mask 0x%lx for a lane with mask 0x%lx", one.mask, met.mask);
        }
        const unsigned mask = one.mask;
        for (unsigned other = 0; other < WARP; ++other) {
            if (mask >> other & 1) threads[first + other].state = READY;
        }
        any = true;
    }
    return any;
}

// Let all threads go on if all are at one barrier.
static bool release_block() {
    unsigned waiting = 0;
    int line = 0;
    for (unsigned thread = 0; thread < count; ++thread) {
        if (threads[thread].state != AT_BARRIER) continue;
        if (waiting && threads[thread].line != line) {
            enter(thread);
            fail("waits at the barrier of line %ld, another thread at that of line %ld", threads[thread].line, line);
        }
        line = threads[thread].line;
        ++waiting;
    }
    if (waiting && waiting + done == count && done) {
        fail("waits at the barrier of line %ld, which %ld threads never reach", line, done);
    }
    if (!waiting || waiting < count) return false;
    for (unsigned thread = 0; thread < count; ++thread) threads[thread].state = READY;
    return true;
}

static void run_block() {
    started = done = free_count = 0;
    for (unsigned stack = MOST_THREADS; stack-- > 0;) free_stacks[free_count++] = stack;
    for (unsigned thread = 0; thread < count; ++thread) threads[thread] = Thread();
    memset(__start_lucid_shared, 0xff, __stop_lucid_shared - __start_lucid_shared);
    while (done < count) {
        bool any = false;
        while (started < count) {
            const unsigned thread = order[started++], stack = free_stacks[--free_count];
            void **top = (void **)(stacks + (stack + 1) * (size_t)STACK) - 2;
            void **pointer = top - LUCID_SAVED;
            pointer[LUCID_RETURN] = (void *)fiber;
            threads[thread].started = true;
            threads[thread].stack = stack;
            enter(thread);
            lucid_switch(&scheduler, pointer);
            any = true;
        }
        for (unsigned number = 0; number < count; ++number) {
            Thread &one = threads[order[number]];
            if (one.state != READY || !one.started) continue;
            enter(order[number]);
            lucid_switch(&scheduler, one.stack_pointer);
            any = true;
        }
        if (done == count) break;
        for (unsigned first = 0; first < count; first += WARP) any |= release_warp(first);
        any |= release_block();
        if (!any) fail("waits for threads that never come");
    }
}

struct Random {
    uint64_t state;
    uint64_t below(uint64_t bound) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % bound;
    }
};

template <class X> static void swap(X &x, X &y) {
    const X z = x;
    x = y;
    y = z;
}

// A kernel, and how to call it with pointers to its arguments.
struct Kernel {
    const char *name;
    void (*call)(void **);
};
template <unsigned... N> struct Numbers {};
template <unsigned M, unsigned... N> struct Counted : Counted<M - 1, M - 1, N...> {};
template <unsigned... N> struct Counted<0, N...> { typedef Numbers<N...> Type; };
template <class... A, unsigned... N> static inline void unpack(void (*kernel)(A...), void **arguments, Numbers<N...>) {
    kernel(*(A *)arguments[N]...);
}
template <class... A> static inline void apply(void (*kernel)(A...), void **arguments) {
    unpack(kernel, arguments, typename Counted<sizeof...(A)>::Type());
}
#define LUCID_KERNEL(name) {#name, [](void **arguments) { lucid::apply(name, arguments); }}

// Run a kernel on a grid, its threads and blocks forward (order 0), in reverse (1) or shuffled by a seed (2, 3, ...).
// Whether nothing was wrong; else the message says what.
static int launch(const Kernel &kernel, unsigned blocks_x, unsigned blocks_y, unsigned size, void **arguments,
                  unsigned how, char *text, unsigned text_size) {
    message = text;
    message_size = text_size;
    if (size < 1 || size > MOST_THREADS) {
        snprintf(message, message_size, "%u threads in a block", size);
        return 0;
    }
    const size_t bytes = (size_t)MOST_THREADS * STACK;
    if (!stacks) {
        stacks = (char *)mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    static char signal_stack[64 << 10];
    stack_t ours = {}, theirs;
    ours.ss_sp = signal_stack;
    ours.ss_size = sizeof signal_stack;
    sigaltstack(&ours, &theirs);
    struct sigaction handler = {}, before[2];
    handler.sa_sigaction = illegal_access;
    handler.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &handler, &before[0]);
    sigaction(SIGBUS, &handler, &before[1]);
    count = blockDim.x = size;
    gridDim.x = blocks_x;
    gridDim.y = blocks_y;
    body = kernel.call;
    body_arguments = arguments;
    volatile int good = 1;
    if (sigsetjmp(failed, 1)) {
        good = 0;
    } else {
        Random random = {how * 0x9E3779B97F4A7C15ull + 1};
        const uint64_t blocks = (uint64_t)blocks_x * blocks_y, shift = how > 1 ? random.below(blocks) : 0;
        for (unsigned thread = 0; thread < count; ++thread) order[thread] = how == 1 ? count - 1 - thread : thread;
        running = 1;
        for (uint64_t number = 0; number < blocks; ++number) {
            const uint64_t turned = how > 1 ? (number + shift) % blocks : number;
            const uint64_t block = how == 1 || (how > 1 && how % 2) ? blocks - 1 - turned : turned;
            for (unsigned thread = how > 1 ? count - 1 : 0; thread > 0; --thread) {
                swap(order[thread], order[random.below(thread + 1)]);
            }
            blockIdx.x = block % blocks_x;
            blockIdx.y = block / blocks_x;
            run_block();
        }
    }
    running = 0;
    sigaction(SIGSEGV, &before[0], 0);
    sigaction(SIGBUS, &before[1], 0);
    sigaltstack(&theirs, 0);
    return good;
}

}  // namespace lucid
