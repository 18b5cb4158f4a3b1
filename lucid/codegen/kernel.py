"""The kernel: the loop-level form of a node that all targets print.

A kernel is a nest of parallel axes around a sequence of stages. A stage loops over axes of its own, in row-major
order; at each step it executes its stores and feeds its reductions, whose results later stages read:

- a map is one stage without axes, of stores;
- a reduction is a stage over the reduced axes, then a stage without axes that stores what came out;
- a row kernel such as softmax is several stages, each over the axis of the row.

What is computed is a flat list of expressions, each naming its operands by their position in the list, so that
sharing is explicit, a printer walks the list once, and equal kernels compare equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lucid.ir.index import Axis, Index, Known, Quotient
from lucid.ir.ops.base import Elementwise, Reduction
from lucid.ir.ops.random import Random
from lucid.ir.types import DType, Extent, TensorType, int64

# Pairs (position, extent): each holds where 0 <= position < extent.
Bounds = tuple[tuple[Index, Extent], ...]


@dataclass(frozen=True)
class Buffer:
    """A contiguous row-major array that a kernel reads or writes: its parameter `number`."""

    number: int
    type: TensorType

    @property
    def dtype(self) -> DType:
        return self.type.dtype


@dataclass(frozen=True)
class Load:
    """The element of a buffer at a row-major position; 0 or false, and no access, where a bound fails."""

    buffer: Buffer
    position: Index
    bounds: Bounds = ()

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype


@dataclass(frozen=True)
class Position:
    """An index as a number."""

    index: Index
    dtype: DType


@dataclass(frozen=True)
class OnAxis:
    """The position on an axis of an extent that the integer value `arg` names: see `ops.base.on_axis`. An index refers
    to it as `Known`."""

    arg: int
    extent: Extent
    dtype: DType = int64


@dataclass(frozen=True, eq=False)
class Constant:
    """A number."""

    value: bool | int | float
    dtype: DType

    def __eq__(self, other: object) -> bool:  # by spelling: -0.0 is not 0.0, and nan is nan
        return isinstance(other, Constant) and (repr(self.value), self.dtype) == (repr(other.value), other.dtype)

    def __hash__(self) -> int:
        return hash((repr(self.value), self.dtype))


@dataclass(frozen=True)
class Apply:
    """An elementwise op applied to values."""

    op: Elementwise
    args: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True)
class RandomElement:
    """The element at a row-major position of a random op whose operands are the values `args`: seed, first draw,
    parameters. Its word is word `position` of the draw number first draw + op.draw."""

    op: Random
    position: Index
    args: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True)
class Guard:
    """The value `inside` where every bound holds, else the value `outside`."""

    bounds: Bounds
    inside: int
    outside: int
    dtype: DType


@dataclass(frozen=True)
class Result:
    """What the reduction `number` of stage `stage` came to. Only later stages may depend on it."""

    stage: int
    number: int
    dtype: DType


Expression = Load | Position | OnAxis | Constant | Apply | RandomElement | Guard | Result


@dataclass(frozen=True)
class Store:
    """Writes a value to the element of a buffer at a row-major position."""

    buffer: Buffer
    position: Index
    value: int


@dataclass(frozen=True)
class Accumulate:
    """Combines a value over the axes of its stage.

    There are max(op.lanes, 1) accumulators, each starting from the op's identity. At each step, in row-major order,
    the lifted value is combined into accumulator t mod lanes, where t is the step's place along the last axis of the
    stage. At the end, while there is more than one, accumulator i is combined with accumulator i + half, for every i
    below half of their number; the one left is finished. `position` is what `lift` is given.
    """

    op: Reduction
    operand: int
    position: Index


@dataclass(frozen=True)
class Stage:
    """A loop nest: reductions to accumulate and stores to execute at each step. All loads of a step come before its
    stores, so a store may overwrite what the same step has read."""

    axes: tuple[Axis, ...] = ()
    reductions: tuple[Accumulate, ...] = ()
    stores: tuple[Store, ...] = ()


@dataclass(frozen=True, order=True)
class Placement:
    """Where a value becomes computable: before stage `stage`, inside `depth` of its loops; stage -1 is the parallel
    nest. So (-1, 0) is the kernel's entry, and (s, 0) stands in all parallel loops, after stage s - 1."""

    stage: int
    depth: int


