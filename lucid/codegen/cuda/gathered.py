"""Matrix products whose factors are gathered from where index expressions point, in CUDA C: tiles in shared memory.

Element (row, column) of matrix number z is a sum over `outer` times `inner` products, which is cut into chunks: of each
step of the outer axis, and in it of `chunk` products. A chunk is a chain of fused multiply-adds over ascending inner
positions from 0; chunks are added in ascending order. Sizes are constants in the text, so that the compiler divides by
them, and a thread computes elements each by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lucid.codegen.cuda.indices import bounds_condition, index_expression, magnitude
from lucid.codegen.cuda.nest import NARROW, epilogue_lines, kernel_parameters
from lucid.codegen.cuda.product import ACROSS_K, ALONG_K, EACH, MOST_MATRICES, THREADS, TILE, tile_words
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.codegen.kernel import Bounds, Kernel, index_text
from lucid.ir.index import Axis, Index
from lucid.ir.types import DType, Extent, float32


@dataclass(frozen=True)
class Factor:
    """Where the elements of a factor stand, as an index of the axes of the product; 0 where a bound fails. The other
    way round, neighbouring threads read along the inner axis where that is how memory goes."""

    position: Index
    bounds: Bounds = ()
    along_inner: bool = False


@dataclass(frozen=True)
class GatheredProduct:
    """The axes of a product, what its factors read and where it writes. Axes have the numbers 0 to 4 in this order.

    The outer axis ends where one of `outer_bounds` fails; where no step of it is left, sums are 0.
    """

    dtype: DType
    matrices: Axis
    rows: Axis
    columns: Axis
    outer: Axis
    inner: Axis
    chunk: Extent
    a: Factor  # of matrices, rows, outer, inner
    b: Factor  # of matrices, columns, outer, inner
    c: Index  # of matrices, rows, columns
    outer_bounds: Bounds = ()

    def grid(self) -> tuple[tuple[int, int], int]:
        """The blocks, and the threads of each."""
        tiles = math.ceil(self.rows.extent / TILE) * math.ceil(self.columns.extent / TILE)
        return (tiles, min(self.matrices.extent, MOST_MATRICES)), THREADS

    @property
    def is_wide(self) -> bool:
        """Whether its numbers need 64 bits."""
        indices = [self.a.position, self.b.position, self.c]
        indices += [index for index, _ in (*self.a.bounds, *self.b.bounds, *self.outer_bounds)]
        extents = [self.rows.extent, self.columns.extent, self.inner.extent + self.chunk]
        return max(*map(magnitude, indices), *extents) > NARROW


# i0 is the matrix, i1 the row, i2 the column, i3 the place on the outer axis and i4 that on the inner one.
_BODY = """\
// product of {dtype}: {matrices} matrices of {rows} x {columns}, sums of {outer} x {inner} in chunks of {chunk}
//   a[{a_text}]
//   b[{b_text}]
//   c[{c_text}]
{head}
{guard}    __shared__ {type} a_tile[{depth}][{tile} + 1];  // one element more: so do neighbours differ in their banks
    __shared__ {type} b_tile[{depth}][{tile} + 1];
    const {index} row0 = blockIdx.x / {across} * {tile}, column0 = blockIdx.x % {across} * {tile};
    const int row = threadIdx.x / {side} * {each}, column = threadIdx.x % {side};
    for ({index} i0 = blockIdx.y; i0 < {matrices}; i0 += gridDim.y) {{
        bool first = true;
{before}        for ({index} i3 = 0; i3 < {outer}; ++i3) {{
            if (!({outer_inside}) && !first) break;
            const {index} length = {outer_inside} ? {inner} : 0;
            for ({index} start = 0; start < length || first; start += {chunk}) {{
                const {index} end = length - start < {chunk} ? length : start + {chunk};
                {type} sum[{each}][{each}] = {{}};
#pragma unroll 1
                for ({index} inner0 = start; inner0 < end; inner0 += {depth}) {{
                    for (int i = threadIdx.x; i < {size}; i += {threads}) {{
                        const int r = {a_line}, l = {a_step};
                        const {index} i1 = row0 + r, i4 = inner0 + l;
                        const bool inside = i1 < {rows} && i4 < end && {a_inside};
                        a_tile[l][r] = inside ? a[{a_place}] : {zero};
                    }}
                    for (int i = threadIdx.x; i < {size}; i += {threads}) {{
                        const int r = {b_line}, l = {b_step};
                        const {index} i2 = column0 + r, i4 = inner0 + l;
                        const bool inside = i2 < {columns} && i4 < end && {b_inside};
                        b_tile[l][r] = inside ? b[{b_place}] : {zero};
                    }}
{multiply}
                }}
{behind_chunk}
                first = false;
            }}
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
                        const {index} i1 = row0 + row + i, i2 = column0 + column + {side} * j;
                        if (i1 < {rows} && i2 < {columns}) {{
                            {type}* const element = c + {c_place};
                            *element = first ? sum[i][j] : *element + sum[i][j];
                        }}
                    }}
                }}"""
_KEEP = """\
#pragma unroll
                for (int i = 0; i < {each}; ++i) {{
#pragma unroll
                    for (int j = 0; j < {each}; ++j) total[i][j] = first ? sum[i][j] : total[i][j] + sum[i][j];
                }}"""
_EPILOGUE = """\
#pragma unroll
        for (int i = 0; i < {each}; ++i) {{
#pragma unroll
            for (int j = 0; j < {each}; ++j) {{
                const {index} i1 = row0 + row + i, i2 = column0 + column + {side} * j;
                if (i1 < {rows} && i2 < {columns}) {{
                    const {index} element = {c_place};
                    {{
{statements}
                    }}
                }}
            }}
        }}
