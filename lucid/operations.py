"""Operations on tensors: promotion, casts and broadcasting, then the ops of the IR.

Every function takes Tensors, NumPy arrays and Python numbers alike. Operands of different dtypes are promoted by the
rule of `lucid.ir.types.promote`; Python numbers are weak. `axis` and `keepdims` may be written `dim` and `keepdim`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

import lucid.autograd as autograd
import lucid.tensor as tensors
from lucid.errors import ArgumentError, CheckError, DTypeError, ShapeError
from lucid.ir.ops import elementwise as ew
from lucid.ir.ops import movement as mv
from lucid.ir.ops import reduction as rd
from lucid.ir.ops.base import Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.structure import Check, Iota, normalized
from lucid.ir.types import (
    DType,
    Shape,
    TensorType,
    as_dtype,
    bool_,
    broadcast_shapes,
    float32,
    int64,
    promote,
    promote_scalar,
)
from lucid.modes import current_tracer
from lucid.scalars import Scalar

if TYPE_CHECKING:
    from lucid.tensor import Tensor

Array = npt.NDArray[Any]
Number = builtins.bool | builtins.int | builtins.float
Operand: TypeAlias = "Tensor | Array | Number | Scalar"
Axes: TypeAlias = builtins.int | Sequence[builtins.int] | None


# Into tensors.


def as_tensor(x: Operand) -> Tensor:
    """A Tensor over x: x itself where it is one, and without a copy where it is an array."""
    if isinstance(x, tensors.Tensor):
        return x
    if isinstance(x, Scalar):
        return x.tensor()
    if isinstance(x, np.ndarray):
        as_dtype(x.dtype)
        tracer = current_tracer()
        return tensors.Tensor._wrap(x) if tracer is None else tracer.capture_array(x)
    return tensors.Tensor(x)


def constant(value: Number, type: TensorType) -> Tensor:
    """A tensor with one value everywhere, for use as an operand: its storage is one element, and read-only."""
    value = normalized(value, type)
    tracer = current_tracer()
    if tracer is not None:
        return tracer.constant(value, type)
    return tensors.Tensor._wrap(np.broadcast_to(np.asarray(value, type.dtype.numpy), type.shape))


def _is_weak(x: object) -> TypeGuard[Number | Scalar]:
    return isinstance(x, builtins.bool | builtins.int | builtins.float | Scalar)  # np.float64 is a float


def _apply(op: Op, *operands: Tensor) -> Tensor:
    return autograd.apply(op, operands)[0]


def integers(values: Any) -> tuple[builtins.int, ...]:
    """The integers of `f(2, 3)` or `f((2, 3))`."""
    if len(values) == 1 and isinstance(values[0], Sequence):
        values = values[0]
    return tuple(builtins.int(value) for value in values)


def _common(operands: Sequence[Operand]) -> list[Tensor]:
    """Operands as tensors of one dtype and one shape."""
    weak_too = builtins.any(not _is_weak(x) for x in operands)
    mixed: list[Tensor | Number | Scalar] = [x if weak_too and _is_weak(x) else as_tensor(x) for x in operands]
    strong = [x for x in mixed if isinstance(x, tensors.Tensor)]
    dtype = strong[0].dtype
    for tensor in strong[1:]:
        dtype = promote(dtype, tensor.dtype)
    for x in mixed:
        if not isinstance(x, tensors.Tensor):
            dtype = promote_scalar(dtype, 0.0 if isinstance(x, Scalar) else x)
    shapes = [x.shape for x in strong]
    try:
        shape = broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"shapes {' and '.join(map(str, shapes))} do not broadcast to one shape.") from None
    result = []
    for x in mixed:
        if isinstance(x, Scalar):
            x = x.tensor()
        if isinstance(x, tensors.Tensor):
            result.append(broadcast_to(cast(x, dtype), shape))
        else:
            result.append(constant(x, TensorType(dtype, shape)))
    return result


# Creation.


def _shape(shape: Any) -> Shape:
    return integers(shape)


def full(shape: Sequence[builtins.int], value: Number, dtype: object = None) -> Tensor:
    """A tensor of a shape with one value everywhere; its dtype is that of `Tensor(value)` unless given."""
    shape = (shape,) if isinstance(shape, builtins.int) else tuple(shape)
    chosen = as_dtype(dtype) if dtype is not None else as_dtype(tensors.to_array(value).dtype)
    type = TensorType(chosen, shape)
    tracer = current_tracer()
    if tracer is not None:
        return tracer.constant(normalized(value, type), type)
    return tensors.Tensor._wrap(np.full(shape, value, chosen.numpy))


def zeros(*shape: builtins.int | Sequence[builtins.int], dtype: object = float32) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2, 3).shape
    (2, 3)
    """
    return full(_shape(shape), 0, dtype)


