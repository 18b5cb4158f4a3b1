"""Matrix products whose factors are gathered from where index expressions point, in CUDA C: tiles in shared memory.

Element (row, column) of matrix number z is a sum over `outer` times `inner` products, which is cut into chunks: of each
step of the outer axis, and in it of `chunk` products. A chunk is a chain of fused multiply-adds over ascending inner
positions from 0; chunks are added in ascending order. Sizes are constants in the text, so that the compiler divides by
them, and a thread computes elements each by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lucid.codegen.cuda.indices import bounds_condition, index_expression, magnitude
from lucid.codegen.cuda.nest import NARROW
from lucid.codegen.cuda.quads import QUAD, alignment, first_of_quad
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
from lucid.codegen.kernel import Bounds, index_text
from lucid.ir.index import Axis, Index, of
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

    def is_in_quads(self, factor: Factor, lines: Axis) -> bool:
        """Whether four places that begin at a multiple of four, across the lines of a factor or along them, are four
        neighbours in memory that do, of which the factor, and each chunk of a sum, has all or none."""
        axis = self.inner if factor.along_inner else lines
        cuts_chunks = axis is self.inner and self.chunk < axis.extent and self.chunk % QUAD > 0
        return not factor.bounds and not cuts_chunks and self._neighbours(factor.position, axis)

    @property
    def writes_quads(self) -> bool:
        """Whether this holds for four columns of the result."""
        return self._neighbours(self.c, self.columns)

    def _neighbours(self, position: Index, axis: Axis) -> bool:
        """Whether places along an axis are whole quads, each of which is neighbours that begin at a multiple of four in
        an array."""
        if axis.extent % QUAD:
            return False
        within = Axis(self.inner.number + 1, QUAD)
        cut = {axis: of(Axis(axis.number, axis.extent // QUAD)) * QUAD + of(within)}
        return first_of_quad(position.substitute(cut), within) is not None


# i0 is the matrix, i1 the row, i2 the column, i3 the place on the outer axis and i4 that on the inner one.
_BODY = """\
// product of {dtype}: {matrices} matrices of {rows} x {columns}, sums of {outer} x {inner} in chunks of {chunk}
//   a[{a_text}]
//   b[{b_text}]
//   c[{c_text}]
{head}
{guard}{declared}
    const {index} row0 = blockIdx.x / {across} * {tile}, column0 = blockIdx.x % {across} * {tile};
    const int row = threadIdx.x / {side} * {each}, column = threadIdx.x % {side} * {each};
    for ({index} i0 = blockIdx.y; i0 < {matrices}; i0 += gridDim.y) {{
        bool first = true;
{before}        for ({index} i3 = 0; i3 < {outer}; ++i3) {{
            if (!({outer_inside}) && !first) break;
            const {index} length = {outer_inside} ? {inner} : 0;
            for ({index} start = 0; start < length || first; start += {chunk}) {{
                const {index} end = length - start < {chunk} ? length : start + {chunk};
{summed}
{behind_chunk}
                first = false;
            }}
        }}
{behind}    }}
}}
"""


def print_gathered(product: GatheredProduct, name: str, guarded: bool, around: Around | None = None) -> str:
    """The CUDA C function of a product: pointers to A, B and C; with something computed around it, to the buffers of
    that instead of C and of computed factors.

    It runs on any grid whose blocks along x are the tiles of C and have THREADS threads, and whose blocks along y share
    out the matrices.
    """
    words, index = dtype_words(product.dtype), "long long" if product.is_wide else "int"
    type = words["type"]
    pointers, declared, tiles = [], declare_tiles(type), []
    for (letter, factor, line, axis), prologue in zip(
        (("a", product.a, "i1 = row0 + r", product.rows), ("b", product.b, "i2 = column0 + r", product.columns)),
        around.factors if around else (None, None),
        strict=True,
    ):
        inside = f"i{axis.number} < {axis.extent} && i4 < end && {bounds_condition(factor.bounds)}"
        named = f"const {index} {line}, i4 = inner0 + l;"
        tile = Tile(letter, product.dtype, factor.along_inner, inside, named)
        place = index_expression(factor.position)
        if prologue is not None:
            tiles.append((tile, tile.compute(prologue, ["element"], f"const {index} element = {place};")))
            continue
        pointers.append(f"const {type}* {letter}")
        if product.is_in_quads(factor, axis):
            tile = replace(tile, quads=f"{letter}_quads")
            declared.append(f"const bool {tile.quads} = (size_t){letter} % {alignment(product.dtype)} == 0;")
        tiles.append((tile, tile.read(letter, place)))
    position = f"const {index} i1 = row0 + own_row + i, i2 = column0 + own_column + j;"
    inside, place = f"i1 < {product.rows.extent} && i2 < {product.columns.extent}", index_expression(product.c)
    if around is None:
        pointers.append(f"{type}* c")
        before, behind = "", ""
        quads = "c_quads" if product.writes_quads else ""
        if quads:
            declared.append(f"const bool {quads} = (size_t)c % {alignment(product.dtype)} == 0;")
        behind_chunk = store_sums("first", position, inside, f"c + {place}", product.dtype, quads)
    else:
        pointers += around.parameters
        before = f"{INDENT * 2}{type} total[{EACH}][{EACH}];\n"
        named = f"const {index} element = {place};"
        epilogue = run_epilogue(around.epilogue, position, inside, ["element"], named, product.writes_quads)
        behind = indented(epilogue, 2) + "\n"
        behind_chunk = keep_sums("first")
    # Two blocks at a time leave each thread 128 registers, too few for what is computed around a product, too.
    blocks = 2 if product.dtype == float32 and around is None and not product.is_wide else 1
    bounds = f"__launch_bounds__({THREADS}, {blocks}) "
    return _BODY.format(
        dtype=product.dtype.short,
        a_text=_with_bounds(product.a),
        b_text=_with_bounds(product.b),
        c_text=index_text(product.c),
        head="\n".join(function_head(name, pointers, guarded, bounds=bounds)),
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        before=before,
        declared=indented(declared, 1),
        summed=indented(sum_chunk(tiles, "inner0", index, type, words["fma"]), 4),
        behind_chunk=indented(behind_chunk, 4),
        behind=behind,
        index=index,
        matrices=product.matrices.extent,
        rows=product.rows.extent,
        columns=product.columns.extent,
        outer=max(product.outer.extent, 1),
        inner=product.inner.extent if product.outer.extent else 0,
        chunk=max(product.chunk, 1),
        outer_inside=bounds_condition(product.outer_bounds),
        across=math.ceil(product.columns.extent / TILE),
        tile=TILE,
        depth=DEPTH,
        each=EACH,
        side=SIDE,
    )


def _with_bounds(factor: Factor) -> str:
    bounds = " and ".join(f"0 <= {index_text(index)} < {extent}" for index, extent in factor.bounds)
    return index_text(factor.position) + (f"] if {bounds}, else [0" if bounds else "")
