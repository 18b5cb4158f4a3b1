"""Operations on each element by itself, with broadcasting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lucid.core import Number
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.ops import elementwise as ew, stepwise as st
from lucid.ir.ops.base import Unary
from lucid.ir.types import (
    TensorType,
    bool_,
    broadcast_shapes,
    float32,
    int64,
)
from lucid.operations.arguments import as_flag, as_integer, check_number
from lucid.operations.creation import ones_like
from lucid.operations.operands import Operand, apply_op, as_float, as_tensor, broadcast_to, cast, common, constant

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def detach(x: Tensor) -> Tensor:
    """x in the same storage, cut off from the backward."""
    return apply_op(ew.Detach(), x)


def clone(x: Tensor) -> Tensor:
    """A copy of x, with storage of its own and the same gradient."""
    true = constant(True, TensorType(bool_, x.shape))
    return apply_op(ew.Where(), true, x, x)


def _unary(op: Unary, x: Operand) -> Tensor:
    return apply_op(op, as_float(x) if op.floats_only else as_tensor(x))


def add(x: Operand, y: Operand, *, alpha: Number = 1) -> Tensor:
    """x + alpha * y; of bools, whether one is true."""
    a, b = common((x, scaled("add", y, alpha)))
    return apply_op(ew.Or() if a.dtype == bool_ else ew.Add(), a, b)


def subtract(x: Operand, y: Operand, *, alpha: Number = 1) -> Tensor:
    """x - alpha * y."""
    return apply_op(ew.Sub(), *common((x, scaled("subtract", y, alpha))))


def scaled(function: str, x: Operand, factor: Number) -> Operand:
    """x times a factor that is an argument of a function, x itself for 1."""
    if check_number(f"{function} takes a number as a factor", factor) == 1:
        return x
    return multiply(x, factor)


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y; of bools, whether both are true."""
    a, b = common((x, y))
    return apply_op(ew.And() if a.dtype == bool_ else ew.Mul(), a, b)


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y; integers are divided as float32. The gradient by y is NaN where x is 0 and 1 / y overflows."""
    a, b = common((x, y))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return apply_op(ew.Div(), a, b)


def floor_divide(x: Operand, y: Operand) -> Tensor:
    """The largest integer that is not above x / y, of the operands' common dtype. Integers divided by 0 give 0.
    Bools are not numbers here, as in PyTorch: they raise DTypeError."""
    return apply_op(st.FloorDivide(), *common((x, y)))


def remainder(x: Operand, y: Operand) -> Tensor:
    """x - y * floor_divide(x, y), with the sign of y, as Python's `%`. Integers divided by 0 leave 0. Bools raise
    DTypeError, as in `floor_divide`."""
    return apply_op(st.Remainder(), *common((x, y)))


def power(x: Operand, y: Operand) -> Tensor:
    """x to the power y. A Python int from 0 to 3 means repeated multiplication.

    Powers of integers are integers, and wrap around: a negative Python int raises ArgumentError, a negative exponent
    in a tensor gives 1 / x^-y rounded towards zero.
    """
    if isinstance(y, int) and not isinstance(y, bool) and 0 <= y <= 3:
        base = _number(as_tensor(x))
        if y == 0:
            return where(constant(True, TensorType(bool_, base.shape)), ones_like(base), base)  # with a gradient of 0
        result = base if y > 1 else clone(base)
        for _ in range(y - 1):
            result = result * base
        return result
    a, b = map(_number, common((x, y)))
    if a.dtype.is_integer and isinstance(y, int) and y < 0:
        raise ArgumentError(
            f"integers have no power {y} among integers.", hint='cast the base first: x.astype("float32")'
        )
    return apply_op(ew.Pow(), a, b)


def _number(x: Tensor) -> Tensor:
    """x, with integers in the place of bools."""
    return cast(x, int64) if x.dtype == bool_ else x


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y, elementwise; NaN where either is. Of bools it is `or`."""
    a, b = common((x, y))
    return apply_op(ew.Or() if a.dtype == bool_ else ew.Maximum(), a, b)


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y, elementwise; NaN where either is. Of bools it is `and`."""
    a, b = common((x, y))
    return apply_op(ew.And() if a.dtype == bool_ else ew.Minimum(), a, b)


def clip(x: Operand, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """x limited to the range from min to max, either of which may be missing; max where min is larger. An element at a
    bound still has its gradient, as in PyTorch, and so has NaN, unlike there. Raises ArgumentError where neither is
    given."""
    result = as_tensor(x)
    if min is None and max is None:
        raise ArgumentError("clip takes a lower bound, an upper one, or both, got neither.")
    if min is not None:
        result = where(less(result, min), min, result)
    return result if max is None else where(greater(result, max), max, result)


def square(x: Operand) -> Tensor:
    """x * x."""
    return power(x, 2)


def reciprocal(x: Operand) -> Tensor:
    """1 / x."""
    return divide(1.0, as_float(x))


def lerp(start: Operand, end: Operand, weight: Operand) -> Tensor:
    """start + weight * (end - start): start for weight 0, end for 1 up to rounding, and the line through both."""
    return add(start, multiply(weight, subtract(end, start)))


def addcmul(x: Operand, y: Operand, z: Operand, value: Number = 1) -> Tensor:
    """x + value * (y * z)."""
    return add(x, multiply(value, multiply(y, z)))


def addcdiv(x: Operand, y: Operand, z: Operand, value: Number = 1) -> Tensor:
    """x + value * (y / z)."""
    return add(x, multiply(value, divide(y, z)))


def nan_to_num(x: Operand, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with numbers in the place of NaN, inf and -inf: 0, and the largest and smallest of the dtype, unless given.
    Integers and bools have none of these, and stay."""
    tensor = as_tensor(x)
    if not tensor.dtype.is_float:
        return tensor
    largest = float(np.finfo(tensor.dtype.numpy).max)
    tensor = where(isnan(tensor), nan, tensor)
    tensor = where(equal(tensor, math.inf), largest if posinf is None else posinf, tensor)
    return where(equal(tensor, -math.inf), -largest if neginf is None else neginf, tensor)


