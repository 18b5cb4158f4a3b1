"""The matrix product in CUDA C: tiles in shared memory, in the order that `Matmul` states.

An element of the result is the sum, in ascending order, of chunks, each a chain of fused multiply-adds over ascending k
from 0, whatever the tiling: a thread computes elements of C each by itself, and tiles decide only who reads what.
"""

from __future__ import annotations

import math

from lucid.codegen.cuda.nest import epilogue_lines, kernel_parameters
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.codegen.kernel import Kernel
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType, float32

TILE = 64  # rows and columns of C that a block computes
DEPTH = 16  # elements of k that are in shared memory at a time
EACH = 4  # rows and columns of C that a thread computes
SIDE = TILE // EACH
THREADS = SIDE * SIDE
MOST_MATRICES = 4096  # blocks along the batch; a longer one goes round in the kernel

# Where element i of a tile stands, as (along m or n, along k). Neighbouring threads read neighbouring elements.
ALONG_K = f"i / {DEPTH}", f"i % {DEPTH}"
ACROSS_K = f"i % {TILE}", f"i / {TILE}"

_BODY = """\
// C = A B for each matrix of a batch: A is {a_layout}, B is {b_layout}, C is m x n, all row-major.
// A block computes {tile} x {tile} elements of C, a thread {each} x {each} of them, from tiles {depth} deep.
// c[i, j] is a sum of chunks in ascending order, each a chain of fused multiply-adds over ascending k from 0.
{head}
{guard}    __shared__ {type} a_tile[{depth}][{tile} + 1];  // one element more: so do neighbours differ in their banks
    __shared__ {type} b_tile[{depth}][{tile} + 1];
    const int across = (n + {last}) / {tile};
    const int row0 = blockIdx.x / across * {tile}, column0 = blockIdx.x % across * {tile};
    const int row = threadIdx.x / {side} * {each}, column = threadIdx.x % {side};
    for (int matrix = blockIdx.y; matrix < matrices; matrix += gridDim.y) {{
        const {type}* a_matrix = a + (long long)matrix * m * k;
        const {type}* b_matrix = b + (long long)matrix * k * n;
{before}
        for (int start = 0; start == 0 || start < k; start += chunk) {{
            const int end = k - start < chunk ? k : start + chunk;
            {type} sum[{each}][{each}] = {{}};
#pragma unroll 1
            for (int k0 = start; k0 < end; k0 += {depth}) {{
                for (int i = threadIdx.x; i < {size}; i += {threads}) {{
                    const int r = {a_line}, l = {a_step};
                    const bool inside = row0 + r < m && k0 + l < end;
                    a_tile[l][r] = inside ? a_matrix[{a_place}] : {zero};
                }}
                for (int i = threadIdx.x; i < {size}; i += {threads}) {{
                    const int r = {b_line}, l = {b_step};
                    const bool inside = column0 + r < n && k0 + l < end;
                    b_tile[l][r] = inside ? b_matrix[{b_place}] : {zero};
                }}
{multiply}
            }}
{behind_chunk}
        }}
{behind}    }}
}}
"""

# What a block does with the sums of a chunk: they are stored in C, or kept for the epilogue.
_STORE = """\
#pragma unroll
            for (int i = 0; i < {each}; ++i) {{
#pragma unroll
                for (int j = 0; j < {each}; ++j) {{
                    const int r = row0 + row + i, s = column0 + column + {side} * j;
                    if (r < m && s < n) {{
                        {type}* const element = c_matrix + {c_place};
                        *element = start == 0 ? sum[i][j] : *element + sum[i][j];
                    }}
                }}
            }}"""
_KEEP = """\
#pragma unroll
            for (int i = 0; i < {each}; ++i) {{
#pragma unroll
                for (int j = 0; j < {each}; ++j) total[i][j] = start == 0 ? sum[i][j] : total[i][j] + sum[i][j];
            }}"""
_EPILOGUE = """\
#pragma unroll
        for (int i = 0; i < {each}; ++i) {{
#pragma unroll
            for (int j = 0; j < {each}; ++j) {{
                const int r = row0 + row + i, s = column0 + column + {side} * j;
                if (r < m && s < n) {{
{statements}
                }}
            }}
        }}
"""

# What a block does with a tile of each factor, once it is there.
_MULTIPLY = """\
__syncthreads();  // the tiles are written
// No further: a zero from behind the end would turn a sum of -0 into 0.
const int depth = end - {start} < {depth} ? end - {start} : {depth};
#pragma unroll 4
for (int l = 0; l < depth; ++l) {{
#pragma unroll
    for (int i = 0; i < {each}; ++i) {{
#pragma unroll
        for (int j = 0; j < {each}; ++j) {{
            sum[i][j] = {fma}(a_tile[l][row + i], b_tile[l][column + {side} * j], sum[i][j]);
        }}
    }}
}}
__syncthreads();  // the tiles have been read
"""


