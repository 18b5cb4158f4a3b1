"""The loop: a body that runs once for each element of the leading axis of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import ShapeError
from lucid.ir.ops.base import Array, Op, op
from lucid.ir.types import TensorType, as_dtype

if TYPE_CHECKING:
    from lucid.ir.build import Expr
    from lucid.ir.graph import Graph


@op
class Scan(Op):
    """A loop: `length` runs of its body, each with the carries that the run before has left.

    Operands are the first `carries`, then `sequences` stacked along a leading axis of `length`, then constants. The
    body takes the carries, an element of each sequence, and the constants; it gives new carries, then elements of
    results. Results are the last carries, then the others stacked. With `reverse`, runs go from the last element to the
    first, and what they give stands where they read. The derivative is a scan the other way round.
    """

    body: Graph
    length: int
    carries: int
    sequences: int
    reverse: bool = False

    @property
    def has_effect(self) -> bool:
        return any(node.op.has_effect for node in self.body.nodes)

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        carries, stop = self.carries, self.carries + self.sequences
        arguments = tuple(value.type for value in self.body.arguments)
        outputs = tuple(value.type for value in self.body.outputs)
        if min(self.length, self.carries, self.sequences) < 0:
            raise ShapeError(
                "scan takes a length and numbers of carries and sequences from 0, got "
                f"{self.length}, {self.carries} and {self.sequences}."
            )
        if len(operands) < stop or any(x.shape[:1] != (self.length,) for x in operands[carries:stop]):
            raise ShapeError(
                f"scan takes {carries} carries, then {self.sequences} sequences of length {self.length}, "
                f"got {listed(operands)}."
            )
        elements = [x.with_shape(x.shape[1:]) for x in operands[carries:stop]]
        given = (*operands[:carries], *elements, *operands[stop:])
        if given != arguments:
            raise ShapeError(f"scan takes a body of {listed(given)}, got one of {listed(arguments)}.")
        if outputs[:carries] != given[:carries]:
            raise ShapeError(
                f"scan takes a body that returns carries {listed(given[:carries])}, got {listed(outputs[:carries])}."
            )
        return (*outputs[:carries], *(y.with_shape((self.length, *y.shape)) for y in outputs[carries:]))

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        from lucid.ir.interpret import run

        carries, stop = self.carries, self.carries + self.sequences
        results = [np.empty(y.shape, y.dtype.numpy) for y in self.infer([_type(x) for x in operands])[carries:]]
        current = list(operands[:carries])
        for place in self.places():
            elements = [x[place, ...] for x in operands[carries:stop]]
            environment = dict(zip(self.body.arguments, (*current, *elements, *operands[stop:]), strict=True))
            run(self.body.nodes, environment)
            outputs = [environment[value] for value in self.body.outputs]
            current = outputs[:carries]
            for result, element in zip(results, outputs[carries:], strict=True):
                result[place] = element
        return (*(np.array(x, order="C") for x in current), *results)

    def places(self) -> range:
        """The positions along the leading axis, in the order of the runs."""
        return range(self.length - 1, -1, -1) if self.reverse else range(self.length)

    def recorded(self) -> Op:
        from lucid.ir.scan_derivative import recorded_scan

        return recorded_scan(self)

    def pullback(
        self, gradients: tuple[Expr | None, ...], results: tuple[Expr, ...], operands: tuple[Expr, ...]
    ) -> tuple[Expr | None, ...]:
        from lucid.ir.scan_derivative import pullback

        return pullback(self, gradients, results, operands)


def in_loops(graph: Graph, change: Callable[[Scan], Graph]) -> Graph:
    """A graph with a new body in each of its loops; the same object where `change` gave each the one that it had."""
    nodes = []
    for node in graph.nodes:
        if isinstance(node.op, Scan) and (body := change(node.op)) is not node.op.body:
            node = replace(node, op=replace(node.op, body=body))
        nodes.append(node)
    return graph if all(x is y for x, y in zip(nodes, graph.nodes, strict=True)) else graph.with_nodes(nodes)


def listed(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types)) or "none"


def _type(array: Array) -> TensorType:
    return TensorType(as_dtype(array.dtype), array.shape)
