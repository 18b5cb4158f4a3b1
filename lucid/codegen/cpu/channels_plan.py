"""Convolutions as tables, for the function of `channels.py` that all graphs share: there, lanes stand for channels.

A unit of work is a block of positions of a run of images, and a panel of the channels of a group's result. The plan is
a list of words as in `convolution_plan.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

from lucid.codegen.cpu.chunks import TARGET, span_of_units
from lucid.codegen.cpu.convolution_plan import (
    GATHERED,
    READ,
    STARTS,
    UNITS,
    Geometry,
    Plan,
    Swept,
    each_axis,
    laid_out,
    lies_inside,
    named,
    of_axes,
    position,
    words_of,
)
from lucid.codegen.cpu.tiles import QUAD, Tiles
from lucid.ir.ops.convolution import Convolution, ConvolutionInput
from lucid.ir.types import TensorType

# Images are taken in as long runs as leave so many units: a unit packs the panel of the weight that it needs.
UNITS_WANTED = 16

# The most elements of the weight in a panel, so that the cache of a core holds it or nearly.
PANEL_MOST = 2**19

# A unit computes positions of `each` of the `images`, for `width` of the `rows` channels of a group's result, of which
# there are `panels`. Elements of the weight are `of_row` apart from row to row, and `of_summed` apart from one channel
# that is summed to the next; `run` of these, with all their `taps`, lie one after the other. Positions, `count` of
# them, are element p * by of the result. Where `bare` says so, other elements are sums of nothing: zeros come first.
CONVOLVE_CHANNELS = (
    *GATHERED,
    *UNITS,
    *STARTS,
    *READ,
    *("images", "each", "rows", "panels", "width", "weights", "of_row", "of_summed"),
    *("summed", "run", "taps", "plane", "moved", "bare", "sweeps", "row_offsets", "records", "offsets"),
    *of_axes("block", "move", "count", "stride", "by"),
)


def is_channeled(op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType, tiles: Tiles) -> bool:
    """Whether lanes stand for channels: where that takes no more vectors than if they stood for positions, which are
    counted on between the rows of an image."""
    swept = Swept.of(op, operand, weight)
    if swept.summed * math.prod(weight.shape[2:]) * tiles.columns > PANEL_MOST:
        return False
    reach = each_axis(lambda s, *gap: max(g // s for g in gap), swept.step, *swept.gaps()[1])
    rows = -(-swept.rows // tiles.rows) * tiles.rows
    vectors = -(-swept.rows // tiles.lanes)
    apart = together = 0
    for sweep in swept.sweeps:
        depth, height, width = sweep.counts
        columns = (height - 1) * (swept.counts[2] + reach[2]) + width
        apart += rows * depth * -(-columns // tiles.lanes)
        together += vectors * math.prod(swept.counts)
    return together <= apart


def convolve_channels_plan(
    op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType, tiles: Tiles
) -> Plan:
    """How to compute a convolution, or the gradient of its x, with lanes for channels."""
    swept = Swept.of(op, operand, weight)
    geometry, step, by, summed, shape = swept.geometry, swept.step, swept.by, swept.summed, swept.shape
    first, counts, taps = geometry.first, swept.counts, len(geometry.taps)
    vectors = -(-swept.rows // tiles.lanes)
    panels = -(-vectors // tiles.vectors)
    width = -(-vectors // panels) * tiles.lanes

    # An image that needs no padding has the places of its blocks.
    origin, _ = swept.gaps()
    direct = lies_inside(origin, swept.places_of(counts), swept.extents)

    # What a block takes in memory.
    of_results = tiles.columns * math.prod(counts) // counts[first]
    fixed, each_line = (0, 0) if direct else swept.gathered()
    all_panels = geometry.images * geometry.groups * panels
    length, blocks, block = geometry.cut(counts, fixed, each_line + of_results, all_panels, counts[first])
    places = swept.extents if direct else swept.places_of(block)
    channel = math.prod(places)

    # No time is taken for sums of nothing, of which a stride above the taps leaves many.
    filled = [sweep for sweep in swept.sweeps if sweep.meetings and summed]
    records, offsets = replace(swept, sweeps=filled).tables(
        op.chunk, channel, lambda distance: position(each_axis(int.__sub__, distance, origin), places)
    )
    # Here A is the image. The panel of the weight holds all taps of a channel, also where a sweep meets some of them.
    of_weight, offsets[::2] = offsets[::2], offsets[1::2]
    numbers = (divmod(number, swept.of_summed) for number in of_weight)
    offsets[1::2] = [(channel * taps + tap) * tiles.columns for channel, tap in numbers]

    each, units, span = _units(geometry, panels, blocks)
    gathered = 0 if direct else summed * channel
    lines = summed * taps + QUAD, math.prod(block) + tiles.lanes
    turned = 0 if by[2] == 1 else math.prod(block) * tiles.lanes
    starts, memory = laid_out(tiles.lanes, gathered, *(count * tiles.columns for count in lines), turned)
    met = [position(each_axis(int.__mul__, p, step), places) for p in product(*map(range, block))]
    strides = (shape[1] * shape[2], shape[2], 1)
    values = {
        "channels": summed,
        "gathered": gathered,
        "channel": channel,
        "units": units,
        "span": span,
        "blocks": blocks,
        "groups": geometry.groups,
        "image": summed * math.prod(swept.extents),
        **starts,
        "direct": int(direct),
        "begin": position(origin, swept.extents),
        "onward": length * step[first] * math.prod(swept.extents[first + 1 :]),
        "images": geometry.images,
        "each": each,
        "rows": swept.rows,
        "panels": panels,
        "width": width,
        "weights": geometry.outputs * geometry.channels * taps,
        "of_row": swept.of_row,
        "of_summed": swept.of_summed,
        "summed": summed,
        "run": summed if swept.of_summed == taps else 1,
        "taps": taps,
        "plane": math.prod(shape),
        "moved": length * by[first] * strides[first],
        "bare": int(len(filled) < len(swept.sweeps)),
        "sweeps": len(filled),
        **named(extent=swept.extents, origin=origin, advance=geometry.at_first(length * step[first])),
        **named(step=(1, 1, 1), phases=(1, 1, 1), places=places),
        **named(block=block, move=geometry.at_first(length), count=counts, stride=strides, by=by),
    }
    tables = {"row_offsets": met, "records": records, "offsets": offsets}
    return Plan(words_of(CONVOLVE_CHANNELS, values, tables), -(-units // span), memory)


def _units(geometry: Geometry, panels: int, blocks: int) -> tuple[int, int, int]:
    """The images of a run, how many units there are, and how many of these are a chunk."""
    panels_of_all = geometry.groups * panels * blocks
    nanoseconds = geometry.nanoseconds / panels / blocks
    runs = min(-(-UNITS_WANTED // panels_of_all), int(nanoseconds * geometry.images / TARGET))
    each = -(-geometry.images // max(runs, 1))
    units = -(-geometry.images // max(each, 1)) * panels_of_all
    return each, units, span_of_units(units, nanoseconds * each)
