"""Convolutions, which are cross-correlations as in PyTorch, and their gradients. Targets have hand-made kernels.

The three ops are the partial derivatives of one sum of products x * weight * g, over all pairs of a position of the
result and a tap of the kernel: each gives one of the factors a gradient from the other two, and so the derivative of
each consists of the others, to any order. Position p of the result and tap t meet at position p * stride + t * dilation
- low of x, along each spatial axis. What lies outside x is zeros.

Shapes: x (N, C, *spatial), weight (O, C / groups, *kernel), result and g (N, O, *positions); the channels of a group
meet the outputs of that group alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.base import Array, Op, Product, expect_operands, op
from lucid.ir.types import Shape, TensorType

if TYPE_CHECKING:
    from lucid.ir.build import Expr

# Strides, dilations, zeros before and after, groups.
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int]


class ConvolutionOp(Product):
    """The base of convolutions: how the positions of x, the taps of the kernel and those of the result meet.

    Each tuple has a number for each spatial axis: `low` and `high` count the zeros before and after x, and a negative
    one crops x. `chunk` is what the op says of the order of its sums, 0 until the pass `order` has chosen it.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    groups: int
    chunk: int

    def positions(self, spatial: Shape, kernel: Shape) -> Shape:
        """The extents of the result, 0 or less where the kernel does not fit."""
        return tuple(
            (extent + low + high - dilation * (taps - 1) - 1) // stride + 1
            for extent, taps, stride, dilation, low, high in zip(
                spatial, kernel, self.stride, self.dilation, self.low, self.high, strict=True
            )
        )

    def check(self, x: TensorType, weight: TensorType, result: TensorType) -> None:
        """Raise the error of types that do not fit each other. The extents of the result are what x and weight give."""
        rank, listed = x.rank - 2, f"x {x}, weight {weight} and result {result}"
        if len({x.dtype, weight.dtype, result.dtype}) > 1 or not x.dtype.is_float:
            raise DTypeError(f"{self.name} takes operands of one float dtype, got {listed}.")
        fields = self.stride, self.dilation, self.low, self.high
        if rank < 1 or {weight.rank, result.rank} != {x.rank} or any(len(field) != rank for field in fields):
            raise ShapeError(f"{self.name} takes operands of {len(self.stride) + 2} axes, got {listed}.")
        if min(*self.stride, *self.dilation, self.groups) < 1 or min(*x.shape[2:], *weight.shape[2:]) < 1:
            raise ShapeError(f"{self.name} takes positive strides, dilations, groups and extents, got {self} of {x}.")
        channels = weight.shape[1] * self.groups
        if x.shape[1] != channels or weight.shape[0] % self.groups or result.shape[:2] != (x.shape[0], weight.shape[0]):
            raise ShapeError(f"{self.name} takes channels that fit in {self.groups} groups, got {listed}.")
        positions = self.positions(x.shape[2:], weight.shape[2:])
        if result.shape[2:] != positions or min(positions) < 1:
            raise ShapeError(f"{self.name} has {positions} positions, got {listed}.")

    def windows(self, x: Array, kernel: Shape, positions: Shape) -> Array:
        """What the taps meet, as a view of the padded x: (N, C, *positions, *kernel)."""
        kept: list[Any] = [slice(max(-low, 0), n - max(-high, 0)) for n, low, high in self._ends(x.shape[2:])]
        padding = [(max(low, 0), max(high, 0)) for low, high in zip(self.low, self.high, strict=True)]
        padded = np.pad(x[(..., *kept)], ((0, 0), (0, 0), *padding))
        spatial = padded.strides[2:]
        steps = tuple(step * stride for step, stride in zip(spatial, self.stride, strict=True))
        taps = tuple(step * dilation for step, dilation in zip(spatial, self.dilation, strict=True))
        shape = (*x.shape[:2], *positions, *kernel)
        return np.lib.stride_tricks.as_strided(padded, shape, (*padded.strides[:2], *steps, *taps), writeable=False)

    def columns(self, x: Array, kernel: Shape, positions: Shape) -> Array:
        """What the taps meet, as a matrix for each group: (groups, N * positions, C / groups * taps)."""
        rank, channels = len(kernel), x.shape[1] // self.groups
        windows = self.windows(x, kernel, positions)
        split = windows.reshape((x.shape[0], self.groups, channels, *positions, *kernel))
        split = split.transpose((1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank)))
        return split.reshape((self.groups, x.shape[0] * math.prod(positions), channels * math.prod(kernel)))

    def rows(self, g: Array) -> Array:
        """A result as a matrix for each group: (groups, N * positions, O / groups)."""
        outputs = g.shape[1] // self.groups
        split = g.reshape((g.shape[0], self.groups, outputs, math.prod(g.shape[2:])))
        return split.transpose((1, 0, 3, 2)).reshape((self.groups, g.shape[0] * math.prod(g.shape[2:]), outputs))

    def geometry(self) -> Geometry:
        """What a convolution and its gradients have in common."""
        return self.stride, self.dilation, self.low, self.high, self.groups

    def _ends(self, spatial: Shape) -> list[tuple[int, int, int]]:
        return list(zip(spatial, self.low, self.high, strict=True))


