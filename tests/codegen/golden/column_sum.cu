// column_sum: compile with --fmad=false --ftz=false --prec-div=true --prec-sqrt=true

// 0: ReLU  train.py:14
// 0: Linear  train.py:14
// graph (%0: f32[20, 7], %1: bool[20, 7]) {
//   %2: f32[20, 7] = cast %1
//   %3: f32[20, 7] = mul %0, %2
//   %4: f32[7] = sum %3, axes=(0,), lanes=1
//   return %3, %4
// }
// kernel(b0: f32[20, 7], b1: bool[20, 7]) -> (b2: f32[20, 7], b3: f32[7])
//   parallel i1 < 7:
//     stage 0:
//       for i2 < 20:
//         v0: f32 = load b0[i1 + 7*i2]
//         v1: bool = load b1[i1 + 7*i2]
//         v2: f32 = cast(dtype=float32) v1
//         v3: f32 = mul v0, v2
//         reduce 0.0: sum(axes=(0,), lanes=1) v3 at i2
//         store b2[i1 + 7*i2] = v3
//     stage 1:
//       v4: f32 = result 0.0
//       store b3[i1] = v4
extern "C" __global__ void kernel_0(const float* b0, const bool* b1, float* b2, float* b3) {
    const int first = blockIdx.x * blockDim.x + threadIdx.x;
    const int step = gridDim.x * blockDim.x;
    for (int i1 = first; i1 < 7; i1 += step) {
        // stage 0
        float r0_0 = 0.0f;
        for (int i2 = 0; i2 < 20; ++i2) {
            const float v0 = b0[i1 + 7 * i2];
            const bool v1 = b1[i1 + 7 * i2];
            const float v2 = (float)v1;
            const float v3 = v0 * v2;
            const float t0 = r0_0 + v3;
            r0_0 = t0;
            b2[i1 + 7 * i2] = v3;
        }
        // stage 1
        const float v4 = r0_0;
        b3[i1] = v4;
    }
}
