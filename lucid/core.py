"""The core of a Tensor: its data or its symbol, its history, and the ways out of Lucid.

Operations work on this class and make tensors through it. `lucid.tensor` adds the operations to it as methods, which
gives the class Tensor; so imports point one way, from there through `lucid.operations` to here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.device import gpu
from lucid.conditions import instead_of_condition
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, ReadOnlyError, TraceError, ended_trace
from lucid.ir.graph import Value
from lucid.ir.types import DTYPES, DType, Shape, TensorType, as_dtype
from lucid.modes import bump_epoch, current_tracer

if TYPE_CHECKING:
    from lucid.eager import Edge
    from lucid.ir.ops.base import Op
    from lucid.tensor import Tensor

Array = npt.NDArray[Any]
Number = bool | int | float

_DTYPES = {dtype.name for dtype in DTYPES}


class Version:
    """Counts the in-place updates of a storage; tensors that share storage share it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class TensorCore:
    """What a Tensor is, without its operations."""

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

    result_class: ClassVar[type[Tensor]]  # what operations make: `lucid.tensor` puts Tensor here

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

    @shape.setter
    def shape(self, value: object) -> NoReturn:
        raise ReadOnlyError("the shape of a tensor can't be set.", hint="write `x = x.reshape(shape)`.")

    @property
    def dtype(self) -> DType:
        """The element type, such as `lucid.float32`. It equals what names it: `x.dtype == "float32"`."""
        return self.type.dtype

    @dtype.setter
    def dtype(self, value: object) -> NoReturn:
        raise ReadOnlyError("the dtype of a tensor can't be set.", hint='write `x = x.astype("float64")`.')

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

    # Out of Lucid.

    def _concrete(self, wanted: str) -> Array:
        """The array, or the error that says why there is none during a trace."""
        tracer = current_tracer()
        if tracer is not None:
            tracer.forbid_reading(self, wanted)
        if self._array is None:
            raise ended_trace(wanted)
        return self._host()

    def _host(self) -> Array:
        """The array, or a copy of it where the tensor is on a GPU."""
        if self._viewed() is not None:
            self._expect_current()
        return self._array if isinstance(self._array, np.ndarray) else gpu().download(self._array)

    def _viewed(self) -> tuple[Tensor, Op] | None:
        """The tensor whose storage this one views, and how. None also where that tensor holds other elements by now,
        so that this view has the former ones for itself."""
        if self._alias is not None and self._alias[0]._version is not self._version:
            self._alias = None
        return self._alias

    def _expect_current(self) -> None:
        """Raise for a view of a tensor that has moved since: it sees what the elements were."""
        base = self
        while (viewed := base._viewed()) is not None:
            base = viewed[0]
        if base.device != self.device:
            raise ArgumentError(
                f"a view of a tensor was used that has since been moved to {base.device!r}.",
                hint="take the view again.",
            )

    @property
    def device(self) -> str:
        """Where the elements are: "cpu" or "cuda"."""
        return "cpu" if self._array is None or isinstance(self._array, np.ndarray) else "cuda"

    @device.setter
    def device(self, value: object) -> NoReturn:
        raise ReadOnlyError("the device of a tensor can't be set.", hint='write `x = x.to("cuda")`.')

    def _to(self, device: str) -> Tensor:
        """This tensor where its elements are on a device; else a leaf there with the same elements."""
        if device == self.device:
            return cast("Tensor", self)
        if self._history is not None:
            raise ArgumentError("a computed tensor can't be moved.", hint="use .detach() first")
        expect_movable("a tensor")
        moved = tensor_over(self._on(device))
        moved._requires_grad, moved.name = self._requires_grad, self.name
        return moved

    def _on(self, device: str) -> Any:
        """The elements on a device, in new memory unless they are there."""
        if device == self.device:
            return self._array
        return gpu().upload(self._array) if device == "cuda" else gpu().download(self._array)

    def _move(self, device: str) -> None:
        """Have this very tensor, and its gradient, on a device; programs that know its address look again."""
        if device != self.device:
            self._array = self._on(device)
            bump_epoch()
        if self._grad is not None:
            self._grad._move(device)

    def numpy(self) -> Array:
        """The elements as a NumPy array that shares memory with the tensor; a copy where the tensor is on a GPU."""
        return self._concrete(".numpy()").view()  # so that its shape and flags are the caller's own

    def item(self) -> Number:
        """The only element as a Python number."""
        array = self._concrete(".item()")
        if array.size != 1:
            raise ArgumentError(
                f".item() takes a tensor of one element, got shape {self.shape}.", hint="use .tolist() or .numpy()."
            )
        value: Number = array.item()
        return value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._concrete(".tolist()").tolist()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._concrete("numpy.asarray(...)")
        if copy is False and dtype is not None and np.dtype(dtype) != array.dtype:
            raise ArgumentError(f"a tensor of {array.dtype} has no array of {np.dtype(dtype)} without a copy.")
        if copy:
            return np.array(array, dtype=dtype)
        return np.asarray(array.view(), dtype=dtype)

    def __dlpack__(self, **options: Any) -> Any:
        return self._here("__dlpack__").__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        found: tuple[int, int] = self._here("__dlpack_device__").__dlpack_device__()
        return found

    @property
    def __cuda_array_interface__(self) -> Any:
        """The elements of a tensor on a GPU, for other libraries there."""
        return self._here("__cuda_array_interface__").__cuda_array_interface__

    def _here(self, wanted: str) -> Any:
        """The array in the memory that it is in."""
        if self.device == "cpu":
            return self._concrete(wanted)
        gpu().follow()  # what reads it next does so on the current stream
        return self._array

    def __bool__(self) -> bool:
        return bool(self._single("bool()", "write x.all() or x.any() for a decision on all elements."))

    def __int__(self) -> int:
        number = self._single("int()")
        if not math.isfinite(number):
            raise ArgumentError(f"int() takes a finite number, got {number}.")
        return int(number)

    def __index__(self) -> int:
        if not self.dtype.is_integer:
            raise DTypeError(f"only integer tensors can index, got {self.dtype}.")
        return int(self._single("an index"))

    def __float__(self) -> float:
        return float(self._single("float()"))

    def _single(self, wanted: str, of_test: str | None = None) -> Number:
        array = self._concrete(wanted)
        if array.size != 1:
            hint = of_test and instead_of_condition(of_test, of_test)
            raise ArgumentError(f"{wanted} takes a tensor of one element, got shape {self.shape}.", hint=hint)
        value: Number = array.item()
        return value

    def __len__(self) -> int:
        if not self.shape:
            raise ArgumentTypeError("a tensor without axes has no length.")
        return self.shape[0]

    def __delitem__(self, key: object) -> NoReturn:
        raise ArgumentTypeError(
            "elements of a tensor can't be deleted.", hint="write `x = lucid.concatenate([x[:i], x[i + 1 :]])`."
        )

    def _is_traced(self) -> bool:
        """Whether a function is being traced for which these elements are not fixed."""
        tracer = current_tracer()
        return tracer is not None and not tracer.is_new(self)


