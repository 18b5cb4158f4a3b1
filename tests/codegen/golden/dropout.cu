// dropout: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// 0: Linear  train.py:12
// 1: Dropout  train.py:12
// graph (%0: f32[6, 10], %1: f32[10], %2: u64[], %3: u64[], %4: f64[], %5: f32[]) {
//   %6: f32[6, 10] = broadcast %1
//   %7: f32[6, 10] = add %0, %6
//   %8: bool[6, 10] = random_keep %2, %3, %4, draw=3
//   %9: f32[6, 10] = cast %8
//   %10: f32[6, 10] = mul %7, %9
//   %11: f32[6, 10] = broadcast %5
//   %12: f32[6, 10] = mul %10, %11
//   return %12
// }
// kernel(b0: f32[6, 10], b1: f32[10], b2: u64[], b3: u64[], b4: f64[], b5: f32[]) -> (b6: f32[6, 10])
//   v2: u64 = load b2[0]
//   v3: u64 = load b3[0]
//   v4: f64 = load b4[0]
//   v5: f32 = load b5[0]
//   parallel i0 < 6:
//     parallel i1 < 10:
//       v0: f32 = load b0[10*i0 + i1]
//       v1: f32 = load b1[i1]
//       v6: f32 = add v0, v1
//       v7: bool = random_keep(draw=3, shape=(6, 10)) v2, v3, v4 at 10*i0 + i1
//       v8: f32 = cast(dtype=float32) v7
//       v9: f32 = mul v6, v8
//       v10: f32 = mul v9, v5
//       stage 0:
//         store b6[10*i0 + i1] = v10
extern "C" __global__ void kernel_0(
    const float* b0,
    const float* b1,
    const unsigned long long* b2,
    const unsigned long long* b3,
    const double* b4,
    const float* b5,
    float* b6) {
    const bool aligned = ((size_t)b0 | (size_t)b6) % 16 == 0;
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    #pragma unroll 1
    for (int i0 = first; i0 < 15; i0 += step) {
        const unsigned long long v2 = b2[0];
        const unsigned long long v3 = b3[0];
        const double v4 = b4[0];
        const float v5 = b5[0];
        __align__(16) float v0_quad[4];
        __align__(16) float store0_quad[4];
        if (aligned) {
            ((float4*)v0_quad)[0] = ((const float4*)(b0 + 4 * i0))[0];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4; ++i1) {
                v0_quad[i1] = b0[4 * i0 + i1];
            }
        }
        const unsigned long long t0 = (unsigned long long)i0;
        const unsigned long long t1 = v3 + 3ull;
        const unsigned int t2 = (unsigned int)t0;
        const unsigned long long t3 = t0 >> 32;
        const unsigned int t4 = (unsigned int)t3;
        const unsigned int t5 = (unsigned int)t1;
        const unsigned long long t6 = t1 >> 32;
        const unsigned int t7 = (unsigned int)t6;
        const unsigned int t8 = (unsigned int)v2;
        const unsigned long long t9 = v2 >> 32;
        const unsigned int t10 = (unsigned int)t9;
        unsigned int v7_x0 = t2;
        unsigned int v7_x1 = t4;
        unsigned int v7_x2 = t5;
        unsigned int v7_x3 = t7;
        unsigned int v7_k0 = t8;
        unsigned int v7_k1 = t10;
        for (int round = 0; round < 10; ++round) {
            const unsigned int t11 = v7_x0 * 3528531795u;
            const unsigned int t12 = __umulhi(v7_x0, 3528531795u);
            const unsigned int t13 = v7_x2 * 3449720151u;
            const unsigned int t14 = __umulhi(v7_x2, 3449720151u);
            const unsigned int t15 = t14 ^ v7_x1;
            const unsigned int t16 = t15 ^ v7_k0;
            const unsigned int t17 = t12 ^ v7_x3;
            const unsigned int t18 = t17 ^ v7_k1;
            const unsigned int t19 = v7_k0 + 2654435769u;
            const unsigned int t20 = v7_k1 + 3144134277u;
            v7_x0 = t16;
            v7_x1 = t13;
            v7_x2 = t18;
            v7_x3 = t11;
            v7_k0 = t19;
            v7_k1 = t20;
        }
        const unsigned int v7_words[4] = {v7_x0, v7_x1, v7_x2, v7_x3};
        #pragma unroll
        for (int i1 = 0; i1 < 4; ++i1) {
            const float v0 = v0_quad[i1];
            const float v1 = b1[((4 * i0 + i1) % 10)];
            const float v6 = v0 + v1;
            const unsigned int t21 = v7_words[i1];
            const double t22 = v4 * 4294967296.0;
            const double t23 = t22 + 4503599627370496.0;
            const double t24 = t23 - 4503599627370496.0;
            const bool t25 = 4294967296.0 <= t24;
            const unsigned int t26 = t25 ? 4294967294u : 4294967295u;
            const unsigned int t27 = t24 != t24 ? 0u : t24 >= 4294967296.0 ? 4294967295u : t24 <= 0.0 ? 0u : (unsigned int)t24;
            const unsigned int t28 = t21 & t26;
            const bool v7 = t27 <= t28;
            const float v8 = (float)v7;
            const float v9 = v6 * v8;
            const float v10 = v9 * v5;
            store0_quad[i1] = v10;
        }
        if (aligned) {
            ((float4*)(b6 + 4 * i0))[0] = ((const float4*)store0_quad)[0];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4; ++i1) {
                b6[4 * i0 + i1] = store0_quad[i1];
            }
        }
    }
}
