"""Random well-typed graphs for tests, and inputs to run them on."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from lucid.errors import LucidError
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Value
from lucid.ir.ops import REGISTRY
from lucid.ir.ops.base import Elementwise, Op, Reduction
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.elementwise import Add, Cast, Equal
from lucid.ir.ops.indexing import Argsort, Gather, ScatterAdd
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Broadcast, Concatenate, Reshape, ScatterSlice, Slice, Transpose
from lucid.ir.ops.random import RandomKeep, RandomNormal, RandomWord
from lucid.ir.ops.reduction import FirstFalse
from lucid.ir.ops.structure import Check, Const, Fused, Grad, Iota, normalized
from lucid.ir.ops.windows import Unwindow, Window, layers
from lucid.ir.types import DType, TensorType, bool_, float32, float64, int64, uint64

Draw = Callable[[st.SearchStrategy[Any]], Any]
Step = tuple[Op, tuple[Value, ...]]

DTYPES = (float32, float64, int64, bool_)
MAX_SIZE = 64
SCALAR = TensorType(uint64, ())
NAMES = (None, None, "h", "x", "0.weight", "1", "a b")  # hints repeat, and are not all names


@st.composite
def graphs(
    draw: Draw,
    dtypes: Sequence[DType] = DTYPES,
    max_nodes: int = 16,
    exclude: Sequence[type[Op]] = (),
    states: bool = True,
    regions: bool = False,
    loops: bool = False,
) -> Graph:
    """A valid graph: small tensors of `dtypes`, ops of the registry but for `exclude`, several outputs.

    With `states` it may read and update states, swap them, and draw random numbers; with `regions` it may have fused
    ops, with `loops` it has a scan. It has no grad op, and its checks hold. Tensors may be empty.
    """
    tensor_types = st.builds(TensorType, st.sampled_from(dtypes), _shapes())
    arguments = tuple(
        Value(type, draw(st.sampled_from(NAMES))) for type in draw(st.lists(tensor_types, min_size=1, max_size=3))
    )
    held = tuple(Value(type, "state") for type in draw(st.lists(tensor_types, max_size=2))) if states else ()
    random = (Value(SCALAR, "rng.seed"), Value(SCALAR, "rng.draw")) if states and draw(st.booleans()) else ()
    builder, values, updates = Builder(), [*arguments, *held], []
    if random and RandomKeep not in exclude:
        values += [_add_random(draw, builder, random) for _ in range(draw(st.integers(1, 2)))]
        one = builder.constant(1, SCALAR).value
        updates.append((random[1], builder.add(Add(), random[1], one)[0]))
    steps = [_STEPS[op] for op in OPS if op not in exclude]
    for _ in range(draw(st.integers(0, max_nodes))):
        step = draw(st.sampled_from(steps))(draw, values, dtypes)
        if step is not None:
            op, inputs = step
            values += builder.add(op, *inputs, names=[draw(st.sampled_from(NAMES))])
    if draw(st.booleans()) and Check not in exclude:
        _add_check(builder, draw(st.sampled_from(values)))
    if regions and draw(st.booleans()):
        body = draw(graphs(dtypes, 4, (*exclude, Check), states=False))
        inputs = [builder.add(Const(normalized(1, value.type), value.type))[0] for value in body.arguments]
        values += builder.add(Fused(body), *inputs)
    if loops:
        stacks, results = _add_loop(draw, builder, values, draw(graphs(dtypes, 6, (*exclude, Check), states=False)))
        arguments += stacks
        values += results
    for state in held:
        new = draw(st.sampled_from([None, *(value for value in values if value.type == state.type)]))
        updates += [] if new is None else [(state, new)]
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return Graph("random", arguments, (*held, *random), tuple(builder.nodes), tuple(outputs), tuple(updates))


def random_inputs(graph: Graph, seed: int) -> list[npt.NDArray[Any]]:
    """Arrays for `graph.inputs`: normal floats, integers from -3 to 3 (from 0 if unsigned), fair bools."""
    generator = np.random.default_rng(seed)

    def array(type: TensorType) -> npt.NDArray[Any]:
        if type.dtype.is_float:
            return np.asarray(generator.standard_normal(type.shape), type.dtype.numpy)
        low, high = -3 if type.dtype.signed else 0, 1 if type.dtype == bool_ else 3
        return np.asarray(generator.integers(low, high, type.shape, endpoint=True), type.dtype.numpy)

    return [array(value.type) for value in graph.inputs]


def _shapes() -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.sampled_from((2, 3, 1, 4, 0)), max_size=3).map(tuple)


def accepts(op: Op, types: Sequence[TensorType]) -> bool:
    """Whether an op takes operands of these types, and gives small results."""
    try:
        return all(type.size <= MAX_SIZE for type in op.infer(types))
    except LucidError:
        return False


def _checked(op: Op, *inputs: Value) -> Step | None:
    return (op, inputs) if accepts(op, [value.type for value in inputs]) else None


# A step draws an op of one class and its operands, or None where no value fits.


def _elementwise(op_class: type[Elementwise], draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    op = op_class(draw(st.sampled_from(dtypes))) if op_class is Cast else op_class()
    shape = draw(st.sampled_from(values)).type.shape
    by_dtype: dict[DType, list[Value]] = {}
    for value in values:
        if value.type.shape == shape:
            by_dtype.setdefault(value.type.dtype, []).append(value)
    signatures = [key for key in itertools.product(by_dtype, repeat=op.arity) if _takes(op, key)]
    if not signatures:
        return None
    return op, tuple(draw(st.sampled_from(by_dtype[dtype])) for dtype in draw(st.sampled_from(signatures)))


@functools.cache
def _takes(op: Elementwise, dtypes: tuple[DType, ...]) -> bool:
    return accepts(op, [TensorType(dtype, ()) for dtype in dtypes])


def _reduction(op_class: type[Any], draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    axes = tuple(axis for axis in range(x.type.rank) if draw(st.booleans()))
    return _checked(op_class(axes, lanes=draw(st.sampled_from((0, 0, 2, 4)))), x)


def _matmul(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    op = Matmul(draw(st.booleans()), draw(st.booleans()))
    pairs = [pair for pair in itertools.product(values, repeat=2) if accepts(op, [value.type for value in pair])]
    return (op, draw(st.sampled_from(pairs))) if pairs else None


def _reshape(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    shape = x.type.shape
    return _checked(Reshape(draw(st.sampled_from(((math.prod(shape),), shape[::-1], (1, *shape), (*shape, 1))))), x)


def _transpose(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    return _checked(Transpose(tuple(draw(st.permutations(range(x.type.rank))))), x)


def _broadcast(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    stretched = (draw(st.sampled_from((1, 2, 3))) if extent == 1 else extent for extent in x.type.shape)
    return _checked(Broadcast((*draw(st.sampled_from(((), (2,), (3, 1)))), *stretched)), x)


def _along(draw: Draw, extent: int) -> tuple[int, int, int]:
    """Start, step and count of a part of an axis, in either direction."""
    if extent == 0:
        return 0, 1, 0
    start, step = draw(st.integers(0, extent - 1)), draw(st.sampled_from((1, 2, -1, -2)))
    room = (extent - 1 - start) // step if step > 0 else start // -step
    return start, step, draw(st.integers(0, room + 1))


def _slice(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    parts = [_along(draw, extent) for extent in x.type.shape]
    start, step, shape = (tuple(part[i] for part in parts) for i in range(3))
    return _checked(Slice(start, step, shape), x)


def _scatter_slice(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x = draw(st.sampled_from(values))
    steps = tuple(draw(st.sampled_from((1, 2, -1))) for _ in x.type.shape)
    reach = [abs(step) * max(extent - 1, 0) for step, extent in zip(steps, x.type.shape, strict=True)]
    before = [draw(st.integers(0, 1)) for _ in reach]
    start = tuple(b + (r if step < 0 else 0) for b, r, step in zip(before, reach, steps, strict=True))
    shape = tuple(b + r + 1 + draw(st.integers(0, 1)) for b, r in zip(before, reach, strict=True))
    return _checked(ScatterSlice(start, steps, shape), x)


def _concatenate(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    first = draw(st.sampled_from(values))
    if first.type.rank == 0:
        return None
    op = Concatenate(draw(st.integers(0, first.type.rank - 1)))
    others = [value for value in values if accepts(op, [first.type, value.type])]
    return _checked(op, first, *draw(st.lists(st.sampled_from(others), max_size=2))) if others else (op, (first,))


def _geometry(draw: Draw) -> tuple[tuple[int], tuple[int], tuple[int]]:
    """Stride, dilation, and what lies before the first position, of windows along one axis."""
    return (draw(st.integers(1, 3)),), (draw(st.integers(1, 2)),), (draw(st.integers(-1, 2)),)


def _window(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    x, geometry = draw(st.sampled_from(values)), _geometry(draw)
    kernels = [(taps,) for taps in range(6) if layers((taps,), *geometry[:2]) == x.type.shape[-1:]]
    if not kernels:
        return None
    return _checked(Window(draw(st.sampled_from(kernels)), (draw(st.integers(0, 3)),), *geometry), x)


def _unwindow(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    return _checked(Unwindow((draw(st.integers(0, 4)),), *_geometry(draw)), draw(st.sampled_from(values)))


def _const(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    type = TensorType(draw(st.sampled_from(dtypes)), draw(st.sampled_from(values)).type.shape)
    numbers = (0.0, 1.0, -0.0, 0.1, -2.5, 1e-40, math.inf, -math.inf, math.nan) if type.dtype.is_float else (0, 1, 3)
    return Const(normalized(draw(st.sampled_from(numbers)), type), type), ()


def _iota(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    shape = draw(st.sampled_from(values)).type.shape
    return _checked(Iota(draw(st.integers(0, len(shape) - 1)), TensorType(int64, shape))) if shape else None


def _gather(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    pairs = [
        (op, pair)
        for pair in itertools.product(values, repeat=2)
        for op in map(Gather, range(pair[0].type.rank))
        if accepts(op, [value.type for value in pair])
    ]
    return draw(st.sampled_from(pairs)) if pairs else None


def _scatter_add(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    extent = draw(st.integers(0, 3))
    pairs = [
        (op, pair)
        for pair in itertools.product(values, repeat=2)
        for op in (ScatterAdd(axis, extent) for axis in range(pair[0].type.rank))
        if accepts(op, [value.type for value in pair])
    ]
    return draw(st.sampled_from(pairs)) if pairs else None


def _argsort(draw: Draw, values: list[Value], dtypes: Sequence[DType]) -> Step | None:
    return _checked(Argsort(draw(st.booleans())), draw(st.sampled_from(values)))


_STEPS: dict[type[Op], Callable[[Draw, list[Value], Sequence[DType]], Step | None]] = {
    Matmul: _matmul,
    Reshape: _reshape,
    Transpose: _transpose,
    Broadcast: _broadcast,
    Slice: _slice,
    ScatterSlice: _scatter_slice,
    Concatenate: _concatenate,
    Window: _window,
    Unwindow: _unwindow,
    Gather: _gather,
    ScatterAdd: _scatter_add,
    Argsort: _argsort,
    Const: _const,
    Iota: _iota,
}
for _op in REGISTRY.values():
    if issubclass(_op, Elementwise):
        _STEPS[_op] = functools.partial(_elementwise, _op)
    elif issubclass(_op, Reduction):
        _STEPS[_op] = functools.partial(_reduction, _op)
OPS = tuple(_STEPS)
APART = (
    RandomKeep,
    RandomNormal,
    RandomWord,
    Check,
    Fused,
    Grad,
    CustomVjp,
    Scan,
    Convolution,
    ConvolutionInput,
    ConvolutionWeight,
)  # ops that a graph gets otherwise, or not at all


def _add_check(builder: Builder, x: Value) -> None:
    """A check that every element of an integer value equals itself."""
    if not x.type.dtype.is_float:
        (holds,) = builder.add(Equal(), x, x)
        (position,) = builder.add(FirstFalse(tuple(range(x.type.rank))), holds)
        builder.add(Check("element {position} is {value}"), position, x)


def _add_loop(
    draw: Draw, builder: Builder, values: Sequence[Value], body: Graph
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """A loop over a body, whose arguments are carries, elements and constants in turn: the stacks that it reads, which
    are new arguments of the graph, and its results."""
    length, count = draw(st.integers(0, 3)), len(body.arguments)
    carries = draw(st.integers(0, count))
    stop = carries + draw(st.integers(0, count - carries))
    new = [
        draw(st.sampled_from([value for value in body.values() if value.type == carry.type]))
        for carry in body.arguments[:carries]
    ]
    stacks = tuple(Value(x.type.with_shape((length, *x.type.shape)), "stack") for x in body.arguments[carries:stop])

    def whole(type: TensorType) -> Value:
        same = [value for value in values if value.type == type]
        return draw(st.sampled_from(same)) if same else builder.add(Const(normalized(1, type), type))[0]

    starts, constants = (
        [whole(x.type) for x in arguments] for arguments in (body.arguments[:carries], body.arguments[stop:])
    )
    op = Scan(replace(body, outputs=(*new, *body.outputs)), length, carries, stop - carries, draw(st.booleans()))
    return stacks, builder.add(op, *starts, *stacks, *constants)


def _add_random(draw: Draw, builder: Builder, random: tuple[Value, ...]) -> Value:
    number, shape = draw(st.integers(0, 2)), draw(_shapes())
    other = draw(st.sampled_from((None, RandomWord(number, shape), RandomNormal(number, shape))))
    if other is not None:
        return builder.add(other, *random)[0]
    p = builder.constant(draw(st.sampled_from((0.5, 0.0, 0.2, 1.0))), TensorType(float64, ())).value
    return builder.add(RandomKeep(number, shape), *random, p)[0]
