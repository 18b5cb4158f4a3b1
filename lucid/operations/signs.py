"""Signs, steps and extrema that look past NaN, elementwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lucid.ir.types import TensorType, bool_, promote, uint8
from lucid.operations.arguments import as_flag
from lucid.operations.elementwise import (
    absolute,
    equal,
    greater,
    greater_equal,
    isnan,
    less,
    less_equal,
    logical_or,
    minimum,
    negative,
    not_equal,
    where,
)
from lucid.operations.gathering import rows
from lucid.operations.movement import flatten
from lucid.operations.operands import Operand, as_float, as_tensor, cast, common, constant
from lucid.operations.sorting import searchsorted, sort

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def signbit(x: Operand) -> Tensor:
    """Whether x is negative, -0.0 among that.

    >>> print(signbit([-1.0, -0.0, 0.0]))
    [True, True, False]
    """
    tensor = as_tensor(x)
    negatives = less(tensor, 0)
    return logical_or(negatives, less(1.0 / tensor, 0.0)) if tensor.dtype.is_float else negatives


def copysign(x: Operand, y: Operand) -> Tensor:
    """|x| with the sign of y; integers become float32.

    >>> print(copysign([1.0, -2.0], [-0.0, 3.0]))
    [-1.0, 2.0]
    """
    a, b = common((x, y))
    size = absolute(as_float(a))
    return where(signbit(b), negative(size), size)


def heaviside(x: Operand, values: Operand) -> Tensor:
    """0 where x is below 0, 1 where it is above, and `values` where it is 0.

    >>> print(heaviside([-1.5, 0.0, 2.0], 0.5))
    [0.0, 0.5, 1.0]
    """
    a, b = common((x, values))
    return where(equal(a, 0), b, cast(greater(a, 0), a.dtype))


def fmax(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y, elementwise; where one is NaN, the other. Where they are equal, as 0 and -0 are, or both
    NaN, it is x, which has the gradient, as in PyTorch.

    >>> print(fmax([1.0, math.nan], [2.0, 3.0]))
    [2.0, 3.0]
    """
    a, b = common((x, y))
    return where(logical_or(greater_equal(a, b), isnan(b)), a, b)


def fmin(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y, elementwise; where one is NaN, the other. Where they are equal, as 0 and -0 are, or both
    NaN, it is x, which has the gradient, as in PyTorch.

    >>> print(fmin([1.0, math.nan], [2.0, 3.0]))
    [1.0, 3.0]
    """
    a, b = common((x, y))
    return where(logical_or(less_equal(a, b), isnan(b)), a, b)


def isposinf(x: Operand) -> Tensor:
    """Whether x is inf, elementwise."""
    return equal(as_float(x), math.inf)


def isneginf(x: Operand) -> Tensor:
    """Whether x is -inf, elementwise."""
    return equal(as_float(x), -math.inf)


def isin(elements: Operand, test_elements: Operand, *, invert: bool = False) -> Tensor:
    """Whether each element is one of some others; with `invert`, whether it is none of them.

    >>> print(isin([1, 2, 3], [3, 1]))
    [True, False, True]
    """
    x, others = as_tensor(elements), flatten(as_tensor(test_elements))
    if not others.size:
        return constant(as_flag("invert", invert), TensorType(bool_, x.shape))
    dtype = promote(x.dtype, others.dtype)
    sought, others = (cast(tensor, uint8 if dtype == bool_ else dtype) for tensor in (x, others))
    ordered = sort(others).values  # looked up, for a comparison of all pairs would take the memory of all pairs
    place = minimum(searchsorted(ordered, sought), others.size - 1)
    return (not_equal if as_flag("invert", invert) else equal)(rows(ordered, place, 0), sought)
