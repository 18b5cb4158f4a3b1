"""Convolutions of many small groups as tables, for the functions of `grouped.py`: there, lanes stand for groups.

A *team* is as many groups as a vector has lanes. A unit of work is a team of an image, or of a part of the images;
large images are cut into blocks along their first axis. The plan is a list of words as in `convolution_plan.py`, but
offsets count vectors.
"""

from __future__ import annotations

import math

from lucid.codegen.cpu.chunks import span_of_units
from lucid.codegen.cpu.convolution_plan import (
    STARTS,
    UNITS,
    Geometry,
    Plan,
    Swept,
    each_axis,
    laid_out,
    named,
    of_axes,
    position,
    words_of,
)
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionOp, ConvolutionWeight
from lucid.ir.types import TensorType

# A convolution of so many groups at least has lanes for groups if a group has few pairs of a channel and an output.
# With fewer groups lanes would be idle; with more pairs the tiles of a matrix product are full enough.
LEAST_GROUPS, MOST_PAIRS, MOST_PAIRS_WEIGHED = 4, 8, 64

# This much of the peak is reached, by rule of thumb.
SHARE = 0.4

# What a unit has in the worker's memory of each of its `channels` channels: the places of a block and the padding
# around it, `channel` vectors. The first is element `origin` of an image of extents `extent`, and moves by `advance`
# from block to block.
PLACED = ("channels", "channel", *of_axes("extent", "origin", "advance", "places"))

# A unit computes a block of each of `rows` channels of a result whose channels have `plane` elements: in memory, a
# channel has `result` vectors, of extents `results`; the next block is `moved` elements on. Position p of a sweep is
# element p * by of the block, and meets what lies from p * step on. The weight of a group has `weights` elements, and
# those of two channels of the result are `of_row` apart.
CONVOLVE_GROUPED = (
    *PLACED,
    *UNITS,
    *STARTS[:2],
    *("teams", "rows", "weights", "of_row", "plane", "result", "moved", "sweeps", "records", "offsets"),
    *of_axes("block", "move", "step", "by", "results"),
)

# A unit computes the `rows` taps of channels for each of a group's `outputs`, from blocks of `block` of the `positions`
# of a gradient, `each` of the `images`.
WEIGH_GROUPED = (
    *PLACED,
    *UNITS,
    *STARTS[:2],
    *("teams", "rows", "row_offsets", "outputs", "images", "each", "positions", "size"),
    *of_axes("block", "move", "count", "step"),
)


def is_grouped(op: ConvolutionOp, outputs: int, channels: int) -> bool:
    """Whether a convolution of so many outputs, and of so many channels in a group, has lanes for groups."""
    most = MOST_PAIRS_WEIGHED if isinstance(op, ConvolutionWeight) else MOST_PAIRS
    return op.groups >= LEAST_GROUPS and outputs // op.groups * channels <= most


def convolve_grouped_plan(
    op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType, lanes: int
) -> Plan:
    """How to compute a convolution, or the gradient of its x, with lanes for groups."""
    swept = Swept.of(op, operand, weight)
    geometry, step, by, shape = swept.geometry, swept.step, swept.by, swept.shape
    first, counts = geometry.first, swept.counts
    origin, _ = swept.gaps()

    # What a block takes in memory.
    fixed, each = swept.gathered()
    each += by[first] * swept.rows * math.prod(shape) // shape[first]
    teams = -(-geometry.groups // lanes)
    length, blocks, block = geometry.cut(counts, fixed * lanes, each * lanes, geometry.images * teams, counts[first])
    places = swept.places_of(block)
    results = geometry.along_first(shape, length * by[first])
    of_weights = geometry.outputs * geometry.channels * len(geometry.taps)

    result = math.prod(results)
    starts, memory = _laid_out(lanes, swept.summed * math.prod(places), of_weights, swept.rows * result)
    records, offsets = swept.tables(
        op.chunk, math.prod(places), lambda distance: position(each_axis(int.__sub__, distance, origin), places)
    )
    values = {
        "channels": swept.summed,
        "channel": math.prod(places),
        **_units(geometry, geometry.images * blocks, teams, 1 / blocks, lanes),
        "blocks": blocks,
        "image": swept.summed * math.prod(swept.extents),
        **starts,
        "rows": swept.rows,
        "weights": of_weights,
        "of_row": swept.of_row,
        "plane": math.prod(shape),
        "result": result,
        "moved": length * by[first] * math.prod(shape[first + 1 :]),
        "sweeps": len(swept.sweeps),
        **named(extent=swept.extents, origin=origin, advance=geometry.at_first(length * step[first])),
        **named(places=places, block=block, move=geometry.at_first(length), step=step, by=by, results=results),
    }
    return Plan(words_of(CONVOLVE_GROUPED, values, {"records": records, "offsets": offsets}), _chunks(values), memory)


def weigh_grouped_plan(op: ConvolutionWeight, image: TensorType, result: TensorType, lanes: int) -> Plan:
    """How to compute the gradient of a convolution's weight with lanes for groups."""
    geometry = Geometry.of(op, image.shape, (result.shape[1], image.shape[1] // op.groups, *op.kernel), result.shape)
    first, positions = geometry.first, geometry.positions
    length = min(op.chunk or positions[first], positions[first])
    block = geometry.along_first(positions, length)
    places = each_axis(
        lambda count, s, k, d: (count - 1) * s + (k - 1) * d + 1,
        *(block, geometry.stride, geometry.kernel, geometry.dilation),
    )
    taps = [position(each_axis(int.__mul__, tap, geometry.dilation), places) for tap in geometry.taps]
    channel, teams = math.prod(places), -(-geometry.groups // lanes)
    each = op.images_of_a_part(geometry.images)
    rows = geometry.channels * len(taps)
    starts, memory = _laid_out(lanes, geometry.channels * channel, math.prod(block), geometry.outputs * rows)
    values = {
        "channels": geometry.channels,
        "channel": channel,
        **_units(geometry, max(op.parts, 1), teams, each, lanes),
        "blocks": -(-positions[first] // length),
        "image": geometry.channels * math.prod(geometry.extents),
        **starts,
        "rows": rows,
        "outputs": geometry.outputs,
        "images": geometry.images,
        "each": each,
        "positions": math.prod(positions),
        "size": math.prod(block),
        **named(extent=geometry.extents, origin=each_axis(int.__neg__, geometry.low)),
        **named(advance=geometry.at_first(length * geometry.stride[first]), places=places),
        **named(block=block, move=geometry.at_first(length), count=positions, step=geometry.stride),
    }
    tables = {"row_offsets": [number * channel + tap for number in range(geometry.channels) for tap in taps]}
    return Plan(words_of(WEIGH_GROUPED, values, tables), _chunks(values), memory)


def _laid_out(lanes: int, *vectors: int) -> tuple[dict[str, int], int]:
    """Where arrays of so many vectors begin, each with as many behind it as `join` writes there, and the last ends."""
    return laid_out(lanes, *((count + lanes) * lanes for count in vectors))


def _units(geometry: Geometry, of_team: int, teams: int, images: float, lanes: int) -> dict[str, int]:
    """The units of a task that has so many for each team, which takes so many images in one."""
    units = of_team * teams
    nanoseconds = geometry.nanoseconds * min(geometry.groups, lanes) * images / SHARE
    return {"units": units, "span": span_of_units(units, nanoseconds), "groups": geometry.groups, "teams": teams}


def _chunks(values: dict[str, int]) -> int:
    return -(-values["units"] // values["span"])
