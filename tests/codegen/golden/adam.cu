// adam: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// train.py:15
// graph (%0: f32[4, 5], %1: f32[4, 5], %2: f32[4, 5], %3: f32[], %4: f32[], %5: f32[4, 5]) {
//   %6: f32[4, 5] = const value=0.9
//   %7: f32[4, 5] = mul %0, %6
//   %8: f32[4, 5] = const value=0.1
//   %9: f32[4, 5] = mul %1, %8
//   %10: f32[4, 5] = add %7, %9
//   %11: f32[4, 5] = const value=0.999
//   %12: f32[4, 5] = mul %2, %11
//   %13: f32[4, 5] = mul %1, %1
//   %14: f32[4, 5] = const value=0.001
//   %15: f32[4, 5] = mul %13, %14
//   %16: f32[4, 5] = add %12, %15
//   %17: f32[4, 5] = sqrt %16
//   %18: f32[4, 5] = broadcast %3
//   %19: f32[4, 5] = div %17, %18
//   %20: f32[4, 5] = const value=1e-08
//   %21: f32[4, 5] = add %19, %20
//   %22: f32[4, 5] = broadcast %4
//   %23: f32[4, 5] = mul %10, %22
//   %24: f32[4, 5] = div %23, %21
//   %25: f32[4, 5] = sub %5, %24
//   return %10, %16, %25
// }
// kernel(b0: f32[4, 5], b1: f32[4, 5], b2: f32[4, 5], b3: f32[], b4: f32[], b5: f32[4, 5]) -> (b6: f32[4, 5], b7: f32[4, 5], b8: f32[4, 5])
//   v3: f32 = load b3[0]
//   v4: f32 = load b4[0]
//   v6: f32 = constant 0.8999999761581421
//   v8: f32 = constant 0.10000000149011612
//   v11: f32 = constant 0.9990000128746033
//   v14: f32 = constant 0.0010000000474974513
//   v19: f32 = constant 9.99999993922529e-09
//   parallel i0 < 20:
//     v0: f32 = load b0[i0]
//     v1: f32 = load b1[i0]
//     v2: f32 = load b2[i0]
//     v5: f32 = load b5[i0]
//     v7: f32 = mul v0, v6
//     v9: f32 = mul v1, v8
//     v10: f32 = add v7, v9
//     v12: f32 = mul v2, v11
//     v13: f32 = mul v1, v1
//     v15: f32 = mul v13, v14
//     v16: f32 = add v12, v15
//     v17: f32 = sqrt v16
//     v18: f32 = div v17, v3
//     v20: f32 = add v18, v19
//     v21: f32 = mul v10, v4
//     v22: f32 = div v21, v20
//     v23: f32 = sub v5, v22
//     stage 0:
//       store b6[i0] = v10
//       store b7[i0] = v16
//       store b8[i0] = v23
extern "C" __global__ void kernel_0(
    const float* b0,
    const float* b1,
    const float* b2,
    const float* b3,
    const float* b4,
    const float* b5,
    float* b6,
    float* b7,
    float* b8,
    const long long* status) {
    if (status[0]) return;  // a check has failed: nothing is written any more
    const bool aligned = ((size_t)b0 | (size_t)b1 | (size_t)b2 | (size_t)b5 | (size_t)b6 | (size_t)b7 | (size_t)b8) % 16 == 0;
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    #pragma unroll 1
    for (int i0 = first; i0 < 5; i0 += step) {
        const float v3 = b3[0];
        const float v4 = b4[0];
        __align__(16) float v0_quad[4];
        __align__(16) float v1_quad[4];
        __align__(16) float v2_quad[4];
        __align__(16) float v5_quad[4];
        __align__(16) float store0_quad[4];
        __align__(16) float store1_quad[4];
        __align__(16) float store2_quad[4];
        if (aligned) {
            ((float4*)v0_quad)[0] = ((const float4*)(b0 + 4 * i0))[0];
            ((float4*)v1_quad)[0] = ((const float4*)(b1 + 4 * i0))[0];
            ((float4*)v2_quad)[0] = ((const float4*)(b2 + 4 * i0))[0];
            ((float4*)v5_quad)[0] = ((const float4*)(b5 + 4 * i0))[0];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4; ++i1) {
                v0_quad[i1] = b0[4 * i0 + i1];
                v1_quad[i1] = b1[4 * i0 + i1];
                v2_quad[i1] = b2[4 * i0 + i1];
                v5_quad[i1] = b5[4 * i0 + i1];
            }
        }
        #pragma unroll
        for (int i1 = 0; i1 < 4; ++i1) {
            const float v0 = v0_quad[i1];
            const float v7 = v0 * 0.9f;
            const float v1 = v1_quad[i1];
            const float v9 = v1 * 0.1f;
            const float v10 = v7 + v9;
            const float v2 = v2_quad[i1];
            const float v12 = v2 * 0.999f;
            const float v13 = v1 * v1;
            const float v15 = v13 * 0.001f;
            const float v16 = v12 + v15;
            const float v17 = sqrtf(v16);
            const float v18 = v17 / v3;
            const float v20 = v18 + 1e-08f;
            const float v21 = v10 * v4;
            const float v22 = v21 / v20;
            const float v5 = v5_quad[i1];
            const float v23 = v5 - v22;
            store0_quad[i1] = v10;
            store1_quad[i1] = v16;
            store2_quad[i1] = v23;
        }
        if (aligned) {
            ((float4*)(b6 + 4 * i0))[0] = ((const float4*)store0_quad)[0];
            ((float4*)(b7 + 4 * i0))[0] = ((const float4*)store1_quad)[0];
            ((float4*)(b8 + 4 * i0))[0] = ((const float4*)store2_quad)[0];
        }
        else {
            #pragma unroll
            for (int i1 = 0; i1 < 4; ++i1) {
                b6[4 * i0 + i1] = store0_quad[i1];
                b7[4 * i0 + i1] = store1_quad[i1];
                b8[4 * i0 + i1] = store2_quad[i1];
            }
        }
    }
}