def ones(*shape: builtins.int | Sequence[builtins.int], dtype: object = float32) -> Tensor:
    """A tensor of ones."""
    return full(_shape(shape), 1, dtype)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the type of x."""
    return full(x.shape, 0, x.dtype)


def ones_like(x: Tensor) -> Tensor:
    """Ones of the type of x."""
    return full(x.shape, 1, x.dtype)


def full_like(x: Tensor, value: Number) -> Tensor:
    """One value everywhere, in the type of x."""
    return full(x.shape, value, x.dtype)


def arange(start: builtins.int, stop: builtins.int | None = None, dtype: object = int64) -> Tensor:
    """The integers from start (0 where one bound is given) to stop, stop excluded, as a tensor of one axis.

    >>> print(arange(3))
    [0, 1, 2]
    """
    first, last = (0, start) if stop is None else (start, stop)
    count = builtins.max(last - first, 0)
    line = _apply(Iota(0, TensorType(int64, (count,))))
    return cast(line + first if first else line, as_dtype(dtype))


# Elementwise.


def cast(x: Tensor, dtype: DType) -> Tensor:
    """x converted by value; x itself where that is its dtype."""
    return x if x.dtype == dtype else _apply(ew.Cast(dtype), x)


def detach(x: Tensor) -> Tensor:
    """x in the same storage, cut off from the backward."""
    return _apply(ew.Detach(), x)


def clone(x: Tensor) -> Tensor:
    """A copy of x, with storage of its own and the same gradient."""
    true = constant(True, TensorType(bool_, x.shape))
    return _apply(ew.Where(), true, x, x)


def _unary(op: Op, x: Operand) -> Tensor:
    tensor = as_tensor(x)
    if not tensor.dtype.is_float and getattr(op, "floats_only", False):
        tensor = cast(tensor, float32)
    return _apply(op, tensor)


def add(x: Operand, y: Operand) -> Tensor:
    """x + y."""
    return _apply(ew.Add(), *_common((x, y)))


def subtract(x: Operand, y: Operand) -> Tensor:
    """x - y."""
    return _apply(ew.Sub(), *_common((x, y)))


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y."""
    return _apply(ew.Mul(), *_common((x, y)))


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y; integers are divided as float32."""
    a, b = _common((x, y))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return _apply(ew.Div(), a, b)


def power(x: Operand, y: Operand) -> Tensor:
    """x to the power y. A Python int from 0 to 3 means repeated multiplication, for any dtype; otherwise the
    operands are floats."""
    if isinstance(y, builtins.int) and not isinstance(y, builtins.bool) and 0 <= y <= 3:
        base = as_tensor(x)
        result = ones_like(base) if y == 0 else base
        for _ in range(y - 1):
            result = result * base
        return result
    a, b = _common((x, y))
    if not a.dtype.is_float:
        a, b = cast(a, float32), cast(b, float32)
    return _apply(ew.Pow(), a, b)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger of x and y, elementwise; NaN where either is."""
    return _apply(ew.Maximum(), *_common((x, y)))


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller of x and y, elementwise; NaN where either is."""
    return _apply(ew.Minimum(), *_common((x, y)))


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
    return _apply(ew.Where(), less_equal(a, zero), zero, a)


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, elementwise."""
    return _apply(ew.Equal(), *_common((x, y)))


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, elementwise."""
    return _apply(ew.NotEqual(), *_common((x, y)))


def less(x: Operand, y: Operand) -> Tensor:
    """x < y, elementwise."""
    return _apply(ew.Less(), *_common((x, y)))


def less_equal(x: Operand, y: Operand) -> Tensor:
    """x <= y, elementwise."""
    return _apply(ew.LessEqual(), *_common((x, y)))


def greater(x: Operand, y: Operand) -> Tensor:
    """x > y, elementwise."""
    return less(y, x)


def greater_equal(x: Operand, y: Operand) -> Tensor:
    """x >= y, elementwise."""
    return less_equal(y, x)


def logical_and(x: Operand, y: Operand) -> Tensor:
    """x & y, of bools or of the bits of integers."""
    return _apply(ew.And(), *_common((x, y)))


def logical_or(x: Operand, y: Operand) -> Tensor:
    """x | y, of bools or of the bits of integers."""
    return _apply(ew.Or(), *_common((x, y)))


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """x ^ y, of bools or of the bits of integers."""
    return _apply(ew.Xor(), *_common((x, y)))


def logical_not(x: Operand) -> Tensor:
    """~x: the complement of bools, or of the bits of integers."""
    return _apply(ew.Not(), as_tensor(x))


def where(condition: Operand, x: Operand, y: Operand) -> Tensor:
    """x where the condition holds, else y, with broadcasting."""
    test = as_tensor(condition)
    if test.dtype != bool_:
        raise DTypeError(f"where takes a condition of bools, got {test.dtype}.")
    a, b = _common((x, y))
    try:
        shape = broadcast_shapes(test.shape, a.shape)
    except ValueError:
        raise ShapeError(f"a condition of shape {test.shape} does not broadcast with {a.shape}.") from None
    return _apply(ew.Where(), broadcast_to(test, shape), broadcast_to(a, shape), broadcast_to(b, shape))


# Reductions.


def _reduce(
    op: type[Op], x: Operand, axis: Axes, keepdims: builtins.bool, aliases: dict[str, Any]
) -> tuple[Tensor, Tensor, builtins.int]:
    """The operand, its reduction along axes, and how many elements each result combines."""
    tensor = as_tensor(x)
    if "dim" in aliases:
        axis = aliases.pop("dim")
    if "keepdim" in aliases:
        keepdims = aliases.pop("keepdim")
    if aliases:
        raise TypeError(f"{op.name}() got an unexpected keyword argument {next(iter(aliases))!r}")
    axes = normal_axes(axis, tensor.ndim)
    count = math.prod(tensor.shape[a] for a in axes)
    if not axes and issubclass(op, rd.Sum | rd.Max | rd.Min | rd.Any | rd.All):
        return tensor, tensor, count
    result = _apply(op(axes), tensor)  # type: ignore[call-arg]
    if keepdims:
        result = reshape(result, rd.kept_shape(tensor.shape, axes))
    return tensor, result, count


def normal_axes(axis: Axes, rank: builtins.int) -> tuple[builtins.int, ...]:
    """Axes as ascending non-negative numbers; all of them for None."""
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, builtins.int) else tuple(axis)
    for a in given:
        if not -rank <= a < rank:
            raise ShapeError(f"axis {a} is out of range for a tensor of {rank} axes.")
    axes = sorted({a % rank for a in given})
    if len(axes) != len(given):
        raise ShapeError(f"an axis is named twice in {given}.")
    return tuple(axes)


def sum(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The sum along axes, all of them by default; bools are counted as int64."""
    tensor = as_tensor(x)
    return _reduce(rd.Sum, cast(tensor, int64) if tensor.dtype == bool_ else tensor, axis, keepdims, aliases)[1]


