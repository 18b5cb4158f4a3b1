"""Every row of the table: first and second derivatives against finite differences, eager and compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from tests.table.modules import ROWS
from tests.table.row import Array, Row, leaves

STEP = 1e-5


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


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_first_and_second_derivatives(row: Row) -> None:
    found = Derivatives(row)
    first, second = found.first(), found.second()
    for number, point in enumerate(found.points):
        direction = weights(number + 7, point.shape)
        start, sums = point.detach().clone(), []
        for step in (STEP, -STEP):
            point.data = start + direction * step
            sums.append((found.value().item(), found.total().item()))
        point.data = start
        for derivative, ends in zip((first, second), zip(*sums, strict=True), strict=True):
            expected = (ends[0] - ends[1]) / (2 * STEP)
            np.testing.assert_allclose((derivative[number] * direction).sum().item(), expected, rtol=1e-6, atol=1e-6)
    for eager, compiled in ((first, lucid.compile(found.first)()), (second, lucid.compile(found.second)())):
        for x, y in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), rtol=1e-9, atol=1e-9)
