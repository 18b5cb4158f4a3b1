// argmax: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// train.py:20
// graph (%0: f32[5, 4, 10]) {
//   %1: i64[5] = argmax %0, axes=(1, 2), lanes=16
//   return %1
// }
// kernel(b0: f32[5, 4, 10]) -> (b1: i64[5])
//   parallel i0 < 5:
//     stage 0:
//       for i4 < 40:
//         v0: f32 = load b0[40*i0 + i4]
//         reduce 0.0: argmax(axes=(1, 2), lanes=16) v0 at i4
//     stage 1:
//       v1: i64 = result 0.0
//       store b1[i0] = v1
extern "C" __global__ void kernel_0(const float* b0, long long* b1) {
    const unsigned int lane = threadIdx.x % 16;
    const unsigned int mask = 0xffffu << (threadIdx.x % 32 - lane);
    const int first = (blockIdx.x * blockDim.x + threadIdx.x) / 16;
    const int step = gridDim.x * blockDim.x / 16;
    for (int i0 = first; i0 < 5; i0 += step) {
        // stage 0
        float r0_0_0 = __uint_as_float(0xff800000u);
        long long r0_0_1 = 9223372036854775807ll;
        for (int i4 = lane; i4 < 40; i4 += 16) {
            const float v0 = b0[40 * i0 + i4];
            const bool t0 = r0_0_0 == v0;
            const bool t1 = (long long)i4 < r0_0_1;
            const bool t2 = t0 & t1;
            const bool t3 = r0_0_0 < v0;
            const bool t4 = t3 | t2;
            const bool t5 = r0_0_0 != r0_0_0;
            const bool t6 = v0 != v0;
            const bool t7 = t5 ^ true;
            const bool t8 = (long long)i4 < r0_0_1;
            const bool t9 = t7 | t8;
            const bool t10 = t5 | t6;
            const bool t11 = t6 & t9;
            const bool t12 = t10 ? t11 : t4;
            const float t13 = t12 ? v0 : r0_0_0;
            const long long t14 = t12 ? (long long)i4 : r0_0_1;
            r0_0_0 = t13;
            r0_0_1 = t14;
        }
        for (int half = 8; half > 0; half /= 2) {
            const float t15 = __shfl_down_sync(mask, r0_0_0, half, 16);
            const long long t16 = __shfl_down_sync(mask, r0_0_1, half, 16);
            const bool t17 = r0_0_0 == t15;
            const bool t18 = t16 < r0_0_1;
            const bool t19 = t17 & t18;
            const bool t20 = r0_0_0 < t15;
            const bool t21 = t20 | t19;
            const bool t22 = r0_0_0 != r0_0_0;
            const bool t23 = t15 != t15;
            const bool t24 = t22 ^ true;
            const bool t25 = t16 < r0_0_1;
            const bool t26 = t24 | t25;
            const bool t27 = t22 | t23;
            const bool t28 = t23 & t26;
            const bool t29 = t27 ? t28 : t21;
            const float t30 = t29 ? t15 : r0_0_0;
            const long long t31 = t29 ? t16 : r0_0_1;
            r0_0_0 = t30;
            r0_0_1 = t31;
        }
        r0_0_0 = __shfl_sync(mask, r0_0_0, 0, 16);
        r0_0_1 = __shfl_sync(mask, r0_0_1, 0, 16);
        // stage 1
        const long long v1 = r0_0_1;
        __syncwarp(mask);  // all lanes have read what one may overwrite
        if (lane == 0) {
            b1[i0] = v1;
        }
    }
}
