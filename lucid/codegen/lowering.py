"""Lowering: from a node to its kernel.

The body of a fused node, or a single node taken as a body of one, is evaluated at the index of each element that is
stored: first the demand for each value at each index is followed from the stores back to the arguments
(`demand.py`); then the values are written down in the order of the body, those that an index looks up before what is
read at it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lucid.codegen.collapse import collapse
from lucid.codegen.demand import Demand, Demands
from lucid.codegen.kernel import (
    Accumulate,
    Apply,
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
from lucid.ir.graph import Node, Value
from lucid.ir.index import Axis, Index, Known, delinear, linear, of
from lucid.ir.ops.base import Elementwise, Movement, Op, Reduction
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Const, Fused, Iota
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType, Shape

# The ops that a kernel can contain. A Fused node may hold any of them, and no other.
LOWERED = (Elementwise, Movement, Reduction, Random, Const, Iota)


def is_lowered(op: Op) -> bool:
    """Whether `lower` knows a node of this op by itself: a fused node, or an op of a loop nest."""
    return isinstance(op, (Fused, *LOWERED))


def lower(node: Node) -> Kernel:
    """The kernel of a node: its buffers are the node's inputs, then its outputs.

    That of a node with a product is its epilogue: the elements that come out of the product are one more input, behind
    the others. The axes of such a kernel are matrices, rows and columns of a matrix product, as they are, or one axis,
    the row-major position in the result of any other. What is computed of a factor is in `lower_factor`.

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
    kernel = _Lowering(node, body).kernel()
    return kernel if body.axes is not None else collapse(kernel)


def lower_factor(node: Node, factor: int) -> Kernel | None:
    """The prologue of a node with a product: the kernel of what is computed of one of its factors, the first or the
    second. None where the factor is an argument.

    It is a map from the node's inputs to the factor, whose axes are as those of an epilogue. Raises CompileError as
    `lower`.
    """
    assert isinstance(node.op, Fused)
    body, product = node.op.body, node.op.product
    assert product is not None
    value = product.inputs[factor]
    if value in body.arguments:
        return None
    others = tuple(inner for inner in body.nodes if inner is not product)
    axes = _product_axes(product, value.type.shape)
    return _Lowering(node, _Body(body.arguments, others, (value,), axes)).kernel()


def _product_axes(product: Node, shape: Shape) -> Shape:
    """The extents of the axes along which a factor, or the result, of a product is walked."""
    if isinstance(product.op, Matmul):
        return math.prod(shape[:-2]), *shape[-2:]
    return (math.prod(shape),)


def structure(node: Node) -> Hashable:
    """Equal for nodes that `lower` makes the same kernel of: what it looks at, without the identities of values. It
    takes a twentieth of the time."""
    body = _Body.of(node)
    numbers: dict[Value, int] = {}
    for value in (*body.arguments, *(value for inner in body.nodes for value in inner.outputs)):
        numbers.setdefault(value, len(numbers))
    return (
        tuple((numbers[value], value.type) for value in body.arguments),
        tuple(
            (inner.op, *(numbers[value] for value in inner.inputs), *(value.type for value in inner.outputs))
            for inner in body.nodes
        ),
        tuple(numbers[value] for value in body.outputs),
        body.axes,
    )


def where(node: Node) -> tuple[str, int] | None:
    """The user's file and line behind a node, for errors."""
    location = node.location
    return (location.file, location.line) if location is not None and location.file else None


class _Body(NamedTuple):
    """What is computed of arguments. Beside a product, its result is the last of them and not one of the nodes, and the
    extents of the axes are given."""

    arguments: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    axes: Shape | None = None
    result: Value | None = None  # of the product, read where it comes out

    @staticmethod
    def of(node: Node) -> _Body:
        if not isinstance(node.op, Fused):
            return _Body(node.inputs, (node,), node.outputs)
        body, product = node.op.body, node.op.product
        if product is None:
            return _Body(body.arguments, body.nodes, body.outputs)
        others = tuple(inner for inner in body.nodes if inner is not product)
        axes = _product_axes(product, product.output.type.shape)
        return _Body((*body.arguments, product.output), others, body.outputs, axes, product.output)


