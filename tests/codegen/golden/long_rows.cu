// long_rows: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// train.py:30
// graph (%0: f32[2, 5000]) {
//   %1: f32[2, 5000] = exp %0
//   %2: f32[2] = sum %1, axes=(1,), lanes=32
//   return %2
// }
// kernel(b0: f32[2, 5000]) -> (b1: f32[2])
//   parallel i0 < 2:
//     stage 0:
//       for i3 < 5000:
//         v0: f32 = load b0[5000*i0 + i3]
//         v1: f32 = exp v0
//         reduce 0.0: sum(axes=(1,), lanes=32) v1 at i3
//     stage 1:
//       v2: f32 = result 0.0
//       store b1[i0] = v2
extern "C" __global__ void __launch_bounds__(256) rows_0(const float* b0, float* b1) {
    __shared__ float v1_terms[2][1024];  // one tile is added up, one computed
    __shared__ float r0_0_result;
    int which = 0;
    const unsigned int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const unsigned int mask = 0xffffffffu;
    const int first = blockIdx.x;
    const int step = gridDim.x;
    for (int i0 = first; i0 < 2; i0 += step) {
        // stage 0
        float r0_0 = 0.0f;
        for (int start = 0; start < 5000; start += 1024) {
            which ^= 1;
            #pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int at = threadIdx.x + 256 * i;
                const int i3 = start + at;
                if (i3 < 5000) {
                    const float v0 = b0[5000 * i0 + i3];
                    const bool t0 = 90.0f < v0;
                    const float t1 = t0 ? 90.0f : v0;
                    const bool t2 = t1 < -104.0f;
                    const float t3 = t2 ? -104.0f : t1;
                    const float t4 = fmaf(t3, 1.442695f, 1.2583166e+07f);
                    const float t5 = t4 - 1.2583166e+07f;
                    const int t6 = __float_as_int(t4);
                    const float t7 = fmaf(t5, -0.6931472f, t3);
                    const float t8 = fmaf(t5, 1.9046542e-09f, t7);
                    const bool t9 = v0 < -104.0f;
                    const int t10 = t6 >> 1;
                    const int t11 = (unsigned int)t6 - (unsigned int)t10;
                    const int t12 = (unsigned int)t10 << 23;
                    const float t13 = __int_as_float(t12);
                    const int t14 = (unsigned int)t11 << 23;
                    const float t15 = __int_as_float(t14);
                    const float t16 = t9 ? 0.0f : t15;
                    const float t17 = fmaf(0.0013814457f, t8, 0.008368779f);
                    const float t18 = fmaf(t17, t8, 0.041668393f);
                    const float t19 = fmaf(t18, t8, 0.1666652f);
                    const float t20 = fmaf(t19, t8, 0.49999994f);
                    const float t21 = fmaf(t20, t8, 1.0f);
                    const float t22 = fmaf(t21, t8, 1.0f);
                    const float t23 = t22 * t13;
                    const float v1 = t23 * t16;
                    v1_terms[which][at] = v1;
                }
            }
            __syncthreads();  // the terms are there, and those before them have been added up
            if (warp == 0) {
                for (int at = lane; at < 1024; at += 32) {
                    const int i3 = start + at;
                    if (i3 < 5000) {
                        const float v1 = v1_terms[which][at];
                        const float t24 = r0_0 + v1;
                        r0_0 = t24;
                    }
                }
            }
        }
        if (warp == 0) {
            for (int half = 16; half > 0; half /= 2) {
                const float t25 = __shfl_down_sync(mask, r0_0, half, 32);
                const float t26 = r0_0 + t25;
                r0_0 = t26;
            }
            if (lane == 0) r0_0_result = r0_0;
        }
        __syncthreads();  // the results are there, and all threads have read what one may overwrite
        // stage 1
        const float v2 = r0_0_result;
        if (threadIdx.x == 0) {
            b1[i0] = v2;
        }
    }
}

