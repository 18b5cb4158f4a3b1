// mask: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// train.py:3
// train.py:4
// graph (%0: u64[], %1: u64[], %2: f64[], %3: f64[14]) {
//   %4: bool[14] = random_keep %0, %1, %2, draw=1
//   %5: f64[14] = cast %4
//   %6: f64[14] = mul %3, %5
//   return %4, %6
// }
// kernel(b0: u64[], b1: u64[], b2: f64[], b3: f64[14]) -> (b4: bool[14], b5: f64[14])
//   v0: u64 = load b0[0]
//   v1: u64 = load b1[0]
//   v2: f64 = load b2[0]
//   parallel i0 < 14:
//     v3: f64 = load b3[i0]
//     v4: bool = random_keep(draw=1, shape=(14,)) v0, v1, v2 at i0
//     v5: f64 = cast(dtype=float64) v4
//     v6: f64 = mul v3, v5
//     stage 0:
//       store b4[i0] = v4
//       store b5[i0] = v6
extern "C" __global__ void kernel_0(
    const unsigned long long* b0,
    const unsigned long long* b1,
    const double* b2,
    const double* b3,
    bool* b4,
    double* b5) {
    const bool aligned = ((size_t)b3 | (size_t)b5) % 16 == 0 && ((size_t)b4) % 4 == 0;
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    #pragma unroll 1
    for (int i0 = first; i0 < 4; i0 += step) {
        const unsigned long long v0 = b0[0];
        const unsigned long long v1 = b1[0];
        const double v2 = b2[0];
        __align__(16) double v3_quad[4];
        __align__(4) bool store0_quad[4];
        __align__(16) double store1_quad[4];
        if (aligned && 4 * i0 + 3 < 14) {
            ((double2*)v3_quad)[0] = ((const double2*)(b3 + 4 * i0))[0];
            ((double2*)v3_quad)[1] = ((const double2*)(b3 + 4 * i0))[1];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4 && 4 * i0 + i1 < 14; ++i1) {
                v3_quad[i1] = b3[4 * i0 + i1];
            }
        }
        const unsigned long long t0 = (unsigned long long)i0;
        const unsigned long long t1 = v1 + 1ull;
        const unsigned int t2 = (unsigned int)t0;
        const unsigned long long t3 = t0 >> 32;
        const unsigned int t4 = (unsigned int)t3;
        const unsigned int t5 = (unsigned int)t1;
        const unsigned long long t6 = t1 >> 32;
        const unsigned int t7 = (unsigned int)t6;
        const unsigned int t8 = (unsigned int)v0;
        const unsigned long long t9 = v0 >> 32;
        const unsigned int t10 = (unsigned int)t9;
        unsigned int v4_x0 = t2;
        unsigned int v4_x1 = t4;
        unsigned int v4_x2 = t5;
        unsigned int v4_x3 = t7;
        unsigned int v4_k0 = t8;
        unsigned int v4_k1 = t10;
        for (int round = 0; round < 10; ++round) {
            const unsigned int t11 = v4_x0 * 3528531795u;
            const unsigned int t12 = __umulhi(v4_x0, 3528531795u);
            const unsigned int t13 = v4_x2 * 3449720151u;
            const unsigned int t14 = __umulhi(v4_x2, 3449720151u);
            const unsigned int t15 = t14 ^ v4_x1;
            const unsigned int t16 = t15 ^ v4_k0;
            const unsigned int t17 = t12 ^ v4_x3;
            const unsigned int t18 = t17 ^ v4_k1;
            const unsigned int t19 = v4_k0 + 2654435769u;
            const unsigned int t20 = v4_k1 + 3144134277u;
            v4_x0 = t16;
            v4_x1 = t13;
            v4_x2 = t18;
            v4_x3 = t11;
            v4_k0 = t19;
            v4_k1 = t20;
        }
        const unsigned int v4_words[4] = {v4_x0, v4_x1, v4_x2, v4_x3};
        #pragma unroll
        for (int i1 = 0; i1 < 4 && 4 * i0 + i1 < 14; ++i1) {
            const unsigned int t21 = v4_words[i1];
            const double t22 = v2 * 4294967296.0;
            const double t23 = t22 + 4503599627370496.0;
            const double t24 = t23 - 4503599627370496.0;
            const bool t25 = 4294967296.0 <= t24;
            const unsigned int t26 = t25 ? 4294967294u : 4294967295u;
            const unsigned int t27 = t24 != t24 ? 0u : t24 >= 4294967296.0 ? 4294967295u : t24 <= 0.0 ? 0u : (unsigned int)t24;
            const unsigned int t28 = t21 & t26;
            const bool v4 = t27 <= t28;
            const double v5 = (double)v4;
            const double v3 = v3_quad[i1];
            const double v6 = v3 * v5;
            store0_quad[i1] = v4;
            store1_quad[i1] = v6;
        }
        if (aligned && 4 * i0 + 3 < 14) {
            ((uchar4*)(b4 + 4 * i0))[0] = ((const uchar4*)store0_quad)[0];
            ((double2*)(b5 + 4 * i0))[0] = ((const double2*)store1_quad)[0];
            ((double2*)(b5 + 4 * i0))[1] = ((const double2*)store1_quad)[1];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4 && 4 * i0 + i1 < 14; ++i1) {
                b4[4 * i0 + i1] = store0_quad[i1];
                b5[4 * i0 + i1] = store1_quad[i1];
            }
        }
    }
}