@dataclass
class _Loops:
    """The axes of one stage, the index of the reduced operand in it, and what it is to do."""

    axes: tuple[Axis, ...]
    index: tuple[Index, ...]
    is_empty: bool
    reductions: list[Node] = field(default_factory=list)
    stores: list[tuple[Buffer, Demand]] = field(default_factory=list)


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
        self.demands = Demands()
        self.built: dict[Demand, int] = {}

    def kernel(self) -> Kernel:
        reductions = [inner for inner in self.body.nodes if isinstance(inner.op, Reduction)]
        axes, kept, stages = self.reduction_loops(reductions) if reductions else self.map_loops()
        for stage in stages:
            for reduction in stage.reductions:
                self.demands.add(Demand(reduction.inputs[0], stage.index))
            for _, wanted in stage.stores:
                self.demands.add(wanted)
        for inner in reversed(self.body.nodes):
            for wanted in self.demands.of(inner.output):
                self.demands.follow(inner, wanted)
        results = {
            inner: (number, which)
            for number, stage in enumerate(stages)
            for which, inner in enumerate(stage.reductions)
        }
        for value in (*dict.fromkeys(self.body.arguments), *(inner.output for inner in self.body.nodes)):
            for wanted in self.demands.of(value):
                for ready in self.demands.in_order(wanted, self.built):
                    node = self.producer.get(ready.value)
                    self.built[ready] = (
                        self.load(ready, kept) if node is None else self.build(node, ready, kept, results.get(node))
                    )
        return Kernel(self.buffers, len(self.body.arguments), axes, tuple(self.values), tuple(map(self.stage, stages)))

    # Loops.

    def map_loops(self) -> tuple[tuple[Axis, ...], tuple[Index, ...], list[_Loops]]:
        given = self.body.axes
        shape = self.body.outputs[0].type.shape if given is None else given
        axes = tuple(Axis(number, extent) for number, extent in enumerate(shape))
        index = tuple(map(of, axes))
        stage = _Loops((), index, is_empty=False)
        for output, buffer in self.outputs():
            if output.type.size != self.body.outputs[0].type.size:
                raise self.error(f"stores {output.type} beside {self.body.outputs[0].type}")
            stage.stores.append((buffer, Demand(output, _reshaped(index, shape, output.type.shape))))
        return _without_units(axes) if given is None else axes, index, [stage]

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
                epilogue.stores.append((buffer, Demand(output, _reshaped(kept, kept_shape, output.type.shape))))
            elif output.type.size == first.inputs[0].type.size:
                stage = stages[level[output]]
                stage.stores.append((buffer, Demand(output, _reshaped(stage.index, shape, output.type.shape))))
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

    # Values, forwards.

    def known(self, index: Index) -> Index:
        """An index with the values that it looks up, and the positions that bounds hold, in their places."""
        known = {}
        for axis in index.axes():
            if axis in self.demands.looked_up:
                number = self.add(OnAxis(self.built[self.demands.looked_up[axis]], axis.extent))
                known[axis] = of(Known(number, axis.extent))
            elif axis in self.demands.held:
                known[axis] = self.known(self.demands.held[axis])
        return index.substitute(known) if known else index

    def add(self, value: Expression) -> int:
        if self.demands.axis_of:
            value = map_indices(value, self.known)
        if value not in self.number_of:
            self.number_of[value] = len(self.values)
            self.values.append(value)
        return self.number_of[value]

    def load(self, wanted: Demand, kept: tuple[Index, ...]) -> int:
        buffer = self.buffer_of[wanted.value]
        position = linear(wanted.index, buffer.type.shape)
        if wanted.value is self.body.result and position != linear(kept, self.body.axes or ()):
            raise self.error("reads an element of its product elsewhere than in place")
        return self.add(Load(buffer, position, wanted.bounds))

    def build(self, inner: Node, wanted: Demand, kept: tuple[Index, ...], result: tuple[int, int] | None) -> int:
        op, dtype = inner.op, inner.output.type.dtype
        match op:
            case Elementwise():
                args = (self.built[Demand(operand, wanted.index, wanted.bounds)] for operand in inner.inputs)
                return self.add(Apply(op, tuple(args), dtype))
            case Movement():
                return self.moved(op, wanted, dtype)
            case Random():
                words = tuple(self.built[Demand(operand, ())] for operand in inner.inputs)
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

    def moved(self, op: Movement, wanted: Demand, dtype: DType) -> int:
        result: int | None = None
        for bounds, source in reversed(self.demands.pieces[wanted]):
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
            operand = self.built[Demand(inner.inputs[0], loops.index)]
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
