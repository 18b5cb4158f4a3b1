"""Lowering: from a node to its kernel.

The body of a fused node, or a single node taken as a body of one, is evaluated at the index of each element that is
stored: first the demand for each value at each index is followed from the stores back to the arguments, through the
index maps of movement ops; then the values are written down in the order of the body, those that an index looks up
before what is read at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lucid.codegen.collapse import collapse
from lucid.codegen.kernel import (
    Accumulate,
    Apply,
    Bounds,
    Buffer,
    Constant,
    Expression,
    Guard,
    Kernel,
    Load,
    OnAxis,
    Position,
    RandomElement,
    Result,
    Stage,
    Store,
    map_indices,
)
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.index import Axis, Index, Known, delinear, linear, of
from lucid.ir.ops.base import Element, Elementwise, Movement, Op, Piece, Reduction
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Const, Fused, Iota
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType, Extent, Shape

# The ops that a kernel can contain. A Fused node may hold any of them, and no other.
LOWERED = (Elementwise, Movement, Reduction, Random, Const, Iota)


def is_lowered(op: Op) -> bool:
    """Whether `lower` knows a node of this op by itself: a fused node, or an op that could stand in one."""
    return isinstance(op, (Fused, *LOWERED))


def lower(node: Node) -> Kernel:
    """The kernel of a node: its buffers are the node's inputs, then its outputs.

    Raises CompileError where an op has no lowering, or where a body is not one kernel: all outputs of one size, or
    reductions over the same axes of one operand shape with outputs of that size or of the result's, where a value
    that depends on a result reads it in the same row.
    """
    body = _Body.of(node)
    for inner in body.nodes:
        if not isinstance(inner.op, LOWERED):
            raise CompileError(f"{inner.op.name} cannot be lowered to a loop nest.", where=where(inner))
        if is_declared_by_user(type(inner.op)):
            meaning(inner.op, [value.type for value in inner.inputs])  # or an error, before code is written
    return collapse(_Lowering(node, body).kernel())


def where(node: Node) -> tuple[str, int] | None:
    """The user's file and line behind a node, for errors."""
    location = node.location
    return (location.file, location.line) if location is not None and location.file else None


@dataclass(frozen=True)
class _Body:
    arguments: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]

    @staticmethod
    def of(node: Node) -> _Body:
        if isinstance(node.op, Fused):
            body: Graph = node.op.body
            return _Body(body.arguments, body.nodes, body.outputs)
        return _Body(node.inputs, (node,), node.outputs)


@dataclass(frozen=True)
class _Demand:
    """A value wanted at an index, where `bounds` hold: elsewhere it may be anything but must not touch memory."""

    value: Value
    index: tuple[Index, ...]
    bounds: Bounds = ()


@dataclass
class _Loops:
    """The axes of one stage, the index of the reduced operand in it, and what it is to do."""

    axes: tuple[Axis, ...]
    index: tuple[Index, ...]
    is_empty: bool
    reductions: list[Node] = field(default_factory=list)
    stores: list[tuple[Buffer, _Demand]] = field(default_factory=list)