def tile_words(dtype: DType, start: str, level: int) -> dict[str, object]:
    """What the texts of products have in common, by the names that they format: sizes, words for a dtype, and the
    multiplication of two tiles that begin at the step `start`, indented by so many levels."""
    sizes = {"tile": TILE, "depth": DEPTH, "each": EACH, "side": SIDE, "size": TILE * DEPTH, "threads": THREADS}
    words = {
        "type": C_TYPES[dtype],
        "zero": "0.0f" if dtype == float32 else "0.0",
        "fma": "fmaf" if dtype == float32 else "fma",
    }
    lines = _MULTIPLY.format(start=start, **sizes, **words).splitlines()
    multiply = "\n".join(line if line.startswith("#") else INDENT * level + line for line in lines)
    return {**sizes, **words, "multiply": multiply}


def print_product(
    name: str,
    dtype: DType,
    transpose_a: bool,
    transpose_b: bool,
    wide: bool = False,
    guarded: bool = False,
    epilogue: Kernel | None = None,
) -> str:
    """The CUDA C function of a matrix product: pointers to A, B and C, then m, n, k, the chunk and the matrices. With
    an epilogue, it has pointers to the buffers of that instead of C.

    It runs in blocks of THREADS threads, one for each tile of C along x, any number for the matrices along y. Matrices
    of 2^31 elements and more take a wide one.
    """
    type, long = C_TYPES[dtype], "(long long)" if wide else ""
    a_place = f"{long}(k0 + l) * m + row0 + r" if transpose_a else f"{long}(row0 + r) * k + k0 + l"
    b_place = f"{long}(column0 + r) * k + k0 + l" if transpose_b else f"{long}(k0 + l) * n + column0 + r"
    a_line, a_step = ACROSS_K if transpose_a else ALONG_K
    b_line, b_step = ALONG_K if transpose_b else ACROSS_K
    words = tile_words(dtype, "k0", 4)
    # Two blocks at a time leave each thread 128 registers, which wide addresses do not fit into, nor do float64 sums
    # that are kept for an epilogue.
    blocks = 1 if wide or (epilogue is not None and dtype != float32) else 2
    if epilogue is None:
        results = [f"{type}* c"]
        before, behind = f"        {type}* c_matrix = c + (long long)matrix * m * n;", ""
        behind_chunk = _STORE.format(c_place=f"{long}r * n + s", **words)
    else:
        results = kernel_parameters(epilogue, epilogue.inputs - 1)
        statements = "\n".join(
            INDENT * 5 + line for line in epilogue_lines(epilogue, ("matrix", "r", "s"), "total[i][j]")
        )
        before = f"        {type} total[{EACH}][{EACH}];"
        behind_chunk, behind = _KEEP.format(**words), _EPILOGUE.format(statements=statements, **words)
    parameters = [f"const {type}* a", f"const {type}* b", *results]
    sizes = ["int m", "int n", "int k", "int chunk", "int matrices"]
    return _BODY.format(
        a_layout="k x m, read transposed" if transpose_a else "m x k",
        b_layout="n x k, read transposed" if transpose_b else "k x n",
        head="\n".join(function_head(name, parameters, guarded, sizes, f"__launch_bounds__({THREADS}, {blocks}) ")),
        before=before,
        behind_chunk=behind_chunk,
        behind=behind,
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        last=TILE - 1,
        a_line=a_line,
        a_step=a_step,
        a_place=a_place,
        b_line=b_line,
        b_step=b_step,
        b_place=b_place,
        **words,
    )


def is_wide(*matrices: TensorType) -> bool:
    """Whether the positions in a matrix of some batches of matrices need 64 bits."""
    return any(math.prod(type.shape[-2:]) >= 2**31 for type in matrices)


def product_launch(op: Matmul, a: TensorType, b: TensorType) -> tuple[tuple[int, int], int, tuple[int, ...]]:
    """The blocks, the threads of each and the sizes for a matmul of operands of these types."""
    m, k = a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]
    n = b.shape[-2 if op.transpose_b else -1]
    matrices = math.prod(a.shape[:-2])
    chunk = max(min(op.chunk or k, k), 1)
    tiles = math.ceil(m / TILE) * math.ceil(n / TILE)
    return (tiles, min(matrices, MOST_MATRICES)), THREADS, (m, n, k, chunk, matrices)
