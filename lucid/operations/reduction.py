"""Operations that combine elements along axes. `axis` and `keepdims` may be written `dim` and `keepdim`."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

from lucid.ir.ops import extremum as ex, reduction as rd
from lucid.ir.ops.base import Op
from lucid.ir.types import as_dtype, bool_, int64, uint8, uint64
from lucid.operations.arguments import Axes, as_flag, as_number, check_number, float_dtype, normal_axes
from lucid.operations.elementwise import absolute, detach, isfinite, power, where
from lucid.operations.functions import exp, log, sqrt
from lucid.operations.movement import reshape, squeeze
from lucid.operations.operands import Operand, apply_op, as_float, as_tensor, cast

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def _reduce(
    op: type[Op], x: Operand, axis: Axes, keepdims: builtins.bool, aliases: dict[str, Any]
) -> tuple[Tensor, Tensor, builtins.int]:
    """The operand, its reduction along axes, and how many elements each result combines."""
    tensor = as_tensor(x)
    axis, keepdims = named(op.name, axis, keepdims, aliases)
    axes = normal_axes(axis, tensor.ndim)
    count = math.prod(tensor.shape[a] for a in axes)
    if not axes and issubclass(op, rd.Sum | rd.Prod | ex.Max | ex.Min | rd.Any | rd.All):
        return tensor, tensor, count
    result = apply_op(op(axes), tensor)  # type: ignore[call-arg]
    if as_flag("keepdims", keepdims):
        result = reshape(result, rd.kept_shape(tensor.shape, axes))
    return tensor, result, count


def named(function: str, axis: Axes, keepdims: builtins.bool, aliases: dict[str, Any]) -> tuple[Axes, builtins.bool]:
    """Axis and keepdims, also where they were given by their other names."""
    names = dict(aliases)
    axis, keepdims = names.pop("dim", axis), names.pop("keepdim", keepdims)
    if names:
        raise TypeError(f"{function}() got an unexpected keyword argument {next(iter(names))!r}")
    return axis, keepdims


def sum(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, *, dtype: object = None, **aliases: Any
) -> Tensor:
    """The sum along axes, all of them by default. Bools and integers are added as int64, uint64 as itself, or, with a
    dtype, all as that."""
    return _reduce(rd.Sum, wide(x, dtype), axis, keepdims, aliases)[1]


def prod(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, *, dtype: object = None, **aliases: Any
) -> Tensor:
    """The product along axes, all of them by default, 1 over no elements. Bools and integers are multiplied as int64,
    uint64 as itself, or, with a dtype, all as that."""
    return _reduce(rd.Prod, wide(x, dtype), axis, keepdims, aliases)[1]


def wide(x: Operand, dtype: object = None) -> Tensor:
    """x, in a dtype that is given, or else in one that sums and products of it hardly leave."""
    tensor = as_tensor(x)
    if dtype is not None:
        return cast(tensor, as_dtype(dtype))
    return tensor if tensor.dtype.is_float or tensor.dtype == uint64 else cast(tensor, int64)


def mean(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, *, dtype: object = None, **aliases: Any
) -> Tensor:
    """The mean along axes, all of them by default; integers and bools are averaged as float32, or, with a dtype of
    floats, all as that."""
    tensor = as_float(x) if dtype is None else cast(as_tensor(x), float_dtype("mean", dtype))
    _, total, count = _reduce(rd.Sum, tensor, axis, keepdims, aliases)
    return total / count


def var(
    x: Operand,
    axis: Axes = None,
    unbiased: builtins.bool = True,
    keepdims: builtins.bool = False,
    *,
    correction: float | None = None,
    **aliases: Any,
) -> Tensor:
    """The variance along axes: squared deviations from the mean, summed and divided by count - correction.

    The correction is 1, or 0 without `unbiased`, unless given.
    """
    axis, keepdims = named("var", axis, keepdims, aliases)
    tensor = as_tensor(x)
    taken = check_number("var takes a number as correction", unbiased if correction is None else correction)
    deviation = tensor - mean(tensor, axis, True)
    _, total, count = _reduce(rd.Sum, deviation * deviation, axis, keepdims, {})
    return total / builtins.max(count - taken, 0)


def std(
    x: Operand,
    axis: Axes = None,
    unbiased: builtins.bool = True,
    keepdims: builtins.bool = False,
    *,
    correction: float | None = None,
    **aliases: Any,
) -> Tensor:
    """The standard deviation along axes, the square root of `var`. Its gradient is 0 where it is 0."""
    axis, keepdims = named("std", axis, keepdims, aliases)
    return _root(var(x, axis, unbiased, keepdims, correction=correction))


def _root(x: Tensor) -> Tensor:
    """The square root of numbers from 0 on, with the gradient 0 at 0, where that of `sqrt` is infinite."""
    return where(x == 0, 0.0, sqrt(where(x == 0, 1.0, x)))


def norm(
    x: Operand,
    ord: float | str = 2,
    axis: Axes = None,
    keepdims: builtins.bool = False,
    dtype: object = None,
    **aliases: Any,
) -> Tensor:
    """The vector norm (sum of |x|^ord)^(1 / ord) along axes, all of them by default.

    `ord` may be written `p`. An infinite one gives the largest absolute value, or the smallest for -inf; 0 counts what
    is not 0, and "fro" is 2. The gradient of the norm 2 is 0 where it is 0. Integers are taken as float32, or, with a
    dtype of floats, all as that.
    """
    ord = aliases.pop("p", ord)
    ord = 2.0 if isinstance(ord, str) and ord == "fro" else as_number("norm takes a number as its order", ord)
    axis, keepdims = named("norm", axis, keepdims, aliases)
    tensor = as_float(x) if dtype is None else cast(as_tensor(x), float_dtype("norm", dtype))
    if ord == 2:
        return _root(sum(tensor * tensor, axis, keepdims))
    size = absolute(tensor)
    if ord in (math.inf, -math.inf):
        return max(size, axis, keepdims) if ord > 0 else min(size, axis, keepdims)
    if ord == 0:
        return sum(cast(size != 0, size.dtype), axis, keepdims)
    if ord == 1:
        return sum(size, axis, keepdims)
    return power(sum(power(size, ord), axis, keepdims), 1.0 / ord)


def logsumexp(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """log(sum(exp(x))) along axes, all of them by default, computed without overflow; -inf over no elements."""
    axis, keepdims = named("logsumexp", axis, keepdims, aliases)
    tensor = as_float(x)
    if not tensor.size:
        return log(sum(exp(tensor), axis, keepdims))
    largest = max(detach(tensor), axis, True)
    shift = where(isfinite(largest), largest, 0.0)
    total = log(sum(exp(tensor - shift), axis, True)) + shift
    return total if as_flag("keepdims", keepdims) else squeeze(total, axis)


def max(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The largest element along axes, all of them by default (values only, as in NumPy); NaN where there is one.
    Of bools it is `any`."""
    tensor = as_tensor(x)
    return _reduce(rd.Any if tensor.dtype == bool_ else ex.Max, tensor, axis, keepdims, aliases)[1]


