// adam: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// train.py:15
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
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    for (int i0 = first; i0 < 20; i0 += step) {
        const float v3 = b3[0];
        const float v4 = b4[0];
        const float v0 = b0[i0];
        const float v1 = b1[i0];
        const float v2 = b2[i0];
        const float v5 = b5[i0];
        const float v7 = v0 * 0.9f;
        const float v9 = v1 * 0.1f;
        const float v10 = v7 + v9;
        const float v12 = v2 * 0.999f;
        const float v13 = v1 * v1;
        const float v15 = v13 * 0.001f;
        const float v16 = v12 + v15;
        const float v17 = sqrtf(v16);
        const float v18 = v17 / v3;
        const float v20 = v18 + 1e-08f;
        const float v21 = v10 * v4;
        const float v22 = v21 / v20;
        const float v23 = v5 - v22;
        b6[i0] = v10;
        b7[i0] = v16;
        b8[i0] = v23;
    }
}
