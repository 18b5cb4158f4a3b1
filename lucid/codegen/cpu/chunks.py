"""How work is cut into chunks for the pool: by its shapes alone, never by the machine's load.

A chunk should take some ten microseconds: long against the claiming of one, short against a step, and many enough
that a worker that another process holds up does not hold up the rest. What is too short for two runs on the caller.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from lucid.codegen.kernel import Apply, Kernel, Load, OnAxis, RandomElement
from lucid.ir.passes.cost import operations

TARGET = 10_000  # nanoseconds of a chunk
SHORTEST = 12_000  # nanoseconds of work that is cut at all
# Of a kernel or matrix product in the body of a loop, behind whose kernels workers are awake. What else a loop has,
# such as convolutions, is cut as outside: what it would gain has not been measured.
SHORTEST_IN_LOOP = 4_000
MOST = 64  # chunks of one kernel

# The rows of a product are divided in two halves where they are for workers: two share the rows, too, as in other
# kernels. So many tiles at least are worth a stretch, whose panel may have to be packed for them.
HALVES, SHORTEST_STRETCH = 2, 8

# Elements of A in a part of its rows, so that each panel finds them in the last cache; and the tiles that it has at
# least, so that packing each panel again for it costs little.
CACHED, LOWEST = 1 << 21, 32

# Columns of a unit of a product that sweeps over several rows, and over one: a multiple, since memory is read the
# slower, the shorter the pieces are, and the most.
SWEPT_OF_SEVERAL, SWEPT, MOST_SWEPT = 512, 1024, 4096

# Nanoseconds by rule of thumb, on one core of a current server processor.
OPERATION = 0.02  # one scalar operation, in a vector
RANDOM_WORD = 0.35
SORTED = 1.0  # an element in a pass of a sort
INDEX = 1.0  # looked up, with what is read or written there
BYTE = 0.03  # read from or written to a cache that is not the nearest
FLOPS_A_NANOSECOND = 100
FACTOR = 0.03  # an element of a factor of which each is used few times


def kernel_chunks(kernel: Kernel, step: int, shortest: int) -> tuple[int, int]:
    """Into how many chunks a kernel is cut along its first parallel axis, and how many steps along it there are to
    share out: chunk c begins with step `c * steps // chunks`.

    The chunks are a power of two, or each is a step. So the shares of two workers, or of four, meet at the same place
    in kernels of all lengths: each finds in its cache what it has written, and has as much to do as the other.
    """
    if not kernel.axes:
        return 1, 0
    steps = -(-kernel.axes[0].extent // step)
    total = _nanoseconds(kernel)
    if total < shortest:
        return 1, steps
    wanted = min(max(int(total / TARGET), 2), MOST)
    return (steps if steps <= wanted else 1 << (wanted.bit_length() - 1)), steps


def _nanoseconds(kernel: Kernel) -> float:
    """What a kernel takes on one core."""
    parallel = math.prod(axis.extent for axis in kernel.axes)
    steps = [math.prod(axis.extent for axis in stage.axes) for stage in kernel.stages]
    total = 0.0
    for value, place in zip(kernel.values, kernel.placements(), strict=True):
        if place.stage < 0 and place.depth < len(kernel.axes):
            continue  # outside the innermost parallel loop
        times = parallel * (steps[place.stage] if place.stage >= 0 and place.depth else 1)
        if isinstance(value, Apply):
            dtypes = tuple(kernel.values[operand].dtype for operand in value.args)
            total += times * OPERATION * operations(value.op, dtypes)
        elif isinstance(value, OnAxis):
            total += times * INDEX
        elif isinstance(value, RandomElement):
            total += times * RANDOM_WORD
        elif isinstance(value, Load):
            total += times * BYTE * value.dtype.itemsize
    for stage, times in zip(kernel.stages, steps, strict=True):
        total += sum(parallel * times * BYTE * store.buffer.dtype.itemsize for store in stage.stores)
    return total


def scatter_chunks(before: int, along: int, after: int, extent: int, itemsize: int) -> tuple[int, int]:
    """Into how many ranges a scatter-add cuts what lies before its axis, and the axis of the result, where updates of
    shape (before, along, after) are added to (before, extent, after).

    Each range of the axis looks at all indices, which may not take much longer than adding the updates does.
    """
    updates, sums = before * along * after, before * extent * after
    total = (3 * updates + sums) * itemsize * BYTE + before * along * INDEX
    if total < SHORTEST:
        return 1, 1
    wanted = min(max(int(total / TARGET), 2), MOST)
    parts = _parts(before, wanted)
    return parts, 1 if parts >= wanted // 2 else _parts(extent, min(-(-wanted // parts), 2 + after // 8))


def sort_chunks(rows: int, length: int, passes: int) -> int:
    """Into how many ranges of rows a sort is cut, where each pass over a row looks at every element."""
    wanted = min(max(int(rows * length * (passes + 2) * SORTED / TARGET), 1), MOST)
    return _parts(rows, wanted)


def _parts(extent: int, wanted: int) -> int:
    """The number of ranges of equal length, but for the last, nearest below a wanted one."""
    return -(-extent // -(-extent // min(wanted, extent)))


def product_chunks(
    batch: int, m: int, n: int, k: int, rows: int, panels: Sequence[int], shortest: int
) -> tuple[int, tuple[int, ...]]:
    """How a matrix product in tiles of so many rows, in panels of so many vectors each, is cut: the tiles down in a
    part of its rows, and the tiles that its stretches begin with, and the one behind all. Tiles are counted part by
    part, panel by panel in each, as if all parts were full.

    Stretches follow panels, since a panel of B is packed once for all rows of a part. Where there are few panels,
    rows are divided first, and where A is large and panels are several, so that it comes from memory once and not for
    each. All stretches have about as many vectors, so that workers have equal shares, though panels may be few, the
    last ones narrow, and the last part low.
    """
    tiles = -(-m // rows)
    nanoseconds = 2 * m * n * k * batch / FLOPS_A_NANOSECOND
    if nanoseconds < shortest:
        return tiles, (0, tiles * len(panels))
    wanted = min(max(int(nanoseconds / TARGET), 2), MOST)
    down = tiles if len(panels) * batch >= min(wanted, 8) else -(-tiles // HALVES)
    most = max(CACHED // max(rows * k, 1), LOWEST, -(-tiles // MOST))
    if down > most and len(panels) > 1:
        down = -(-tiles // -(-tiles // most))
    parts = [min(down, tiles - first) for first in range(0, tiles, down)]
    stretches = min(-(-wanted // (batch * len(parts))), MOST // len(parts), down * len(panels) // SHORTEST_STRETCH)
    stretches = len(parts) * max(stretches - stretches % (4 if stretches >= 4 else 2), 1)
    columns = [(high, vectors) for high in parts for vectors in panels]
    starts = [*accumulate((high * vectors for high, vectors in columns), initial=0)]
    cuts = []
    for number in range(stretches):
        place = number * starts[-1] // stretches
        column = bisect_right(starts, place) - 1
        cuts.append(column * down + (place - starts[column]) // columns[column][1])
    return down, (*cuts, down * len(columns))


def dots_chunks(batch: int, m: int, n: int, k: int, rows: int, shortest: int) -> tuple[int, int]:
    """The rows of a unit of a product whose sums have lanes, a multiple of a tile's, and the units of a chunk.

    A unit has rows of one matrix, and each chunk of the sum begins with what all units read, the few rows of Q.
    """
    each = m * k * (2 * n / FLOPS_A_NANOSECOND + FACTOR)
    pieces = min(max(math.ceil(each / TARGET), 1), MOST) if each * batch >= shortest else 1
    block = -(-m // (pieces * rows)) * rows
    return block, span_of_units(batch * -(-m // block), each * block / m, shortest)


def sweeps_chunks(batch: int, m: int, n: int, k: int, shortest: int) -> tuple[int, int]:
    """The columns of a unit of a product that sweeps over few rows, and the units of a chunk.

    Lines of the matrix stay in the nearest cache while all rows are swept over, and so do the rows' sums.
    """
    each = n * k * (2 * m / FLOPS_A_NANOSECOND + FACTOR)
    pieces = min(max(math.ceil(each / TARGET), 1), MOST) if each * batch >= shortest else 1
    block = min(-(-n // (pieces * SWEPT)) * SWEPT, MOST_SWEPT) if m == 1 else SWEPT_OF_SEVERAL
    return block, span_of_units(batch * -(-n // block), each * min(block / n, 1), shortest)


def span_of_units(units: int, nanoseconds: float, shortest: int = SHORTEST) -> int:
    """How many units of work a chunk has, where each takes so long: all of them where they are not worth cutting."""
    if units * nanoseconds < shortest:
        return max(units, 1)
    return max(math.ceil(TARGET / nanoseconds) if nanoseconds < TARGET else 1, -(-units // MOST))
