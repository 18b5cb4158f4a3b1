"""Convolutions as tables: which elements meet, for the functions of `convolution.py` that all graphs share.

A convolution of any rank has three axes here, the missing ones in front, of one position each. A chunk of a task is a
run of *units*. A unit gathers what it needs of one image and one group, padding included, in the worker's memory: the
*places*. Then the tiles of a matrix product run over them, and find their elements by offsets from tables. Large images
are cut into blocks along their first axis.

A plan is a list of words: those with names, then the tables, where the name of a table holds its first word. Offsets
come in pairs: for each product of a sum, in order, where its two factors stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product

from lucid.codegen.cpu.chunks import FLOPS_A_NANOSECOND, TARGET, span_of_units
from lucid.codegen.cpu.tiles import QUAD, Tiles
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionOp, ConvolutionWeight
from lucid.ir.types import Shape, TensorType

AXES = range(3)
Triple = tuple[int, int, int]

# The most elements that a unit gathers where its block can be made smaller, so that a core's cache holds them.
GATHERED_MOST = 2**17

# A convolution of few images is cut into this many units, for threads, if it takes as long as that many chunks.
UNITS_WANTED = 8


def of_axes(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{axis}" for name in names for axis in AXES)


# What a unit gathers: `channels` channels of extents `extent`, `origin` being the first element, which a block moves by
# `advance`. The element at phase + place * step from there goes to that place of that phase, so that what neighbouring
# positions read stands side by side. A channel takes `channel` elements, all of them `gathered`.
GATHERED = ("channels", "gathered", "channel", *of_axes("extent", "origin", "advance", "step", "phases", "places"))

# Where arrays in the worker's memory begin, behind the first.
STARTS = ("second", "third", "fourth")

# A unit is a block of a group of an image, which has `image` elements.
UNITS = ("units", "span", "blocks", "groups", "image")

# An image that needs no padding may be read where it is, `begin` elements from its start, if `direct` says so: a block
# starts `onward` elements behind the one before.
READ = ("direct", "begin", "onward")

# A unit computes `rows` channels of the result, of `plane` elements each, in some `sweeps` over its positions: `block`
# of them, or what is left from `move` times the number of the block on. Position p of a sweep is element p * by of the
# result, and a block starts `moved` elements behind the one before.
CONVOLVE = (
    *GATHERED,
    *UNITS,
    *STARTS[:2],
    *("rows", "weights", "plane", "moved", "sweeps", "row_offsets", "records", "offsets"),
    *of_axes("block", "move", "stride", "by"),
)

# A sweep over `count` positions, from element `start` of the result on: sums of `depth` products, of which a chunk has
# `chunk`, with their offsets from `table` on.
SWEEP = ("table", "depth", "chunk", "start", *of_axes("count"))

# A unit computes a panel of columns, channels of g, of `rows` rows, taps of channels of x, from a part of the images.
WEIGH = (
    *GATHERED,
    *UNITS,
    *STARTS[:2],
    *READ,
    *("rows", "row_offsets", "offsets", "outputs", "panels", "images", "each", "positions", "block"),
)


@dataclass(frozen=True)
class Plan:
    """The words of a convolution, the chunks of its task, and the elements of a worker's memory."""

    words: tuple[int, ...]
    chunks: int
    memory: int


@dataclass(frozen=True)
class Sweep:
    """Positions `count` from `start` on, and what they meet: the distance of an element of the image from that of the
    first position, and the number of the tap."""

    start: Triple
    counts: Triple
    meetings: tuple[tuple[Triple, int], ...]


