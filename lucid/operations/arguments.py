"""Checks of the arguments of operations that are not tensors: whole numbers, shapes and axes."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Collection, Iterable, Sequence
from numbers import Real
from typing import Any, TypeVar

from lucid.core import TensorCore
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    AxisError,
    DTypeError,
    PositionError,
    ShapeError,
    argument_error,
)
from lucid.ir.types import DType, Shape, as_dtype, float32

N = TypeVar("N")
Axes = int | Sequence[int] | None


def as_integer(what: str, value: Any, hint: str | None = None) -> int:
    """A whole number, or an ArgumentTypeError that says what takes one. A tensor of one integer is one, outside a
    trace."""
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentTypeError(f"{what}, got {reprlib.repr(value)}.", hint=hint) from None


def as_integers(what: str, values: Any) -> tuple[int, ...]:
    """One whole number, or several, as several."""
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | dict | set) and _has_elements(values):
        return tuple(as_integer(what, value) for value in values)
    return (as_integer(what, values),)


def checked_slice(given: slice) -> slice:
    """A slice whose bounds and step are Python's integers, or None."""
    parts = (given.start, given.stop, given.step)
    start, stop, step = (n if n is None else as_integer("a slice is made of integers", n) for n in parts)
    if step == 0:
        raise ArgumentError("a slice takes a step that is not 0.")
    return slice(start, stop, step)


def as_position(owner: str, index: Any, length: int) -> int:
    """An index from 0 on of what the owner holds `length` of; PositionError for one that is out of range."""
    position = as_integer(f"{owner} is indexed by integers", index)
    if not -length <= position < length:
        raise PositionError(f"index {position} is out of range for {owner} of length {length}.")
    return position % length


def _has_elements(values: Any) -> bool:
    """Whether an iterable can be iterated over: a tensor or an array of one number can't."""
    return getattr(values, "ndim", 1) > 0


def as_shape(values: Any) -> Shape:
    """An extent, or several, from 0 on. Raises ArgumentError or ShapeError for anything else."""
    shape = as_integers("a shape consists of integers", values)
    if any(not 0 <= extent < 2**63 for extent in shape):
        raise ShapeError(f"a shape has extents from 0 to 2^63 - 1, got {shape}.")
    if math.prod(extent or 1 for extent in shape) >= 2**60:
        raise ShapeError(f"a tensor has fewer than 2^60 elements, got the shape {shape}.")
    return shape


def as_number(what: str, value: Any) -> float:
    """A number as a float, or an ArgumentTypeError that says what takes one."""
    try:
        return float(check_number(what, value))
    except OverflowError:
        raise ArgumentError(f"{what}, got {reprlib.repr(value)}.") from None


def check_number(what: str, value: N) -> N:
    """The argument, if it is a number, or a tensor of one; else ArgumentTypeError, which says what takes one.

    A float of a traced call stays what it is.
    """
    if isinstance(value, Real) or (isinstance(value, TensorCore) and value.size == 1):
        return value
    raise ArgumentTypeError(f"{what}, got {reprlib.repr(value)}.")


def as_choice(what: str, value: object, choices: Collection[str]) -> str:
    """A text that is one of those that are known; else an ArgumentError, which says what takes one."""
    if not isinstance(value, str) or value not in choices:
        raise argument_error(value, str, f"{what}, got {reprlib.repr(value)}.")
    return value


def as_flag(name: str, value: object) -> bool:
    """The truth of an argument, or an ArgumentTypeError for an array, which as a whole has none."""
    try:
        return bool(value)
    except ValueError:  # NumPy's, and Lucid's of a tensor
        raise ArgumentTypeError(f"{name} is True or False, got {reprlib.repr(value)}.") from None


def float_dtype(owner: str, dtype: object) -> DType:
    """A dtype of floats, float32 for None; DTypeError for another one, which says whose argument it is."""
    chosen = float32 if dtype is None else as_dtype(dtype)
    if not chosen.is_float:
        raise DTypeError(f"{owner} takes a dtype of floats, got {chosen}.")
    return chosen


def holds(dtype: DType, number: float) -> bool:
    """Whether a dtype of integers holds a number, without the fraction that it may have."""
    lowest = -(1 << dtype.bits - 1) if dtype.signed else 0
    return lowest - 1 < number < lowest + (1 << dtype.bits)


def normal_axes(axis: Axes, rank: int) -> tuple[int, ...]:
    """Axes as ascending non-negative numbers; all of them for None. Where there are no axes, 0 and -1 mean all of them,
    as in NumPy and PyTorch."""
    if axis is None or (rank == 0 and type(axis) is int and axis in (0, -1)):
        return tuple(range(rank))
    if isinstance(axis, bool):
        raise ArgumentTypeError(f"an axis is an integer, got {axis}.", hint="give arguments behind the axis by name.")
    if isinstance(axis, TensorCore) and axis.ndim:
        raise ArgumentTypeError(
            f"an axis is an integer, got {reprlib.repr(axis)}.",
            hint="this function takes one tensor; of two, lucid.maximum(x, y) takes the larger elements.",
        )
    given = as_integers("an axis is an integer", axis)
    for a in given:
        if not -rank <= a < rank:
            raise AxisError(f"axis {a} is out of range for a tensor of {rank} axes.")
    axes = sorted({a % rank for a in given})
    if len(axes) != len(given):
        raise ShapeError(f"an axis is named twice in {given}.")
    return tuple(axes)


def one_axis(axis: Axes, rank: int) -> int:
    """One axis as a non-negative number."""
    return normal_axes((as_integer("one axis is an integer", axis),), rank)[0]


# The hint where parameters are taken, and a model may have been given.
PASS_PARAMETERS = "pass model.parameters()."


def as_list(what: str, values: Any, hint: str | None = None) -> list[Any]:
    """What can be iterated over, as a list; ArgumentTypeError, which says what takes one, for anything else."""
    try:
        items = iter(values)
    except TypeError:
        raise ArgumentTypeError(f"{what}, got {reprlib.repr(values)}.", hint=hint) from None
    return list(items)


def by_other_names(function: str, given: dict[str, Any], **values: Any) -> list[Any]:
    """Arguments of a function that may be `given` by the names of `values`, where what they are otherwise stands.

    >>> by_other_names("flip", {"dims": 1}, dims=None)
    [1]
    """
    for name in given:
        if name not in values:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return [given.get(name, value) for name, value in values.items()]
