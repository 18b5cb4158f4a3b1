"""The elements of a tensor in another form: of another dtype, on another device, in another shape. New ones like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import lucid.operations as ops
from lucid.core import Number, TensorCore, device_and_dtype
from lucid.ir.types import as_dtype, bool_, float32, float64, int32, int64
from lucid.modes import current_tracer
from lucid.operations import Operand

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def astype(x: Tensor, dtype: object) -> Tensor:
    """The elements converted by value to another dtype; the tensor itself where that is its own."""
    return ops.cast(x, as_dtype(dtype))


def to(x: Tensor, device: object = None, dtype: object = None) -> Tensor:
    """This tensor, or one with the same elements on a device, "cpu" or "cuda", and of a dtype.

    The dtype may be the first argument, too, and another tensor stands for its device and dtype. On another device it
    is a leaf; a computed tensor can't be moved. Raises CompileError where there is no GPU.

    >>> import lucid
    >>> lucid.Tensor([1, 2]).to(dtype="float64").dtype
    lucid.float64
    """
    place, kind = device_and_dtype(device, dtype)
    tensor = x if kind is None else astype(x, kind)
    return tensor if place is None else tensor._to(place)


def to_float32(x: Tensor) -> Tensor:
    """The same as `astype("float32")`."""
    return ops.cast(x, float32)


def to_float64(x: Tensor) -> Tensor:
    """The same as `astype("float64")`."""
    return ops.cast(x, float64)


def to_int32(x: Tensor) -> Tensor:
    """The same as `astype("int32")`."""
    return ops.cast(x, int32)


def to_int64(x: Tensor) -> Tensor:
    """The same as `astype("int64")`."""
    return ops.cast(x, int64)


def to_bool(x: Tensor) -> Tensor:
    """The same as `astype("bool")`."""
    return ops.cast(x, bool_)


def to_cpu(x: Tensor) -> Tensor:
    """The same as `to("cpu")`."""
    return x._to("cpu")


def to_cuda(x: Tensor) -> Tensor:
    """The same as `to("cuda")`."""
    return x._to("cuda")


def type_as(x: Tensor, other: Operand) -> Tensor:
    """The elements converted by value to the dtype of another tensor."""
    return ops.cast(x, ops.as_tensor(other).dtype)


def reshape(x: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """The same elements in row-major order under another shape, in which one extent may be -1."""
    return ops.reshape(x, ops.integers(shape))


def reshape_as(x: Tensor, other: Operand) -> Tensor:
    """The same elements in row-major order under the shape of another tensor."""
    return ops.reshape(x, ops.as_tensor(other).shape)


def permute(x: Tensor, *dims: int | Sequence[int]) -> Tensor:
    """The tensor with its axes in another order: axis i of the result is axis dims[i] of it."""
    return ops.permute(x, ops.integers(dims))


def expand(x: Tensor, *shape: int | Sequence[int]) -> Tensor:
    """The tensor stretched to a shape, in which -1 keeps an extent."""
    return ops.expand(x, ops.integers(shape))


def expand_as(x: Tensor, other: Operand) -> Tensor:
    """The tensor stretched to the shape of another one."""
    return ops.expand(x, ops.as_tensor(other).shape)


def repeat(x: Tensor, *repeats: int | Sequence[int]) -> Tensor:
    """The tensor repeated side by side along each axis, of which there may be more than it has: see `lucid.tile`.

    >>> import lucid
    >>> print(lucid.Tensor([1, 2]).repeat(2, 2))
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = ops.integers(repeats)
    return ops.tile(x, counts)


def new_zeros(
    x: Tensor,
    *size: int | Sequence[int],
    dtype: object = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros of a shape, of the dtype of the tensor unless another is given."""
    return new_full(x, ops.integers(size), 0, dtype, device, requires_grad)


def new_ones(
    x: Tensor,
    *size: int | Sequence[int],
    dtype: object = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones of a shape, of the dtype of the tensor unless another is given."""
    return new_full(x, ops.integers(size), 1, dtype, device, requires_grad)


def new_full(
    x: Tensor,
    size: Sequence[int],
    fill_value: Number,
    dtype: object = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value everywhere in a shape, of the dtype of the tensor unless another is given.

    It is on the device of the tensor unless another is given; a compiled step makes it where it runs.

    >>> import lucid
    >>> print(lucid.Tensor([1, 2]).new_full((3,), 7))
    [7, 7, 7]
    """
    kind = x.dtype if dtype is None else dtype
    place = x.device if device is None and current_tracer() is None else device
    return ops.full(size, fill_value, kind, device=place, requires_grad=requires_grad)


class TensorForms(TensorCore):
    """The methods of a Tensor that give it in another form. Names such as `float` stand here so that they hide none of
    Python's in the class Tensor itself."""

    __slots__ = ()

    astype = astype
    to = to
    float = to_float32
    double = to_float64
    int = to_int32
    long = to_int64
    bool = to_bool
    cpu = to_cpu
    cuda = to_cuda
    type_as = type_as
    reshape = view = reshape
    reshape_as = view_as = reshape_as
    permute = permute
    expand = expand
    expand_as = expand_as
    repeat = repeat
    new_zeros = new_zeros
    new_ones = new_ones
    new_full = new_full

    @property
    def T(self) -> Tensor:  # noqa: N802  NumPy's name
        """The tensor with its axes in reverse order."""
        return ops.permute(self, tuple(reversed(range(self.ndim))))  # type: ignore[arg-type]  # it is a Tensor

    @property
    def mT(self) -> Tensor:  # noqa: N802  NumPy's name
        """The tensor with its last two axes swapped."""
        return ops.transpose(self, -1, -2)  # type: ignore[arg-type]
