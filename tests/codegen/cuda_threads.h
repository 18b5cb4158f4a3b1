// What NVRTC provides and a C++ compiler does not, so that ThreadSanitizer can search a kernel for races: it is told that
// every CUDA thread is a thread, and what orders them. All of them run on one thread of the system, one after the other,
// so that what is found does not depend on luck; `cuda_threads.cpp` switches between them.
#include <math.h>
#include <string.h>

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
struct Place { unsigned int x, y; };
extern Place threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();
void __syncwarp(unsigned int mask);

// The 64 bits that another thread of the warp passes, which must take part.
unsigned long long exchange(unsigned int mask, unsigned long long word, unsigned int from);

template <class T> static T exchange_value(unsigned int mask, T x, unsigned int from) {
    unsigned long long word = 0;
    memcpy(&word, &x, sizeof x);
    word = exchange(mask, word, from);
    memcpy(&x, &word, sizeof x);
    return x;
}

template <class T> static T __shfl_sync(unsigned int mask, T x, unsigned int lane, unsigned int width) {
    return exchange_value(mask, x, threadIdx.x / width * width + lane);
}

template <class T> static T __shfl_down_sync(unsigned int mask, T x, unsigned int delta, unsigned int width) {
    return exchange_value(mask, x, threadIdx.x % width + delta < width ? threadIdx.x + delta : threadIdx.x);
}

// Run a kernel on a grid; ends the process where threads wait for what never comes.
void launch(unsigned int blocks_x, unsigned int blocks_y, unsigned int threads, void (*kernel)());
