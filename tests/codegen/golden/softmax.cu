// softmax: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// loss.py:7
// graph (%0: f32[6, 300]) {
//   %1: f32[6] = max %0, axes=(1,), lanes=32
//   return %1
// }
// kernel(b0: f32[6, 300]) -> (b1: f32[6])
//   parallel i0 < 6:
//     stage 0:
//       for i3 < 300:
//         v0: f32 = load b0[300*i0 + i3]
//         reduce 0.0: max(axes=(1,), lanes=32) v0 at i3
//     stage 1:
//       v1: f32 = result 0.0
//       store b1[i0] = v1
extern "C" __global__ void kernel_0(const float* b0, float* b1) {
    const unsigned int lane = threadIdx.x % 32;
    const unsigned int mask = 0xffffffffu << (threadIdx.x % 32 - lane);
    const int first = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int step = gridDim.x * blockDim.x / 32;
    for (int i0 = first; i0 < 6; i0 += step) {
        // stage 0
        float r0_0 = __uint_as_float(0xff800000u);
        for (int i3 = lane; i3 < 300; i3 += 32) {
            const float v0 = b0[300 * i0 + i3];
            const bool t0 = v0 < r0_0;
            const float t1 = t0 ? r0_0 : v0;
            const bool t2 = r0_0 != r0_0;
            const float t3 = t2 ? r0_0 : t1;
            r0_0 = t3;
        }
        for (int half = 16; half > 0; half /= 2) {
            const float t4 = __shfl_down_sync(mask, r0_0, half, 32);
            const bool t5 = t4 < r0_0;
            const float t6 = t5 ? r0_0 : t4;
            const bool t7 = r0_0 != r0_0;
            const float t8 = t7 ? r0_0 : t6;
            r0_0 = t8;
        }
        r0_0 = __shfl_sync(mask, r0_0, 0, 32);
        // stage 1
        const float v1 = r0_0;
        __syncwarp(mask);  // all lanes have read what one may overwrite
        if (lane == 0) {
            b1[i0] = v1;
        }
    }
}

// loss.py:7
// loss.py:8
// graph (%0: f32[6, 300], %1: f32[6]) {
//   %2: f32[6, 1] = reshape %1
//   %3: f32[6, 300] = broadcast %2
//   %4: f32[6, 300] = sub %0, %3
//   %5: f32[6, 300] = exp %4
//   %6: f32[6] = sum %5, axes=(1,), lanes=32
//   return %5, %6
// }
// kernel(b0: f32[6, 300], b1: f32[6]) -> (b2: f32[6, 300], b3: f32[6])
//   parallel i0 < 6:
//     v1: f32 = load b1[i0]
//     stage 0:
//       for i3 < 300:
//         v0: f32 = load b0[300*i0 + i3]
//         v2: f32 = sub v0, v1
//         v3: f32 = exp v2
//         reduce 0.0: sum(axes=(1,), lanes=32) v3 at i3
//         store b2[300*i0 + i3] = v3
//     stage 1:
//       v4: f32 = result 0.0
//       store b3[i0] = v4
extern "C" __global__ void kernel_1(const float* b0, const float* b1, float* b2, float* b3) {
    const unsigned int lane = threadIdx.x % 32;
    const unsigned int mask = 0xffffffffu << (threadIdx.x % 32 - lane);
    const int first = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int step = gridDim.x * blockDim.x / 32;
    for (int i0 = first; i0 < 6; i0 += step) {
        const float v1 = b1[i0];
        // stage 0
        float r0_0 = 0.0f;
        __syncwarp(mask);  // all lanes have read what one may overwrite
        for (int i3 = lane; i3 < 300; i3 += 32) {
            const float v0 = b0[300 * i0 + i3];
            const float v2 = v0 - v1;
            const bool t0 = 90.0f < v2;
            const float t1 = t0 ? 90.0f : v2;
            const bool t2 = t1 < -104.0f;
            const float t3 = t2 ? -104.0f : t1;
            const float t4 = fmaf(t3, 1.442695f, 1.2583166e+07f);
            const float t5 = t4 - 1.2583166e+07f;
            const int t6 = __float_as_int(t4);
            const float t7 = fmaf(t5, -0.6931472f, t3);
            const float t8 = fmaf(t5, 1.9046542e-09f, t7);
            const bool t9 = v2 < -104.0f;
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
            const float v3 = t23 * t16;
            const float t24 = r0_0 + v3;
            r0_0 = t24;
            b2[300 * i0 + i3] = v3;
        }
        for (int half = 16; half > 0; half /= 2) {
            const float t25 = __shfl_down_sync(mask, r0_0, half, 32);
            const float t26 = r0_0 + t25;
            r0_0 = t26;
        }
        r0_0 = __shfl_sync(mask, r0_0, 0, 32);
        // stage 1
        const float v4 = r0_0;
        __syncwarp(mask);  // all lanes have read what one may overwrite
        if (lane == 0) {
            b3[i0] = v4;
        }
    }
}

// loss.py:9
// graph (%0: f32[6, 300], %1: f32[6]) {
//   %2: f32[6, 1] = reshape %1
//   %3: f32[6, 300] = broadcast %2
//   %4: f32[6, 300] = div %0, %3
//   return %4
// }
// kernel(b0: f32[6, 300], b1: f32[6]) -> (b2: f32[6, 300])
//   parallel i0 < 6:
//     v1: f32 = load b1[i0]
//     parallel i1 < 300:
//       v0: f32 = load b0[300*i0 + i1]
//       v2: f32 = div v0, v1
//       stage 0:
//         store b2[300*i0 + i1] = v2
extern "C" __global__ void kernel_2(const float* b0, const float* b1, float* b2) {
    const bool aligned = ((size_t)b0 | (size_t)b2) % 16 == 0;
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    #pragma unroll 1
    for (int element = first; element < 450; element += step) {
        const int i0 = element / 75;
        const int i1 = element % 75;
        const float v1 = b1[i0];
        __align__(16) float v0_quad[4];
        __align__(16) float store0_quad[4];
        if (aligned) {
            ((float4*)v0_quad)[0] = ((const float4*)(b0 + 300 * i0 + 4 * i1))[0];
        }
        else {
            #pragma unroll
            for (int i2 = 0; i2 < 4; ++i2) {
                v0_quad[i2] = b0[300 * i0 + 4 * i1 + i2];
            }
        }
        #pragma unroll
        for (int i2 = 0; i2 < 4; ++i2) {
            const float v0 = v0_quad[i2];
            const float v2 = v0 / v1;
            store0_quad[i2] = v2;
        }
        if (aligned) {
            ((float4*)(b2 + 300 * i0 + 4 * i1))[0] = ((const float4*)store0_quad)[0];
        }
        else {
            #pragma unroll
            for (int i2 = 0; i2 < 4; ++i2) {
                b2[300 * i0 + 4 * i1 + i2] = store0_quad[i2];
            }
        }
    }
}