class _Lowering:
    """Lowers one body. A value's *level* is the number of reductions in a row that it depends on: reductions of
    level s, and the stores that wait for level s, run in stage s."""

    def __init__(self, node: Node, body: _Body) -> None:
        self.node = node
        self.body = body
        numbers = range(len(body.arguments) + len(body.outputs))
        values = (*body.arguments, *body.outputs)
        self.buffers = tuple(Buffer(n, value.type) for n, value in zip(numbers, values, strict=True))
        # A node may read one value twice: both parameters then hold the same array, and the first is read.
        self.buffer_of = {value: self.buffers[n] for n, value in reversed([*enumerate(body.arguments)])}
        self.values: list[Expression] = []
        self.number_of: dict[Expression, int] = {}
        self.producer = {value: inner for inner in body.nodes for value in inner.outputs}
        self.pieces: dict[_Demand, list[tuple[Bounds, _Demand]]] = {}
        self.sources: dict[_Demand, list[_Demand]] = {}
        # Elements that indices look up stand in them as axes of their own, until they are values with a number.
        self.looked_up: dict[Axis, _Demand] = {}
        self.axis_of: dict[tuple[_Demand | Index, Extent], Axis] = {}
        # So do positions that bounds hold within an operand: what is computed of them is simplified for that range.
        self.held: dict[Axis, Index] = {}
        self.demands: dict[Value, list[_Demand]] = {}
        self.built: dict[_Demand, int] = {}

    def kernel(self) -> Kernel:
        reductions = [inner for inner in self.body.nodes if isinstance(inner.op, Reduction)]
        axes, kept, stages = self.reduction_loops(reductions) if reductions else self.map_loops()
        for stage in stages:
            for reduction in stage.reductions:
                self.demand(_Demand(reduction.inputs[0], stage.index))
            for _, wanted in stage.stores:
                self.demand(wanted)
        for inner in reversed(self.body.nodes):
            for wanted in self.demands.get(inner.output, ()):
                self.follow(inner, wanted)
        results = {
            inner: (number, which)
            for number, stage in enumerate(stages)
            for which, inner in enumerate(stage.reductions)
        }
        for value in (*dict.fromkeys(self.body.arguments), *(inner.output for inner in self.body.nodes)):
            for wanted in self.demands.get(value, ()):
                for ready in self.in_order(wanted):
                    node = self.producer.get(ready.value)
                    self.built[ready] = (
                        self.load(ready) if node is None else self.build(node, ready, kept, results.get(node))
                    )
        return Kernel(self.buffers, len(self.body.arguments), axes, tuple(self.values), tuple(map(self.stage, stages)))

    # Loops.

    def map_loops(self) -> tuple[tuple[Axis, ...], tuple[Index, ...], list[_Loops]]:
        shape = self.body.outputs[0].type.shape
        axes = tuple(Axis(number, extent) for number, extent in enumerate(shape))
        index = tuple(map(of, axes))
        stage = _Loops((), index, is_empty=False)
        for output, buffer in self.outputs():
            if output.type.size != self.body.outputs[0].type.size:
                raise self.error(f"stores {output.type} beside {self.body.outputs[0].type}")
            stage.stores.append((buffer, _Demand(output, _reshaped(index, shape, output.type.shape))))
        return _without_units(axes), index, [stage]

    def reduction_loops(self, reductions: Sequence[Node]) -> tuple[tuple[Axis, ...], tuple[Index, ...], list[_Loops]]:
        """The parallel axes, the index of a result, and the stages."""
        first = reductions[0]
        assert isinstance(first.op, Reduction)
        shape, reduced = first.inputs[0].type.shape, first.op.axes
        for inner in reductions:
            assert isinstance(inner.op, Reduction)
            if (inner.inputs[0].type.shape, inner.op.axes) != (shape, reduced):
                raise self.error(
                    f"reduces {first.inputs[0].type} over {reduced} beside {inner.inputs[0].type} over {inner.op.axes}"
                )
        parallel = {axis: Axis(axis, extent) for axis, extent in enumerate(shape) if axis not in reduced}
        kept, kept_shape = tuple(map(of, parallel.values())), first.output.type.shape
        level = self.levels()
        lanes = max(inner.op.lanes for inner in reductions if isinstance(inner.op, Reduction))
        stages: list[_Loops] = []
        count = 1 + max(level[value] for value in (*self.body.outputs, *(inner.inputs[0] for inner in reductions)))
        for number in range(count):
            fresh = len(shape) * (number + 1)
            axes, place = _reduced_axes(shape, reduced, lanes, fresh)
            index = tuple(of(parallel[axis]) if axis in parallel else place[axis] for axis in range(len(shape)))
            stages.append(_Loops(axes, index, is_empty=any(axis.extent == 0 for axis in axes)))
            stages[-1].reductions = [inner for inner in reductions if level[inner.inputs[0]] == number]
        epilogue = _Loops((), kept, is_empty=False)
        for output, buffer in self.outputs():
            if output.type.size == first.output.type.size and (
                level[output] or output.type.size != first.inputs[0].type.size
            ):
                epilogue.stores.append((buffer, _Demand(output, _reshaped(kept, kept_shape, output.type.shape))))
            elif output.type.size == first.inputs[0].type.size:
                stage = stages[level[output]]
                stage.stores.append((buffer, _Demand(output, _reshaped(stage.index, shape, output.type.shape))))
            else:
                raise self.error(f"stores {output.type} beside a reduction of {first.inputs[0].type} over {reduced}")
        stages.append(epilogue)
        for stage in stages:
            if not stage.reductions:
                stage.axes = _without_units(stage.axes)
        # A result over no elements is a constant: see `build`.
        working = [stage for stage in stages if not stage.is_empty and (stage.reductions or stage.stores)]
        return _without_units(parallel.values()), kept, working

    def outputs(self) -> Iterator[tuple[Value, Buffer]]:
        return zip(self.body.outputs, self.buffers[len(self.body.arguments) :], strict=True)

    def levels(self) -> dict[Value, int]:
        level = dict.fromkeys(self.body.arguments, 0)
        for inner in self.body.nodes:
            above = max((level[value] for value in inner.inputs), default=0)
            level[inner.output] = above + isinstance(inner.op, Reduction)
        return level

    # Demand, backwards.

    def demand(self, wanted: _Demand) -> None:
        known = self.demands.setdefault(wanted.value, [])
        if wanted not in known:
            known.append(wanted)

    def follow(self, inner: Node, wanted: _Demand) -> None:
        """Demand the operands that a node needs at an index. The operand of a reduction is demanded by its stage."""
        match inner.op:
            case Elementwise():
                sources = [_Demand(operand, wanted.index, wanted.bounds) for operand in inner.inputs]
            case Random():
                sources = [_Demand(operand, ()) for operand in inner.inputs]
            case Movement() as movement:
                pieces = self.pieces[wanted] = []
                types = [operand.type for operand in inner.inputs]
                # What a user's op says of elements need not hold where there are none.
                for piece in movement.pieces(wanted.index, types) if inner.output.type.size else ():
                    open_bounds = _open_bounds(piece.bounds)
                    if open_bounds is not None:
                        every = tuple(dict.fromkeys((*wanted.bounds, *open_bounds)))
                        index = self.held_index(self.looked_up_index(inner, piece, every), open_bounds)
                        pieces.append((open_bounds, _Demand(inner.inputs[piece.operand], index, every)))
                sources = [source for _, source in pieces]
            case _:
                sources = []
        self.sources[wanted] = sources
        for source in sources:
            self.demand(source)

    def looked_up_index(self, inner: Node, piece: Piece, bounds: Bounds) -> tuple[Index, ...]:
        """The index of a piece; what it looks up in an operand is demanded too."""
        found = []
        for part, extent in zip(piece.index, inner.inputs[piece.operand].type.shape, strict=True):
            if isinstance(part, Element) and extent == 1:
                part = Index()
            elif isinstance(part, Element):
                wanted = _Demand(inner.inputs[part.operand], part.index, bounds)
                self.demand(wanted)
                axis = self.axis_of.setdefault((wanted, extent), Axis(-1 - len(self.axis_of), extent))
                self.looked_up[axis] = wanted
                part = of(axis)
            found.append(part)
        return tuple(found)

    def held_index(self, index: tuple[Index, ...], bounds: Bounds) -> tuple[Index, ...]:
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

    # Values, forwards.

    def in_order(self, wanted: _Demand) -> Iterator[_Demand]:
        """What must be built for a demand and is not yet, each after what it needs, then the demand itself.

        The order of the body is enough for what is read at plain indices, so that nothing else is found there.
        """
        waiting = [wanted]
        while waiting:
            last = waiting[-1]
            if missing := [need for need in self.needs(last) if need not in self.built]:
                waiting += reversed(missing)
                continue
            waiting.pop()
            if last not in self.built:
                yield last

    def needs(self, wanted: _Demand) -> Iterator[_Demand]:
        yield from self.sources.get(wanted, ())
        if self.looked_up:
            for index in (*wanted.index, *(index for index, _ in wanted.bounds)):
                yield from self.lookups(index)

    def lookups(self, index: Index) -> Iterator[_Demand]:
        for axis in index.axes():
            if axis in self.looked_up:
                yield self.looked_up[axis]
            elif axis in self.held:
                yield from self.lookups(self.held[axis])

    def known(self, index: Index) -> Index:
        """An index with the values that it looks up, and the positions that bounds hold, in their places."""
        known = {}
        for axis in index.axes():
            if axis in self.looked_up:
                number = self.add(OnAxis(self.built[self.looked_up[axis]], axis.extent))
                known[axis] = of(Known(number, axis.extent))
            elif axis in self.held:
                known[axis] = self.known(self.held[axis])
        return index.substitute(known) if known else index

    def add(self, value: Expression) -> int:
        if self.axis_of:
            value = map_indices(value, self.known)
        if value not in self.number_of:
            self.number_of[value] = len(self.values)
            self.values.append(value)
        return self.number_of[value]

    def load(self, wanted: _Demand) -> int:
        buffer = self.buffer_of[wanted.value]
        return self.add(Load(buffer, linear(wanted.index, buffer.type.shape), wanted.bounds))

    def build(self, inner: Node, wanted: _Demand, kept: tuple[Index, ...], result: tuple[int, int] | None) -> int:
        op, dtype = inner.op, inner.output.type.dtype
        match op:
            case Elementwise():
                args = (self.built[_Demand(operand, wanted.index, wanted.bounds)] for operand in inner.inputs)
                return self.add(Apply(op, tuple(args), dtype))
            case Movement():
                return self.moved(op, wanted, dtype)
            case Random():
                words = tuple(self.built[_Demand(operand, ())] for operand in inner.inputs)
                return self.add(RandomElement(op, linear(wanted.index, op.shape), words, dtype))
            case Const():
                return self.add(Constant(op.value, dtype))
            case Iota():
                return self.add(Position(wanted.index[op.axis], dtype))
            case Reduction():
                if wanted.index != kept:
                    raise self.error(f"reads the result of {op.name} in another row")
                if result is None:
                    return self.add(Constant(_of_nothing(op, inner.inputs[0].type.dtype), dtype))
                return self.add(Result(*result, dtype))
        raise AssertionError(f"{op.name} is not lowered")

    def moved(self, op: Movement, wanted: _Demand, dtype: DType) -> int:
        result: int | None = None
        for bounds, source in reversed(self.pieces[wanted]):
            inside = self.built[source]
            if not bounds:
                result = inside
                continue
            loaded = self.values[inside]
            known_bounds = {(self.known(index), extent) for index, extent in bounds}
            if result is None and not op.fill and isinstance(loaded, Load) and known_bounds <= set(loaded.bounds):
                result = inside  # the load gives the fill by itself
                continue
            outside = self.add(Constant(op.fill, dtype)) if result is None else result
            result = self.add(Guard(bounds, inside, outside, dtype))
        return self.add(Constant(op.fill, dtype)) if result is None else result

    def stage(self, loops: _Loops) -> Stage:
        shape = loops.reductions[0].inputs[0].type.shape if loops.reductions else ()
        accumulated = []
        for inner in loops.reductions:
            assert isinstance(inner.op, Reduction)
            along = inner.op.axes
            position = linear([loops.index[axis] for axis in along], tuple(shape[axis] for axis in along))
            operand = self.built[_Demand(inner.inputs[0], loops.index)]
            accumulated.append(Accumulate(inner.op, operand, position))
        stores = (
            Store(buffer, linear(wanted.index, wanted.value.type.shape), self.built[wanted])
            for buffer, wanted in loops.stores
        )
        return Stage(loops.axes, tuple(accumulated), tuple(stores))

    def error(self, what: str) -> CompileError:
        return CompileError(f"{self.node.op.name} is not one kernel: it {what}.", where=where(self.node))


