"""Matrix products whose sums have lanes, in CUDA C: as many neighbouring threads of a warp take an element together.

Thread `lane` is accumulator `lane` of what `Matmul` says: it walks a chunk from `lane` in steps of the number of lanes,
and the tree over the accumulators is one of shuffles.
"""

from __future__ import annotations

from lucid.codegen.cuda.plan import line_of_blocks
from lucid.codegen.cuda.product import product_sizes
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.tiles import MOST_MATRICES
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType, float32

_BODY = """\
// C = A B for each matrix of a batch: A is {a_layout}, B is {b_layout}, C is m x n, all row-major.
// {lanes} threads compute an element: c[i, j] is a sum of chunks in ascending order; product t of a chunk goes to
// thread t % {lanes}, whose sum is a chain of fused multiply-adds over ascending t from 0; a tree adds them.
{head}
{guard}    const int lane = threadIdx.x % {lanes};
    const unsigned int mask = {all:#x}u << (threadIdx.x % 32 - lane);
    const long long first = (blockIdx.x * (long long)blockDim.x + threadIdx.x) / {lanes};
    const long long step = gridDim.x * (long long)blockDim.x / {lanes};
    for (long long element = first; element < (long long)m * n; element += step) {{
        const int row = element / n, column = element % n;
        for (int matrix = blockIdx.y; matrix < matrices; matrix += gridDim.y) {{
            const {type}* a_matrix = a + (long long)matrix * m * k;
            const {type}* b_matrix = b + (long long)matrix * k * n;
            {type} total = {zero};
            for (int start = 0; start == 0 || start < k; start += chunk) {{
                const int depth = k - start < chunk ? k - start : chunk;
                {type} sum = {zero};
                for (int t = lane; t < depth; t += {lanes}) {{
                    sum = {fma}(a_matrix[{a_place}], b_matrix[{b_place}], sum);
                }}
                for (int half = {half}; half > 0; half /= 2) sum += __shfl_down_sync(mask, sum, half, {lanes});
                total = start == 0 ? sum : total + sum;
            }}
            if (lane == 0) c[(long long)matrix * m * n + element] = total;
        }}
    }}
}}
"""


def print_dots(
    name: str, dtype: DType, lanes: int, transpose_a: bool, transpose_b: bool, wide: bool, guarded: bool
) -> str:
    """The CUDA C function of a matrix product with so many lanes: pointers to A, B and C, then m, n, k, the chunk and
    the matrices. Any blocks of whole warps run it, those along x for the elements of C and those along y for the
    matrices. Matrices of 2^31 elements and more take a wide one."""
    type, long = C_TYPES[dtype], "(long long)" if wide else ""
    scalars = ["int m", "int n", "int k", "int chunk", "int matrices"]
    return _BODY.format(
        a_layout="k x m, read transposed" if transpose_a else "m x k",
        b_layout="n x k, read transposed" if transpose_b else "k x n",
        head="\n".join(function_head(name, [f"const {type}* a", f"const {type}* b", f"{type}* c"], guarded, scalars)),
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        type=type,
        zero="0.0f" if dtype == float32 else "0.0",
        fma="fmaf" if dtype == float32 else "fma",
        lanes=lanes,
        half=lanes // 2,
        all=(1 << lanes) - 1,
        a_place=f"{long}(start + t) * m + row" if transpose_a else f"{long}row * k + start + t",
        b_place=f"{long}column * k + start + t" if transpose_b else f"{long}(start + t) * n + column",
    )


def dots_launch(
    op: Matmul, a: TensorType, b: TensorType, where: tuple[str, int] | None = None
) -> tuple[tuple[int, int], int, tuple[int, ...]]:
    """The blocks, the threads of each and the sizes for a matmul with lanes of operands of these types. Raises
    CompileError as `product_sizes`."""
    m, n, _, _, matrices = sizes = product_sizes(op, a, b, where)
    blocks, threads = line_of_blocks(m * n * op.lanes)
    return (blocks, min(matrices, MOST_MATRICES)), threads, sizes