def negative(x: Operand) -> Tensor:
    """-x."""
    return _unary(ew.Neg(), x)


def absolute(x: Operand) -> Tensor:
    """|x|."""
    return _unary(ew.Abs(), x)


def sign(x: Operand) -> Tensor:
    """-1, 0 or 1 as x is below, at or above 0; NaN stays."""
    return _unary(st.Sign(), x)


def _rounded(op: Unary, x: Operand) -> Tensor:
    """Floats rounded by an op; integers are as they should be."""
    tensor = as_tensor(x)
    return clone(tensor) if tensor.dtype.is_integer else apply_op(op, tensor)


def floor(x: Operand) -> Tensor:
    """The largest integral number of x's dtype that is not above x."""
    return _rounded(ew.Floor(), x)


def ceil(x: Operand) -> Tensor:
    """The smallest integral number of x's dtype that is not below x."""
    return _rounded(st.Ceil(), x)


def round(x: Operand, *, decimals: int = 0) -> Tensor:
    """The integral number of x's dtype that is nearest to x; of two, the even one. With decimals, which may be
    negative, floats are multiplied by 10^decimals before, and divided by it afterwards."""
    tensor = as_tensor(x)
    places = as_integer("round takes a number of decimals", decimals)
    if places < 0 and not tensor.dtype.is_float:
        raise DTypeError(f"round takes floats where decimals are negative, got {tensor.dtype}.")
    if places == 0 or tensor.dtype.is_integer:
        return _rounded(st.Round(), tensor)
    if abs(places) > 308:
        raise ArgumentError(f"round takes a number of decimals from -308 to 308, got {places}.")
    power = 10.0 ** abs(places)
    if places > 0:
        return divide(_rounded(st.Round(), multiply(tensor, power)), power)
    return multiply(_rounded(st.Round(), divide(tensor, power)), power)


def trunc(x: Operand) -> Tensor:
    """x without its fraction."""
    return _rounded(st.Trunc(), x)


def isnan(x: Operand) -> Tensor:
    """Whether x is NaN, elementwise."""
    tensor = as_tensor(x)
    return not_equal(tensor, tensor)


def isinf(x: Operand) -> Tensor:
    """Whether x is infinite, elementwise."""
    return equal(absolute(as_float(x)), math.inf)


def isfinite(x: Operand) -> Tensor:
    """Whether x is neither infinite nor NaN, elementwise."""
    return less(absolute(as_float(x)), math.inf)


def relu(x: Operand) -> Tensor:
    """x where x > 0, else 0; NaN stays NaN. The gradient at 0 is 0."""
    a = as_tensor(x)
    zero = constant(0, a.type)
    return apply_op(ew.Where(), less_equal(a, zero), zero, a)


def _compared(x: Operand, y: Operand) -> list[Tensor]:
    if x is None or y is None:
        raise DTypeError(
            "the elements of a tensor are compared with numbers, got None.",
            hint="write `x is None`, or any(x is y for y in ys) for `in`: == compares elements.",
        )
    return common((x, y))


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, elementwise."""
    return apply_op(ew.Equal(), *_compared(x, y))


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, elementwise."""
    return apply_op(ew.NotEqual(), *_compared(x, y))