def mean(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The mean along axes, all of them by default; integers and bools are averaged as float32."""
    tensor = as_tensor(x)
    floats = tensor if tensor.dtype.is_float else cast(tensor, float32)
    _, total, count = _reduce(rd.Sum, floats, axis, keepdims, aliases)
    return total / count


def var(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, correction: builtins.int = 1, **aliases: Any
) -> Tensor:
    """The variance along axes: squared deviations from the mean, summed and divided by count - correction."""
    if "dim" in aliases:
        axis = aliases.pop("dim")
    if "keepdim" in aliases:
        keepdims = aliases.pop("keepdim")
    tensor = as_tensor(x)
    deviation = tensor - mean(tensor, axis, True)
    _, total, count = _reduce(rd.Sum, deviation * deviation, axis, keepdims, aliases)
    return total / builtins.max(count - correction, 0)


def max(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The largest element along axes, all of them by default (values only, as in NumPy); NaN where there is one."""
    return _reduce(rd.Max, x, axis, keepdims, aliases)[1]


def min(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The smallest element along axes, all of them by default (values only, as in NumPy); NaN where there is one."""
    return _reduce(rd.Min, x, axis, keepdims, aliases)[1]


def argmax(x: Operand, axis: builtins.int | None = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The int64 position of the first largest element along an axis, or among all elements in row-major order."""
    return _reduce(rd.Argmax, x, axis, keepdims, aliases)[1]


def any(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """Whether any element along axes is true; numbers are true where they are not 0."""
    return _reduce(rd.Any, cast(as_tensor(x), bool_), axis, keepdims, aliases)[1]


def all(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """Whether all elements along axes are true; numbers are true where they are not 0."""
    return _reduce(rd.All, cast(as_tensor(x), bool_), axis, keepdims, aliases)[1]


# Contraction.


def matmul(x: Operand, y: Operand) -> Tensor:
    """The matrix product over the last axis of x and the second to last of y; leading axes broadcast, and vectors
    are rows on the left, columns on the right. Operands have one dtype: raises DTypeError otherwise."""
    a, b = as_tensor(x), as_tensor(y)
    if a.dtype != b.dtype:
        wide, narrow = (a, b) if a.dtype == promote(a.dtype, b.dtype) else (b, a)
        raise DTypeError(
            f"matmul takes operands of one dtype, got {a.dtype} and {b.dtype}.",
            hint=f'cast one of them: x.astype("{narrow.dtype if wide.dtype.is_float else wide.dtype}")',
        )
    if not a.dtype.is_float:
        raise DTypeError(f"matmul takes floats, got {a.dtype}.", hint='cast the operands: x.astype("float32")')
    if not a.ndim or not b.ndim:
        raise ShapeError(f"matmul takes operands with axes, got shapes {a.shape} and {b.shape}.")
    left = reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"matmul takes operands that share the summed axis, got shapes {a.shape} and {b.shape}.")
    if right.ndim == 2 and left.ndim > 2:  # one product of all rows instead of many small ones
        rows = reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
        result = reshape(_apply(Matmul(), rows, right), (*left.shape[:-1], right.shape[-1]))
    else:
        try:
            batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            raise ShapeError(f"the leading axes of {a.shape} and {b.shape} do not broadcast.") from None
        left = broadcast_to(left, (*batch, *left.shape[-2:]))
        right = broadcast_to(right, (*batch, *right.shape[-2:]))
        result = _apply(Matmul(), left, right)
    if a.ndim == 1:
        result = squeeze(result, -2)
    return squeeze(result, -1) if b.ndim == 1 else result


# Movement.


def broadcast_to(x: Operand, shape: Sequence[builtins.int]) -> Tensor:
    """x stretched to a shape by NumPy's rules."""
    tensor, target = as_tensor(x), tuple(shape)
    return tensor if tensor.shape == target else _apply(mv.Broadcast(target), tensor)


def expand(x: Operand, shape: Sequence[builtins.int]) -> Tensor:
    """x stretched to a shape, in which -1 keeps an extent."""
    tensor = as_tensor(x)
    new = len(shape) - tensor.ndim
    return broadcast_to(tensor, tuple(tensor.shape[i - new] if e == -1 else e for i, e in enumerate(shape)))


def reshape(x: Operand, shape: Sequence[builtins.int]) -> Tensor:
    """The same elements in row-major order under another shape, in which one extent may be -1."""
    tensor, target = as_tensor(x), list(shape)
    if target.count(-1) > 1 or builtins.any(extent < -1 for extent in target):
        raise ShapeError(f"reshape takes extents with at most one -1, got {tuple(target)}.")
    if -1 in target:
        known = math.prod(extent for extent in target if extent != -1)
        if known == 0 or tensor.size % known:
            raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}.")
        target[target.index(-1)] = tensor.size // known
    if math.prod(target) != tensor.size:
        raise ShapeError(f"shape {tensor.shape} does not reshape to {tuple(target)}: the sizes differ.")
    return tensor if tensor.shape == tuple(target) else _apply(mv.Reshape(tuple(target)), tensor)


def flatten(x: Operand, start_axis: builtins.int = 0, end_axis: builtins.int = -1) -> Tensor:
    """x with the axes from start_axis to end_axis joined to one."""
    tensor = as_tensor(x)
    if not tensor.ndim:
        return reshape(tensor, (1,))
    (start,), (end,) = normal_axes(start_axis, tensor.ndim), normal_axes(end_axis, tensor.ndim)
    joined = math.prod(tensor.shape[start : end + 1])
    return reshape(tensor, (*tensor.shape[:start], joined, *tensor.shape[end + 1 :]))


def permute(x: Operand, axes: Sequence[builtins.int]) -> Tensor:
    """x with its axes in another order: axis i of the result is axis axes[i] of x."""
    tensor = as_tensor(x)
    order = tuple(axis % tensor.ndim if -tensor.ndim <= axis < tensor.ndim else axis for axis in axes)
    if sorted(order) != list(range(tensor.ndim)):
        raise ShapeError(f"permute takes each axis of shape {tensor.shape} once, got {tuple(axes)}.")
    return tensor if order == tuple(range(tensor.ndim)) else _apply(mv.Transpose(order), tensor)


def transpose(x: Operand, first: builtins.int, second: builtins.int) -> Tensor:
    """x with two axes swapped."""
    tensor = as_tensor(x)
    (a,), (b,) = normal_axes(first, tensor.ndim), normal_axes(second, tensor.ndim)
    order = list(range(tensor.ndim))
    order[a], order[b] = b, a
    return permute(tensor, order)


def squeeze(x: Operand, axis: Axes = None) -> Tensor:
    """x without the given axes of extent 1, or without all of them."""
    tensor = as_tensor(x)
    axes = normal_axes(axis, tensor.ndim)
    if axis is None:
        axes = tuple(a for a in axes if tensor.shape[a] == 1)
    if builtins.any(tensor.shape[a] != 1 for a in axes):
        raise ShapeError(f"squeeze takes axes of extent 1, got {axis} of shape {tensor.shape}.")
    return reshape(tensor, tuple(e for a, e in enumerate(tensor.shape) if a not in axes))


def expand_dims(x: Operand, axis: builtins.int) -> Tensor:
    """x with a new axis of extent 1 at a position."""
    tensor = as_tensor(x)
    (position,) = normal_axes(axis, tensor.ndim + 1)
    return reshape(tensor, (*tensor.shape[:position], 1, *tensor.shape[position:]))


def concatenate(items: Sequence[Operand], axis: builtins.int = 0, **aliases: Any) -> Tensor:
    """Tensors one after the other along an axis, promoted to one dtype."""
    if not items:
        raise ArgumentError("concatenate takes at least one tensor, got none.")
    parts = [as_tensor(x) for x in items]
    dtype = parts[0].dtype
    for part in parts[1:]:
        dtype = promote(dtype, part.dtype)
    (position,) = normal_axes(aliases.get("dim", axis), parts[0].ndim)
    return _apply(mv.Concatenate(position), *(cast(part, dtype) for part in parts))


def stack(items: Sequence[Operand], axis: builtins.int = 0, **aliases: Any) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    position = aliases.get("dim", axis)
    return concatenate([expand_dims(x, position) for x in items], position)


def get_item(x: Tensor, key: Any) -> Tensor:
    """x[key] for integers, slices, `...` and None, as in NumPy."""
    start, step, counts, shape = _basic_index(x, key)
    if (start, counts) == ((0,) * x.ndim, x.shape) and builtins.all(s == 1 for s in step):
        return reshape(x, shape)
    return reshape(_apply(mv.Slice(start, step, counts), x), shape)


def with_item(x: Tensor, key: Any, value: Tensor) -> Tensor:
    """x with x[key] replaced: what `x[key] = value` assigns."""
    start, step, counts, shape = _basic_index(x, key)
    part = reshape(broadcast_to(cast(value, x.dtype), shape), counts)
    spread = _apply(mv.ScatterSlice(start, step, x.shape), part)
    inside = _apply(mv.ScatterSlice(start, step, x.shape), constant(True, TensorType(bool_, counts)))
    return _apply(ew.Where(), inside, spread, x)


def _basic_index(x: Tensor, key: Any) -> tuple[tuple[builtins.int, ...], tuple[builtins.int, ...], Shape, Shape]:
    """Start, step and count along each axis of x, and the shape of the result."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for item in keys:
        if not (item is None or item is Ellipsis or isinstance(item, slice)) and not hasattr(item, "__index__"):
            raise ArgumentError(f"tensors are indexed by integers, slices, `...` and None, got {item!r}.")
        if isinstance(item, np.ndarray | tensors.Tensor) and item.ndim:
            raise ArgumentError(
                "tensors are indexed by integers, slices, `...` and None, got an array.",
                hint="compare with lucid.arange and select with lucid.where",
            )
    used = builtins.sum(item is not None and item is not Ellipsis for item in keys)
    if used > x.ndim or keys.count(Ellipsis) > 1:
        raise CheckError(f"too many indices for a tensor of shape {x.shape}: {used}.")
    fill: list[Any] = [slice(None)] * (x.ndim - used)
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = fill
    else:
        keys += fill
    start, step, counts, shape, axis = [], [], [], [], 0
    for item in keys:
        if item is None:
            shape.append(1)
            continue
        extent = x.shape[axis]
        if isinstance(item, slice):
            first, last, stride = item.indices(extent)
            count = len(range(first, last, stride))
            start.append(first if count else 0)
            step.append(stride if count else 1)
            counts.append(count)
            shape.append(count)
        else:
            position = builtins.int(item.__index__())
            if not -extent <= position < extent:
                raise CheckError(f"index {position} is out of range for axis {axis} with extent {extent}.")
            start.append(position % extent)
            step.append(1)
            counts.append(1)
        axis += 1
    return tuple(start), tuple(step), tuple(counts), tuple(shape)


# Conditions on data.


def check_index(index: Tensor, extent: builtins.int, name: str, valid: Tensor | None = None) -> None:
    """Raise CheckError, when this runs, unless every element of an integer tensor lies in 0 ... extent - 1.

    In a compiled step the check comes before anything is written. Where `valid` is given, elements for which it is
    false are not looked at.
    """
    inside = (index >= 0) & (index < extent)
    if valid is not None:
        inside = inside | ~valid
    position = _apply(rd.FirstFalse(tuple(range(index.ndim))), inside) if index.ndim else where(inside, -1, 0)
    sentence = f"{name} {{value}} at position {{position}} is out of range: expected 0 to {extent - 1}."
    autograd.apply(Check(sentence), (position, index))
