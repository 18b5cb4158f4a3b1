"""What the functions of matrix products have in common: tiles of both factors in shared memory, sums in registers.

A block computes TILE x TILE elements of the result, a thread EACH x EACH of them, from tiles that are DEPTH deep. There
are two tiles of a factor: while one is multiplied, the next is on its way from memory to registers, from where it goes
to the other one. What is computed of a factor, its prologue, is evaluated where its tile is read; what is computed of
the result, the epilogue, where the sums come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lucid.codegen.cuda.nest import epilogue_lines, epilogue_quad_lines, factor_lines, parameter
from lucid.codegen.cuda.quads import QUAD, copy_quad, epilogue_in_quads
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import INDENT
from lucid.codegen.kernel import Buffer, Kernel, Load
from lucid.ir.graph import Node, Value
from lucid.ir.types import DType, float32

TILE = 64  # rows and columns of the result that a block computes
DEPTH = 16  # elements of the summed axis that are in shared memory at a time
EACH = 4  # rows and columns of the result that a thread computes
SIDE = TILE // EACH
THREADS = SIDE * SIDE
READ = TILE * DEPTH // THREADS  # elements of a tile that a thread reads: a quad, where neighbours are read at once
# Elements of a line of a tile: those that a thread multiplies begin at whole vectors, so that it loads them at once.
PITCH = TILE + 4
MOST_MATRICES = 4096  # blocks along the batch; a longer one goes round in the kernel


@dataclass(frozen=True)
class Tile:
    """A tile of factor `letter`: element r, l of it stands at r across the summed axis and l along it.

    Neighbouring threads read what are neighbours in memory: `along` the summed axis, or across it. `inside` is the
    condition under which the factor has the element; `position` declares what it needs for that. Where `quads` holds, a
    thread reads four neighbours at once: it is the same for all threads, and then the factor has all four or none. It
    is empty where it never does.
    """

    letter: str
    dtype: DType
    along: bool
    inside: str
    position: str = ""
    quads: str = ""

    @property
    def element(self) -> str:
        """The register that a thread reads an element into."""
        return f"{self.letter}_next[i]"

    def each(self, statements: Sequence[str], thread: str = "threadIdx.x") -> list[str]:
        """Statements for each element that a thread reads: number i of them."""
        place = self._at(f"{thread} + {THREADS} * i")
        return ["#pragma unroll", *_inside(f"for (int i = 0; i < {READ}; ++i) {{", [place, *statements])]

    def read(self, array: str, place: str) -> list[str]:
        """Read the elements of the factor from their places in an array, and zeros where it has none."""
        zero, inside = dtype_words(self.dtype)["zero"], f"const bool inside = {self.inside};"
        singly = [*self._place, inside, f"{self.element} = inside ? {array}[{place}] : {zero};"]
        zeros = ["#pragma unroll", f"for (int i = 0; i < {READ}; ++i) {self.element} = {zero};"]
        vectors = copy_quad(self.dtype, f"{self.letter}_next", f"({array} + {place})")
        return self._in_quads([*zeros, *self._place, *_inside(f"if ({self.inside}) {{", vectors)], singly)

    def compute(self, prologue: Kernel, axes: Sequence[str], named: str = "") -> list[str]:
        """Read, in place of elements of the factor, what a prologue computes for those whose axes have these numbers.
        They may refer to what `named` declares."""
        zero = dtype_words(self.dtype)["zero"]
        statements = _after(named, factor_lines(prologue, axes, self.element))
        inside = _inside(f"if ({self.inside}) {{", statements)
        return self.each([*self._place, f"{self.element} = {zero};", *inside])

    def write(self) -> list[str]:
        """Write what has been read into the tile that is not being multiplied."""
        tile = f"{self.letter}_tile[which]"
        if self.along:
            element = f"{tile}[l + i][r] = {self.element};"
            quad = ["#pragma unroll", f"for (int i = 0; i < {READ}; ++i) {element}"]
        else:
            quad = copy_quad(self.dtype, f"({tile}[l] + r)", f"{self.letter}_next")
        return self._in_quads(quad, [f"{tile}[l][r] = {self.element};"])

    def _at(self, at: str) -> str:
        """Declare what stands at a number, in the order that neighbouring threads read in."""
        across, along = (f"at / {DEPTH}", f"at % {DEPTH}") if self.along else (f"at % {TILE}", f"at / {TILE}")
        return f"const unsigned int at = {at}; const int r = {across}, l = {along};"

    @property
    def _place(self) -> list[str]:
        return [self.position] if self.position else []

    def _in_quads(self, quad: Sequence[str], singly: list[str]) -> list[str]:
        """Statements for a quad, the first of which is element r, l; for each element where neighbours are not read at
        once."""
        if not self.quads:
            return self.each(singly)
        first = self._at(f"{QUAD} * threadIdx.x")
        return [
            *_inside(f"if ({self.quads}) {{", [first, *quad]),
            *_inside("else {", [*_THREAD, *self.each(singly, "thread")]),
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
    def buffers(self) -> list[Buffer]:
        """The buffers that the kernels read and write, but for the result of the product and factors as they are."""
        kernels = [self.epilogue, *(kernel for kernel in self.factors if kernel is not None)]
        read = {value.buffer.number for kernel in kernels for value in kernel.values if isinstance(value, Load)}
        product = self.epilogue.inputs - 1
        return [
            buffer for buffer in self.epilogue.buffers if buffer.number in read - {product} or buffer.number > product
        ]

    @property
    def parameters(self) -> list[str]:
        """The pointers to these buffers."""
        return [parameter(buffer, buffer.number < self.epilogue.inputs) for buffer in self.buffers]

    def values(self, node: Node) -> list[Value]:
        """The operands and results of the node that these buffers hold."""
        values = [*node.inputs, *node.outputs]
        return [values[b.number if b.number < self.epilogue.inputs else b.number - 1] for b in self.buffers]


def dtype_words(dtype: DType) -> dict[str, str]:
    """The words of C for a dtype, by the names under which texts of products have them."""
    narrow = dtype == float32
    return {"type": C_TYPES[dtype], "zero": "0.0f" if narrow else "0.0", "fma": "fmaf" if narrow else "fma"}


def indented(lines: Sequence[str], level: int) -> str:
    """Lines as text inside so many blocks; directives stay at the margin."""
    return "\n".join(line if line.startswith("#") else INDENT * level + line for line in lines)


def _after(named: str, statements: list[str]) -> list[str]:
    """Statements that see a declaration, and may declare the names that stand in it."""
    return [named, "{", *(INDENT + line for line in statements), "}"] if named else statements


def declare_tiles(type: str) -> list[str]:
    """Declare the tiles of both factors, and which of two is multiplied."""
    return [
        f"__shared__ __align__(16) {type} a_tile[2][{DEPTH}][{PITCH}];  // one is multiplied while the other is filled",
        f"__shared__ __align__(16) {type} b_tile[2][{DEPTH}][{PITCH}];",
        "int which = 0;",
    ]


def sum_chunk(tiles: Sequence[tuple[Tile, Sequence[str]]], at: str, index: str, type: str, fma: str) -> list[str]:
    """Sum the products from `start` to `end`, of tiles and the statements that read them, which begin at `at`."""
    reads = [line for _, read in tiles for line in read]
    writes = [line for tile, _ in tiles for line in tile.write()]
    product = f"sum[i][j] = {fma}(a_tile[which][l][row + i], b_tile[which][l][column + j], sum[i][j]);"
    return [
        f"__align__(16) {type} sum[{EACH}][{EACH}] = {{}};",
        "#pragma unroll 1",
        f"for ({index} {at} = start;; {at} += {DEPTH}) {{",
        f"{INDENT}__align__(16) {type} {', '.join(f'{tile.letter}_next[{READ}]' for tile, _ in tiles)};",
        *_indent(_inside(f"if ({at} < end) {{  // on the way while the tiles before are multiplied", reads)),
        *_indent(
            _inside(
                f"if ({at} > start) {{",
                [
                    "// No further: a zero from behind the end would turn a sum of -0 into 0.",
                    f"const int depth = {at} < end ? {DEPTH} : {DEPTH} - ({at} - end);",
                    "#pragma unroll 4",
                    "for (int l = 0; l < depth; ++l) {",
                    *_indent(each_sum([product])),
                    "}",
                ],
            )
        ),
        f"{INDENT}if ({at} >= end) break;",
        f"{INDENT}which ^= 1;",
        *_indent(writes),
        f"{INDENT}__syncthreads();  // the tiles are written, and those before them have been read",
        "}",
    ]


def _inside(head: str, statements: Sequence[str]) -> list[str]:
    return [head, *_indent(statements), "}"]


def _indent(statements: Sequence[str]) -> list[str]:
    return [line if line.startswith("#") else INDENT + line for line in statements]


# The number of a thread that does without quads, hidden from a compiler that would keep the addresses of what it reads
# in some twenty registers, beside those of quads.
_THREAD = [
    "unsigned int thread = threadIdx.x;",
    'asm volatile("" : "+r"(thread));  // addresses of single elements are computed here, not ahead',
]

# Where the sums of a thread go, hidden from a compiler that would compute their addresses before it sums, and keep them
# in some forty registers meanwhile.
_OWN = [
    "int own_row = row, own_column = column;",
    'asm volatile("" : "+r"(own_row), "+r"(own_column));  // addresses of sums are computed here, not ahead',
]


def store_sums(first: str, position: str, inside: str, element: str, dtype: DType, quads: str = "") -> list[str]:
    """Store the sums of a chunk in the result, or add them where the chunk is not the `first`.

    Where `quads` holds, the four sums of a row are neighbours in the result, which has all or none: they are written at
    once. It is the same for all threads, and empty where it never does.
    """
    at = f"{C_TYPES[dtype]}* const element = {element};"
    singly = each_sum(
        [position, *_inside(f"if ({inside}) {{", [at, f"*element = {first} ? sum[i][j] : *element + sum[i][j];"])]
    )
    if not quads:
        return [*_OWN, *singly]
    earlier = [
        f"__align__(16) {C_TYPES[dtype]} earlier[{EACH}];",
        *copy_quad(dtype, "earlier", "element"),
        "#pragma unroll",
        f"for (int part = 0; part < {EACH}; ++part) sum[i][part] = earlier[part] + sum[i][part];",
    ]
    added = [at, *_inside(f"if (!({first})) {{", earlier), *copy_quad(dtype, "element", "sum[i]")]
    rows = _each_row([position, *_inside(f"if ({inside}) {{", added)])
    return [*_OWN, *_inside(f"if ({quads}) {{", rows), *_inside("else {", singly)]


def keep_sums(first: str) -> list[str]:
    """Keep the sums of a chunk for the epilogue, or add them where the chunk is not the `first`."""
    return each_sum([f"total[i][j] = {first} ? sum[i][j] : total[i][j] + sum[i][j];"])


def run_epilogue(
    epilogue: Kernel, position: str, inside: str, axes: Sequence[str], named: str = "", in_quads: bool = True
) -> list[str]:
    """Compute what an epilogue does of each sum, whose axes have these numbers. They may refer to what `named`
    declares. The four sums of a row are neighbours in the result, and it has all or none, where it is `in_quads`."""
    quads = epilogue_in_quads(epilogue) if in_quads else None
    if quads is None:
        statements = _after(named, epilogue_lines(epilogue, axes, "total[i][j]"))
        return [*_OWN, *each_sum([position, *_inside(f"if ({inside}) {{", statements)])]
    looked, lines = epilogue_quad_lines(epilogue, quads, axes, "total[i]")
    return [*_OWN, *looked, *_each_row([position, *_inside(f"if ({inside}) {{", _after(named, lines))])]


def _each_row(statements: Sequence[str]) -> list[str]:
    """Statements for each row of a thread's sums: number i of them, whose first is number j."""
    return ["#pragma unroll", *_inside(f"for (int i = 0; i < {EACH}; ++i) {{", ["const int j = 0;", *statements])]


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
