"""Demand: what a kernel wants of each value of a body, and at which index.

It is followed from the stores back to the arguments, through the index maps of movement ops.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from lucid.codegen.kernel import Bounds
from lucid.ir.graph import Node, Value
from lucid.ir.index import Axis, Index, of
from lucid.ir.ops.base import Element, Elementwise, Movement, Piece
from lucid.ir.ops.random import Random
from lucid.ir.types import Extent


@dataclass(frozen=True)
class Demand:
    """A value wanted at an index, where `bounds` hold: elsewhere it may be anything but must not touch memory."""

    value: Value
    index: tuple[Index, ...]
    bounds: Bounds = ()


class Demands:
    """The demands for the values of a body. They are followed from the last node to the first."""

    def __init__(self) -> None:
        self._of: dict[Value, list[Demand]] = {}
        self._sources: dict[Demand, list[Demand]] = {}
        # Where the elements of a movement come from, and where that holds.
        self.pieces: dict[Demand, list[tuple[Bounds, Demand]]] = {}
        # Elements that indices look up stand in them as axes of their own, until they are values with a number.
        self.looked_up: dict[Axis, Demand] = {}
        self.axis_of: dict[tuple[Demand | Index, Extent], Axis] = {}
        # So do positions that bounds hold within an operand: what is computed of them is simplified for that range.
        self.held: dict[Axis, Index] = {}

    def of(self, value: Value) -> Sequence[Demand]:
        """The demands for a value."""
        return self._of.get(value, ())

    def add(self, wanted: Demand) -> None:
        """Want a value at an index."""
        known = self._of.setdefault(wanted.value, [])
        if wanted not in known:
            known.append(wanted)

    def follow(self, inner: Node, wanted: Demand) -> None:
        """Demand the operands that a node needs at an index. The operand of a reduction is demanded by its stage."""
        match inner.op:
            case Elementwise():
                sources = [Demand(operand, wanted.index, wanted.bounds) for operand in inner.inputs]
            case Random():
                sources = [Demand(operand, ()) for operand in inner.inputs]
            case Movement() as movement:
                pieces = self.pieces[wanted] = []
                types = [operand.type for operand in inner.inputs]
                # What a user's op says of elements need not hold where there are none.
                for piece in movement.pieces(wanted.index, types) if inner.output.type.size else ():
                    open_bounds = _open_bounds(piece.bounds)
                    if open_bounds is not None:
                        every = tuple(dict.fromkeys((*wanted.bounds, *open_bounds)))
                        index = self._held_index(self._looked_up_index(inner, piece, every), open_bounds)
                        pieces.append((open_bounds, Demand(inner.inputs[piece.operand], index, every)))
                sources = [source for _, source in pieces]
            case _:
                sources = []
        self._sources[wanted] = sources
        for source in sources:
            self.add(source)

    def _looked_up_index(self, inner: Node, piece: Piece, bounds: Bounds) -> tuple[Index, ...]:
        """The index of a piece; what it looks up in an operand is demanded too."""
        found = []
        for part, extent in zip(piece.index, inner.inputs[piece.operand].type.shape, strict=True):
            if isinstance(part, Element) and extent == 1:
                part = Index()
            elif isinstance(part, Element):
                wanted = Demand(inner.inputs[part.operand], part.index, bounds)
                self.add(wanted)
                axis = self.axis_of.setdefault((wanted, extent), Axis(-1 - len(self.axis_of), extent))
                self.looked_up[axis] = wanted
                part = of(axis)
            found.append(part)
        return tuple(found)

    def _held_index(self, index: tuple[Index, ...], bounds: Bounds) -> tuple[Index, ...]:
        """An index, with an axis in place of each position that a bound holds below an extent."""
        extents, found = dict(bounds), []
        for part in index:
            if part in extents:
                extent = extents[part]
                axis = self.axis_of.setdefault((part, extent), Axis(-1 - len(self.axis_of), extent))
                self.held[axis] = part
                part = of(axis)
            found.append(part)
        return tuple(found)

    def in_order(self, wanted: Demand, built: Container[Demand]) -> Iterator[Demand]:
        """What must be built for a demand and is not yet, each after what it needs, then the demand itself.

        The order of the body is enough for what is read at plain indices, so that nothing else is found there.
        """
        waiting = [wanted]
        while waiting:
            last = waiting[-1]
            if missing := [need for need in self._needs(last) if need not in built]:
                waiting += reversed(missing)
                continue
            waiting.pop()
            if last not in built:
                yield last

    def _needs(self, wanted: Demand) -> Iterator[Demand]:
        yield from self._sources.get(wanted, ())
        if self.looked_up:
            for index in (*wanted.index, *(index for index, _ in wanted.bounds)):
                yield from self._lookups(index)

    def _lookups(self, index: Index) -> Iterator[Demand]:
        for axis in index.axes():
            if axis in self.looked_up:
                yield self.looked_up[axis]
            elif axis in self.held:
                yield from self._lookups(self.held[axis])


def _open_bounds(bounds: Bounds) -> Bounds | None:
    """The bounds that may fail, or None where one always does."""
    still_open = []
    for index, extent in bounds:
        low, high = index.bounds
        if high < 0 or max(low, 0) >= extent:
            return None
        if low < 0 or high >= extent:
            still_open.append((index, extent))
    return tuple(still_open)