def expect_movable(what: str) -> None:
    """Raise TraceError while a function is traced: its later calls would move nothing."""
    if current_tracer() is not None:
        raise TraceError(f"{what} can't be moved while a function is traced.", hint="move it before the call.")


# How all others make a tensor, and what the programs of compiled functions need of one.


def tensor_over(array: Any) -> Tensor:
    """A tensor over an array in either memory, which is not copied."""
    tensor = TensorCore.result_class.__new__(TensorCore.result_class)
    tensor._initialize(array, None)
    return tensor


def tensor_of_symbol(symbol: Value) -> Tensor:
    """A tensor that stands for a value of the graph being traced."""
    tensor = TensorCore.result_class.__new__(TensorCore.result_class)
    tensor._initialize(None, symbol)
    return tensor


def elements_of(tensor: TensorCore) -> Any:
    """The array of a tensor, in the memory that it is in; None where it is a symbol. Raises for a view of a tensor that
    has moved since."""
    if tensor._viewed() is not None:
        tensor._expect_current()
    return tensor._array


def here(array: Any) -> Array:
    """An array that is in either memory as one of this process."""
    return np.asarray(array) if isinstance(array, np.ndarray | np.generic) else gpu().download(array)


def gradient_of(tensor: TensorCore) -> TensorCore:
    """The gradient that a call has been told is there, whatever is traced meanwhile."""
    assert tensor._grad is not None
    return tensor._grad


def elements_on(tensor: TensorCore, device: str) -> Any:
    """The array of a tensor on a device, where the tensor is moved if it is not there."""
    if tensor.device != device:
        tensor._move(device)
    return tensor._array


def has_elements(tensor: TensorCore, type: TensorType) -> bool:
    """Whether a tensor has elements, of this type."""
    return tensor._array is not None and tensor.type == type


def elements_text(name: str) -> str:
    """The array of the tensor of a name, in generated code, where a call would take longer than what it does."""
    return f"{name}._array"


def renewal_text(name: str) -> str:
    """A line, in generated code, that makes the tensor of a name as new, over the array that it has."""
    return f"{name}._requires_grad, {name}._grad, {name}._history, {name}.name = False, None, None, None"


def likeness_text(name: str, tensor: TensorCore) -> Iterator[str]:
    """The conditions, in generated code, that the tensor of a name plays the part of this one in a backward."""
    yield f"{name}._requires_grad is {tensor._requires_grad}"
    if tensor._requires_grad:  # what requires no gradient has no history
        yield f"{name}._history is {'None' if tensor._history is None else 'not None'}"


def device_and_dtype(device: object, dtype: object) -> tuple[str | None, object]:
    """What `to` is given: a device, a dtype, or both, or a tensor that has them."""
    if isinstance(device, TensorCore):
        return device.device, device.dtype
    if isinstance(device, str) and device in _DTYPES:
        raise ArgumentError(f"a device is 'cpu' or 'cuda', got {device!r}.", hint=f'write dtype="{device}".')
    if device is not None and not isinstance(device, str):
        if dtype is not None:
            raise ArgumentError(f"to takes a device and a dtype, got {device!r} and {dtype!r}.")
        device, dtype = None, as_dtype(device)
    if device not in (None, "cpu", "cuda"):
        hint = "there is one GPU for a process: 'cuda'." if device.startswith(("cuda:", "gpu")) else None
        raise ArgumentError(f"a device is 'cpu' or 'cuda', got {device!r}.", hint=hint)
    return device, dtype
