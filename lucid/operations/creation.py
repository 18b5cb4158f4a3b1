"""Making tensors."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.codegen.cuda.device import is_on_gpu
from lucid.conversion import is_foreign_array, to_array
from lucid.core import Number, TensorCore, tensor_over
from lucid.eager import too_large
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, TraceError
from lucid.ir.ops.elementwise import Detach, Equal, Less, Pow, Where
from lucid.ir.ops.structure import Iota, normalized
from lucid.ir.types import DType, Shape, TensorType, as_dtype, float32, float64, int64
from lucid.modes import current_tracer
from lucid.operations.arguments import as_flag, as_integer, as_number, as_shape, holds
from lucid.operations.movement import stack
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to, cast, common, integers
from lucid.scalars import Scalar

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def _shape(shape: Any) -> Shape:
    return integers(shape)


def read_at_each_call(data: object, dtype: object = None) -> Tensor | None:
    """What `Tensor(data, dtype)` holds in a trace where data may be other numbers at a later call: it is an array, or
    arrays or floats of the call are among its items. None for other data.

    Raises TraceError for an object that makes an array of itself, of which a trace can't know where it is kept.
    """
    tracer = current_tracer()
    if tracer is None:
        return None
    if _is_array(data):
        return apply_op(Detach(), as_tensor(to_array(data), dtype))
    if not _changes(data):
        return None
    if isinstance(data, list | tuple):
        return apply_op(Detach(), _stacked(data, dtype))
    if type(data) is Scalar:
        return apply_op(Detach(), as_tensor(data, float32 if dtype is None else dtype))
    if tracer.runs_now:
        return None
    raise TraceError(
        f"a {type(data).__name__} made an array of itself while a function is traced; later calls would not ask again.",
        hint="call numpy.asarray outside the function: an array is read at each call.",
    )


def _is_array(data: object) -> bool:
    return isinstance(data, np.ndarray) or (is_foreign_array(data) and not is_on_gpu(data))


def _changes(data: object) -> bool:
    """Whether data may be other numbers at a later call."""
    if isinstance(data, list | tuple):
        return any(map(_changes, data))
    if type(data) is Scalar:
        return True
    if isinstance(data, TensorCore | bool | int | float | np.generic):
        return False
    return _is_array(data) or (hasattr(type(data), "__array__") and not is_on_gpu(data))


def _stacked(data: Sequence[Any], dtype: object) -> Tensor:
    """Nested sequences as one tensor, of NumPy's dtype for them first, as `to_array` has it."""
    alike = _alike(data)
    first, last = (as_dtype(to_array(alike, narrow).dtype) for narrow in (False, dtype is None))
    return cast(_nested(data, first), last if dtype is None else as_dtype(dtype))


def _alike(item: Any) -> Any:
    """Nested sequences that become an array of the same shape and dtype, without the numbers of a call."""
    if isinstance(item, list | tuple):
        return [_alike(part) for part in item]
    if isinstance(item, TensorCore):
        return np.broadcast_to(np.zeros((), item.dtype.numpy), item.shape)
    return 0.0 if type(item) is Scalar else to_array(item) if _is_array(item) else item


def _nested(item: Any, dtype: DType) -> Tensor:
    if isinstance(item, list | tuple) and any(isinstance(part, TensorCore) or _changes(part) for part in item):
        return stack([_nested(part, dtype) for part in item])
    return as_tensor(item, dtype)


def _dtype_of(number: Any) -> DType:
    return float32 if type(number) is Scalar else as_dtype(to_array(number).dtype)


