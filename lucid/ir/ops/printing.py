"""The op behind `lucid.debug.print`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lucid.ir.ops.base import Elementwise, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")


@op
class Print(Elementwise):
    """x itself, to be printed: it is the value `field` of the line `text`, and an output of its program, which is what
    keeps it. Whoever runs the program prints the line."""

    text: str = "{}"
    field: int = 0
    arity = 1

    def result(self, *operands: DType) -> DType:
        return operands[0]

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return x[0]

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g,)