@dataclass(frozen=True)
class Kernel:
    """Parallel axes around stages. The first `inputs` buffers are read, the others are written.

    Extents of stages are positive; a parallel axis may be empty, and then nothing is to be done.
    """

    buffers: tuple[Buffer, ...]
    inputs: int
    axes: tuple[Axis, ...]
    values: tuple[Expression, ...]
    stages: tuple[Stage, ...]

    @property
    def is_empty(self) -> bool:
        return any(axis.extent == 0 for axis in self.axes)

    def placements(self) -> tuple[Placement, ...]:
        """The earliest placement of each value: where its axes are open and its operands are known."""
        of_axis = {axis: Placement(-1, depth) for depth, axis in enumerate(self.axes, 1)}
        for number, stage in enumerate(self.stages):
            of_axis |= {axis: Placement(number, depth) for depth, axis in enumerate(stage.axes, 1)}
        found: list[Placement] = []
        for value in self.values:
            places = [Placement(value.stage + 1, 0)] if isinstance(value, Result) else [Placement(-1, 0)]
            leaves = (leaf for index in indices(value) for leaf in index.leaves())
            places += [found[leaf.number] if isinstance(leaf, Known) else of_axis[leaf] for leaf in leaves]
            places += [found[operand] for operand in operands(value)]
            found.append(max(places))
        return tuple(found)

    def indices(self) -> Iterator[Index]:
        """Every index expression of the kernel."""
        for value in self.values:
            yield from indices(value)
        for stage in self.stages:
            yield from (store.position for store in stage.stores)
            yield from (reduction.position for reduction in stage.reductions)

    def map_indices(self, change: Callable[[Index], Index]) -> Kernel:
        """The kernel with every index expression changed. The axes stay as they are."""
        stages = tuple(
            replace(
                stage,
                stores=tuple(replace(store, position=change(store.position)) for store in stage.stores),
                reductions=tuple(replace(r, position=change(r.position)) for r in stage.reductions),
            )
            for stage in self.stages
        )
        return replace(self, values=tuple(map_indices(value, change) for value in self.values), stages=stages)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def operands(value: Expression) -> tuple[int, ...]:
    """The values that an expression is computed from, beside those that its indices know."""
    match value:
        case Apply(args=args) | RandomElement(args=args):
            return args
        case OnAxis(arg=arg):
            return (arg,)
        case Guard():
            return value.inside, value.outside
        case _:
            return ()


def indices(value: Expression) -> tuple[Index, ...]:
    """The index expressions inside an expression."""
    match value:
        case Load():
            return (value.position, *(index for index, _ in value.bounds))
        case Position():
            return (value.index,)
        case RandomElement():
            return (value.position,)
        case Guard():
            return tuple(index for index, _ in value.bounds)
        case _:
            return ()


def map_indices(value: Expression, change: Callable[[Index], Index]) -> Expression:
    """An expression with every index expression changed."""
    match value:
        case Load():
            return replace(value, position=change(value.position), bounds=_map_bounds(value.bounds, change))
        case Position():
            return replace(value, index=change(value.index))
        case RandomElement():
            return replace(value, position=change(value.position))
        case Guard():
            return replace(value, bounds=_map_bounds(value.bounds, change))
        case _:
            return value


def _map_bounds(bounds: Bounds, change: Callable[[Index], Index]) -> Bounds:
    return tuple((change(index), extent) for index, extent in bounds)