def full(
    size: Sequence[int],
    fill_value: Number,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a shape with one value everywhere; its dtype is that of `Tensor(fill_value)` unless given.

    For a dtype of integers, a float loses its fraction, as in a cast. Raises DTypeError where the dtype does not hold
    the value: a cast would change it. A compiled function guards that it does, where the value is a float of the call.

    >>> print(full((2,), 3.7, "uint8"))
    [3, 3]
    """
    return made(_full(as_shape(size), fill_value, dtype), device, requires_grad)


def made(tensor: Tensor, device: str | None, requires_grad: bool) -> Tensor:
    """A new tensor on a device, if one is given, as a leaf that requires a gradient, if that is asked for."""
    placed = tensor if device is None else tensor.to(device)
    return placed.requires_grad_() if as_flag("requires_grad", requires_grad) else placed


def _full(shape: Shape, value: Number, dtype: object) -> Tensor:
    if not isinstance(value, bool | int | float | np.generic | TensorCore) or np.ndim(value):
        raise ArgumentTypeError(f"full takes a number, got {reprlib.repr(value)}.")
    chosen = as_dtype(dtype) if dtype is not None else _dtype_of(value)
    type, number = TensorType(chosen, shape), value if isinstance(value, bool | int | float) else value.item()
    if chosen.is_integer and not holds(chosen, number):
        raise DTypeError(f"{chosen} does not hold {number!r}.")
    if isinstance(value, Scalar):
        return broadcast_to(cast(value.tensor(), chosen), shape)
    constant, tracer = normalized(number, type), current_tracer()
    if tracer is not None:
        return tracer.constant(constant, type)
    try:
        return tensor_over(np.full(shape, constant, chosen.numpy))
    except MemoryError as error:
        raise too_large([type]) from error


def zeros(
    *shape: int | Sequence[int], dtype: object = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros, of float32 unless given.

    >>> zeros(2, 3).shape
    (2, 3)
    """
    return full(_shape(shape), 0, float32 if dtype is None else dtype, device=device, requires_grad=requires_grad)


def ones(
    *shape: int | Sequence[int], dtype: object = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones, of float32 unless given."""
    return full(_shape(shape), 1, float32 if dtype is None else dtype, device=device, requires_grad=requires_grad)


def zeros_like(x: Operand, dtype: object = None, *, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape of x, and of its dtype unless another is given."""
    return full_like(x, 0, dtype, device=device, requires_grad=requires_grad)


def ones_like(x: Operand, dtype: object = None, *, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape of x, and of its dtype unless another is given."""
    return full_like(x, 1, dtype, device=device, requires_grad=requires_grad)


def full_like(
    x: Operand,
    fill_value: Number,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value everywhere, in the shape of x, and in its dtype unless another is given."""
    tensor = as_tensor(x)
    kind = tensor.dtype if dtype is None else dtype
    return full(tensor.shape, fill_value, kind, device=device, requires_grad=requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start + i * step that lie before end, as a tensor of one axis; start is 0 where one bound is given.

    The dtype is int64, or float32 where one of the numbers is a float. Raises ArgumentError for a step that leads away
    from end.

    >>> print(arange(3), arange(5, 0, -2), arange(0, 1, 0.25))
    [0, 1, 2] [5, 3, 1] [0.0, 0.25, 0.5, 0.75]
    """
    first, last = (0, start) if end is None else (start, end)
    for number in (first, last, step):
        if not math.isfinite(as_number("arange takes numbers", number)):
            raise ArgumentError(f"arange takes finite numbers, got {number!r}.")
    if step == 0:
        raise ArgumentError("arange takes a step that is not 0.")
    if (last - first) / step < 0:
        raise ArgumentError(f"arange takes a step that leads from start to end, got {first!r}, {last!r} and {step!r}.")
    count = math.ceil((last - first) / step)
    are_integers = all(isinstance(number, int | np.integer) for number in (first, last, step))
    kind = as_dtype(dtype) if dtype is not None else int64 if are_integers else float32
    places = _places((count,), 0, float64 if not are_integers else kind if kind.is_integer else int64)
    line = places if step == 1 else places * step
    return made(cast(line if first == 0 else line + first, kind), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A number of numbers at equal distances from start to end, both included, as a tensor of one axis.

    They are computed in float64, each from the end that is nearer; the dtype is float32 unless given.

    >>> print(linspace(0, 1, 5))
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    start, end = as_number("linspace takes numbers", start), as_number("linspace takes numbers", end)
    steps = as_integer("linspace takes a number of steps", steps)
    if steps < 0:
        raise ArgumentError(f"linspace takes a number of steps from 0 on, got {steps}.")
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    half = _places((steps,), 0, float64)
    forth, back = half * step + start, end - (steps - 1 - half) * step
    is_near_start = apply_op(Less(), *common((half, steps / 2)))
    line = cast(apply_op(Where(), is_near_start, forth, back), float32 if dtype is None else as_dtype(dtype))
    return made(line, device, requires_grad)


def logspace(
    start: Number,
    end: Number,
    steps: int,
    base: Number = 10.0,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The powers of a base whose exponents are `linspace(start, end, steps)`, computed in float64, of float32 unless
    given.

    >>> print(logspace(0, 2, 3))
    [1.0, 10.0, 100.0]
    """
    exponents = linspace(start, end, steps, float64)
    line = apply_op(Pow(), *common((as_number("logspace takes a number as base", base), exponents)))
    return made(cast(line, float32 if dtype is None else as_dtype(dtype)), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal and zeros elsewhere, of shape (n, m), or (n, n) where one number is given, and of float32
    unless given."""
    shape = as_shape((n, n if m is None else m))
    is_diagonal = apply_op(Equal(), _places(shape, 0, int64), _places(shape, 1, int64))
    return made(cast(is_diagonal, float32 if dtype is None else as_dtype(dtype)), device, requires_grad)


def _places(shape: Shape, axis: int, dtype: DType) -> Tensor:
    """The position along an axis, in every element."""
    counted = dtype if dtype.is_integer else int64
    return cast(apply_op(Iota(axis, TensorType(counted, as_shape(shape)))), dtype)
