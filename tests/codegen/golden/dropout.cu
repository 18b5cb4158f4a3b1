// dropout: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// 0: Linear  train.py:12
// 1: Dropout  train.py:12
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
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    for (int element = first; element < 60; element += step) {
        const int i0 = element / 10;
        const int i1 = element % 10;
        const unsigned long long v2 = b2[0];
        const unsigned long long v3 = b3[0];
        const double v4 = b4[0];
        const float v5 = b5[0];
        const float v0 = b0[10 * i0 + i1];
        const float v1 = b1[i1];
        const float v6 = v0 + v1;
        const unsigned long long t0 = (unsigned long long)(10 * i0 + i1);
        const unsigned long long t1 = t0 >> 2;
        const unsigned long long t2 = v3 + 3ull;
        const unsigned int t3 = (unsigned int)t1;
        const unsigned long long t4 = t1 >> 32;
        const unsigned int t5 = (unsigned int)t4;
        const unsigned int t6 = (unsigned int)t2;
        const unsigned long long t7 = t2 >> 32;
        const unsigned int t8 = (unsigned int)t7;
        const unsigned int t9 = (unsigned int)v2;
        const unsigned long long t10 = v2 >> 32;
        const unsigned int t11 = (unsigned int)t10;
        unsigned int v7_x0 = t3;
        unsigned int v7_x1 = t5;
        unsigned int v7_x2 = t6;
        unsigned int v7_x3 = t8;
        unsigned int v7_k0 = t9;
        unsigned int v7_k1 = t11;
        for (int round = 0; round < 10; ++round) {
            const unsigned int t12 = v7_x0 * 3528531795u;
            const unsigned int t13 = __umulhi(v7_x0, 3528531795u);
            const unsigned int t14 = v7_x2 * 3449720151u;
            const unsigned int t15 = __umulhi(v7_x2, 3449720151u);
            const unsigned int t16 = t15 ^ v7_x1;
            const unsigned int t17 = t16 ^ v7_k0;
            const unsigned int t18 = t13 ^ v7_x3;
            const unsigned int t19 = t18 ^ v7_k1;
            const unsigned int t20 = v7_k0 + 2654435769u;
            const unsigned int t21 = v7_k1 + 3144134277u;
            v7_x0 = t17;
            v7_x1 = t14;
            v7_x2 = t19;
            v7_x3 = t12;
            v7_k0 = t20;
            v7_k1 = t21;
        }
        const unsigned int t22 = (unsigned int)t0;
        const unsigned int t23 = t22 & 3u;
        const bool t24 = t23 == 2u;
        const unsigned int t25 = t24 ? v7_x2 : v7_x3;
        const bool t26 = t23 == 1u;
        const unsigned int t27 = t26 ? v7_x1 : t25;
        const bool t28 = t23 == 0u;
        const unsigned int t29 = t28 ? v7_x0 : t27;
        const double t30 = v4 * 4294967296.0;
        const double t31 = t30 + 4503599627370496.0;
        const double t32 = t31 - 4503599627370496.0;
        const bool t33 = 4294967296.0 <= t32;
        const unsigned int t34 = t33 ? 4294967294u : 4294967295u;
        const unsigned int t35 = t32 != t32 ? 0u : t32 >= 4294967296.0 ? 4294967295u : t32 <= 0.0 ? 0u : (unsigned int)t32;
        const unsigned int t36 = t29 & t34;
        const bool v7 = t35 <= t36;
        const float v8 = (float)v7;
        const float v9 = v6 * v8;
        const float v10 = v9 * v5;
        b6[10 * i0 + i1] = v10;
    }
}
