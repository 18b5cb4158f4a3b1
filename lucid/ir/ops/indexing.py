"""Ops that read and write where integers say, and `argsort`, which says where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.index import Index
from lucid.ir.ops.base import Array, Element, Irregular, Movement, Piece, expect_operands, on_axis, op
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import Extent, Shape, TensorType, bool_, int64

if TYPE_CHECKING:
    from lucid.ir.build import Expr


def spread_shape(shape: Shape, indices: TensorType, axis: int) -> Shape | None:
    """A shape with the extent of the indices along an axis, None where the indices do not fit: they are integers of as
    many axes, and along the others they have the extent of the shape, or 1."""
    if not indices.dtype.is_integer or indices.rank != len(shape) or not 0 <= axis < len(shape):
        return None
    others = ((i, e) for at, (i, e) in enumerate(zip(indices.shape, shape, strict=True)) if at != axis)
    if any(i not in (1, e) for i, e in others):
        return None
    return (*shape[:axis], indices.shape[axis], *shape[axis + 1 :])


def places(indices: Array, axis: int, shape: Shape) -> tuple[Array, ...]:
    """The index arrays, which broadcast to each other, of the elements of a shape that indices along an axis name."""
    grid = list(np.ogrid[tuple(slice(extent) for extent in shape)])
    grid[axis] = on_axis(NumpyScalars(), indices, shape[axis])
    return tuple(grid)


@op
class Gather(Movement):
    """The elements of x at integer indices along an axis: element [..., i, ...] of the result is
    x[..., indices[..., i, ...], ...]. The indices have as many axes as x, and are repeated along those of extent 1.

    Negative indices count from the end, and what is out of range reads the end that it is nearer to: a check makes it
    an error. The gradient of x is `scatter_add`.
    """

    axis: int
    is_cheap = False  # it reads all over its operand

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        x, indices = operands
        shape = spread_shape(x.shape, indices, self.axis)
        if shape is None:
            raise ShapeError(f"gather takes integers that fit {x} but for axis {self.axis}, got {indices}.")
        result = x.with_shape(shape)
        if result.size and not x.shape[self.axis]:
            raise ShapeError(f"gather takes an axis with elements, got axis {self.axis} of {x}.")
        return (result,)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        x, indices = operands
        if indices.size == indices.shape[self.axis]:  # NumPy is faster at whole rows
            return (np.take(x, on_axis(NumpyScalars(), indices.reshape(-1), x.shape[self.axis]), self.axis),)
        return (x[places(indices, self.axis, x.shape)],)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        own = tuple(Index() if e == 1 else i for i, e in zip(index, operands[1].shape, strict=True))
        return (Piece(0, (*index[: self.axis], Element(1, own), *index[self.axis + 1 :])),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        operand, indices = x
        return g.scatter_add(indices, self.axis, operand.shape[self.axis]), None


@op
class ScatterAdd(Irregular):
    """Sums of updates at integer indices along an axis, which gets the extent `extent`: the transpose of `gather`.

    Element [..., j, ...] of the result is 0 plus the updates[..., i, ...] whose index is j, added one by one over
    ascending i. Indices fit the updates, and are read, as those of `gather`.
    """

    axis: int
    extent: Extent

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        updates, indices = operands
        if spread_shape(updates.shape, indices, self.axis) != updates.shape:
            raise ShapeError(f"scatter_add takes updates and integers that fit them, got {updates} and {indices}.")
        if updates.dtype == bool_:
            raise DTypeError(f"scatter_add takes numbers, got {updates.dtype.name}.")
        if self.extent < 0 or (updates.size and not self.extent):
            raise ShapeError(f"scatter_add takes an extent that has room for {updates}, got {self.extent}.")
        return (updates.with_shape((*updates.shape[: self.axis], self.extent, *updates.shape[self.axis + 1 :])),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        updates, indices = operands
        result = np.zeros((*updates.shape[: self.axis], self.extent, *updates.shape[self.axis + 1 :]), updates.dtype)
        with np.errstate(all="ignore"):
            np.add.at(result, places(indices, self.axis, result.shape), updates)
        return (result,)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return g.gather(x[1], self.axis), None


@op
class Argsort(Irregular):
    """The positions along the last axis that put its elements in order, `descending` or not, as int64.

    Equal elements stay in their order, 0.0 and -0.0 among them; NaN counts as larger than any number. An axis has fewer
    than 2^32 elements. Not differentiable: the result is not a float; gather the elements to sort them.
    """

    descending: bool = False

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        (x,) = operands
        if not x.rank or x.shape[-1] >= 2**32:
            raise ShapeError(f"argsort takes an operand with a last axis of fewer than 2^32 elements, got {x}.")
        return (x.with_dtype(int64),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        (x,) = operands
        if not self.descending:
            return (np.argsort(x, axis=-1, kind="stable"),)
        backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]  # so equal ones stay in their order
        return (x.shape[-1] - 1 - backwards,)
