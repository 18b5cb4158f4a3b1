"""Building graphs: a Builder collects nodes, an Expr is a value that knows its builder.

Derivative rules and rewrites are written with Exprs, so that they read as formulas.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import MISSING
from typing import TYPE_CHECKING, NoReturn

from lucid.errors import MissingNameError
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.ops import elementwise as ew, functions as fn
from lucid.ir.ops.base import REGISTRY, Elementwise, Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.indexing import Gather, ScatterAdd
from lucid.ir.ops.movement import Broadcast, Concatenate, Reshape, ScatterSlice, Slice, Transpose
from lucid.ir.ops.reduction import Sum
from lucid.ir.ops.stepwise import FloorDivide
from lucid.ir.ops.structure import Const, normalized
from lucid.ir.types import DType, Extent, Shape, TensorType

Number = bool | int | float


class Builder:
    """Appends nodes, each checked by its op's type rule."""

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self.nodes: list[Node] = list(nodes)
        self.location: Location | None = None
        self.backward = 0

    def add(self, op: Op, *inputs: Value, names: Sequence[str | None] = ()) -> tuple[Value, ...]:
        """Append a node and return its results."""
        types = op.infer([value.type for value in inputs])
        hints = list(names) + [None] * (len(types) - len(names))
        outputs = tuple(Value(type, hint) for type, hint in zip(types, hints, strict=True))
        self.nodes.append(Node(op, tuple(inputs), outputs, self.location, self.backward))
        return outputs

    def expr(self, op: Op, *inputs: Value) -> Expr:
        """Append a node of one result and return that."""
        (output,) = self.add(op, *inputs)
        return Expr(self, output)

    def inline(self, graph: Graph, arguments: Sequence[Value]) -> list[Value]:
        """Append the nodes of a graph without states, for these arguments, and return its outputs."""
        known = dict(zip(graph.arguments, arguments, strict=True))
        here = self.location
        for node in graph.nodes:
            self.location = node.location or here
            known.update(zip(node.outputs, self.add(node.op, *(known[value] for value in node.inputs)), strict=True))
        self.location = here
        return [known[value] for value in graph.outputs]

    def wrap(self, value: Value) -> Expr:
        return Expr(self, value)

    def constant(self, value: Number, type: TensorType) -> Expr:
        return self.expr(Const(normalized(value, type), type))


class Expr:
    """A value with operators that append to its builder. Python numbers become constants of the value's type."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder = builder
        self.value = value

    if not TYPE_CHECKING:  # a checker knows what there is

        def __getattr__(self, name: str) -> NoReturn:
            raise MissingNameError(f"a value in a `vjp` or a pass has no method `{name}`.", hint=_instead_of(name))

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    @property
    def shape(self) -> Shape:
        return self.value.type.shape

    def constant(self, value: Number) -> Expr:
        """A constant of this value's type."""
        return self.builder.constant(value, self.type)

    def apply(self, op: Op, *others: Expr | Number) -> Expr:
        """The result of an op on this value and others."""
        values = [x.value if isinstance(x, Expr) else self.constant(x).value for x in others]
        return self.builder.expr(op, self.value, *values)

    def __add__(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Add(), other)

    __radd__ = __add__

    def __sub__(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Sub(), other)

    def __rsub__(self, other: Number) -> Expr:
        return self.constant(other) - self

    def __mul__(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Mul(), other)

    __rmul__ = __mul__

    def __truediv__(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Div(), other)

    def __rtruediv__(self, other: Number) -> Expr:
        return self.constant(other) / self

    def __pow__(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Pow(), other)

    def __neg__(self) -> Expr:
        return self.apply(ew.Neg())

    def __abs__(self) -> Expr:
        return self.apply(ew.Abs())

    def floor_divide(self, other: Expr | Number) -> Expr:
        return self.apply(FloorDivide(), other)

    def equal(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Equal(), other)

    def less(self, other: Expr | Number) -> Expr:
        return self.apply(ew.Less(), other)

    def less_equal(self, other: Expr | Number) -> Expr:
        return self.apply(ew.LessEqual(), other)

    def where(self, x: Expr, y: Expr) -> Expr:
        """x where this condition holds, else y."""
        return self.apply(ew.Where(), x, y)

    def exp(self) -> Expr:
        return self.apply(ew.Exp())

    def log(self) -> Expr:
        return self.apply(ew.Log())

    def sqrt(self) -> Expr:
        return self.apply(ew.Sqrt())

    def sinh(self) -> Expr:
        return self.apply(fn.Sinh())

    def cosh(self) -> Expr:
        return self.apply(fn.Cosh())

    def sin(self) -> Expr:
        return self.apply(ew.Sin())

    def cos(self) -> Expr:
        return self.apply(ew.Cos())

    def cast(self, dtype: DType) -> Expr:
        return self if dtype == self.dtype else self.apply(ew.Cast(dtype))

    def sum(self, axes: Sequence[int]) -> Expr:
        return self.apply(Sum(tuple(axes))) if axes else self

    def reshape(self, shape: Shape) -> Expr:
        return self if shape == self.shape else self.apply(Reshape(shape))

    def transpose(self, permutation: tuple[int, ...]) -> Expr:
        return self.apply(Transpose(permutation))

    def broadcast(self, shape: Shape) -> Expr:
        return self if shape == self.shape else self.apply(Broadcast(shape))

    def slice(self, start: tuple[int, ...], step: tuple[int, ...], shape: Shape) -> Expr:
        return self.apply(Slice(start, step, shape))

    def scatter_slice(self, start: tuple[int, ...], step: tuple[int, ...], shape: Shape) -> Expr:
        return self.apply(ScatterSlice(start, step, shape))

    def concatenate(self, others: Sequence[Expr], axis: int) -> Expr:
        return self.apply(Concatenate(axis), *others)

    def gather(self, indices: Expr, axis: int) -> Expr:
        return self.apply(Gather(axis), indices)

    def scatter_add(self, indices: Expr, axis: int, extent: Extent) -> Expr:
        return self.apply(ScatterAdd(axis, extent), indices)

    def matmul(self, other: Expr, transpose_a: bool = False, transpose_b: bool = False) -> Expr:
        return self.apply(Matmul(transpose_a, transpose_b), other)


def _instead_of(name: str) -> str:
    """How to write what was meant by a method that does not exist: the op of that name, or what is called alike."""
    if name not in REGISTRY:
        known = [method for method in vars(Expr) if not method.startswith("_")]
        close = difflib.get_close_matches(name, [*known, *REGISTRY], n=1)
        if not close:
            return "formulas are written with operators, and `x.apply(...)` of the ops in lucid.ir.ops and your own."
        return f"there is `{close[0]}`." if close[0] in known else _instead_of(close[0])
    op = REGISTRY[name]
    needed = ", ".join(field.name for field in op.fields if field.default is MISSING)
    others = "".join(f", {other}" for other in "yz"[: op.arity - 1]) if issubclass(op, Elementwise) else ""
    return (
        f"apply the op: `from {op.__module__} import {op.__name__}`, then `x.apply({op.__name__}({needed}){others})`."
    )
