"""Tensor: a concrete array, or a symbol while a function is being traced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

import lucid.autograd as autograd
import lucid.operations as ops
from lucid.conversion import format_array, to_array
from lucid.errors import ArgumentError, DTypeError, unknown_value
from lucid.ir.graph import Value
from lucid.ir.types import DType, Shape, TensorType, as_dtype
from lucid.modes import bump_epoch, current_tracer, is_grad_enabled

if TYPE_CHECKING:
    from lucid.autograd import Edge
    from lucid.ir.ops.base import Op
    from lucid.operations import Axes, Operand

Array = npt.NDArray[Any]
Number = bool | int | float


class Version:
    """Counts the in-place updates of a storage; tensors that share storage share it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Tensor:
    """An n-dimensional array that operations can differentiate through.

    `data` is a nested sequence, a number, a NumPy array or a Tensor, and is copied. Python floats become float32,
    ints int64, bools bool; NumPy arrays and Tensors keep their dtype; `dtype` overrides. Raises DTypeError for an
    element type that Lucid does not have, or where `requires_grad` is asked of a dtype that is no float.

    >>> Tensor([[1.0, 2.0]])
    Tensor([[1.0, 2.0]], grad=None)
    >>> Tensor([1, 2]).dtype
    lucid.int64
    """

    __slots__ = (
        "__weakref__",
        "_alias",
        "_array",
        "_grad",
        "_history",
        "_requires_grad",
        "_symbol",
        "_version",
        "name",
    )
    __array_ufunc__ = None  # NumPy arrays leave `array + tensor` to Tensor

    def __init__(self, data: object, requires_grad: bool = False, dtype: object = None) -> None:
        array = to_array(data)
        array = np.array(array, dtype=as_dtype(array.dtype if dtype is None else dtype).numpy, order="C")
        self._initialize(array, None)
        if requires_grad:
            self.requires_grad = True

    def _initialize(self, array: Array | None, symbol: Value | None) -> None:
        self._array = array
        self._symbol = symbol
        self._requires_grad = False
        self._grad: Tensor | None = None
        self._history: Edge | None = None  # how it was computed, where a backward may need that
        self._alias: tuple[Tensor, Op] | None = None  # the tensor whose storage it views, and how
        self._version = Version()
        self.name: str | None = None
        tracer = current_tracer()
        if tracer is not None and symbol is None:
            tracer.note_created(self)

    @classmethod
    def _wrap(cls, array: Array) -> Tensor:
        """A Tensor over an array, which is not copied."""
        tensor = Tensor.__new__(Tensor)
        tensor._initialize(array, None)
        return tensor

    @classmethod
    def _of_symbol(cls, symbol: Value) -> Tensor:
        """A Tensor that stands for a value of the graph being traced."""
        tensor = Tensor.__new__(Tensor)
        tensor._initialize(None, symbol)
        return tensor

    # What it is.

    @property
    def type(self) -> TensorType:
        """Dtype and shape together, as the IR writes them."""
        if self._array is not None:
            return TensorType(as_dtype(self._array.dtype), self._array.shape)
        assert self._symbol is not None
        return self._symbol.type

    @property
    def shape(self) -> Shape:
        """The extent of each axis."""
        return self._array.shape if self._array is not None else self.type.shape

    @property
    def dtype(self) -> DType:
        """The element type, such as `lucid.float32`."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.type.size

    def numel(self) -> int:
        """The number of elements."""
        return self.size

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    @property
    def is_leaf(self) -> bool:
        """Whether no operation that `backward` would follow has made it."""
        return self._history is None

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient for it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` of a leaf, and return it."""
        if requires_grad and not self.dtype.is_float:
            raise DTypeError(f"only float tensors can require gradients, got {self.dtype}.")
        if self._history is not None and not requires_grad:
            raise ArgumentError("requires_grad of a computed tensor can't be unset.", hint="use .detach()")
        tracer = current_tracer()
        if tracer is not None and requires_grad != self._requires_grad:
            tracer.set_requires_grad(self)
        self._requires_grad = bool(requires_grad)
        bump_epoch()
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated: a Tensor of the same type, or None."""
        tracer = current_tracer()
        return self._grad if tracer is None else tracer.read_grad(self)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            value = ops.as_tensor(value)
            if value.type != self.type:
                raise DTypeError(f"grad takes a tensor of type {self.type}, got {value.type}.")
        tracer = current_tracer()
        if tracer is None:
            self._grad = value
        else:
            tracer.write_grad(self, value)

    # Out of Lucid.

    def _concrete(self, wanted: str) -> Array:
        """The array, or the error that says why there is none during a trace."""
        tracer = current_tracer()
        if tracer is not None:
            tracer.forbid_reading(self, wanted)
        if self._array is None:
            raise unknown_value(wanted)
        return self._array

    def numpy(self) -> Array:
        """The elements as a NumPy array that shares memory with the tensor."""
        return self._concrete(".numpy()").view()  # so that its shape and flags are the caller's own

    def item(self) -> Number:
        """The only element as a Python number."""
        array = self._concrete(".item()")
        if array.size != 1:
            raise ArgumentError(f".item() takes a tensor of one element, got shape {self.shape}.")
        value: Number = array.item()
        return value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._concrete(".tolist()").tolist()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._concrete("numpy.asarray(...)")
        if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
            raise ValueError(f"a {array.dtype} tensor has no {np.dtype(dtype)} array without a copy")
        if copy:
            return np.array(array, dtype=dtype)
        return np.asarray(array.view(), dtype=dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self._concrete("__dlpack__").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._concrete("__dlpack_device__").__dlpack_device__()
        return device

    def __bool__(self) -> bool:
        return bool(self._single("bool()"))

    def __int__(self) -> int:
        return int(self._single("int()"))

    def __index__(self) -> int:
        if not self.dtype.is_integer:
            raise DTypeError(f"only integer tensors can index, got {self.dtype}.")
        return int(self._single("an index"))

    def __float__(self) -> float:
        return float(self._single("float()"))

    def _single(self, wanted: str) -> Number:
        array = self._concrete(wanted)
        if array.size != 1:
            raise ArgumentError(f"{wanted} takes a tensor of one element, got shape {self.shape}.")
        value: Number = array.item()
        return value

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a tensor without axes")
        return (self[i] for i in range(self.shape[0]))

    def __reduce__(self) -> NoReturn:
        raise TypeError("tensors are not pickled: save a module's state_dict() instead, which holds plain arrays")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._history is not None:
            raise ArgumentError("only leaf tensors can be deep-copied.", hint="use .detach() first")
        copy = type(self).__new__(type(self))
        copy._initialize(np.array(self._concrete("copy.deepcopy"), order="C"), None)
        copy._requires_grad = self._requires_grad
        copy._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        copy.name = self.name
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        if self._array is None or self._is_traced():
            return f"Tensor(<{self.type}, traced>)"
        grad = "None" if self._grad is None else format_array(self._grad._concrete("repr()"))
        return f"Tensor({format_array(self._array)}, grad={grad})"

    def _is_traced(self) -> bool:
        """Whether a function is being traced for which these elements are not fixed."""
        tracer = current_tracer()
        return tracer is not None and not tracer.is_new(self)

    def __format__(self, spec: str) -> str:
        if spec and self._array is not None and self._array.size == 1:
            return format(self.item(), spec)
        return format(str(self), spec)

    def __str__(self) -> str:
        if self._array is None or self._requires_grad or self._is_traced():
            return repr(self)
        return format_array(self._array)

    # Differentiation.

    def backward(self, gradient: Tensor | Array | None = None, retain_graph: bool = False) -> None:
        """Add d sum(self * gradient) / dx to `x.grad` of every leaf x that requires a gradient.

        `gradient` has this tensor's shape and is ones where it is not given. The recorded graph is freed unless
        `retain_graph` is set. Raises GradientError where there is no graph, where it was freed, or where a value that
        it needs has been updated in place since.
        """
        seed = None if gradient is None else ops.as_tensor(gradient)
        tracer = current_tracer()
        if tracer is None:
            autograd.backward(self, seed, retain_graph)
        else:
            tracer.backward(self, seed, retain_graph)

    def detach(self) -> Tensor:
        """The same elements, in the same storage, cut off from the backward."""
        return ops.detach(self)

    @property
    def data(self) -> Tensor:
        """The same as `detach()`. Assigning copies elements in place."""
        return ops.detach(self)

    @data.setter
    def data(self, value: Tensor | Array) -> None:
        self.detach().copy_(value)

    def zero_grad(self) -> None:
        """Set `grad` to None."""
        self.grad = None

    def clone(self) -> Tensor:
        """A copy with storage of its own."""
        return ops.clone(self)

    # In place. Only leaves: a computed tensor is never changed.

    def copy_(self, value: Tensor | Array | Number) -> Tensor:
        """Replace the elements by those of `value`, cast and broadcast to this tensor's type, in place."""
        self._assign(ops.broadcast_to(ops.as_tensor(value).astype(self.dtype), self.shape))
        return self

    def fill_(self, value: Number) -> Tensor:
        """Set every element to a number, in place."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Set every element to 0, in place."""
        return self.copy_(0)

    def _assign(self, value: Tensor) -> None:
        """Take over the elements of a tensor of the same shape: what every in-place update comes down to."""
        if value.type != self.type:
            raise DTypeError(
                f"an in-place update keeps the type {self.type}, got {value.type}.",
                hint="write `t = t + x` for a new tensor of another type or shape.",
            )
        if self._requires_grad and is_grad_enabled():
            raise ArgumentError(
                "a tensor that requires a gradient was updated in place while gradients are recorded.",
                hint="put the update under `with lucid.no_grad():`",
            )
        if self._history is not None:
            raise ArgumentError("a computed tensor can't be updated in place.", hint="write `t = t + x` instead.")
        owner = self._owner()
        if owner is None:
            raise ArgumentError(
                "a view can't be updated in place.", hint="update the tensor it views: `w[0] = ...` works on w."
            )
        tracer = current_tracer()
        if tracer is not None:
            tracer.assign(owner, value)
            return
        np.copyto(owner._concrete("an in-place update"), value._concrete("an in-place update"))
        owner._version.count += 1

    def _owner(self) -> Tensor | None:
        """The tensor whose elements these are: itself, or what it was detached from. None for views of other kinds."""
        owner = self
        while owner._alias is not None:
            owner, op = owner._alias
            if op.name != "detach":
                return None
        return owner

    def _update(self, result: Tensor) -> Tensor:
        """`t += x`: in place for a leaf, a new tensor for a computed one (and where gradients are recorded, if it
        requires one, the error of `_assign`)."""
        if self._history is not None or (result.requires_grad and not self._requires_grad):
            return result
        self._assign(result)
        return self

    def __iadd__(self, other: Operand) -> Tensor:
        return self._update(ops.add(self, other))

    def __isub__(self, other: Operand) -> Tensor:
        return self._update(ops.subtract(self, other))

    def __imul__(self, other: Operand) -> Tensor:
        return self._update(ops.multiply(self, other))

    def __itruediv__(self, other: Operand) -> Tensor:
        return self._update(ops.divide(self, other))

    def __setitem__(self, key: Any, value: Operand) -> None:
        self._assign(ops.with_item(self, key, ops.as_tensor(value)))

    # Arithmetic.

    def __add__(self, other: Operand) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return ops.subtract(self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return ops.subtract(other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return ops.multiply(other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return ops.divide(other, self)

    def __floordiv__(self, other: Operand) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Operand) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Operand) -> Tensor:
        return ops.remainder(other, self)

    def __pow__(self, other: Operand) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return ops.power(other, self)

    def __matmul__(self, other: Tensor | Array) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Tensor | Array) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __abs__(self) -> Tensor:
        return ops.absolute(self)

    def __invert__(self) -> Tensor:
        return ops.logical_not(self)

    def __and__(self, other: Operand) -> Tensor:
        return ops.logical_and(self, other)

    def __or__(self, other: Operand) -> Tensor:
        return ops.logical_or(self, other)

    def __xor__(self, other: Operand) -> Tensor:
        return ops.logical_xor(self, other)

    def __lshift__(self, other: Operand) -> Tensor:
        return ops.left_shift(self, other)

    def __rlshift__(self, other: Operand) -> Tensor:
        return ops.left_shift(other, self)

    def __rshift__(self, other: Operand) -> Tensor:
        return ops.right_shift(self, other)

    def __rrshift__(self, other: Operand) -> Tensor:
        return ops.right_shift(other, self)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as in NumPy
        return ops.equal(self, other)  # type: ignore[arg-type]  # as_tensor rejects what is no operand

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise, as in NumPy
        return ops.not_equal(self, other)  # type: ignore[arg-type]

    def __lt__(self, other: Operand) -> Tensor:  # type: ignore[misc]  # arrays leave comparisons to Tensor
        return ops.less(self, other)

    def __le__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return ops.less_equal(self, other)

    def __gt__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return ops.greater(self, other)

    def __ge__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return ops.greater_equal(self, other)

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Tensor:
        return ops.get_item(self, key)

    def exp(self) -> Tensor:
        return ops.exp(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def tanh(self) -> Tensor:
        return ops.tanh(self)

    def sigmoid(self) -> Tensor:
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        return ops.relu(self)

    def erf(self) -> Tensor:
        return ops.erf(self)

    def sin(self) -> Tensor:
        return ops.sin(self)

    def cos(self) -> Tensor:
        return ops.cos(self)

    def floor(self) -> Tensor:
        return ops.floor(self)

    def ceil(self) -> Tensor:
        return ops.ceil(self)

    def round(self) -> Tensor:
        return ops.round(self)

    def trunc(self) -> Tensor:
        return ops.trunc(self)

    def sign(self) -> Tensor:
        return ops.sign(self)

    def isnan(self) -> Tensor:
        return ops.isnan(self)

    def isinf(self) -> Tensor:
        return ops.isinf(self)

    def isfinite(self) -> Tensor:
        return ops.isfinite(self)

    def exp2(self) -> Tensor:
        return ops.exp2(self)

    def expm1(self) -> Tensor:
        return ops.expm1(self)

    def log1p(self) -> Tensor:
        return ops.log1p(self)

    def log2(self) -> Tensor:
        return ops.log2(self)

    def log10(self) -> Tensor:
        return ops.log10(self)

    def rsqrt(self) -> Tensor:
        return ops.rsqrt(self)

    def tan(self) -> Tensor:
        return ops.tan(self)

    def asin(self) -> Tensor:
        return ops.asin(self)

    def acos(self) -> Tensor:
        return ops.acos(self)

    def atan(self) -> Tensor:
        return ops.atan(self)

    def sinh(self) -> Tensor:
        return ops.sinh(self)

    def cosh(self) -> Tensor:
        return ops.cosh(self)

    def abs(self) -> Tensor:
        return ops.absolute(self)

    def floor_divide(self, other: Operand) -> Tensor:
        return ops.floor_divide(self, other)

    def remainder(self, other: Operand) -> Tensor:
        return ops.remainder(self, other)

    def pow(self, other: Operand) -> Tensor:
        return ops.power(self, other)

    def atan2(self, other: Operand) -> Tensor:
        return ops.atan2(self, other)

    def maximum(self, other: Operand) -> Tensor:
        return ops.maximum(self, other)

    def minimum(self, other: Operand) -> Tensor:
        return ops.minimum(self, other)

    def clip(self, low: Number | None = None, high: Number | None = None) -> Tensor:
        return ops.clip(self, low, high)

    # Reductions and shapes.

    def sum(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.sum(self, axis, keepdims, **aliases)

    def mean(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.mean(self, axis, keepdims, **aliases)

    def var(self, axis: Axes = None, keepdims: bool = False, correction: int = 1, **aliases: Any) -> Tensor:
        return ops.var(self, axis, keepdims, correction, **aliases)

    def std(self, axis: Axes = None, keepdims: bool = False, correction: int = 1, **aliases: Any) -> Tensor:
        return ops.std(self, axis, keepdims, correction, **aliases)

    def prod(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.prod(self, axis, keepdims, **aliases)

    def norm(self, ord: float = 2, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.norm(self, ord, axis, keepdims, **aliases)

    def logsumexp(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.logsumexp(self, axis, keepdims, **aliases)

    def cumsum(self, axis: int | None = None, **aliases: Any) -> Tensor:
        return ops.cumsum(self, axis, **aliases)

    def max(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.max(self, axis, keepdims, **aliases)

    def min(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.min(self, axis, keepdims, **aliases)

    def argmax(self, axis: int | None = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.argmax(self, axis, keepdims, **aliases)

    def argmin(self, axis: int | None = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.argmin(self, axis, keepdims, **aliases)

    def any(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.any(self, axis, keepdims, **aliases)

    def all(self, axis: Axes = None, keepdims: bool = False, **aliases: Any) -> Tensor:
        return ops.all(self, axis, keepdims, **aliases)

    def reshape(self, *shape: int | Sequence[int]) -> Tensor:
        return ops.reshape(self, ops.integers(shape))

    def view(self, *shape: int | Sequence[int]) -> Tensor:
        return ops.reshape(self, ops.integers(shape))

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        return ops.flatten(self, start_axis, end_axis)

    def transpose(self, first: int, second: int) -> Tensor:
        return ops.transpose(self, first, second)

    def permute(self, *axes: int | Sequence[int]) -> Tensor:
        return ops.permute(self, ops.integers(axes))

    @property
    def T(self) -> Tensor:  # noqa: N802  NumPy's name
        """The tensor with its axes in reverse order."""
        return ops.permute(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:  # noqa: N802  NumPy's name
        """The tensor with its last two axes swapped."""
        return ops.transpose(self, -1, -2)

    def squeeze(self, axis: Axes = None) -> Tensor:
        return ops.squeeze(self, axis)

    def unsqueeze(self, axis: int) -> Tensor:
        return ops.expand_dims(self, axis)

    def expand(self, *shape: int | Sequence[int]) -> Tensor:
        return ops.expand(self, ops.integers(shape))

    def astype(self, dtype: object) -> Tensor:
        """The elements converted by value to another dtype; the tensor itself where that is its own."""
        return ops.cast(self, as_dtype(dtype))