def less(x: Operand, y: Operand) -> Tensor:
    """x < y, elementwise."""
    return apply_op(ew.Less(), *common((x, y)))


def less_equal(x: Operand, y: Operand) -> Tensor:
    """x <= y, elementwise."""
    return apply_op(ew.LessEqual(), *common((x, y)))


def greater(x: Operand, y: Operand) -> Tensor:
    """x > y, elementwise."""
    return less(y, x)


def greater_equal(x: Operand, y: Operand) -> Tensor:
    """x >= y, elementwise."""
    return less_equal(y, x)


def bitwise_and(x: Operand, y: Operand) -> Tensor:
    """x & y, of bools or of the bits of integers."""
    return apply_op(ew.And(), *common((x, y)))


def bitwise_or(x: Operand, y: Operand) -> Tensor:
    """x | y, of bools or of the bits of integers."""
    return apply_op(ew.Or(), *common((x, y)))


def bitwise_xor(x: Operand, y: Operand) -> Tensor:
    """x ^ y, of bools or of the bits of integers."""
    return apply_op(ew.Xor(), *common((x, y)))


def bitwise_not(x: Operand) -> Tensor:
    """~x: the complement of bools, or of the bits of integers."""
    return apply_op(ew.Not(), as_tensor(x))


def logical_and(x: Operand, y: Operand) -> Tensor:
    """Whether both are true: not 0."""
    return bitwise_and(_truth(x), _truth(y))


def logical_or(x: Operand, y: Operand) -> Tensor:
    """Whether one at least is true: not 0."""
    return bitwise_or(_truth(x), _truth(y))


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """Whether just one is true: not 0."""
    return bitwise_xor(_truth(x), _truth(y))


def logical_not(x: Operand) -> Tensor:
    """Whether x is false: 0."""
    return bitwise_not(_truth(x))


def _truth(x: Operand) -> Tensor:
    """Whether elements are not 0."""
    return cast(as_tensor(x), bool_)


def left_shift(x: Operand, y: Operand) -> Tensor:
    """x << y for integers; 0 where y is negative or at least the number of bits."""
    return apply_op(st.LeftShift(), *common((x, y)))


def right_shift(x: Operand, y: Operand) -> Tensor:
    """x >> y for integers: x / 2^y rounded down, for a y that is negative or at least the number of bits -1 or 0."""
    return apply_op(st.RightShift(), *common((x, y)))


def where(condition: Operand, x: Operand, y: Operand) -> Tensor:
    """x where the condition holds, else y, with broadcasting."""
    test = as_tensor(condition)
    if test.dtype != bool_:
        raise DTypeError(f"where takes a condition of bools, got {test.dtype}.")
    a, b = common((x, y))
    try:
        shape = broadcast_shapes(test.shape, a.shape)
    except ValueError:
        raise ShapeError(f"a condition of shape {test.shape} does not broadcast with {a.shape}.") from None
    return apply_op(ew.Where(), broadcast_to(test, shape), broadcast_to(a, shape), broadcast_to(b, shape))


def masked_fill(x: Operand, mask: Operand, value: Operand) -> Tensor:
    """x with one value in the place of the elements for which a mask of bools is true.

    The mask broadcasts to x. The value, a number or a tensor without axes, is cast to the dtype of x.

    >>> print(masked_fill([1.0, 2.0, 3.0], [True, False, True], -1.0))
    [-1.0, 2.0, -1.0]
    """
    tensor, filler = as_tensor(x), as_tensor(value)
    if filler.ndim:
        raise ShapeError(f"masked_fill takes one value, got shape {filler.shape}.", hint="use lucid.where")
    covered = broadcast_to(as_tensor(mask), tensor.shape)
    return where(covered, broadcast_to(cast(filler, tensor.dtype), tensor.shape), tensor)


def isclose(x: Operand, y: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether |x - y| <= atol + rtol * |y|, elementwise. Infinities are close to themselves, NaN with `equal_nan`.

    >>> print(isclose([1.0, 1.1], 1.000001))
    [True, False]
    """
    a, b = map(_number, common((x, y)))
    apart = where(less(a, b), b - a, a - b)  # unsigned integers have no negative differences
    close = logical_or(equal(a, b), logical_and(less_equal(apart, atol + rtol * absolute(b)), isfinite(b)))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if as_flag("equal_nan", equal_nan) else close
