"""What an op is, and the families that give most ops everything but their meaning."""

from __future__ import annotations

import dataclasses
import math
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from lucid.errors import DTypeError, GradientError, ShapeError
from lucid.ir.index import Axis, Index, Known, of
from lucid.ir.scalar import Scalars
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType, TensorType, as_dtype, bool_, int64

if TYPE_CHECKING:
    from lucid.ir.build import Expr
    from lucid.ir.graph import Graph

T = TypeVar("T")
Array = npt.NDArray[Any]

REGISTRY: dict[str, type[Op]] = {}  # the op of each name
USER_REGISTRY: dict[str, type[Op]] = {}  # the same for the ops of users, whose names have a namespace
DECLARED: WeakSet[type[Op]] = WeakSet()  # all ops, those that a later declaration of a user's has replaced too


class Op:
    """An operation with its attributes: frozen, compared by value, applied to values by a node.

    A concrete op is declared once, with `@op`. Its class docstring is its documentation.
    """

    name: ClassVar[str]
    fields: ClassVar[tuple[dataclasses.Field[Any], ...]] = ()  # of its attributes, in order
    region_names: ClassVar[tuple[str, ...]] = ()  # the attributes that are graphs, by their declared types
    is_cheap: ClassVar[bool] = False  # may be computed again in the backward rather than saved

    @property
    def has_effect(self) -> bool:
        """Whether it is kept although nothing uses its results."""
        return False

    @abstractmethod
    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The type rule: the types of the results, or an error that says what does not fit."""

    @abstractmethod
    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        """The reference meaning, on NumPy arrays."""

    def recorded(self) -> Op:
        """The op to compute instead where a derivative follows: it has the same results, and behind them what its
        pullback needs beside."""
        return self

    def pullback(
        self, gradients: tuple[Expr | None, ...], results: tuple[Expr, ...], operands: tuple[Expr, ...]
    ) -> tuple[Expr | None, ...]:
        """The gradient of each operand, None where there is none, from the gradients of the results."""
        (g,), (y,) = gradients, results
        assert g is not None, "differentiate asks only where a gradient flows"
        return self.vjp(g, y, *operands)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        """`pullback` for an op of one result y: the gradient of each operand in x, from the gradient g of y."""
        raise GradientError(
            f"{self.name} has no derivative.", hint="give the op a `vjp`, or cut the gradient off with .detach()."
        )

    def products(self, operands: Sequence[TensorType]) -> int:
        """How many multiply-adds an op takes that sums products: 0 for all others, whose elements tell."""
        return 0

    def attributes(self) -> dict[str, Any]:
        """The fields of the op by name, in order."""
        return {field.name: getattr(self, field.name) for field in self.fields}

    def regions(self) -> tuple[Graph, ...]:
        """The graphs inside the op."""
        if not self.region_names:  # as most have none
            return ()
        from lucid.ir.graph import Graph

        values = [getattr(self, name) for name in self.region_names]
        return tuple(value for value in values if isinstance(value, Graph))

    def same(self, other: Op) -> bool:
        """Equality that looks into regions."""
        from lucid.ir.graph import same

        if not self.regions():
            return self == other
        if type(self) is not type(other):
            return False
        return all(
            same(a, b) if hasattr(a, "nodes") else a == b
            for a, b in zip(self.attributes().values(), other.attributes().values(), strict=True)
        )


@dataclass_transform(frozen_default=True)
def op(cls: type[T]) -> type[T]:
    """Declare an op: make it a frozen dataclass and enter it in the registry under its snake-case name."""
    cls = dataclass(frozen=True)(cls)
    assert issubclass(cls, Op)
    assert cls.__doc__, f"{cls.__name__} needs a docstring"
    cls.name = cls.__dict__.get("name") or snake_case(cls.__name__)
    cls.fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # it is a dataclass now
    cls.region_names = tuple(field.name for field in cls.fields if "Graph" in str(field.type))
    registry = USER_REGISTRY if "." in cls.name else REGISTRY
    assert cls.name not in registry, f"op {cls.name} is declared twice"
    registry[cls.name] = cls
    DECLARED.add(cls)
    return cls


def snake_case(name: str) -> str:
    """The name of an op from that of its class.

    >>> snake_case("LogSoftmax")
    'log_softmax'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def expect_operands(op: Op, operands: Sequence[TensorType], count: int) -> None:
    if len(operands) != count:
        raise ShapeError(f"{op.name} takes {count} operands, got {len(operands)}.")


