"""A layered layout of boxes and arrows, in lanes.

Each lane is a column of its own. In a lane that runs down, a box stands below what it reads there; in one that runs
up, above it. So a forward runs down, its backward up beside it, and what the one saves for the other is a short way
across. Within a row, boxes stand near what they are connected with.

The layers and the order within them follow Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", 1981; the coordinates of a row are an isotonic regression.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

GAP_X = 18.0  # between neighbours in a row
GAP_Y = 30.0  # between rows
GAP_LANE = 90.0
LONGEST_BEND = 8  # an arrow over more rows than this is drawn straight through
SWEEPS = 4

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """What is to be placed: its size, its lane, and whether it waits for a reader, as constants and inputs do."""

    width: float
    height: float
    lane: int = 0
    floats: bool = False


@dataclass(frozen=True)
class Layout:
    """The upper left corner of each box, the points that each arrow goes through, and the size of it all."""

    corners: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], arrows: Sequence[tuple[int, int]], rising: frozenset[int] = frozenset()) -> Layout:
    """Place boxes that are numbered so that each arrow leads from a lower number to a higher one. The lanes in `rising`
    run up."""
    return _Plan(boxes, arrows, rising).layout()


@dataclass
class _Cell:
    """A box in its row, or a point that a long arrow bends through."""

    width: float
    row: int
    lane: int
    near: list[int] = field(default_factory=list)  # the cells that it is connected with, in the lane
    x: float = 0.0  # of its middle


class _Plan:
    def __init__(self, boxes: Sequence[Box], arrows: Sequence[tuple[int, int]], rising: frozenset[int]) -> None:
        self.boxes = boxes
        self.arrows = arrows
        self.rising = rising
        self.reads: list[list[int]] = [[] for _ in boxes]
        self.readers: list[list[int]] = [[] for _ in boxes]
        for source, target in arrows:
            assert source < target, "an arrow leads from a lower number to a higher one"
            self.reads[target].append(source)
            self.readers[source].append(target)
        rows = self._rows()
        top = min(rows, default=0)
        self.rows = [row - top for row in rows]
        # Those of the boxes first, then those of the bends.
        self.cells = [_Cell(box.width, row, box.lane) for box, row in zip(boxes, self.rows, strict=True)]
        self.bends = [self._bend(source, target) for source, target in arrows]
        self.lines: dict[tuple[int, int], list[int]] = {}  # the cells of each lane and row, from left to right
        for number, cell in enumerate(self.cells):
            self.lines.setdefault((cell.lane, cell.row), []).append(number)

    def _rows(self) -> list[int]:
        """The row of each box. The first lane and those that run up are stretched to one height."""
        depths = self._depths()
        deepest: dict[int, int] = {}
        for box, depth in zip(self.boxes, depths, strict=True):
            deepest[box.lane] = max(deepest.get(box.lane, 1), depth)
        height = max((d for lane, d in deepest.items() if lane == 0 or lane in self.rising), default=0)
        rows: list[int | None] = [None] * len(self.boxes)
        for number, box in enumerate(self.boxes):
            depth = depths[number] * height // deepest[box.lane]
            if box.lane in self.rising:
                rows[number] = height - depth
            elif box.lane == 0:
                rows[number] = depth
            else:  # below what it reads in its lane, and no higher than what it reads across
                read = [(row, self.boxes[x].lane) for x in self.reads[number] if (row := rows[x]) is not None]
                rows[number] = max([0, *(row + (lane == box.lane) for row, lane in read)])
            if box.floats and self.readers[number]:
                rows[number] = None
        for number in reversed(range(len(self.boxes))):  # so that readers that wait themselves are placed before
            if rows[number] is None:
                rows[number] = self._row_beside_readers(number, rows)
        return [row for row in rows if row is not None]

    def _depths(self) -> list[int]:
        """How many boxes of its lane, at most, a box comes after."""
        depths = [0] * len(self.boxes)
        for number, box in enumerate(self.boxes):
            before = [x for x in self.reads[number] if self.boxes[x].lane == box.lane]
            solid = [depths[x] + 1 for x in before if not (self.boxes[x].floats and self.readers[x])]
            depths[number] = max(solid, default=0)
        return depths

    def _row_beside_readers(self, number: int, rows: Sequence[int | None]) -> int:
        """The row right before the first reader in the lane, or before the first of all."""
        lane = self.boxes[number].lane
        near = [x for x in self.readers[number] if self.boxes[x].lane == lane] or self.readers[number]
        found = [row for x in near if (row := rows[x]) is not None]
        return max(found) + 1 if lane in self.rising else min(found) - 1

    def _bend(self, source: int, target: int) -> list[int]:
        """The cells that an arrow bends through; also tells its ends of each other."""
        start, end = self.cells[source], self.cells[target]
        if start.lane != end.lane:
            return []
        step = 1 if end.row > start.row else -1
        between = range(start.row + step, end.row, step) if end.row != start.row else range(0)
        chain = [source]
        if 0 < len(between) <= LONGEST_BEND and len(self.cells) < 5 * len(self.boxes):
            for row in between:
                self.cells.append(_Cell(4.0, row, start.lane))
                chain.append(len(self.cells) - 1)
        chain.append(target)
        for a, b in itertools.pairwise(chain):
            self.cells[a].near.append(b)
            self.cells[b].near.append(a)
        return chain[1:-1]

    def layout(self) -> Layout:
        by_lane: dict[int, list[list[int]]] = {}
        for (lane, _), line in sorted(self.lines.items()):
            by_lane.setdefault(lane, []).append(line)
        left = 0.0
        for lines in by_lane.values():
            self._arrange(lines)
            low = min(self.cells[n].x - self.cells[n].width / 2 for line in lines for n in line)
            high = max(self.cells[n].x + self.cells[n].width / 2 for line in lines for n in line)
            for number in (n for line in lines for n in line):
                self.cells[number].x += left - low
            left += high - low + GAP_LANE
        heights = [0.0] * (1 + max((cell.row for cell in self.cells), default=0))
        for number, box in enumerate(self.boxes):
            heights[self.rows[number]] = max(heights[self.rows[number]], box.height)
        tops = [0.0]
        for height in heights:
            tops.append(tops[-1] + height + GAP_Y)
        middles = [top + height / 2 for top, height in zip(tops, heights, strict=False)]
        corners = [
            (self.cells[n].x - box.width / 2, middles[self.rows[n]] - box.height / 2)
            for n, box in enumerate(self.boxes)
        ]
        routes = [
            self._route(corners, source, target, [(self.cells[n].x, middles[self.cells[n].row]) for n in bends])
            for (source, target), bends in zip(self.arrows, self.bends, strict=True)
        ]
        return Layout(corners, routes, max(left - GAP_LANE, 0.0), max(tops[-1] - GAP_Y, 0.0))

    def _arrange(self, lines: list[list[int]]) -> None:
        """Order the cells of each row of a lane, then give them coordinates."""
        for line in lines:
            self._pack(line)
        for sweep in range(2 * SWEEPS):
            for line in lines if sweep % 2 == 0 else reversed(lines):
                wanted = {n: self._wanted(n) for n in line}
                if sweep < SWEEPS:
                    line.sort(key=wanted.__getitem__)
                self._spread(line, [wanted[n] for n in line])

    def _pack(self, line: list[int]) -> None:
        x = -(sum(self.cells[n].width + GAP_X for n in line)) / 2
        for number in line:
            self.cells[number].x = x + self.cells[number].width / 2
            x += self.cells[number].width + GAP_X

    def _wanted(self, number: int) -> float:
        """Where a cell would stand if it were alone: in the middle of what it is connected with."""
        near = self.cells[number].near
        return sum(self.cells[n].x for n in near) / len(near) if near else self.cells[number].x

    def _spread(self, line: list[int], wanted: Sequence[float]) -> None:
        """Place the cells of a row in order, apart from each other, as near to where they want to be as possible: the
        squares of what they are off add up to the least."""
        offsets = [0.0]
        for a, b in itertools.pairwise(line):
            offsets.append(offsets[-1] + (self.cells[a].width + self.cells[b].width) / 2 + GAP_X)
        blocks: list[tuple[float, int]] = []  # the mean of neighbours that touch, and their number
        for at, offset in zip(wanted, offsets, strict=True):
            mean, count = at - offset, 1
            while blocks and blocks[-1][0] >= mean:
                other, others = blocks.pop()
                mean, count = (mean * count + other * others) / (count + others), count + others
            blocks.append((mean, count))
        placed = [mean for mean, count in blocks for _ in range(count)]
        for number, mean, offset in zip(line, placed, offsets, strict=True):
            self.cells[number].x = mean + offset

    def _route(self, corners: list[Point], source: int, target: int, bends: list[Point]) -> list[Point]:
        """From the side of one box to the side of another: across lanes from right to left, else up or down."""
        (x, y), start = corners[source], self.boxes[source]
        (u, v), end = corners[target], self.boxes[target]
        if start.lane != end.lane:
            rightward = u > x
            first = (x + start.width if rightward else x, y + start.height / 2)
            return [first, (u if rightward else u + end.width, v + end.height / 2)]
        down = self.rows[target] >= self.rows[source]
        first = (x + start.width / 2, y + start.height if down else y)
        return [first, *bends, (u + end.width / 2, v if down else v + end.height)]