@dataclass(frozen=True)
class Geometry:
    """A convolution along three axes. `first` is the first axis that it really has."""

    images: int
    groups: int
    channels: int  # of x, in a group
    outputs: int  # in a group
    extents: Triple
    kernel: Triple
    positions: Triple
    stride: Triple
    dilation: Triple
    low: Triple
    first: int

    @staticmethod
    def of(op: ConvolutionOp, x: Shape, weight: Shape, result: Shape) -> Geometry:
        return Geometry(
            *(x[0], op.groups, weight[1], weight[0] // op.groups),
            *(three(x[2:], 1), three(weight[2:], 1), three(result[2:], 1)),
            *(three(op.stride, 1), three(op.dilation, 1), three(op.low, 0)),
            first=5 - len(x),
        )

    @property
    def taps(self) -> list[Triple]:
        return [(a, b, c) for a, b, c in product(*map(range, self.kernel))]

    @property
    def nanoseconds(self) -> float:
        """For one image and group."""
        products = self.outputs * self.channels * math.prod(self.kernel) * math.prod(self.positions)
        return 2 * products / FLOPS_A_NANOSECOND

    def forward(self) -> list[Sweep]:
        """The one sweep of a convolution."""
        taps = enumerate(self.taps)
        meetings = (
            (each_axis(lambda t, d, low: t * d - low, tap, self.dilation, self.low), number) for number, tap in taps
        )
        return [Sweep((0, 0, 0), self.positions, tuple(meetings))]

    def backward(self) -> list[Sweep]:
        """The sweeps of the gradient of x: elements at equal distances modulo the stride meet the same taps."""
        sweeps = []
        for a, b, c in product(*map(range, map(min, self.stride, self.extents))):
            start, meetings = (a, b, c), []
            for number, tap in enumerate(self.taps):
                gap = each_axis(lambda r, low, t, d: r + low - t * d, start, self.low, tap, self.dilation)
                if not any(each_axis(lambda g, s: g % s, gap, self.stride)):
                    meetings.append((each_axis(lambda g, s: g // s, gap, self.stride), number))
            counts = each_axis(lambda n, r, s: -(-(n - r) // s), self.extents, start, self.stride)
            sweeps.append(Sweep(start, counts, tuple(meetings)))
        return sweeps

    def cut(self, counts: Triple, fixed: int, each: int, units: int, panels: float) -> tuple[int, int, Triple]:
        """How many of the `counts` positions along the first axis a block has, how many blocks there are, and the
        positions of one: of about equal length, of which each gathers `fixed` elements and `each` more for a position
        along that axis. There are several where so many units of whole images, of so many panels of columns each, are
        too few for threads."""
        total = counts[self.first]
        most = max((GATHERED_MOST - fixed) // max(each, 1), 1)
        length = -(-total // max(-(-total // most), min(self._blocks_wanted(units, panels), total)))
        return length, -(-total // length), self.along_first(counts, length)

    def _blocks_wanted(self, units: int, panels: float) -> int:
        if self.nanoseconds * self.images * self.groups < UNITS_WANTED * TARGET:
            return 1
        return min(-(-UNITS_WANTED // max(units, 1)), max(int(panels), 1))

    def along_first(self, counts: Triple, length: int) -> Triple:
        """Counts, with another for the first axis."""
        return each_axis(lambda axis, count: length if axis == self.first else count, AXES, counts)

    def at_first(self, value: int) -> Triple:
        """A value for the first axis, 0 for others."""
        return each_axis(lambda axis: value if axis == self.first else 0, AXES)


@dataclass(frozen=True)
class Swept:
    """A convolution, or the gradient of its x: sums over `summed` channels, of `extents`, for each of the `rows`
    channels, of `shape`, that a group of the result has. Position p of a sweep meets what lies at distances from
    p * step, and is element p * by of the result. Elements of the weight are `of_row` and `of_summed` apart from
    channel to channel."""

    geometry: Geometry
    sweeps: list[Sweep]
    step: Triple
    by: Triple
    summed: int
    rows: int
    extents: Triple
    shape: Triple
    of_row: int
    of_summed: int

    @staticmethod
    def of(op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType) -> Swept:
        (result,) = op.infer([operand, weight])
        ones, taps = (1, 1, 1), math.prod(weight.shape[2:])
        if isinstance(op, Convolution):
            geometry = Geometry.of(op, operand.shape, weight.shape, result.shape)
            summed, rows = geometry.channels, geometry.outputs
            extents, shape = geometry.extents, geometry.positions
            sweeps = geometry.forward()
            return Swept(geometry, sweeps, geometry.stride, ones, summed, rows, extents, shape, summed * taps, taps)
        geometry = Geometry.of(op, result.shape, weight.shape, operand.shape)
        summed, rows = geometry.outputs, geometry.channels
        extents, shape = geometry.positions, geometry.extents
        sweeps = geometry.backward()
        return Swept(geometry, sweeps, ones, geometry.stride, summed, rows, extents, shape, taps, rows * taps)

    @property
    def counts(self) -> Triple:
        """The positions of the largest sweep along each axis."""
        return each_axis(lambda *count: max(count), *(sweep.counts for sweep in self.sweeps))

    def gaps(self) -> tuple[Triple, list[Triple]]:
        """The least distance of what a position meets, along each axis, and how far behind it the others are."""
        met = [distance for sweep in self.sweeps for distance, _ in sweep.meetings]
        origin = each_axis(lambda *distances: min(distances), *met) if met else (0, 0, 0)
        return origin, [each_axis(int.__sub__, distance, origin) for distance in met] or [(0, 0, 0)]

    def places_of(self, counts: Triple) -> Triple:
        """The places of what so many positions meet, where those lie as in the image."""
        farthest = each_axis(lambda *gap: max(gap), *self.gaps()[1])
        return each_axis(lambda count, s, gap: (count - 1) * s + gap + 1, counts, self.step, farthest)

    def gathered(self) -> tuple[int, int]:
        """The elements of such places that a block has however short it is, and those for a position along the first
        axis."""
        first, counts, whole = self.geometry.first, self.counts, self.places_of(self.counts)
        line = self.summed * math.prod(whole) // whole[first]
        return (whole[first] - counts[first] * self.step[first]) * line, self.step[first] * line

    def tables(self, chunk: int, channel: int, place: Callable[[Triple], int]) -> tuple[list[int], list[int]]:
        """The records of the sweeps, and the offsets of their products: what lies at a distance from a position has a
        place, and the places of the next channel are `channel` further."""
        offsets: list[int] = []
        records: list[int] = []
        for sweep in self.sweeps:
            pairs = [(tap, place(distance)) for distance, tap in sweep.meetings]
            products, start = self.summed * len(pairs), position(sweep.start, self.shape)
            records += [len(offsets), products, max((chunk or self.summed) * len(pairs), 1), start, *sweep.counts]
            for number in range(self.summed):
                offsets += [
                    word for tap, at in pairs for word in (number * self.of_summed + tap, number * channel + at)
                ]
        return records, offsets


def convolve_plan(op: Convolution | ConvolutionInput, operand: TensorType, weight: TensorType, tiles: Tiles) -> Plan:
    """How to compute a convolution, or the gradient of its x."""
    swept = Swept.of(op, operand, weight)
    geometry, step, summed, shape = swept.geometry, swept.step, swept.summed, swept.shape
    first, counts = geometry.first, swept.counts

    # The places of a block.
    origin, gaps = swept.gaps()
    phases = each_axis(lambda s, *gap: 1 + max(g % s for g in gap), step, *gaps)
    reach = each_axis(lambda s, *gap: max(g // s for g in gap), step, *gaps)
    line = summed * math.prod(phases) * math.prod(reach[axis] + counts[axis] for axis in AXES if axis != first)
    units, panels = geometry.images * geometry.groups, math.prod(counts) / tiles.columns
    length, blocks, block = geometry.cut(counts, line * reach[first], line, units, panels)
    places = each_axis(int.__add__, block, reach)
    channel = math.prod(phases) * math.prod(places)

    def place(distance: Triple) -> int:
        gap = each_axis(int.__sub__, distance, origin)
        phase, index = (each_axis(operation, gap, step) for operation in (int.__mod__, int.__floordiv__))
        return position((*phase, *index), (*phases, *places))

    records, offsets = swept.tables(op.chunk, channel, place)
    strides = (shape[1] * shape[2], shape[2], 1)
    units *= blocks
    span = span_of_units(units, geometry.nanoseconds / blocks)
    gathered = summed * channel + tiles.columns  # the last panel of columns reads behind the last place
    panel = -(-swept.rows // tiles.rows) * tiles.rows * tiles.columns
    starts, memory = laid_out(tiles.lanes, gathered, panel)
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
        "rows": swept.rows,
        "weights": geometry.outputs * geometry.channels * len(geometry.taps),
        "plane": math.prod(shape),
        "moved": length * swept.by[first] * strides[first],
        "sweeps": len(swept.sweeps),
        **named(extent=swept.extents, origin=origin, advance=geometry.at_first(length * step[first]), step=step),
        **named(phases=phases, places=places, block=block, move=geometry.at_first(length), stride=strides, by=swept.by),
    }
    tables = {"row_offsets": [row * swept.of_row for row in range(swept.rows)], "records": records, "offsets": offsets}
    return Plan(words_of(CONVOLVE, values, tables), -(-units // span), memory)


def weigh_plan(op: ConvolutionWeight, image: TensorType, result: TensorType, tiles: Tiles) -> Plan:
    """How to compute the gradient of a convolution's weight."""
    geometry = Geometry.of(op, image.shape, (result.shape[1], image.shape[1] // op.groups, *op.kernel), result.shape)
    first, positions = geometry.first, geometry.positions
    length = min(op.chunk or positions[first], positions[first])
    blocks = -(-positions[first] // length)
    block = geometry.along_first(positions, length)

    def places_of(counts: Triple) -> Triple:
        return each_axis(
            lambda count, s, k, d: (count - 1) * s + (k - 1) * d + 1,
            *(counts, geometry.stride, geometry.kernel, geometry.dilation),
        )

    origin = each_axis(int.__neg__, geometry.low)
    direct = lies_inside(origin, places_of(positions), geometry.extents)
    places = geometry.extents if direct else places_of(block)
    channel = math.prod(places)
    taps = [position(each_axis(int.__mul__, tap, geometry.dilation), places) for tap in geometry.taps]
    met = [position(each_axis(int.__mul__, p, geometry.stride), places) for p in product(*map(range, block))]
    panels = -(-geometry.outputs // tiles.columns)
    parts = max(op.parts, 1)
    units = parts * geometry.groups * panels
    each = op.images_of_a_part(geometry.images)
    span = span_of_units(units, geometry.nanoseconds * each / panels)
    rows = geometry.channels * len(taps)
    # As many rows of sums as whole tiles compute, and whole squares take apart.
    many = max(tiles.rows, tiles.lanes)
    sums, panel = -(-rows // many) * many, math.prod(block) + QUAD
    gathered = 0 if direct else geometry.channels * channel
    starts, memory = laid_out(tiles.lanes, gathered, sums * tiles.columns, panel * tiles.columns)
    values = {
        "channels": geometry.channels,
        "gathered": gathered,
        "channel": channel,
        "units": units,
        "span": span,
        "blocks": blocks,
        "groups": geometry.groups,
        "image": geometry.channels * math.prod(geometry.extents),
        **starts,
        "direct": int(direct),
        "begin": position(origin, geometry.extents),
        "onward": length * geometry.stride[first] * math.prod(geometry.extents[first + 1 :]),
        "rows": rows,
        "outputs": geometry.outputs,
        "panels": panels,
        "images": geometry.images,
        "each": each,
        "positions": math.prod(positions),
        "block": math.prod(block),
        **named(extent=geometry.extents, origin=origin),
        **named(advance=geometry.at_first(length * geometry.stride[first]), step=(1, 1, 1)),
        **named(phases=(1, 1, 1), places=places),
    }
    tables = {
        "row_offsets": [number * channel + tap for number in range(geometry.channels) for tap in taps],
        "offsets": [word for number, at in enumerate(met) for word in (at, number * tiles.columns)],
    }
    return Plan(words_of(WEIGH, values, tables), -(-units // span), memory)


def lies_inside(origin: Triple, places: Triple, extents: Triple) -> bool:
    """Whether places from an origin on lie in an image, so that it needs no padding."""
    ends = each_axis(int.__add__, origin, places)
    return min(origin) >= 0 and all(end <= extent for end, extent in zip(ends, extents, strict=True))


def laid_out(lanes: int, *counts: int) -> tuple[dict[str, int], int]:
    """Where arrays of so many elements begin in a worker's memory, each at a register's alignment, and where the last
    ends."""
    ends = [*accumulate(-(-count // lanes) * lanes for count in counts)]
    return dict(zip(STARTS, ends, strict=False)), ends[-1]


def words_of(fields: Sequence[str], values: Mapping[str, int], tables: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    starts: dict[str, int] = {}
    words: list[int] = []
    for name, table in tables.items():
        starts[name] = len(fields) + len(words)
        words += table
    named = {**values, **starts}
    return (*(named[field] for field in fields), *words)


def named(**triples: Triple) -> dict[str, int]:
    return {f"{name}{axis}": triple[axis] for name, triple in triples.items() for axis in AXES}


def three(values: Sequence[int], missing: int) -> Triple:
    """Values for three axes, the last of which are given."""
    return each_axis(lambda axis: values[axis - 3] if axis >= 3 - len(values) else missing, AXES)


def each_axis(function: Callable[..., int], *triples: Sequence[int]) -> Triple:
    """A function of what triples have for each axis."""
    a, b, c = map(function, *triples)
    return a, b, c


def position(index: Sequence[int], shape: Sequence[int]) -> int:
    """The row-major position of an element."""
    total = 0
    for i, extent in zip(index, shape, strict=True):
        total = total * extent + i
    return total