"""


def print_gathered(product: GatheredProduct, name: str, guarded: bool, epilogue: Kernel | None = None) -> str:
    """The CUDA C function of a product: pointers to A, B and C, or to the buffers of an epilogue instead of C.

    It runs on any grid whose blocks along x are the tiles of C and have THREADS threads, and whose blocks along y share
    out the matrices.
    """
    type, index = C_TYPES[product.dtype], "long long" if product.is_wide else "int"
    a_line, a_step = ALONG_K if product.a.along_inner else ACROSS_K
    b_line, b_step = ALONG_K if product.b.along_inner else ACROSS_K
    bounds = f"__launch_bounds__({THREADS}, {1 if product.is_wide or product.dtype != float32 else 2}) "
    words = {
        **tile_words(product.dtype, "inner0", 5),
        "index": index,
        "rows": product.rows.extent,
        "columns": product.columns.extent,
        "c_place": index_expression(product.c),
    }
    if epilogue is None:
        results, before, behind = [f"{type}* c"], "", ""
        behind_chunk = _STORE.format(**words)
    else:
        results = kernel_parameters(epilogue, epilogue.inputs - 1)
        lines = epilogue_lines(epilogue, ["element"], "total[i][j]")
        before = f"        {type} total[{EACH}][{EACH}];\n"
        behind = _EPILOGUE.format(statements="\n".join(INDENT * 6 + line for line in lines), **words)
        behind_chunk = _KEEP.format(**words)
    pointers = [f"const {type}* a", f"const {type}* b", *results]
    return _BODY.format(
        before=before,
        behind_chunk=behind_chunk,
        behind=behind,
        dtype=product.dtype.short,
        a_text=_with_bounds(product.a),
        b_text=_with_bounds(product.b),
        c_text=index_text(product.c),
        head="\n".join(function_head(name, pointers, guarded, bounds=bounds)),
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        matrices=product.matrices.extent,
        outer=max(product.outer.extent, 1),
        inner=product.inner.extent if product.outer.extent else 0,
        chunk=max(product.chunk, 1),
        outer_inside=bounds_condition(product.outer_bounds),
        across=math.ceil(product.columns.extent / TILE),
        a_line=a_line,
        a_step=a_step,
        a_place=index_expression(product.a.position),
        a_inside=bounds_condition(product.a.bounds),
        b_line=b_line,
        b_step=b_step,
        b_place=index_expression(product.b.position),
        b_inside=bounds_condition(product.b.bounds),
        **words,
    )


def _with_bounds(factor: Factor) -> str:
    bounds = " and ".join(f"0 <= {index_text(index)} < {extent}" for index, extent in factor.bounds)
    return index_text(factor.position) + (f"] if {bounds}, else [0" if bounds else "")
