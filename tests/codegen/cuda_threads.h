// What NVRTC provides and a host compiler does not, so that ThreadSanitizer can search a kernel for races: every CUDA
// thread of a block is a thread of the system, and blocks run one after the other.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

template <class To, class From> static inline To bits(From x) { To y; memcpy(&y, &x, sizeof y); return y; }
#define __float_as_int(x) bits<int, float>(x)
#define __float_as_uint(x) bits<unsigned int, float>(x)
#define __int_as_float(x) bits<float, int>(x)
#define __uint_as_float(x) bits<float, unsigned int>(x)
#define __double_as_longlong(x) bits<long long, double>(x)
#define __longlong_as_double(x) bits<double, long long>(x)
static inline unsigned int __umulhi(unsigned int x, unsigned int y) { return (unsigned long long)x * y >> 32; }

#define __global__
#define __align__(n) __attribute__((aligned(n)))
struct __align__(4) uchar4 { unsigned char parts[4]; };
struct __align__(16) int4 { int parts[4]; };
struct __align__(16) uint4 { unsigned int parts[4]; };
struct __align__(16) float4 { float parts[4]; };
struct __align__(16) longlong2 { long long parts[2]; };
struct __align__(16) ulonglong2 { unsigned long long parts[2]; };
struct __align__(16) double2 { double parts[2]; };
#define __launch_bounds__(...)
#define __shared__ static
struct Place { unsigned int x, y; };
static thread_local Place threadIdx;
static Place blockIdx, blockDim, gridDim;

static const unsigned int MOST_THREADS = 1024, WARP = 32;
static std::atomic<bool> failed;

// Threads wait here for each other, those of one mask at the place of the first of them.
struct Meeting {
    std::mutex mutex;
    std::condition_variable met;
    int arrived = 0;
    unsigned int count = 0;

    void wait(int expected) {
        if (failed) return;
        std::unique_lock<std::mutex> lock(mutex);
        const unsigned int now = count;
        if (++arrived == expected) {
            arrived = 0;
            ++count;
            met.notify_all();
        } else if (!met.wait_for(lock, std::chrono::seconds(10), [&] { return count != now; })) {
            failed = true;  // some thread of the mask never came
        }
    }
};
static Meeting meetings[MOST_THREADS];
static unsigned long long slots[MOST_THREADS];

static void __syncwarp(unsigned int mask) {
    const unsigned int warp = threadIdx.x / WARP * WARP;
    if (!(mask >> (threadIdx.x - warp) & 1)) failed = true;  // a thread that is not in its own mask
    meetings[warp + __builtin_ctz(mask)].wait(__builtin_popcount(mask));
}

// The value of another thread, which must take part.
template <class T> static T exchange(unsigned int mask, T x, unsigned int from) {
    if (from / WARP != threadIdx.x / WARP || !(mask >> from % WARP & 1)) failed = true;
    memcpy(&slots[threadIdx.x], &x, sizeof x);
    __syncwarp(mask);
    T y;
    memcpy(&y, &slots[from], sizeof y);
    __syncwarp(mask);
    return y;
}

template <class T> static T __shfl_sync(unsigned int mask, T x, unsigned int lane, unsigned int width) {
    return exchange(mask, x, threadIdx.x / width * width + lane);
}

template <class T> static T __shfl_down_sync(unsigned int mask, T x, unsigned int delta, unsigned int width) {
    return exchange(mask, x, threadIdx.x % width + delta < width ? threadIdx.x + delta : threadIdx.x);
}

static Meeting block;
static void __syncthreads() { block.wait(blockDim.x); }

// Run a kernel on a grid; ends the process where it waits for what never comes.
template <class Kernel> static void launch(unsigned int blocks_x, unsigned int blocks_y, unsigned int threads, Kernel kernel) {
    gridDim = {blocks_x, blocks_y};
    blockDim.x = threads;
    for (blockIdx.y = 0; blockIdx.y < blocks_y; ++blockIdx.y) {
        for (blockIdx.x = 0; blockIdx.x < blocks_x; ++blockIdx.x) {
            std::vector<std::thread> team;
            for (unsigned int number = 0; number < threads; ++number) {
                team.emplace_back([=] {
                    threadIdx.x = number;
                    kernel();
                });
            }
            for (std::thread &thread : team) thread.join();
            if (failed) exit(2);
        }
    }
}