// train.py:31
// train.py:32
// graph (%0: f32[40, 3, 50]) {
//   %1: f32[3] = max %0, axes=(0, 2), lanes=16
//   %2: i64[3] = argmax %0, axes=(0, 2), lanes=16
//   return %1, %2
// }
// kernel(b0: f32[40, 3, 50]) -> (b1: f32[3], b2: i64[3])
//   parallel i1 < 3:
//     stage 0:
//       for i3 < 40:
//         for i5 < 50:
//           v0: f32 = load b0[50*i1 + 150*i3 + i5]
//           reduce 0.0: max(axes=(0, 2), lanes=16) v0 at 50*i3 + i5
//           reduce 0.1: argmax(axes=(0, 2), lanes=16) v0 at 50*i3 + i5
//     stage 1:
//       v1: f32 = result 0.0
//       v2: i64 = result 0.1
//       store b1[i1] = v1
//       store b2[i1] = v2
extern "C" __global__ void __launch_bounds__(256) rows_1(const float* b0, float* b1, long long* b2) {
    __shared__ float v0_terms[2][1024];  // one tile is added up, one computed
    __shared__ float r0_0_result;
    __shared__ long long r0_1_result;
    int which = 0;
    const unsigned int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const unsigned int mask = 0xffffu;
    const int first = blockIdx.x;
    const int step = gridDim.x;
    for (int i1 = first; i1 < 3; i1 += step) {
        // stage 0
        float r0_0 = __uint_as_float(0xff800000u);
        float r0_1_0 = __uint_as_float(0xff800000u);
        long long r0_1_1 = 9223372036854775807ll;
        for (int start = 0; start < 2560; start += 1024) {
            which ^= 1;
            #pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int at = threadIdx.x + 256 * i;
                const int place = start + at;
                const int i3 = place / 64;
                const int i5 = place % 64;
                if (place < 2560 && i5 < 50) {
                    const float v0 = b0[50 * i1 + 150 * i3 + i5];
                    v0_terms[which][at] = v0;
                }
            }
            __syncthreads();  // the terms are there, and those before them have been added up
            if (warp == 0 && lane < 16) {
                for (int at = lane; at < 1024; at += 16) {
                    const int place = start + at;
                    const int i3 = place / 64;
                    const int i5 = place % 64;
                    if (place < 2560 && i5 < 50) {
                        const float v0 = v0_terms[which][at];
                        const bool t0 = v0 < r0_0;
                        const float t1 = t0 ? r0_0 : v0;
                        const bool t2 = r0_0 != r0_0;
                        const float t3 = t2 ? r0_0 : t1;
                        r0_0 = t3;
                    }
                }
            }
            if (warp == 1 && lane < 16) {
                for (int at = lane; at < 1024; at += 16) {
                    const int place = start + at;
                    const int i3 = place / 64;
                    const int i5 = place % 64;
                    if (place < 2560 && i5 < 50) {
                        const float v0 = v0_terms[which][at];
                        const bool t4 = r0_1_0 == v0;
                        const bool t5 = (long long)(50 * i3 + i5) < r0_1_1;
                        const bool t6 = t4 & t5;
                        const bool t7 = r0_1_0 < v0;
                        const bool t8 = t7 | t6;
                        const bool t9 = r0_1_0 != r0_1_0;
                        const bool t10 = v0 != v0;
                        const bool t11 = t9 ^ true;
                        const bool t12 = (long long)(50 * i3 + i5) < r0_1_1;
                        const bool t13 = t11 | t12;
                        const bool t14 = t9 | t10;
                        const bool t15 = t10 & t13;
                        const bool t16 = t14 ? t15 : t8;
                        const float t17 = t16 ? v0 : r0_1_0;
                        const long long t18 = t16 ? (long long)(50 * i3 + i5) : r0_1_1;
                        r0_1_0 = t17;
                        r0_1_1 = t18;
                    }
                }
            }
        }
        if (warp == 0 && lane < 16) {
            for (int half = 8; half > 0; half /= 2) {
                const float t19 = __shfl_down_sync(mask, r0_0, half, 16);
                const bool t20 = t19 < r0_0;
                const float t21 = t20 ? r0_0 : t19;
                const bool t22 = r0_0 != r0_0;
                const float t23 = t22 ? r0_0 : t21;
                r0_0 = t23;
            }
            if (lane == 0) r0_0_result = r0_0;
        }
        if (warp == 1 && lane < 16) {
            for (int half = 8; half > 0; half /= 2) {
                const float t24 = __shfl_down_sync(mask, r0_1_0, half, 16);
                const long long t25 = __shfl_down_sync(mask, r0_1_1, half, 16);
                const bool t26 = r0_1_0 == t24;
                const bool t27 = t25 < r0_1_1;
                const bool t28 = t26 & t27;
                const bool t29 = r0_1_0 < t24;
                const bool t30 = t29 | t28;
                const bool t31 = r0_1_0 != r0_1_0;
                const bool t32 = t24 != t24;
                const bool t33 = t31 ^ true;
                const bool t34 = t25 < r0_1_1;
                const bool t35 = t33 | t34;
                const bool t36 = t31 | t32;
                const bool t37 = t32 & t35;
                const bool t38 = t36 ? t37 : t30;
                const float t39 = t38 ? t24 : r0_1_0;
                const long long t40 = t38 ? t25 : r0_1_1;
                r0_1_0 = t39;
                r0_1_1 = t40;
            }
            if (lane == 0) r0_1_result = r0_1_1;
        }
        __syncthreads();  // the results are there, and all threads have read what one may overwrite
        // stage 1
        const float v1 = r0_0_result;
        const long long v2 = r0_1_result;
        if (threadIdx.x == 0) {
            b1[i1] = v1;
            b2[i1] = v2;
        }
    }
}
