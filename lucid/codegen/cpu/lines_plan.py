"""Convolutions of many small groups as tables, for the function of `lines.py` that all graphs share: there, lanes stand
for positions side by side.

A unit of work is a group of an image, of which large ones are cut into blocks along their first axis. The plan is a
list of words as in `convolution_plan.py`.
"""

from __future__ import annotations

import math

from lucid.codegen.cpu.chunks import span_of_units
from lucid.codegen.cpu.convolution_plan import (
    GATHERED,
    UNITS,
    Plan,
    Swept,
    each_axis,
    named,
    of_axes,
    position,
    words_of,
)
from lucid.codegen.cpu.grouped_plan import SHARE
from lucid.ir.ops.convolution import Convolution, ConvolutionInput
from lucid.ir.types import TensorType

# Rows whose sums are computed side by side: they share the factor. With two, six, seven or eight, a convolution takes
# as long or up to a sixth longer.
LINES = 4

# The most products in a sum. With 25 taps, lanes for groups take a tenth less, and with 49 a quarter: no vector that
# they read lies in two lines of the cache.
MOST_PRODUCTS = 9

# A unit computes `count` positions of each of `rows` channels, of `plane` elements each. The weight of a group has
# `weights` elements, and those of two channels of the result are `of_row` apart. A sum has `depth` products. The next
# block is `moved` elements on. `direction` is 1 where a position meets its 3x3 taps in the order of the places, -1
# where it meets them in the opposite order, and else 0.
CONVOLVE_LINES = (
    *GATHERED,
    *UNITS,
    *("rows", "weights", "of_row", "plane", "moved", "depth", "direction", "offsets"),
    *of_axes("block", "move", "count", "stride"),
)


def is_lined(op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType, lanes: int) -> bool:
    """Whether lanes stand for positions, in a convolution that could have lanes for groups: where a row of the result
    fills a vector, and neighbours in it meet neighbours, in short sums of one chunk. Vectors of a row may overlap, so
    that what they have stored is not added to."""
    swept = Swept.of(op, operand, weight)
    (sweep, *others) = swept.sweeps
    whole = not op.chunk or op.chunk >= swept.summed
    short = swept.summed * len(sweep.meetings) <= MOST_PRODUCTS
    neighbours = not others and swept.step == (1, 1, 1) and swept.geometry.first < 2
    return whole and short and neighbours and sweep.counts[2] >= lanes


def convolve_lines_plan(op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType) -> Plan:
    """How to compute a convolution of groups, or the gradient of its x, with lanes for positions of a row."""
    swept = Swept.of(op, operand, weight)
    geometry, shape, summed, counts = swept.geometry, swept.shape, swept.summed, swept.counts
    first, taps = geometry.first, len(geometry.taps)
    origin, _ = swept.gaps()
    units = geometry.images * geometry.groups
    length, blocks, block = geometry.cut(counts, *swept.gathered(), units, counts[first])
    places = swept.places_of(block)
    channel = math.prod(places)
    _, offsets = swept.tables(
        op.chunk, channel, lambda distance: position(each_axis(int.__sub__, distance, origin), places)
    )
    shortest = counts[1] - (blocks - 1) * length if first == 1 else counts[1]
    units *= blocks
    span = span_of_units(units, geometry.nanoseconds / blocks / SHARE)
    strides = (shape[1] * shape[2], shape[2], 1)
    values = {
        "channels": summed,
        "gathered": summed * channel,
        "channel": channel,
        "units": units,
        "span": span,
        "blocks": blocks,
        "groups": geometry.groups,
        "image": summed * math.prod(swept.extents),
        "rows": swept.rows,
        "weights": geometry.outputs * geometry.channels * taps,
        "of_row": swept.of_row,
        "plane": math.prod(shape),
        "moved": length * strides[first],
        "depth": len(offsets) // 2,
        "direction": _direction(offsets, places[2]) if shortest >= LINES else 0,
        **named(extent=swept.extents, origin=origin, advance=geometry.at_first(length), step=(1, 1, 1)),
        **named(phases=(1, 1, 1), places=places, block=block, move=geometry.at_first(length), count=counts),
        **named(stride=strides),
    }
    return Plan(words_of(CONVOLVE_LINES, values, {"offsets": offsets}), -(-units // span), summed * channel)


def _direction(offsets: list[int], line: int) -> int:
    """The `direction` of a plan whose places have lines of so many elements."""
    places = [row * line + column for row in range(3) for column in range(3)]
    for direction in (1, -1):
        if offsets == [word for pair in enumerate(places[::direction]) for word in pair]:
            return direction
    return 0