class Elementwise(Op):
    """An op on each element by itself. Operands have one shape: broadcasting and casts are ops of their own."""

    arity: ClassVar[int]
    is_cheap = True
    # The largest error on a float, in units in the last place of the exact result: one half is correct rounding, and
    # then NumPy computes the same bits as every target.
    ulp: ClassVar[float] = 0.5

    @abstractmethod
    def scalar(self, s: Scalars[T], *x: T) -> T:
        """The meaning, in the scalar vocabulary."""

    @abstractmethod
    def result(self, *operands: DType) -> DType:
        """The element type of the result, or a DTypeError."""

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, self.arity)
        if any(operand.shape != operands[0].shape for operand in operands):
            raise ShapeError(f"{self.name} takes operands of one shape, got {', '.join(map(str, operands))}.")
        return (TensorType(self.result(*(operand.dtype for operand in operands)), operands[0].shape),)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            return (np.asarray(self.scalar(NumpyScalars(), *operands)),)


class Unary(Elementwise):
    """A function of one number."""

    arity = 1
    floats_only: ClassVar[bool] = False

    def result(self, *operands: DType) -> DType:
        (x,) = operands
        if x == bool_ or (self.floats_only and not x.is_float):
            raise DTypeError(f"{self.name} takes {'floats' if self.floats_only else 'numbers'}, got {x.name}.")
        return x


class Binary(Elementwise):
    """A function of two numbers of one dtype."""

    arity = 2
    floats_only: ClassVar[bool] = False

    def result(self, *operands: DType) -> DType:
        x, y = operands
        if x != y:
            raise DTypeError(f"{self.name} takes operands of one dtype, got {x.name} and {y.name}.")
        if x == bool_ or (self.floats_only and not x.is_float):
            raise DTypeError(f"{self.name} takes {'floats' if self.floats_only else 'numbers'}, got {x.name}.")
        return x


class Comparison(Elementwise):
    """A predicate of two elements of one dtype. Not differentiable: its result is not a float."""

    arity = 2

    def result(self, *operands: DType) -> DType:
        x, y = operands
        if x != y:
            raise DTypeError(f"{self.name} takes operands of one dtype, got {x.name} and {y.name}.")
        return bool_


class Logical(Elementwise):
    """A function of bools or of the bits of integers. Not differentiable: its result is not a float."""

    arity = 2

    def result(self, *operands: DType) -> DType:
        if any(x != operands[0] for x in operands) or operands[0].is_float:
            names = " and ".join(x.name for x in operands)
            raise DTypeError(f"{self.name!r} takes bools, or integers of one dtype, got {names}.")
        return operands[0]


@dataclass(frozen=True)
class Element:
    """The element of operand `operand` at `index`, as a position on an axis: see `on_axis`."""

    operand: int
    index: tuple[Index, ...]


@dataclass(frozen=True)
class Piece:
    """Part of a movement: operand `operand` read at `index`, where every bound 0 <= position < extent holds. An index
    may be an element of another operand."""

    operand: int
    index: tuple[Index | Element, ...]
    bounds: tuple[tuple[Index, int], ...] = ()


def on_axis(s: Scalars[T], index: T, extent: int) -> T:
    """The position on an axis that an integer names: a negative one counts from the end. One that is out of range names
    the end that it is nearer to, so that every read is safe; that it is an error, a check says."""
    position = s.cast(index, int64)
    if s.dtype(index).signed:
        from_end = s.add(position, s.constant_like(extent, position))
        position = s.select(s.less(position, s.constant_like(0, position)), from_end, position)
    return s.minimum(s.maximum(position, s.constant_like(0, position)), s.constant_like(extent - 1, position))


class Movement(Op):
    """An op whose result elements are operand elements elsewhere.

    `pieces` is the index map that kernels use. An element that lies in no piece is `fill`.
    """

    is_cheap = True
    fill: bool | int | float = 0

    @abstractmethod
    def pieces(self, index: tuple[Index, ...], operands: Sequence[TensorType]) -> tuple[Piece, ...]:
        """Where the result's element at `index` comes from."""

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        types = [TensorType(as_dtype(x.dtype), x.shape) for x in operands]
        (type,) = self.infer(types)
        if not type.size:
            return (np.empty(type.shape, type.dtype.numpy),)
        axes = tuple(Axis(number, extent) for number, extent in enumerate(type.shape))
        places: dict[Axis | Known, Any] = dict(zip(axes, np.indices(type.shape), strict=True))
        result = np.full(type.shape, self.fill, type.dtype.numpy)
        for piece in reversed(self.pieces(tuple(map(of, axes)), types)):  # the first that holds counts
            inside = np.ones(type.shape, np.bool_)
            for bound, extent in piece.bounds:
                position = bound.evaluate(places)
                inside &= np.asarray((position >= 0) & (position < extent))
            if not inside.any():  # then an index may have nowhere to point
                continue
            here = {axis: place[inside] for axis, place in places.items()}
            shape = types[piece.operand].shape
            where = [
                _positions(index, extent, operands, here) for index, extent in zip(piece.index, shape, strict=True)
            ]
            result[inside] = operands[piece.operand][tuple(where)]
        return (result,)