@op
class Convolution(ConvolutionOp):
    """The convolution of x and weight: for each tap of each channel, the weight times what it meets, summed.

    Along each spatial axis there are (extent + low + high - dilation * (taps - 1) - 1) // stride + 1 positions. An
    element is a sum, in ascending order, of chunks of `chunk` channels; inside a chunk fused multiply-adds run over
    ascending channels and, for each, over the taps in row-major order, starting from 0. Padding is multiplied, too.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    groups: int = 1
    chunk: int = 0

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        x, weight = operands
        rank = len(self.stride)
        fits = x.rank == weight.rank == rank + 2 and min(map(len, (self.dilation, self.low, self.high))) == rank
        positions = self.positions(x.shape[2:], weight.shape[2:]) if fits and min(self.stride) > 0 else (0,) * rank
        result = TensorType(x.dtype, (*x.shape[:1], *weight.shape[:1], *positions))
        self.check(x, weight, result)
        return (result,)

    def products(self, operands: Sequence[TensorType]) -> int:
        (result,), weight = self.infer(operands), operands[1]
        return result.size * math.prod(weight.shape[1:])

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        x, weight = operands
        kernel = weight.shape[2:]
        positions = self.positions(x.shape[2:], kernel)
        columns = self.columns(x, kernel, positions)
        matrix = weight.reshape((self.groups, weight.shape[0] // self.groups, columns.shape[-1]))
        with np.errstate(all="ignore"):
            result = np.matmul(matrix, columns.swapaxes(-1, -2))  # (groups, O / groups, N * positions)
        split = result.reshape((weight.shape[0], x.shape[0], math.prod(positions)))
        return (np.ascontiguousarray(split.swapaxes(0, 1)).reshape((x.shape[0], weight.shape[0], *positions)),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        image, weight = x
        to_image = ConvolutionInput(*self.geometry(), image.shape[2:])
        to_weight = ConvolutionWeight(*self.geometry(), weight.shape[2:])
        return _applied(to_image, g, weight), _applied(to_weight, image, g)


@op
class ConvolutionInput(ConvolutionOp):
    """The gradient of a convolution's x, of spatial extents `spatial`, from that of its result, g, and weight: the
    transposed convolution of g.

    An element is a sum, in ascending order, of chunks of `chunk` of its group's outputs; inside a chunk fused
    multiply-adds run over ascending outputs and, for each, in row-major order over the taps that some position, inside
    or outside the result, brings together with the element, starting from 0. What lies outside the result is zeros.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    groups: int
    spatial: Shape
    chunk: int = 0

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        g, weight = operands
        channels = weight.shape[1] * self.groups if weight.rank > 1 else 0
        x = TensorType(g.dtype, (*g.shape[:1], channels, *self.spatial))
        self.check(x, weight, g)
        return (x,)

    def products(self, operands: Sequence[TensorType]) -> int:
        g, weight = operands
        return g.size * math.prod(weight.shape[1:])

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        g, weight = operands
        kernel, positions, channels = weight.shape[2:], g.shape[2:], weight.shape[1]
        matrix = weight.reshape((self.groups, weight.shape[0] // self.groups, channels * math.prod(kernel)))
        ends = self._ends(self.spatial)
        extents = tuple(max(low, 0) + extent + max(high, 0) for extent, low, high in ends)
        total = np.zeros((g.shape[0], self.groups * channels, *extents), g.dtype)
        with np.errstate(all="ignore"):
            columns = np.matmul(self.rows(g), matrix)  # (groups, N * positions, C / groups * taps)
            taps = columns.reshape((self.groups, g.shape[0], math.prod(positions), channels, math.prod(kernel)))
            taps = taps.transpose((4, 1, 0, 3, 2)).reshape((math.prod(kernel), *total.shape[:2], *positions))
            for values, tap in zip(taps, product(*map(range, kernel)), strict=True):
                starts = [t * d + max(-low, 0) for t, d, low in zip(tap, self.dilation, self.low, strict=True)]
                runs = zip(starts, positions, self.stride, strict=True)
                met: list[Any] = [slice(start, start + (count - 1) * by + 1, by) for start, count, by in runs]
                total[(..., *met)] += values
        inside: list[Any] = [slice(max(low, 0), max(low, 0) + extent) for extent, low, _ in ends]
        return (np.ascontiguousarray(total[(..., *inside)]),)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        result, weight = x
        to_weight = ConvolutionWeight(*self.geometry(), weight.shape[2:])
        return _applied(Convolution(*self.geometry()), g, weight), _applied(to_weight, g, result)


@op
class ConvolutionWeight(ConvolutionOp):
    """The gradient of a convolution's weight, of spatial extents `kernel`, from x and the gradient of its result, g.

    An element is a sum, in ascending order, of chunks: of the images, and in each of `chunk` rows along the first
    spatial axis of g. Inside a chunk fused multiply-adds run over the positions in row-major order, starting from 0.
    Where `parts` is not 0, the images are cut into so many runs of equal length, the last ones maybe shorter, whose
    sums are a new first axis of the result.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    groups: int
    kernel: Shape
    chunk: int = 0
    parts: int = 0

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        x, g = operands
        channels = x.shape[1] // self.groups if x.rank > 1 and self.groups > 0 else 0
        weight = TensorType(x.dtype, (*g.shape[1:2], channels, *self.kernel))
        self.check(x, weight, g)
        return (weight.with_shape((self.parts, *weight.shape)) if self.parts else weight,)

    def products(self, operands: Sequence[TensorType]) -> int:
        x, g = operands
        return g.size * (x.shape[1] // self.groups) * math.prod(self.kernel)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        x, g = operands
        shape = (g.shape[1], x.shape[1] // self.groups, *self.kernel)
        if not self.parts:
            return (self._gradient(x, g).reshape(shape),)
        each = self.images_of_a_part(x.shape[0])
        runs = [slice(part * each, (part + 1) * each) for part in range(self.parts)]
        return (np.stack([self._gradient(x[run], g[run]) for run in runs]).reshape((self.parts, *shape)),)

    def images_of_a_part(self, images: int) -> int:
        """How many images a part has, if it is not one of the last."""
        return -(-images // max(self.parts, 1))

    def _gradient(self, x: Array, g: Array) -> Array:
        with np.errstate(all="ignore"):
            product: Array = np.matmul(self.rows(g).swapaxes(-1, -2), self.columns(x, self.kernel, g.shape[2:]))
        return product

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        image, result = x
        to_image = ConvolutionInput(*self.geometry(), image.shape[2:])
        return _applied(to_image, result, g), _applied(Convolution(*self.geometry()), image, g)


def _applied(op: Op, first: Expr, second: Expr) -> Expr:
    return first.builder.expr(op, first.value, second.value)