def min(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The smallest element along axes, all of them by default (values only, as in NumPy); NaN where there is one.
    Of bools it is `all`."""
    tensor = as_tensor(x)
    return _reduce(rd.All if tensor.dtype == bool_ else ex.Min, tensor, axis, keepdims, aliases)[1]


def _ordered(x: Operand) -> Tensor:
    """x, with 0 and 1 in the place of bools."""
    tensor = as_tensor(x)
    return cast(tensor, uint8) if tensor.dtype == bool_ else tensor


def argmax(x: Operand, axis: builtins.int | None = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The int64 position of the first largest element along an axis, or among all elements in row-major order."""
    return _reduce(ex.Argmax, _ordered(x), axis, keepdims, aliases)[1]


def argmin(x: Operand, axis: builtins.int | None = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """The int64 position of the first smallest element along an axis, or among all elements in row-major order."""
    return _reduce(ex.Argmin, _ordered(x), axis, keepdims, aliases)[1]


def any(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """Whether any element along axes is true; numbers are true where they are not 0."""
    return _reduce(rd.Any, cast(as_tensor(x), bool_), axis, keepdims, aliases)[1]


def all(x: Operand, axis: Axes = None, keepdims: builtins.bool = False, **aliases: Any) -> Tensor:
    """Whether all elements along axes are true; numbers are true where they are not 0."""
    return _reduce(rd.All, cast(as_tensor(x), bool_), axis, keepdims, aliases)[1]


def count_nonzero(x: Operand, axis: Axes = None, **aliases: Any) -> Tensor:
    """How many elements along axes, all of them by default, are not 0, as int64.

    >>> print(count_nonzero([[1, 0], [2, 3]], 1))
    [1, 2]
    """
    axis, _ = named("count_nonzero", axis, False, aliases)
    return sum(as_tensor(x) != 0, axis)


def var_mean(
    x: Operand,
    axis: Axes = None,
    unbiased: builtins.bool = True,
    keepdims: builtins.bool = False,
    *,
    correction: float | None = None,
    **aliases: Any,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean along axes: see `var`."""
    axis, keepdims = named("var_mean", axis, keepdims, aliases)
    return var(x, axis, unbiased, keepdims, correction=correction), mean(x, axis, keepdims)


def std_mean(
    x: Operand,
    axis: Axes = None,
    unbiased: builtins.bool = True,
    keepdims: builtins.bool = False,
    *,
    correction: float | None = None,
    **aliases: Any,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean along axes: see `std`."""
    axis, keepdims = named("std_mean", axis, keepdims, aliases)
    return std(x, axis, unbiased, keepdims, correction=correction), mean(x, axis, keepdims)


def nansum(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, *, dtype: object = None, **aliases: Any
) -> Tensor:
    """The sum along axes, all of them by default, of the elements that are not NaN.

    >>> print(nansum([1.0, math.nan, 2.0]))
    3.0
    """
    axis, keepdims = named("nansum", axis, keepdims, aliases)
    tensor = as_tensor(x)
    return sum(where(tensor != tensor, 0, tensor), axis, keepdims, dtype=dtype)


def nanmean(
    x: Operand, axis: Axes = None, keepdims: builtins.bool = False, *, dtype: object = None, **aliases: Any
) -> Tensor:
    """The mean along axes, all of them by default, of the elements that are not NaN; NaN where all are.

    >>> print(nanmean([1.0, math.nan, 2.0]))
    1.5
    """
    axis, keepdims = named("nanmean", axis, keepdims, aliases)
    tensor = as_float(x) if dtype is None else cast(as_tensor(x), float_dtype("nanmean", dtype))
    return nansum(tensor, axis, keepdims) / cast(sum(tensor == tensor, axis, keepdims), tensor.dtype)
