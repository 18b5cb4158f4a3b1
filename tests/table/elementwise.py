"""Rows of the functions of each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from tests.table.row import (
    Array,
    Inputs,
    Row,
    above_one,
    bools,
    chances,
    function,
    numbers,
    places,
    positive,
)

Draw = Callable[..., Array]
SHAPES = ((5, 6), (), (2, 0, 3), (1, 1, 4))
PAIRS = (((5, 6), (5, 6)), ((5, 1), (6,)), ((), (3,)), ((2, 0, 3), (3,)))
EXTREMES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5])


def unary(name: str, draw: Draw = numbers, *more: Inputs, **options: Any) -> Row:
    """The row of a function of one operand."""
    first, *others = [(draw(*shape),) for shape in SHAPES]
    return function(name, first, *others, *more, **options)


def binary(name: str, *draws: Draw, more: tuple[Inputs, ...] = (), **options: Any) -> Row:
    """The row of a function of two operands, which broadcast."""
    left, right = draws or (numbers, numbers)
    first, *others = [(left(*shape), right(*other, seed=1)) for shape, other in PAIRS]
    return function(name, first, *others, *more, along=(0, 0), **options)


def integers(*shape: int, seed: int = 0) -> Array:
    return places(9, *shape, seed=seed)


def of_dtypes(*dtypes: str, least: int = 0) -> tuple[Inputs, ...]:
    """Pairs of integers from a number on."""
    return tuple(
        ((integers(4, 3) + least).astype(dtype), (integers(3, seed=1) + least).astype(dtype)) for dtype in dtypes
    )


TRUTHS = (bools(4, 3), bools(3, seed=1))
OF_ANYTHING = (*of_dtypes("int32", "uint8"), TRUTHS)
OF_NUMBERS = of_dtypes("int32", "int64", "uint8", least=1)
SPECIAL = (EXTREMES, EXTREMES[::-1].copy())

ROWS: list[Row] = [
    *(unary(name) for name in ("exp", "exp2", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "asinh")),
    *(unary(name) for name in ("sigmoid", "erf", "reciprocal")),
    *(unary(name, numbers, (EXTREMES,)) for name in ("floor", "ceil", "trunc", "square", "relu")),
    *(unary(name, numbers, (EXTREMES[1:],)) for name in ("sign", "absolute")),  # of NaN, PyTorch's sign is 0
    *(unary(name, numbers, (EXTREMES,)) for name in ("frac", "negative")),
    *(unary(name, numbers, (EXTREMES,), differences=False) for name in ("isnan", "isinf", "isfinite", "logical_not")),
    *(unary(name, positive) for name in ("log", "log2", "log10", "log1p", "sqrt", "rsqrt")),
    *(unary(name, chances) for name in ("asin", "acos", "atanh")),
    unary("acosh", above_one),
    unary("logit", chances, call=lambda f, x: (f(x), f(x, 0.2))),
    unary("round", numbers, call=lambda f, x: (f(x), f(x * 10, decimals=1), f(x * 100, decimals=-1))),
    unary(
        *("nan_to_num", numbers, (EXTREMES,)),
        call=lambda f, x: (f(x), f(x, nan=1.5, posinf=2.5, neginf=-2.5)),
    ),
    function("bitwise_not", (integers(4, 3),), (bools(3),), (integers(2, 0),), differences=False),
    *(
        binary(name, more=(*OF_NUMBERS, SPECIAL), call=lambda f, x, y: (f(x, y), f(x, y, alpha=2), f(x, 2)))
        for name in ("add", "subtract")
    ),
    binary("multiply", more=(*OF_NUMBERS, TRUTHS, SPECIAL), call=lambda f, x, y: (f(x, y), f(x, 3))),
    binary("divide", more=(*OF_NUMBERS, TRUTHS, SPECIAL), call=lambda f, x, y: (f(x, y), f(x, 3))),
    *(binary(name, more=OF_NUMBERS) for name in ("remainder", "fmod")),
    binary(
        "floor_divide", more=OF_NUMBERS, theirs=lambda torch: lambda x, y: torch.floor_divide(x.detach(), y.detach())
    ),
    binary(
        *("power", above_one, numbers),
        theirs=attrgetter("pow"),
        more=OF_NUMBERS,
        call=lambda f, x, y: (f(x, y), f(x, 0), f(x, 3), f(x, 1.5), f(2, y)),
    ),
    *(binary(name, more=OF_NUMBERS) for name in ("maximum", "minimum")),
    *(binary(name) for name in ("atan2", "hypot", "logaddexp")),
    binary("xlogy", numbers, positive, more=((np.array([0.0, 0.0, 2.0]), np.array([2.0, np.nan, 0.0])),)),
    binary("equal", more=(*OF_ANYTHING, SPECIAL), differences=False, theirs=attrgetter("eq")),
    *(
        binary(name, more=(*OF_ANYTHING, SPECIAL), differences=False)
        for name in ("not_equal", "less", "less_equal", "greater", "greater_equal")
    ),
    *(
        binary(name, more=(*OF_ANYTHING, SPECIAL), differences=False)
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    *(
        binary(name, integers, integers, more=OF_ANYTHING, differences=False)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    ),
    *(
        binary(name, integers, integers, theirs=attrgetter(f"bitwise_{name}"), differences=False)
        for name in ("left_shift", "right_shift")
    ),
    binary(
        "isclose",
        more=(SPECIAL, (numbers(5), numbers(5) + 1e-6)),
        call=lambda f, x, y: (f(x, y), f(x, y, 0.5, 0.1), f(x, y, equal_nan=True)),
        differences=False,
    ),
]

THREE = numbers(5, 6), numbers(5, 6, seed=1), positive(5, 6, seed=2)
SPREAD = numbers(5, 1), numbers(6, seed=1), positive(seed=2)
ROWS += [
    function("where", (bools(5, 6), *THREE[:2]), (bools(5, 1), *SPREAD[:2]), (bools(2, 0), numbers(0), numbers())),
    function("lerp", THREE, SPREAD),
    *(function(name, THREE, SPREAD, call=lambda f, *x: (f(*x), f(*x, value=0.5))) for name in ("addcmul", "addcdiv")),
    function(
        *("clip", THREE, SPREAD),
        call=lambda f, x, y, z: (f(x, -0.5, 0.7), f(x, max=0.2), f(x, y, y + z + 1), f(x, max=y)),
    ),
    function(
        *("masked_fill", (numbers(5, 6), bools(5, 6)), (numbers(5, 6), bools(6)), (numbers(2, 0), bools(2, 1))),
        call=lambda f, x, mask: f(x, mask, 2),
    ),
]

ROWS += [
    *(unary(name) for name in ("erfc", "deg2rad", "rad2deg")),
    unary("sinc", numbers, (np.zeros(2),)),
    unary("erfinv", chances),
    unary("lgamma"),
    unary("digamma", positive),
    function("polygamma", (positive(5, 6),), (positive(2, 0),), call=lambda f, x: (f(0, x), f(1, x), f(3, x))),
    *(unary(name, numbers, (EXTREMES,), differences=False) for name in ("isposinf", "isneginf", "signbit")),
    *(binary(name, more=((EXTREMES[:4], np.roll(EXTREMES[:4], 1)),)) for name in ("fmax", "fmin")),
    binary("copysign"),
    binary("heaviside", theirs=lambda torch: lambda x, y: torch.heaviside(x.detach(), y.detach()), differences=False),
    binary("logaddexp2"),
    binary("ldexp", outcomes={"integer 1": "promoted"}),  # PyTorch rounds the gradient
    binary("float_power", above_one, numbers),
    function(
        *("isin", (numbers(3, 4), numbers(4)), (places(9, 3, 4), places(9, 2))),
        along=(0, None),
        call=lambda f, x, y: (f(x, y), f(x, y, invert=True)),
        differences=False,
    ),
]
