// Runs CUDA threads one after the other, and tells ThreadSanitizer of them. Compiled without it, so that nothing here
// counts: neither an access to memory nor an order of threads.
#include "cuda_threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <vector>

extern "C" {
void *__tsan_get_current_fiber();
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
}

static const unsigned int MOST_THREADS = 1024, WARP = 32, STACK = 64 << 10, WITHOUT_ORDER = 1;

Place threadIdx, blockIdx, blockDim, gridDim;

// Threads wait here for each other, those of one mask at the place of the first of them. What each did before is done
// before any goes on: they leave by the side that they came in by, as some may already be here again.
struct Meeting {
    unsigned int arrived, count;
    char sides[2];
};

struct Thread {
    ucontext_t context;
    void *fiber;
    unsigned long long word;  // passes by a shuffle
    const Meeting *meeting;   // where it waits
    unsigned int count;
    bool done;
};

static Meeting block, meetings[MOST_THREADS];
static std::vector<Thread> threads;  // of a launch, those of a block in a row
static Thread *team, *current;       // the block, and the thread, that runs
static ucontext_t scheduler;
static void *scheduler_fiber;
static void (*body)();
static char ended;

[[noreturn]] static void fail(const char *what) {
    fprintf(stderr, "block (%u, %u), thread %u: %s\n", blockIdx.x, blockIdx.y, threadIdx.x, what);
    _Exit(2);
}

static void pause() {
    __tsan_switch_to_fiber(scheduler_fiber, WITHOUT_ORDER);
    swapcontext(&current->context, &scheduler);
}

static void meet(Meeting &meeting, unsigned int expected) {
    const unsigned int now = meeting.count;
    __tsan_release(&meeting.sides[now % 2]);
    if (++meeting.arrived == expected) {
        meeting.arrived = 0;
        ++meeting.count;
    } else {
        current->meeting = &meeting;
        current->count = now;
        pause();
    }
    __tsan_acquire(&meeting.sides[now % 2]);
}

void __syncthreads() { meet(block, blockDim.x); }

void __syncwarp(unsigned int mask) {
    const unsigned int warp = threadIdx.x / WARP * WARP;
    if (!(mask >> (threadIdx.x - warp) & 1)) fail("is not in its own mask");
    meet(meetings[warp + __builtin_ctz(mask)], __builtin_popcount(mask));
}

unsigned long long exchange(unsigned int mask, unsigned long long word, unsigned int from) {
    if (from / WARP != threadIdx.x / WARP || !(mask >> from % WARP & 1)) fail("reads a lane that is not in the mask");
    current->word = word;
    __syncwarp(mask);
    word = team[from].word;
    __syncwarp(mask);
    return word;
}

static void run_thread() {
    body();
    __tsan_release(&ended);
    current->done = true;
    pause();
}

static bool can_run(const Thread &thread) {
    return !thread.done && (!thread.meeting || thread.meeting->count != thread.count);
}

// Let each thread of a block run until it waits or ends, over and over.
static void run_block() {
    for (unsigned int left = blockDim.x; left > 0;) {
        bool any = false;
        for (unsigned int number = 0; number < blockDim.x; ++number) {
            if (!can_run(team[number])) continue;
            any = true;
            current = &team[number];
            threadIdx.x = number;
            __tsan_switch_to_fiber(current->fiber, WITHOUT_ORDER);
            swapcontext(&scheduler, &current->context);
            left -= current->done;
        }
        if (!any) fail("waits for threads that never come");
    }
}

void launch(unsigned int blocks_x, unsigned int blocks_y, unsigned int size, void (*kernel)()) {
    gridDim = {blocks_x, blocks_y};
    blockDim = {size, 1};
    body = kernel;
    scheduler_fiber = __tsan_get_current_fiber();
    threads.assign(blocks_x * blocks_y * size, Thread());
    const size_t bytes = threads.size() * STACK;
    char *const stacks = (char *)mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t number = 0; number < threads.size(); ++number) {
        Thread &thread = threads[number];
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = stacks + number * STACK;
        thread.context.uc_stack.ss_size = STACK;
        makecontext(&thread.context, run_thread, 0);
        thread.fiber = __tsan_create_fiber(0);
    }
    for (unsigned int number = 0; number < blocks_x * blocks_y; ++number) {
        blockIdx = {number % blocks_x, number / blocks_x};
        team = &threads[number * size];
        block = Meeting();
        for (Meeting &meeting : meetings) meeting = Meeting();
        run_block();
    }
    __tsan_acquire(&ended);  // the launch that follows comes behind all of this one
    for (Thread &thread : threads) __tsan_destroy_fiber(thread.fiber);
    munmap(stacks, bytes);
}