def _reshaped(index: tuple[Index, ...], shape: Shape, other: Shape) -> tuple[Index, ...]:
    """The index under another shape of the same size."""
    return index if shape == other else delinear(linear(index, shape), other)


def _without_units(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(axis for axis in axes if axis.extent != 1)


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


def _reduced_axes(
    shape: Shape, reduced: Sequence[int], lanes: int, number: int
) -> tuple[tuple[Axis, ...], dict[int, Index]]:
    """Axes, numbered from `number`, that walk the reduced axes of a shape; and the index along each reduced axis.

    Lanes count along the last group of adjacent reduced axes. Walking only the end of that group in the last loop
    gives the same lanes where the number of lanes divides the extent of that loop; else more of the group joins it.
    """
    last = [reduced[-1]] if reduced else []
    extent = shape[last[0]] if last else 1
    while last and lanes > 1 and extent % lanes and last[0] - 1 in reduced:
        last.insert(0, last[0] - 1)
        extent *= shape[last[0]]
    outer = {axis: Axis(number + axis, shape[axis]) for axis in reduced if axis not in last}
    inner = Axis(number + (last[0] if last else 0), extent)
    index = {axis: of(loop) for axis, loop in outer.items()}
    index |= dict(zip(last, delinear(of(inner), tuple(shape[axis] for axis in last)), strict=True))
    return (*_without_units(outer.values()), inner), index


def _of_nothing(op: Reduction, dtype: DType) -> bool | int | float:
    """The result of a reduction over no elements."""
    s = NumpyScalars()
    number: bool | int | float = op.finish(s, op.identity(s, dtype)).item()
    return number
