"""Ops whose result elements are operand elements elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.index import Index, delinear, linear
from lucid.ir.ops.base import Array, Movement, Piece, expect_operands, op
from lucid.ir.types import Shape, TensorType

if TYPE_CHECKING:
    from lucid.ir.build import Expr


@op
class Reshape(Movement):
    """The same elements in row-major order under another shape of the same size."""

    shape: Shape

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        if math.prod(self.shape) != operands[0].size or any(extent < 0 for extent in self.shape):
            raise ShapeError(f"reshape takes a shape of {operands[0].size} elements, got {self.shape}.")
        return (operands[0].with_shape(self.shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (operands[0].reshape(self.shape),)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        return (Piece(0, delinear(linear(index, self.shape), operands[0].shape)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g.reshape(x[0].shape),)


@op
class Transpose(Movement):
    """Axes in another order: axis i of the result is axis `permutation[i]` of the operand."""

    permutation: tuple[int, ...]

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        if sorted(self.permutation) != list(range(operands[0].rank)):
            raise ShapeError(f"transpose takes a permutation of the axes of {operands[0]}, got {self.permutation}.")
        return (operands[0].with_shape(tuple(operands[0].shape[axis] for axis in self.permutation)),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (operands[0].transpose(self.permutation),)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        return (Piece(0, tuple(index[self.permutation.index(axis)] for axis in range(len(index)))),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        inverse = tuple(self.permutation.index(axis) for axis in range(len(self.permutation)))
        return (g.transpose(inverse),)


@op
class Broadcast(Movement):
    """The operand repeated to a shape by NumPy's rules: new leading axes, and axes of extent 1 stretched."""

    shape: Shape

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        (x,) = operands
        tail = self.shape[len(self.shape) - x.rank :]
        if x.rank > len(self.shape) or any(a not in (1, b) for a, b in zip(x.shape, tail, strict=True)):
            raise ShapeError(f"broadcast takes a shape that {x} stretches to, got {self.shape}.")
        return (x.with_shape(self.shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.broadcast_to(operands[0], self.shape),)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        shape = operands[0].shape
        tail = index[len(index) - len(shape) :]
        return (Piece(0, tuple(Index() if e == 1 else i for i, e in zip(tail, shape, strict=True))),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        shape = x[0].shape
        new = len(self.shape) - len(shape)
        stretched = (new + a for a, e in enumerate(shape) if e == 1 and self.shape[new + a] != 1)
        return (g.sum((*range(new), *stretched)).reshape(shape),)


@op
class Slice(Movement):
    """Elements start, start + step, ... along each axis, `shape` of them; a negative step walks backwards."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    shape: Shape

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        (x,) = operands
        parts = list(zip(self.start, self.step, self.shape, x.shape, strict=False))
        fits = len(self.start) == len(self.step) == len(self.shape) == x.rank and all(
            count == 0 or (0 <= start < extent and 0 <= start + step * (count - 1) < extent and step != 0)
            for start, step, count, extent in parts
        )
        if not fits or any(count < 0 for count in self.shape):
            raise ShapeError(f"slice takes a part of {x}, got start {self.start}, step {self.step}, {self.shape}.")
        return (x.with_shape(self.shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        key = []
        for start, step, count in zip(self.start, self.step, self.shape, strict=True):
            stop = start + step * count
            key.append(slice(start, stop if stop >= 0 else None, step) if count else slice(0, 0))
        return (operands[0][(..., *key)],)  # with an ellipsis, a 0-d array stays an array

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        return (Piece(0, tuple(i * d + s for i, d, s in zip(index, self.step, self.start, strict=True))),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g.scatter_slice(self.start, self.step, x[0].shape),)


@op
class ScatterSlice(Movement):
    """The operand's elements laid out at start, start + step, ... along each axis of `shape`, zeros elsewhere: the
    transpose of `slice`. With steps of 1 it pads with zeros."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    shape: Shape

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        (x,) = operands
        whole = x.with_shape(self.shape)
        try:
            Slice(self.start, self.step, x.shape).infer([whole])
        except ShapeError:
            raise ShapeError(
                f"scatter_slice takes a shape that holds {x}, got start {self.start}, step {self.step}, {self.shape}."
            ) from None
        return (whole,)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        whole = np.zeros(self.shape, operands[0].dtype)
        Slice(self.start, self.step, operands[0].shape).evaluate([whole])[0][...] = operands[0]
        return (whole,)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        source, bounds = [], []
        for i, start, step, count, extent in zip(
            index, self.start, self.step, operands[0].shape, self.shape, strict=True
        ):
            offset = i - start if step > 0 else -i + start
            position = offset // abs(step)
            if abs(step) > 1:
                bounds.append((offset % abs(step), 1))
            if (start, abs(step), count) != (0, 1, extent):
                bounds.append((position, count))
            source.append(position)
        return (Piece(0, tuple(source), tuple(bounds)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g.slice(self.start, self.step, x[0].shape),)


@op
class Concatenate(Movement):
    """Operands one after the other along an axis."""

    axis: int

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if not operands:
            raise ShapeError("concatenate takes at least one operand, got none.")
        first = operands[0]
        if not 0 <= self.axis < first.rank:
            raise ShapeError(f"concatenate takes an axis of {first}, got {self.axis}.")
        if any(x.dtype != first.dtype for x in operands):
            raise DTypeError(f"concatenate takes operands of one dtype, got {', '.join(map(str, operands))}.")
        around = {(*x.shape[: self.axis], *x.shape[self.axis + 1 :], x.rank) for x in operands}
        if len(around) > 1:
            raise ShapeError(
                f"concatenate takes shapes equal but for axis {self.axis}, got {', '.join(map(str, operands))}."
            )
        shape = list(first.shape)
        shape[self.axis] = sum(x.shape[self.axis] for x in operands)
        return (first.with_shape(tuple(shape)),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.concatenate(operands, self.axis),)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        pieces, start = [], 0
        for number, operand in enumerate(operands):
            extent = operand.shape[self.axis]
            position = index[self.axis] - start
            source = (*index[: self.axis], position, *index[self.axis + 1 :])
            pieces.append(Piece(number, source, ((position, extent),)))
            start += extent
        return tuple(pieces)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        gradients, offset = [], 0
        for operand in x:
            start = tuple(offset if axis == self.axis else 0 for axis in range(len(operand.shape)))
            gradients.append(g.slice(start, (1,) * len(start), operand.shape))
            offset += operand.shape[self.axis]
        return tuple(gradients)