def _positions(
    index: Index | Element, extent: int, operands: Sequence[Array], places: Mapping[Axis | Known, Any]
) -> Array:
    """The positions on an axis that an index of a piece names where its axes have the values `places`."""
    if isinstance(index, Index):
        return np.asarray(index.evaluate(places))
    own = [np.asarray(part.evaluate(places)) for part in index.index]
    return on_axis(NumpyScalars(), np.asarray(operands[index.operand][tuple(own)]), extent)


class Product(Op):
    """An op that multiplies elements and sums the products over a shared axis. Each target has a kernel of its own for
    it, which may have an epilogue: see `ops.structure.Fused`."""

    @property
    def is_tiled(self) -> bool:
        """Whether its results come out in tiles, where what follows may be computed too."""
        return True


class Irregular(Op):
    """An op that is not a loop nest: each target has a kernel of its own for it, or says that it has none."""


MOST_LANES = 64  # each is an accumulator in registers


class Reduction(Op):
    """An op that combines the elements along axes, in an order that is data.

    Element t of the last group of reduced axes goes to virtual lane t mod `lanes`; a lane combines its elements in
    ascending order; then lanes are combined in a tree, lane i with lane i + half, halving. `lanes` is 0 until the
    pass `order` has chosen it from the shape. Adjacent reduced axes count as one group; outer groups are walked in
    row-major order around the last one.
    """

    axes: tuple[int, ...]
    lanes: int

    @abstractmethod
    def result(self, operand: DType) -> DType:
        """The element type of the result."""

    @abstractmethod
    def identity(self, s: Scalars[T], dtype: DType) -> tuple[T, ...]:
        """The accumulator of no elements, for operands of dtype."""

    @abstractmethod
    def lift(self, s: Scalars[T], x: T, position: T) -> tuple[T, ...]:
        """The accumulator of one element; `position` is its int64 row-major position among the reduced axes."""

    @abstractmethod
    def combine(self, s: Scalars[T], a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        """The accumulator of the elements of a, then those of b."""

    def finish(self, s: Scalars[T], a: tuple[T, ...]) -> T:
        """The result from the accumulator of all elements."""
        return a[0]

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        """Combines neighbours in pairs, until one is left."""
        (x,) = operands
        s, kept = NumpyScalars(), [axis for axis in range(x.ndim) if axis not in self.axes]
        shape, count = tuple(x.shape[axis] for axis in kept), math.prod(x.shape[axis] for axis in self.axes)
        rows = x.transpose((*kept, *self.axes)).reshape((*shape, count))
        with np.errstate(all="ignore"):
            if not count:
                nothing = self.finish(s, self.identity(s, as_dtype(x.dtype)))
                return (np.broadcast_to(nothing, shape).copy(),)
            parts = self.lift(s, rows, np.broadcast_to(np.arange(count), rows.shape))
            while parts[0].shape[-1] > 1:
                pairs = parts[0].shape[-1] // 2
                first, second = (tuple(part[..., k : 2 * pairs : 2] for part in parts) for k in (0, 1))
                left_over = tuple(part[..., 2 * pairs :] for part in parts)
                both = zip(self.combine(s, first, second), left_over, strict=True)
                parts = tuple(np.concatenate(pair, axis=-1) for pair in both)
            return (np.asarray(self.finish(s, tuple(part[..., 0] for part in parts))),)

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 1)
        (x,) = operands
        if any(not 0 <= axis < x.rank for axis in self.axes) or sorted(set(self.axes)) != list(self.axes):
            raise ShapeError(f"{self.name} takes ascending axes of {x}, got {self.axes}.")
        if not 0 <= self.lanes <= MOST_LANES or self.lanes & (self.lanes - 1):
            raise ShapeError(f"{self.name} takes 0 lanes or a power of two up to {MOST_LANES}, got {self.lanes}.")
        kept = tuple(extent for axis, extent in enumerate(x.shape) if axis not in self.axes)
        return (TensorType(self.result(x.dtype), kept),)