def index_text(index: Index) -> str:
    """An index expression as text, with // and % that round towards minus infinity; i is an axis, v a known value.

    >>> from lucid.ir.index import of
    >>> index_text((of(Axis(0, 4)) * 8 + of(Axis(1, 8))) // 16)
    '(i0 // 2)'
    """
    parts = []
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis | Known):
            text = f"{'i' if isinstance(atom, Axis) else 'v'}{atom.number}"
        else:
            sign = "//" if isinstance(atom, Quotient) else "%"
            inner = index_text(atom.index)
            text = f"({f'({inner})' if ' ' in inner else inner} {sign} {atom.divisor})"
        parts.append(text if coefficient == 1 else f"{coefficient}*{text}")
    if index.constant or not parts:
        parts.append(str(index.constant))
    return " + ".join(parts)


def _bounds_text(bounds: Bounds) -> str:
    return " and ".join(f"0 <= {index_text(index)} < {extent}" for index, extent in bounds)


def _attributes_text(op: Elementwise | Reduction | Random) -> str:
    attributes = [
        f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}" for name, value in op.attributes().items()
    ]
    return f"{op.name}({', '.join(attributes)})" if attributes else op.name


def _expression_text(value: Expression) -> str:
    names = ", ".join(f"v{operand}" for operand in operands(value))
    match value:
        case Load(buffer, position, bounds):
            guard = f" if {_bounds_text(bounds)}" if bounds else ""
            return f"load b{buffer.number}[{index_text(position)}]{guard}"
        case Position(index):
            return f"position {index_text(index)}"
        case OnAxis(extent=extent):
            return f"{names} on an axis of {extent}"
        case Constant(number):
            return f"constant {number!r}"
        case Apply(op):
            return f"{_attributes_text(op)} {names}"
        case RandomElement(op, position):
            return f"{_attributes_text(op)} {names} at {index_text(position)}"
        case Guard(bounds, inside, outside):
            return f"v{inside} if {_bounds_text(bounds)} else v{outside}"
        case Result(stage, number):
            return f"result {stage}.{number}"


def _lines(kernel: Kernel) -> Iterator[str]:
    def names(buffers: tuple[Buffer, ...]) -> str:
        return ", ".join(f"b{buffer.number}: {buffer.type}" for buffer in buffers)

    def loops(word: str, axes: tuple[Axis, ...], depth: int) -> Iterator[str]:
        for offset, axis in enumerate(axes):
            yield f"{'  ' * (depth + offset)}{word} i{axis.number} < {axis.extent}:"

    def values(stage: int, depth: int, indent: int) -> Iterator[str]:
        for number, (value, place) in enumerate(zip(kernel.values, placements, strict=True)):
            if place == Placement(stage, depth):
                yield f"{'  ' * indent}v{number}: {value.dtype.short} = {_expression_text(value)}"

    def nest(word: str, stage: int, axes: tuple[Axis, ...], indent: int) -> Iterator[str]:
        yield from values(stage, 0, indent)
        for depth, line in enumerate(loops(word, axes, indent), 1):
            yield line
            yield from values(stage, depth, indent + depth)

    placements = kernel.placements()
    yield f"kernel({names(kernel.buffers[: kernel.inputs])}) -> ({names(kernel.buffers[kernel.inputs :])})"
    yield from nest("parallel", -1, kernel.axes, 1)
    for number, stage in enumerate(kernel.stages):
        indent = 1 + len(kernel.axes)
        yield f"{'  ' * indent}stage {number}:"
        yield from nest("for", number, stage.axes, indent + 1)
        inside = "  " * (indent + 1 + len(stage.axes))
        for which, reduction in enumerate(stage.reductions):
            position = f" at {index_text(reduction.position)}"
            yield f"{inside}reduce {number}.{which}: {_attributes_text(reduction.op)} v{reduction.operand}{position}"
        for store in stage.stores:
            yield f"{inside}store b{store.buffer.number}[{index_text(store.position)}] = v{store.value}"
