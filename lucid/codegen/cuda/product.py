"""The matrix product in CUDA C: tiles in shared memory, in the order that `Matmul` states.

An element of the result is the sum, in ascending order, of chunks, each a chain of fused multiply-adds over ascending k
from 0, whatever the tiling: a thread computes elements of C each by itself, and tiles decide only who reads what.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lucid.codegen.cuda.nest import NARROW
from lucid.codegen.cuda.quads import QUAD, alignment
from lucid.codegen.cuda.tiles import (
    DEPTH,
    EACH,
    MOST_MATRICES,
    SIDE,
    THREADS,
    TILE,
    Around,
    Tile,
    declare_tiles,
    dtype_words,
    indented,
    keep_sums,
    run_epilogue,
    store_sums,
    sum_chunk,
)
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.errors import CompileError
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import DType, TensorType, float32

_BODY = """\
// C = A B for each matrix of a batch: A is {a_layout}, B is {b_layout}, C is m x n, all row-major.
// A block computes {tile} x {tile} elements of C, a thread {each} x {each} of them, from tiles {depth} deep.
// c[i, j] is a sum of chunks in ascending order, each a chain of fused multiply-adds over ascending k from 0.
{head}
{guard}{declared}
    const int across = (n + {last}) / {tile};
    const int row0 = blockIdx.x / across * {tile}, column0 = blockIdx.x % across * {tile};
    const int row = threadIdx.x / {side} * {each}, column = threadIdx.x % {side} * {each};
    for (int matrix = blockIdx.y; matrix < matrices; matrix += gridDim.y) {{
{before}
        for (int start = 0; start == 0 || start < k; start += chunk) {{
            const int end = k - start < chunk ? k : start + chunk;
{summed}
{behind_chunk}
        }}
{behind}    }}
}}
"""


@dataclass(frozen=True)
class _Factor:
    """A factor: its letter, how many lines of k elements it has, the line of which a thread reads an element, and
    whether memory goes along the lines."""

    letter: str
    lines: str
    line: str
    along: bool

    @property
    def size(self) -> str:
        return "m * k" if self.letter == "a" else "k * n"

    def is_in_quads(self, dtype: DType) -> str:
        """The condition under which memory is lines of whole quads, and so is each chunk of a sum."""
        address = f"(size_t){self.letter} % {alignment(dtype)} == 0"
        multiples = ("k", "chunk") if self.along else (self.lines,)
        return " && ".join([address, *(f"{number} % {QUAD} == 0" for number in multiples)])


# Of an element of C: its row and column.
_PLACE = "const int r = row0 + own_row + i, s = column0 + own_column + j;"
_INSIDE = "r < m && s < n"


def print_product(
    name: str,
    dtype: DType,
    transpose_a: bool,
    transpose_b: bool,
    wide: bool = False,
    guarded: bool = False,
    around: Around | None = None,
) -> str:
    """The CUDA C function of a matrix product: pointers to A, B and C, then m, n, k, the chunk and the matrices. With
    something computed around it, it has pointers to the buffers of that instead of C and of computed factors.

    It runs in blocks of THREADS threads, one for each tile of C along x, any number for the matrices along y. Matrices
    of 2^31 elements and more take a wide one.
    """
    long, words = "(long long)" if wide else "", dtype_words(dtype)
    type = words["type"]
    pointers, declared, before, tiles = [], declare_tiles(type), [], []
    factors = _Factor("a", "m", "row0 + r", not transpose_a), _Factor("b", "n", "column0 + r", transpose_b)
    for factor, prologue in zip(factors, around.factors if around else (None, None), strict=True):
        tile = Tile(factor.letter, dtype, factor.along, f"{factor.line} < {factor.lines} && k0 + l < end")
        if prologue is not None:
            place = (factor.line, "k0 + l") if factor.along else ("k0 + l", factor.line)
            tiles.append((tile, tile.compute(prologue, ("matrix", *place))))
            continue
        tile = replace(tile, quads=f"{factor.letter}_quads")
        declared.append(f"const bool {tile.quads} = {factor.is_in_quads(dtype)};")
        pointers.append(f"const {type}* {factor.letter}")
        before.append(f"const {type}* {factor.letter}_matrix = {factor.letter} + (long long)matrix * {factor.size};")
        at = (
            f"{long}({factor.line}) * k + k0 + l"
            if factor.along
            else f"{long}(k0 + l) * {factor.lines} + {factor.line}"
        )
        tiles.append((tile, tile.read(f"{factor.letter}_matrix", at)))
    # Two blocks at a time leave each thread 128 registers, which wide addresses do not fit into, nor do float64 sums
    # that are kept for an epilogue.
    blocks = 1 if wide or (around is not None and dtype != float32) else 2
    if around is None:
        pointers.append(f"{type}* c")
        declared.append(f"const bool c_quads = (size_t)c % {alignment(dtype)} == 0 && n % {QUAD} == 0;")
        before.append(f"{type}* c_matrix = c + (long long)matrix * m * n;")
        behind_chunk = store_sums("start == 0", _PLACE, _INSIDE, f"c_matrix + {long}r * n + s", dtype, "c_quads")
        behind = ""
    else:
        pointers += around.parameters
        before.append(f"{type} total[{EACH}][{EACH}];")
        behind_chunk = keep_sums("start == 0")
        behind = indented(run_epilogue(around.epilogue, _PLACE, _INSIDE, ("matrix", "r", "s")), 2) + "\n"
    sizes = ["int m", "int n", "int k", "int chunk", "int matrices"]
    return _BODY.format(
        a_layout="k x m, read transposed" if transpose_a else "m x k",
        b_layout="n x k, read transposed" if transpose_b else "k x n",
        head="\n".join(function_head(name, pointers, guarded, sizes, f"__launch_bounds__({THREADS}, {blocks}) ")),
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        before=indented(before, 2),
        declared=indented(declared, 1),
        summed=indented(sum_chunk(tiles, "k0", "int", type, words["fma"]), 3),
        behind_chunk=indented(behind_chunk, 3),
        behind=behind,
        tile=TILE,
        depth=DEPTH,
        each=EACH,
        side=SIDE,
        last=TILE - 1,
    )


def is_wide(*matrices: TensorType) -> bool:
    """Whether the positions in a matrix of some batches of matrices need 64 bits."""
    return any(math.prod(type.shape[-2:]) >= 2**31 for type in matrices)


def product_launch(
    op: Matmul, a: TensorType, b: TensorType, where: tuple[str, int] | None = None
) -> tuple[tuple[int, int], int, tuple[int, ...]]:
    """The blocks, the threads of each and the sizes for a matmul of operands of these types. Raises CompileError as
    `product_sizes`."""
    m, n, _, _, matrices = sizes = product_sizes(op, a, b, where)
    tiles = math.ceil(m / TILE) * math.ceil(n / TILE)
    return (tiles, min(matrices, MOST_MATRICES)), THREADS, sizes


def product_sizes(
    op: Matmul, a: TensorType, b: TensorType, where: tuple[str, int] | None
) -> tuple[int, int, int, int, int]:
    """The sizes that the functions of products take: m, n, k, the chunk and the matrices.

    Raises CompileError where one leaves the room that an int has for what is added to it; `where` is the user's line.
    """
    m, k = a.shape[-2:][::-1] if op.transpose_a else a.shape[-2:]
    n = b.shape[-2 if op.transpose_b else -1]
    matrices = math.prod(a.shape[:-2])
    if max(m, n, k, matrices) > NARROW:
        raise CompileError(
            f"a matrix product on CUDA has at most 2^30 rows, columns, terms of a sum and matrices; got {a} and {b}.",
            hint="cut the operands, and add or concatenate the products.",
            where=where,
        )
    return m, n, k, max(min(op.chunk or k, k), 1), matrices
