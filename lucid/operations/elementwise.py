"""Operations on each element by itself, with broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops import elementwise as ew
from lucid.ir.ops.base import Op
from lucid.ir.types import (
    TensorType,
    bool_,
    broadcast_shapes,
    float32,
)
from lucid.operations.creation import ones_like
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to, cast, common, constant

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def detach(x: Tensor) -> Tensor:
    """x in the same storage, cut off from the backward."""
    return apply_op(ew.Detach(), x)


def clone(x: Tensor) -> Tensor:
    """A copy of x, with storage of its own and the same gradient."""
    true = constant(True, TensorType(bool_, x.shape))
    return apply_op(ew.Where(), true, x, x)


def _unary(op: Op, x: Operand) -> Tensor:
    tensor = as_tensor(x)
    if not tensor.dtype.is_float and getattr(op, "floats_only", False):
        tensor = cast(tensor, float32)
    return apply_op(op, tensor)


def add(x: Operand, y: Operand) -> Tensor:
    """x + y."""
    return apply_op(ew.Add(), *common((x, y)))


def subtract(x: Operand, y: Operand) -> Tensor:
    """x - y."""
    return apply_op(ew.Sub(), *common((x, y)))


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y."""
    return apply_op(ew.Mul(), *common((x, y)))


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y; integers are divided as float32."""
    a, b = common((x, y))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return apply_op(ew.Div(), a, b)


def power(x: Operand, y: Operand) -> Tensor:
    """x to the power y. A Python int from 0 to 3 means repeated multiplication, for any dtype; otherwise the
    operands are floats."""
    if isinstance(y, int) and not isinstance(y, bool) and 0 <= y <= 3:
        base = as_tensor(x)
        result = ones_like(base) if y == 0 else base
        for _ in range(y - 1):
            result = result * base
        return result
    a, b = common((x, y))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return apply_op(ew.Pow(), a, b)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y, elementwise; NaN where either is."""
    return apply_op(ew.Maximum(), *common((x, y)))


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y, elementwise; NaN where either is."""
    return apply_op(ew.Minimum(), *common((x, y)))


def clip(x: Operand, low: Operand | None = None, high: Operand | None = None) -> Tensor:
    """x limited to the range from low to high, either of which may be missing."""
    result = as_tensor(x)
    if low is not None:
        result = maximum(result, low)
    return result if high is None else minimum(result, high)


def negative(x: Operand) -> Tensor:
    """-x."""
    return _unary(ew.Neg(), x)


def absolute(x: Operand) -> Tensor:
    """|x|."""
    return _unary(ew.Abs(), x)


def exp(x: Operand) -> Tensor:
    """e to the power x."""
    return _unary(ew.Exp(), x)


def log(x: Operand) -> Tensor:
    """The natural logarithm of x."""
    return _unary(ew.Log(), x)


def sqrt(x: Operand) -> Tensor:
    """The square root of x."""
    return _unary(ew.Sqrt(), x)


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent of x."""
    return _unary(ew.Tanh(), x)


def sigmoid(x: Operand) -> Tensor:
    """1 / (1 + exp(-x))."""
    return _unary(ew.Sigmoid(), x)


def erf(x: Operand) -> Tensor:
    """The error function of x."""
    return _unary(ew.Erf(), x)


def sin(x: Operand) -> Tensor:
    """The sine of x radians."""
    return _unary(ew.Sin(), x)


def cos(x: Operand) -> Tensor:
    """The cosine of x radians."""
    return _unary(ew.Cos(), x)


def floor(x: Operand) -> Tensor:
    """The largest integral float that is not above x."""
    return _unary(ew.Floor(), x)


def relu(x: Operand) -> Tensor:
    """x where x > 0, else 0; NaN stays NaN. The gradient at 0 is 0."""
    a = as_tensor(x)
    zero = constant(0, a.type)
    return apply_op(ew.Where(), less_equal(a, zero), zero, a)


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, elementwise."""
    return apply_op(ew.Equal(), *common((x, y)))


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, elementwise."""
    return apply_op(ew.NotEqual(), *common((x, y)))


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


def logical_and(x: Operand, y: Operand) -> Tensor:
    """x & y, of bools or of the bits of integers."""
    return apply_op(ew.And(), *common((x, y)))


def logical_or(x: Operand, y: Operand) -> Tensor:
    """x | y, of bools or of the bits of integers."""
    return apply_op(ew.Or(), *common((x, y)))


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """x ^ y, of bools or of the bits of integers."""
    return apply_op(ew.Xor(), *common((x, y)))


def logical_not(x: Operand) -> Tensor:
    """~x: the complement of bools, or of the bits of integers."""
    return apply_op(ew.Not(), as_tensor(x))


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
