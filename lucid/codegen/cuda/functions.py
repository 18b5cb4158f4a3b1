"""The functions that a CUDA C module is made of: each knows its text, and the launches of its callers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lucid.codegen.cuda.dots import print_dots
from lucid.codegen.cuda.gathered import GatheredProduct, print_gathered
from lucid.codegen.cuda.loops import kernel_grid, kernel_label, print_kernel
from lucid.codegen.cuda.product import print_product
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.scatter import print_scatter_add
from lucid.codegen.cuda.sort import print_merge, print_sort
from lucid.codegen.cuda.tiles import Around
from lucid.codegen.cuda.writer import STATUS, function_head
from lucid.codegen.kernel import Kernel
from lucid.ir.ops.indexing import Argsort, ScatterAdd
from lucid.ir.types import DType, TensorType


class Function(Protocol):
    """A `__global__` function before it has a name: frozen, compared by value."""

    @property
    def label(self) -> str:
        """What its name begins with."""

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        """Its text under a name. A guarded one does nothing where a check has failed."""


@dataclass(frozen=True)
class LoopNest:
    """A kernel."""

    kernel: Kernel

    @property
    def label(self) -> str:
        return kernel_label(self.kernel)

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_kernel(self.kernel, name, guarded, where)

    def grid(self, where: tuple[str, int] | None) -> tuple[int, int]:
        """The blocks and the threads of each."""
        return kernel_grid(self.kernel, where)


@dataclass(frozen=True)
class Product:
    """A matrix product, of any sizes where it is wide."""

    dtype: DType
    transpose_a: bool
    transpose_b: bool
    wide: bool

    @property
    def label(self) -> str:
        letters = "".join("t" if transposed else "n" for transposed in (self.transpose_a, self.transpose_b))
        return f"product_{self.dtype.short}_{letters}{'_wide' if self.wide else ''}"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_product(name, self.dtype, self.transpose_a, self.transpose_b, self.wide, guarded)


@dataclass(frozen=True)
class Dots:
    """A matrix product whose sums have lanes, of any sizes where it is wide."""

    dtype: DType
    lanes: int
    transpose_a: bool
    transpose_b: bool
    wide: bool

    @property
    def label(self) -> str:
        letters = "".join("t" if transposed else "n" for transposed in (self.transpose_a, self.transpose_b))
        return f"dots_{self.dtype.short}_{letters}_{self.lanes}{'_wide' if self.wide else ''}"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_dots(name, self.dtype, self.lanes, self.transpose_a, self.transpose_b, self.wide, guarded)


@dataclass(frozen=True)
class FusedProduct:
    """A matrix product and what is computed around it."""

    product: Product
    around: Around

    @property
    def label(self) -> str:
        return f"{self.product.label}_{self.around.label}"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        product = self.product
        operands = product.dtype, product.transpose_a, product.transpose_b, product.wide
        return print_product(name, *operands, guarded, self.around)


@dataclass(frozen=True)
class Gathered:
    """A matrix product of gathered factors, and what is computed around it, if something is."""

    product: GatheredProduct
    around: Around | None = None

    @property
    def label(self) -> str:
        return "gathered" if self.around is None else f"gathered_{self.around.label}"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_gathered(self.product, name, guarded, self.around)


@dataclass(frozen=True)
class Scatter:
    """An ordered scatter-add."""

    op: ScatterAdd
    updates: TensorType
    indices: TensorType

    @property
    def label(self) -> str:
        return "scatter_add"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_scatter_add(self.op, self.updates, self.indices, name, guarded)


@dataclass(frozen=True)
class Sort:
    """A stable sort of each run of a row."""

    op: Argsort
    x: TensorType

    @property
    def label(self) -> str:
        return "argsort"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_sort(self.op, self.x, name, guarded)


@dataclass(frozen=True)
class Merge:
    """What makes runs that are in order twice as long."""

    op: Argsort
    x: TensorType

    @property
    def label(self) -> str:
        return "merge"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        return print_merge(self.op, self.x, name, guarded)


@dataclass(frozen=True)
class Report:
    """What a check does: one thread that writes the status if nobody has."""

    dtype: DType

    @property
    def label(self) -> str:
        return f"check_{self.dtype.short}"

    def text(self, name: str, guarded: bool, where: tuple[str, int] | None) -> str:
        head = function_head(
            name,
            ["const long long* position", f"const {C_TYPES[self.dtype]}* values", STATUS.removeprefix("const ")],
            guarded=False,
            scalars=["int number"],
        )
        lines = [
            "// Check `number`: unless the position is negative, or another check failed before, it fails.",
            *head,
            "    if (position[0] >= 0 && !status[0]) {",
            "        status[1] = number;",
            "        status[2] = position[0];",
            "        status[3] = values[position[0]];",
            "        status[0] = 1;",
            "    }",
            "}",
        ]
        return "\n".join(lines) + "\n"
