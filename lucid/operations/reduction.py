"""Operations that combine elements along axes. `axis` and `keepdims` may be written `dim` and `keepdim`."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

from lucid.ir.ops import reduction as rd
from lucid.ir.ops.base import Op
from lucid.ir.types import (
    bool_,
    float32,
    int64,
)
from lucid.operations.movement import reshape
from lucid.operations.operands import Axes, Operand, apply_op, as_tensor, cast, normal_axes

if TYPE_CHECKING:
    from lucid.tensor import Tensor


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
    result = apply_op(op(axes), tensor)  # type: ignore[call-arg]
    if keepdims:
        result = reshape(result, rd.kept_shape(tensor.shape, axes))
    return tensor, result, count


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
