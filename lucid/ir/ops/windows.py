"""Movements to and from windows, for pools: what a kernel meets at each of its positions, and back.

Position p and tap t of a window meet element p * stride + t * dilation - low along an axis. Of an element's pairs of
position and tap, the *layer* tells one from the others: with a dilation of 1 it is t // stride, else t. So the pairs of
all positions and taps, and those of all elements and layers, correspond one to one, where both exist: `window` and
`unwindow` go from one to the other, and are each other's transposes. Pools read a tensor that is the same in all
layers; its gradient is the sum over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.errors import ShapeError
from lucid.ir.index import Index
from lucid.ir.ops.base import Array, Movement, Piece, expect_operands, op
from lucid.ir.types import Shape, TensorType

if TYPE_CHECKING:
    from lucid.ir.build import Expr


def layers(kernel: Shape, stride: Sequence[int], dilation: Sequence[int]) -> Shape:
    """The extents of the axes of layers.

    >>> layers((3, 3, 3), (1, 2, 2), (1, 1, 2))
    (3, 2, 3)
    """
    axes = zip(kernel, stride, dilation, strict=True)
    return tuple(-(-taps // step) if by == 1 else taps for taps, step, by in axes)


class WindowMovement(Movement):
    """The base of both movements: how positions and taps correspond to elements and layers, along each axis."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]

    def parts(self, x: TensorType) -> tuple[Shape, Shape, Shape]:
        """The leading axes, then the two groups of axes that the op moves, of as many as the stride has."""
        rank = len(self.stride)
        fields = self.dilation, self.low
        if not 1 <= rank <= x.rank // 2 or {*map(len, fields)} != {rank} or min(*self.stride, *self.dilation) < 1:
            raise ShapeError(f"{self.name} takes positive strides and dilations for axes of the operand, got {x}.")
        split = x.rank - rank
        return x.shape[: split - rank], x.shape[split - rank : split], x.shape[split:]

    def correspondence(self, positions: Shape, kernel: Shape, spatial: Shape) -> Iterator[tuple[Any, Any]]:
        """For each tap, the index of its positions that meet an element, and that of these elements in their layer."""
        for tap in product(*map(range, kernel)):
            met, elements, which = [], [], []
            axes = zip(tap, positions, spatial, self.stride, self.dilation, self.low, strict=True)
            for t, count, extent, step, by, low in axes:
                shift = t * by - low
                first, last = max(-(shift // step), 0), min((extent - 1 - shift) // step, count - 1)
                last = max(last, first - 1)
                met.append(slice(first, last + 1))
                start = first * step + shift
                elements.append(slice(start, start + (last - first + 1) * step, step))
                which.append(t // step if by == 1 else t)
            yield (..., *met, *tap), (..., *elements, *which)


@op
class Window(WindowMovement):
    """The windows of a kernel: (*leading, *elements, *layers) becomes (*leading, *positions, *kernel). What lies
    outside the operand is `fill`."""

    kernel: Shape
    positions: Shape
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    fill: int | float = 0

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        leading, _, given = self.parts(operands[0])
        if given != layers(self.kernel, self.stride, self.dilation) or len(self.positions) != len(self.stride):
            raise ShapeError(f"window takes an operand that ends in the layers of its kernel, got {operands[0]}.")
        return (operands[0].with_shape((*leading, *self.positions, *self.kernel)),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        (x,) = operands
        rank = len(self.stride)
        leading, spatial = x.shape[: x.ndim - 2 * rank], x.shape[x.ndim - 2 * rank : x.ndim - rank]
        result = np.full((*leading, *self.positions, *self.kernel), self.fill, x.dtype)
        for met, elements in self.correspondence(self.positions, self.kernel, spatial):
            result[met] = x[elements]
        return (result,)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        rank = len(self.stride)
        leading, positions, taps = index[: -2 * rank], index[-2 * rank : -rank], index[-rank:]
        elements, which, bounds = [], [], []
        extents = operands[0].shape[-2 * rank : -rank]
        axes = zip(positions, taps, extents, self.stride, self.dilation, self.low, strict=True)
        for position, tap, extent, step, by, low in axes:
            elements.append(position * step + tap * by - low)
            which.append(tap // step if by == 1 else tap)
            bounds.append((elements[-1], extent))
        return (Piece(0, (*leading, *elements, *which), tuple(bounds)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        rank = len(self.stride)
        spatial = x[0].shape[-2 * rank : -rank]
        return (g.builder.expr(Unwindow(spatial, self.stride, self.dilation, self.low), g.value),)


@op
class Unwindow(WindowMovement):
    """Windows taken apart: (*leading, *positions, *kernel) becomes (*leading, *spatial, *layers). Zeros where no
    position and tap meet the element in the layer."""

    spatial: Shape
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        leading, _, kernel = self.parts(operands[0])
        if len(self.spatial) != len(self.stride):
            raise ShapeError(f"unwindow takes as many extents as strides, got {self.spatial} and {self.stride}.")
        shape = (*leading, *self.spatial, *layers(kernel, self.stride, self.dilation))
        return (operands[0].with_shape(shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        (x,) = operands
        rank = len(self.stride)
        leading, positions, kernel = x.shape[: x.ndim - 2 * rank], x.shape[-2 * rank : -rank], x.shape[-rank:]
        result = np.zeros((*leading, *self.spatial, *layers(kernel, self.stride, self.dilation)), x.dtype)
        for met, elements in self.correspondence(positions, kernel, self.spatial):
            result[elements] = x[met]
        return (result,)

    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        rank = len(self.stride)
        leading, elements, which = index[: -2 * rank], index[-2 * rank : -rank], index[-rank:]
        positions, taps, bounds = [], [], []
        shape = operands[0].shape
        axes = zip(
            *(elements, which, shape[-2 * rank : -rank], shape[-rank:]),
            *(self.stride, self.dilation, self.low),
            strict=True,
        )
        for element, layer, count, extent, step, by, low in axes:
            if by == 1:
                tap, position = (element + low) % step + layer * step, (element + low) // step - layer
            else:
                gap = element + low - layer * by
                tap, position = layer, gap // step
                bounds.append((gap % step, 1))
            taps.append(tap)
            positions.append(position)
            bounds += [(tap, extent), (position, count)]
        return (Piece(0, (*leading, *positions, *taps), tuple(bounds)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        rank = len(self.stride)
        positions, kernel = x[0].shape[-2 * rank : -rank], x[0].shape[-rank:]
        return (g.builder.expr(Window(kernel, positions, self.stride, self.dilation, self.low), g.value),)
