"""What the functions of matrix products have in common: tiles of both factors in shared memory, sums in registers.

A block computes TILE x TILE elements of the result, a thread EACH x EACH of them, from tiles that are DEPTH deep. What
is computed of a factor, its prologue, is evaluated where its tile is filled; what is computed of the result, the
epilogue, where the sums come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lucid.codegen.cuda.nest import epilogue_lines, factor_lines, kernel_parameters
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import INDENT
from lucid.codegen.kernel import Kernel
from lucid.ir.types import DType, float32

TILE = 64  # rows and columns of the result that a block computes
DEPTH = 16  # elements of the summed axis that are in shared memory at a time
EACH = 4  # rows and columns of the result that a thread computes
SIDE = TILE // EACH
THREADS = SIDE * SIDE
MOST_MATRICES = 4096  # blocks along the batch; a longer one goes round in the kernel


@dataclass(frozen=True)
class Tile:
    """A tile of a factor while it is filled: element r, l of it stands at r across the summed axis and l along it.

    Neighbouring threads fill in what are neighbours in memory: `along` the summed axis, or across it. `inside` is the
    condition under which the factor has the element; `position` declares what it needs for that.
    """

    name: str
    along: bool
    inside: str
    position: str = ""

    def head(self) -> list[str]:
        """The head of a loop over the elements that a thread fills in."""
        across, along = (f"i / {DEPTH}", f"i % {DEPTH}") if self.along else (f"i % {TILE}", f"i / {TILE}")
        return [
            f"for (int i = threadIdx.x; i < {TILE * DEPTH}; i += {THREADS}) {{",
            f"{INDENT}const int r = {across}, l = {along};",
            *([INDENT + self.position] if self.position else []),
        ]


@dataclass(frozen=True)
class Around:
    """What a function computes around its product: of the elements of the result, and of each factor. None where these
    are stored, or read, as they are.

    All are kernels over the inputs of one node, so that their buffers have the same numbers.
    """

    epilogue: Kernel
    factors: tuple[Kernel | None, Kernel | None] = (None, None)

    @property
    def label(self) -> str:
        """What the name of such a function ends with."""
        return "epilogue" if self.factors == (None, None) else "fused"

    @property
    def parameters(self) -> list[str]:
        """The pointers that the kernels need, beside those of factors that are read as they are."""
        return kernel_parameters(self.epilogue, self.epilogue.inputs - 1)


def dtype_words(dtype: DType) -> dict[str, str]:
    """The words of C for a dtype, by the names under which texts of products have them."""
    narrow = dtype == float32
    return {"type": C_TYPES[dtype], "zero": "0.0f" if narrow else "0.0", "fma": "fmaf" if narrow else "fma"}


def indented(lines: Sequence[str], level: int) -> str:
    """Lines as text inside so many blocks; directives stay at the margin."""
    return "\n".join(line if line.startswith("#") else INDENT * level + line for line in lines)


def load_tile(tile: Tile, element: str, zero: str) -> list[str]:
    """Fill a tile with the elements of a factor, and with zeros where it has none."""
    return [
        *tile.head(),
        f"{INDENT}const bool inside = {tile.inside};",
        f"{INDENT}{tile.name}[l][r] = inside ? {element} : {zero};",
        "}",
    ]


def compute_tile(tile: Tile, prologue: Kernel, axes: Sequence[str], zero: str, named: str = "") -> list[str]:
    """Fill a tile as `load_tile`, with what a prologue computes for an element whose axes have these numbers. They may
    refer to what `named` declares."""
    statements = _after(named, factor_lines(prologue, axes, f"{tile.name}[l][r]"))
    return [
        *tile.head(),
        f"{INDENT}{tile.name}[l][r] = {zero};",
        f"{INDENT}if ({tile.inside}) {{",
        *(INDENT * 2 + line for line in statements),
        f"{INDENT}}}",
        "}",
    ]


def _after(named: str, statements: list[str]) -> list[str]:
    """Statements that see a declaration, and may declare the names that stand in it."""
    return [named, "{", *(INDENT + line for line in statements), "}"] if named else statements


def multiply_tiles(start: str, fma: str) -> list[str]:
    """Add the products of two tiles, which begin at the step `start`, to the sums."""
    return [
        "__syncthreads();  // the tiles are written",
        "// No further: a zero from behind the end would turn a sum of -0 into 0.",
        f"const int depth = end - {start} < {DEPTH} ? end - {start} : {DEPTH};",
        "#pragma unroll 4",
        "for (int l = 0; l < depth; ++l) {",
        *(
            line if line.startswith("#") else INDENT + line
            for line in each_sum([f"sum[i][j] = {fma}(a_tile[l][row + i], b_tile[l][column + {SIDE} * j], sum[i][j]);"])
        ),
        "}",
        "__syncthreads();  // the tiles have been read",
    ]


def store_sums(first: str, position: str, inside: str, element: str, type: str) -> list[str]:
    """Store the sums of a chunk in the result, or add them where the chunk is not the `first`."""
    statements = [
        f"{type}* const element = {element};",
        f"*element = {first} ? sum[i][j] : *element + sum[i][j];",
    ]
    return each_sum([position, f"if ({inside}) {{", *(INDENT + line for line in statements), "}"])


def keep_sums(first: str) -> list[str]:
    """Keep the sums of a chunk for the epilogue, or add them where the chunk is not the `first`."""
    return each_sum([f"total[i][j] = {first} ? sum[i][j] : total[i][j] + sum[i][j];"])


def run_epilogue(epilogue: Kernel, position: str, inside: str, axes: Sequence[str], named: str = "") -> list[str]:
    """Compute what an epilogue does of each sum, whose axes have these numbers. They may refer to what `named`
    declares."""
    statements = _after(named, epilogue_lines(epilogue, axes, "total[i][j]"))
    return each_sum([position, f"if ({inside}) {{", *(INDENT + line for line in statements), "}"])


def each_sum(statements: Sequence[str]) -> list[str]:
    """Statements for each sum of a thread: number i, j of them."""
    return [
        "#pragma unroll",
        f"for (int i = 0; i < {EACH}; ++i) {{",
        "#pragma unroll",
        f"{INDENT}for (int j = 0; j < {EACH}; ++j) {{",
        *(INDENT * 2 + line for line in statements),
        f"{INDENT}}}",
        "}",
    ]
