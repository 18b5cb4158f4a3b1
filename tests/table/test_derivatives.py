"""Every row of the table: first and second derivatives against finite differences, eager and compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from tests.table import functions, modules
from tests.table.row import Array, Row, leaves

STEP = 1e-5
ROWS = [row for row in modules.ROWS + functions.ROWS if row.differences]


def weights(number: int, shape: Sequence[int]) -> Array:
    return np.asarray(np.random.default_rng(number).uniform(0.5, 1.5, tuple(shape)))


class Derivatives:
    """A sum of squares of what a row gives, and its derivatives: of all float inputs and parameters, `points`.

    Squares have second derivatives where the row itself has none.
    """

    def __init__(self, row: Row) -> None:
        lucid.seed(0)
        self.row, self.function = row, row.make(lucid)
        is_module = isinstance(self.function, nn.Module)
        parameters = list(self.function.astype("float64").parameters()) if is_module else []
        self.inputs = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in row.inputs]
        self.points = [x for x in self.inputs if x.requires_grad] + parameters

    def value(self) -> Tensor:
        results = [y for y in leaves(self.row.call(self.function, *self.inputs)) if y.requires_grad]
        return sum((y * y * weights(number, y.shape)).sum() for number, y in enumerate(results))

    def first(self) -> tuple[Tensor, ...]:
        return lucid.grad(self.value(), self.points, create_graph=True)

    def total(self) -> Tensor:
        """A number that depends on every element of the first derivatives in its own way."""
        return sum((g * weights(number, g.shape)).sum() for number, g in enumerate(self.first()))

    def second(self) -> tuple[Tensor, ...]:
        return lucid.grad(self.total(), self.points)

    def both(self) -> list[tuple[Tensor, ...]]:
        return [tuple(g.detach() for g in self.first()), self.second()]

    def along(self, directions: Mapping[int, Array]) -> list[float]:
        """The derivatives of `value` and `total` along a direction, by differences."""
        ends = []
        starts = {number: self.points[number].detach().clone() for number in directions}
        for step in (STEP, -STEP):
            for number, direction in directions.items():
                self.points[number].data = starts[number] + direction * step
            ends.append((self.value().item(), self.total().item()))
        for number, start in starts.items():
            self.points[number].data = start
        return [(ahead - behind) / (2 * STEP) for ahead, behind in zip(*ends, strict=True)]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_first_and_second_derivatives(row: Row) -> None:
    """Along a direction in which all inputs move, and one in which all parameters do."""
    found = Derivatives(row)
    eager, inputs = found.both(), sum(x.requires_grad for x in found.inputs)
    for numbers in (range(inputs), range(inputs, len(found.points))):
        directions = {number: weights(number + 7, found.points[number].shape) for number in numbers}
        for derivative, expected in zip(eager, found.along(directions), strict=True):
            along = sum((derivative[number] * direction).sum().item() for number, direction in directions.items())
            np.testing.assert_allclose(along, expected, rtol=1e-6, atol=1e-6)
    for x, y in zip(leaves(eager), leaves(lucid.compile(found.both)()), strict=True):
        np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-9, atol=1e-9)
