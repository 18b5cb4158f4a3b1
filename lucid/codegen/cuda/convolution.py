"""Convolutions and their gradients as gathered matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

from lucid.codegen.cuda.gathered import Factor, GatheredProduct
from lucid.codegen.kernel import Bounds
from lucid.ir.index import Axis, Index, delinear, linear, of
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionOp, ConvolutionWeight
from lucid.ir.types import Extent, Shape, TensorType

Place = Sequence[Index]


def convolution_products(op: ConvolutionOp, first: TensorType, second: TensorType) -> Iterator[GatheredProduct]:
    """The products that make up a convolution, or one of its gradients, of operands of these types. Each writes a part
    of the result; a part that no product writes is nothing."""
    match op:
        case Convolution():
            yield _forward(op, first, second)
        case ConvolutionInput():
            yield from _to_input(op, first, second)
        case ConvolutionWeight():
            yield _to_weight(op, first, second)


def _forward(op: Convolution, x: TensorType, weight: TensorType) -> GatheredProduct:
    """Rows are the outputs of a group, columns are the positions of all images, and a sum is over channels and taps."""
    images, (outputs, channels, *kernel) = x.shape[0], weight.shape
    positions = op.positions(x.shape[2:], tuple(kernel))
    z, i, j, outer, k = _axes(op.groups, outputs // op.groups, images * math.prod(positions), 1, weight.shape[1:])
    image, *place = delinear(of(j), (images, *positions))
    channel, *tap = delinear(of(k), (channels, *kernel))
    met, bounds = _met(op, place, tap, x.shape[2:])
    output = of(z) * (outputs // op.groups) + of(i)
    return GatheredProduct(
        *(x.dtype, z, i, j, outer, k, (op.chunk or channels) * math.prod(kernel)),
        a=Factor(linear((output, channel, *tap), weight.shape), along_inner=True),
        b=Factor(linear((image, of(z) * channels + channel, *met), x.shape), bounds),
        c=_side_by_side(j, images, output, (outputs, *positions)),
    )


def _to_input(op: ConvolutionInput, g: TensorType, weight: TensorType) -> Iterator[GatheredProduct]:
    """A product for each residue of the element's place by the strides, since that decides which taps meet it. Rows are
    the channels of a group, columns are places of all images, and a sum is over outputs and taps."""
    images, (outputs, channels, *kernel) = g.shape[0], weight.shape
    each = outputs // op.groups
    result = (channels * op.groups, *op.spatial)
    for phase in product(*map(range, op.stride)):
        starts, steps, counts = zip(*(_meeting(op, axis, p, kernel[axis]) for axis, p in enumerate(phase)), strict=True)
        extents = tuple(len(range(p, extent, by)) for p, extent, by in zip(phase, op.spatial, op.stride, strict=True))
        if 0 in extents:
            continue
        z, i, j, outer, k = _axes(op.groups, channels, images * math.prod(extents), 1, (each, *counts))
        image, *at = delinear(of(j), (images, *extents))
        output, *number = delinear(of(k), (each, *counts))
        channel = of(z) * channels + of(i)
        place = [part * by + p for part, by, p in zip(at, op.stride, phase, strict=True)]
        tap = [part * step + start for part, step, start in zip(number, steps, starts, strict=True)]
        position = []  # of the result, which the stride divides without rest
        for axis, (s, t) in enumerate(zip(place, tap, strict=True)):
            position.append((s + op.low[axis] - t * op.dilation[axis]) // op.stride[axis])
        bounds = _open((index, extent) for index, extent in zip(position, g.shape[2:], strict=True))
        yield GatheredProduct(
            *(g.dtype, z, i, j, outer, k, (op.chunk or each) * math.prod(counts)),
            a=Factor(linear((of(z) * each + output, of(i), *tap), weight.shape), along_inner=True),
            b=Factor(linear((image, of(z) * each + output, *position), g.shape), bounds),
            c=linear((image, channel, *place), (images, *result))
            if extents != op.spatial
            else _side_by_side(j, images, channel, result),
        )


def _to_weight(op: ConvolutionWeight, x: TensorType, g: TensorType) -> GatheredProduct:
    """Rows are the outputs of a group, columns are taps of channels, and a sum is over images and positions."""
    images, outputs, *positions = g.shape
    channels, each = x.shape[1] // op.groups, outputs // op.groups
    parts = max(op.parts, 1)
    columns = (channels, *op.kernel)
    z, i, j, outer, k = _axes(parts * op.groups, each, math.prod(columns), op.images_of_a_part(images), positions)
    part, group = delinear(of(z), (parts, op.groups))
    image = part * op.images_of_a_part(images) + of(outer)
    channel, *tap = delinear(of(j), columns)
    place = delinear(of(k), tuple(positions))
    met, bounds = _met(op, place, tap, x.shape[2:])
    output = group * each + of(i)
    return GatheredProduct(
        *(x.dtype, z, i, j, outer, k, (op.chunk or positions[0]) * math.prod(positions[1:])),
        a=Factor(linear((image, output, *place), g.shape), along_inner=True),
        b=Factor(linear((image, group * channels + channel, *met), x.shape), bounds, along_inner=True),
        c=linear((part, output, channel, *tap), (parts, outputs, *columns)),
        outer_bounds=_open([(image, images)]),
    )


def _side_by_side(column: Axis, images: Extent, channel: Index, result: Shape) -> Index:
    """Where a column stands in a result that has a place for each: one division, and places in a row are neighbours."""
    channels, places = result[0], math.prod(result[1:])
    image, place = delinear(of(column), (images, places))
    return linear((image, channel, place), (images, channels, places))


def _axes(matrices: Extent, rows: Extent, columns: Extent, outer: Extent, inner: Sequence[Extent]) -> Iterator[Axis]:
    extents = matrices, rows, columns, outer, math.prod(inner)
    return (Axis(number, extent) for number, extent in enumerate(extents))


def _met(op: ConvolutionOp, place: Place, tap: Place, spatial: Shape) -> tuple[list[Index], Bounds]:
    """Where in x a position and a tap meet, and the bounds that say that it is not padding."""
    found = [
        p * stride + t * dilation - low
        for p, t, stride, dilation, low in zip(place, tap, op.stride, op.dilation, op.low, strict=True)
    ]
    return found, _open(zip(found, spatial, strict=True))


def _meeting(op: ConvolutionInput, axis: int, phase: int, taps: Extent) -> tuple[int, int, int]:
    """The first tap, the step and the number of the taps that meet places of a residue along an axis."""
    stride, dilation = op.stride[axis], op.dilation[axis]
    met = [tap for tap in range(min(stride, taps)) if (phase + op.low[axis] - tap * dilation) % stride == 0]
    step = stride // math.gcd(stride, dilation)
    return (met[0], step, len(range(met[0], taps, step))) if met else (0, step, 0)


def _open(bounds: Iterator[tuple[Index, Extent]] | Sequence[tuple[Index, Extent]]) -> Bounds:
    """The bounds that may fail."""
    return tuple((index, extent) for index, extent in bounds if index.bounds[0] < 0 or index.bounds[1] >= extent)
