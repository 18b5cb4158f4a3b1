"""A derivative that someone has written: values whose gradients pass as a graph says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import ShapeError
from lucid.ir.ops.base import Array, Op, op
from lucid.ir.types import TensorType

if TYPE_CHECKING:
    from lucid.ir.build import Expr
    from lucid.ir.graph import Graph


@op
class CustomVjp(Op):
    """`custom_vjp y..., x...`: the first `results` operands themselves, with a derivative of their own.

    Its body is the backward: it takes the gradient of each y that is a float, then all operands, and gives gradients of
    those operands whose positions `targets` has. No gradient passes to the others. It stands for the derivative until
    `simplify`, after the backward has been written out, puts each y in the place of its result.
    """

    body: Graph
    results: int
    targets: tuple[int, ...]

    @property
    def has_effect(self) -> bool:
        return any(node.op.has_effect for node in self.body.nodes)

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        values = tuple(operands[: self.results])
        expected = (*(y for y in values if y.dtype.is_float), *operands)
        arguments = tuple(value.type for value in self.body.arguments)
        if len(values) != self.results or arguments != expected:
            raise ShapeError(
                f"custom_vjp takes a body of {_listed(expected)}: gradients of its results, then its operands; "
                f"got one of {_listed(arguments)}."
            )
        outputs = tuple(value.type for value in self.body.outputs)
        wanted = tuple(operands[target] for target in self.targets if 0 <= target < len(operands))
        if outputs != wanted:
            raise ShapeError(
                f"custom_vjp takes a body that returns gradients of the operands {self.targets}, "
                f"expected {_listed(wanted)}, got {_listed(outputs)}."
            )
        return values

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(np.array(y, order="C") for y in operands[: self.results])

    def pullback(
        self, gradients: tuple[Expr | None, ...], results: tuple[Expr, ...], operands: tuple[Expr, ...]
    ) -> tuple[Expr | None, ...]:
        builder = results[0].builder
        given = [
            (y.constant(0.0) if g is None else g).value
            for g, y in zip(gradients, results, strict=True)
            if y.dtype.is_float
        ]
        # The results, and not the operands that they are: a further derivative goes through them as this one does.
        found = builder.inline(self.body, [*given, *(x.value for x in (*results, *operands[self.results :]))])
        by_target = dict(zip(self.targets, found, strict=True))
        return tuple(builder.wrap(by_target[n]) if n in by_target else None for n in range(len(operands)))


def _listed(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types)) or "none"
