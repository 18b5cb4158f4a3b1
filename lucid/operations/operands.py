"""Operands: from what users write to tensors of one dtype and one shape.

Operands of different dtypes are promoted by the rule of `lucid.ir.types.promote`; Python numbers are weak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

import lucid.eager as eager
from lucid.codegen.cuda.device import gpu, is_on_gpu
from lucid.conversion import copied, in_machine_order, is_foreign_array, to_array
from lucid.core import Array, Number, TensorCore, tensor_over
from lucid.errors import ShapeError
from lucid.ir.ops import elementwise as ew, movement as mv
from lucid.ir.ops.base import Op
from lucid.ir.ops.structure import normalized
from lucid.ir.types import (
    DType,
    Shape,
    TensorType,
    as_dtype,
    broadcast_shapes,
    float32,
    promote,
    promote_scalar,
)
from lucid.modes import current_tracer
from lucid.operations.arguments import as_integers, as_shape
from lucid.scalars import Scalar

if TYPE_CHECKING:
    from lucid.tensor import Tensor

Operand: TypeAlias = "Tensor | Array | Number | Scalar"


def as_tensor(data: Operand, dtype: object = None, device: str | None = None) -> Tensor:
    """A Tensor over data: itself where it is one, and without a copy where it is an array; cast to a dtype, if one is
    given, and moved to a device."""
    if dtype is not None or device is not None:
        return _converted(data, dtype, device)
    if isinstance(data, TensorCore):
        return data
    if isinstance(data, Scalar):
        return cast(data.tensor(), float32)  # as of any float
    if isinstance(data, np.ndarray):
        as_dtype(data.dtype)
        tracer = current_tracer()
        return tensor_over(in_machine_order(data)) if tracer is None else tracer.capture_array(data)
    if is_on_gpu(data):
        return tensor_over(gpu().foreign(data))
    if current_tracer() is not None and is_foreign_array(data):  # whose elements are read at each call
        return as_tensor(to_array(data))
    return _of_sequence(data, None)


def _of_sequence(data: object, dtype: object) -> Tensor:
    """A tensor of nested numbers, among which a trace may have floats of the call."""
    if current_tracer() is not None:
        return TensorCore.result_class(data, dtype=dtype)
    return tensor_over(copied(data, dtype))


def _converted(data: Operand, dtype: object, device: str | None) -> Tensor:
    if isinstance(data, Scalar) and dtype is not None:
        tensor = data.tensor()  # with all of its digits
    elif isinstance(data, TensorCore | np.ndarray | Scalar) or is_on_gpu(data) or is_foreign_array(data):
        tensor = as_tensor(data)
    else:
        tensor = _of_sequence(data, dtype)
    kept = tensor if dtype is None else cast(tensor, as_dtype(dtype))
    return kept if device is None else kept.to(device)


def constant(value: Number, type: TensorType) -> Tensor:
    """A tensor with one value everywhere, for use as an operand: its storage is one element, and read-only."""
    value = normalized(value, type)
    tracer = current_tracer()
    if tracer is not None:
        return tracer.constant(value, type)
    return tensor_over(np.broadcast_to(np.asarray(value, type.dtype.numpy), type.shape))


def is_weak(x: object) -> TypeGuard[Number | Scalar]:
    return isinstance(x, bool | int | float | Scalar)  # np.float64 is a float


def apply_op(op: Op, *operands: Tensor) -> Tensor:
    return eager.apply(op, operands)[0]


def integers(values: Any) -> tuple[int, ...]:
    """The integers of `f(2, 3)` or `f((2, 3))`."""
    return as_integers("a shape, or an order of axes, consists of integers", values[0] if len(values) == 1 else values)


def cast(x: Tensor, dtype: DType) -> Tensor:
    """x converted by value; x itself where that is its dtype."""
    return x if x.dtype == dtype else apply_op(ew.Cast(dtype), x)


def as_float(x: Operand) -> Tensor:
    """x as a tensor of floats: integers and bools become float32."""
    tensor = as_tensor(x)
    return tensor if tensor.dtype.is_float else cast(tensor, float32)


def broadcast_to(x: Operand, shape: Sequence[int]) -> Tensor:
    """x stretched to a shape by NumPy's rules."""
    tensor, target = as_tensor(x), as_shape(shape)
    if not _stretches(tensor.shape, target):
        raise ShapeError(f"shape {tensor.shape} does not broadcast to {target}.")
    return tensor if tensor.shape == target else apply_op(mv.Broadcast(target), tensor)


def broadcast_tensors(*tensors: Operand) -> tuple[Tensor, ...]:
    """Tensors stretched to the shape that they broadcast to; each keeps its dtype.

    >>> print(*broadcast_tensors([1, 2], [[3.0]]))
    [[1, 2]] [[3.0, 3.0]]
    """
    given = [as_tensor(x) for x in tensors]
    shape = _common_shape([x.shape for x in given])
    return tuple(broadcast_to(x, shape) for x in given)


def _stretches(shape: Shape, target: Shape) -> bool:
    """Whether a shape broadcasts to another one."""
    tail = target[len(target) - len(shape) :]
    return len(shape) <= len(target) and all(e in (1, t) for e, t in zip(shape, tail, strict=True))


def _common_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape that all shapes broadcast to."""
    try:
        return broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"shapes {' and '.join(map(str, shapes))} do not broadcast to one shape.",
            hint="axes are matched from the last one on; x.unsqueeze(axis) gives x a new one.",
        ) from None


def common(operands: Sequence[Operand]) -> list[Tensor]:
    """Operands as tensors of one dtype and one shape."""
    weak_too = any(not is_weak(x) for x in operands)
    mixed: list[Tensor | Number | Scalar] = [x if weak_too and is_weak(x) else as_tensor(x) for x in operands]
    strong = [x for x in mixed if isinstance(x, TensorCore)]
    dtype = strong[0].dtype
    for tensor in strong[1:]:
        dtype = promote(dtype, tensor.dtype)
    for x in mixed:
        if not isinstance(x, TensorCore):
            dtype = promote_scalar(dtype, 0.0 if isinstance(x, Scalar) else x)
    shape = _common_shape([x.shape for x in strong])
    result = []
    for x in mixed:
        if isinstance(x, Scalar):
            x = x.tensor()
        if isinstance(x, TensorCore):
            result.append(broadcast_to(cast(x, dtype), shape))
        else:
            result.append(constant(x, TensorType(dtype, shape)))
    return result
