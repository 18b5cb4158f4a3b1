"""Tensor: a concrete array, or a symbol while a function is being traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

import lucid.array_functions as array_functions
import lucid.autograd as autograd
import lucid.operations as ops
import lucid.ufuncs as ufuncs
from lucid.codegen.cuda.device import gpu
from lucid.conversion import copied, format_array
from lucid.core import Array, Number, TensorCore
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError
from lucid.methods import TensorMethods
from lucid.missing_names import refuse_attribute, refuse_function_of_pytorch
from lucid.modes import bump_epoch, current_tracer, is_grad_enabled, modes
from lucid.operations import Operand
from lucid.operations.arguments import as_flag
from lucid.savepoints import about_to_write

__all__ = ["Array", "Number", "Tensor", "tensor"]

_NEXT_LINE = ",\n       "  # in the text of a tensor, below its elements


def _reflected(operation: Callable[[Operand, Operand], Tensor]) -> Callable[[Tensor, Operand], Tensor]:
    """The method of an operator whose right operand is the tensor."""

    def method(self: Tensor, other: Operand) -> Tensor:
        return operation(other, self)

    return method


def _elements_put_back(array: Any) -> Callable[[], None]:
    """What gives an array, NumPy's or CuPy's on a GPU, the elements back that it has now."""
    if isinstance(array, np.ndarray):
        elements = array.copy()
        return lambda: np.copyto(array, elements)
    device = gpu()
    there = device.copy(array)
    return lambda: device.write(array, there)


def _in_place(operation: Callable[[Operand, Operand], Tensor]) -> Callable[[Tensor, Operand], Tensor]:
    """The method of an operator such as `+=`."""

    def method(self: Tensor, other: Operand) -> Tensor:
        return self._update(operation(self, other))

    return method


class Tensor(TensorMethods):
    """An n-dimensional array that operations can differentiate through.

    `data` is a nested sequence, a number, a NumPy array or a Tensor, and is copied. Python floats become float32,
    ints int64, bools bool; NumPy arrays and Tensors keep their dtype; `dtype` overrides. Raises DTypeError for an
    element type that Lucid does not have, or where `requires_grad` is asked of a dtype that is not a float.

    >>> Tensor([[1.0, 2.0]])
    Tensor([[1.0, 2.0]], grad=None)
    >>> Tensor([1, 2]).dtype
    lucid.int64
    """

    __slots__ = ()

    def __init__(self, data: object, requires_grad: bool = False, dtype: object = None) -> None:
        if isinstance(data, int) and type(requires_grad) is int:
            raise ArgumentTypeError(
                f"Tensor takes the elements, as nested lists, and requires_grad; got {data} and {requires_grad}.",
                hint=f"lucid.zeros({data}, {requires_grad}) makes a tensor of a shape.",
            )
        traced = ops.read_at_each_call(data, dtype)
        if traced is None:
            self._initialize(copied(data, dtype), None)
        else:
            self._initialize(None, traced._symbol)
        if as_flag("requires_grad", requires_grad):
            self.requires_grad = True

    if not TYPE_CHECKING:  # type checkers know themselves which names there are
        __getattr__ = refuse_attribute

    __torch_function__: ClassVar[Any] = classmethod(refuse_function_of_pytorch)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Tensor:
        return ufuncs.apply(ufunc, method, operands, options)

    def __array_function__(self, function: Callable[..., Any], _: Any, arguments: Any, options: Any) -> Any:
        return array_functions.apply(function, arguments, options)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise ArgumentTypeError("a tensor without axes has no elements to go through.", hint="use .item().")
        return (self[i] for i in range(self.shape[0]))

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "tensors are not pickled.",
            hint="save a module's state_dict() instead, which holds arrays, or use lucid.save.",
        )

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
        elements = format_array(self._host(), len("Tensor("))
        grad = "None" if self._grad is None else format_array(self._grad._concrete("repr()"), len("Tensor(grad="))
        if "\n" not in elements + grad and "..." not in elements:
            return f"Tensor({elements}, grad={grad})"
        parts = (elements, f"grad={grad}", f"shape={self.shape}, dtype={self.dtype.name}")
        return f"Tensor({_NEXT_LINE.join(parts)})"

    def __format__(self, spec: str) -> str:
        shown = self._single(f"format(..., {spec!r})") if spec and self.size == 1 else str(self)
        try:
            return format(shown, spec)
        except ValueError:
            raise ArgumentError(
                f"a tensor of shape {self.shape} has no format {spec!r}.",
                hint="of one element, it takes those of a number, such as {loss:.3f}; "
                "numpy.array2string(t.numpy(), precision=3) writes more.",
            ) from None

    def __str__(self) -> str:
        if self._array is None or self._is_traced():
            return f"Tensor(<{self.type}, traced: lucid.debug.print shows it at each call>)"
        if self._requires_grad:
            return repr(self)
        return format_array(self._host())

    # Differentiation.

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient for it."""
        tracer = current_tracer()
        if tracer is not None:
            tracer.note_flag(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` of a leaf, and return it."""
        requires_grad = as_flag("requires_grad", requires_grad)
        if requires_grad and not self.dtype.is_float:
            raise DTypeError(
                f"only float tensors can require gradients, got {self.dtype}.",
                hint='write the numbers as floats, or convert with .astype("float32").',
            )
        if self._history is not None and not requires_grad:
            raise ArgumentError("requires_grad of a computed tensor can't be unset.", hint="use .detach().")
        tracer = current_tracer()
        if tracer is not None and requires_grad != self.requires_grad:
            tracer.set_requires_grad(self)
        if modes.leaves_made is not None and requires_grad:
            modes.leaves_made.append(self)
        self._requires_grad = requires_grad
        bump_epoch()
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated: a Tensor of the same type, or None."""
        tracer = current_tracer()
        return self._grad if tracer is None else tracer.gradients.read(self)

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
            tracer.gradients.write(self, value)

    def backward(self, gradient: Tensor | Array | None = None, retain_graph: bool = False) -> None:
        """Add d sum(self * gradient) / dx to `x.grad` of every leaf x that requires a gradient.

        `gradient` has this tensor's shape and is ones where it is not given. The recorded graph is freed unless
        `retain_graph` is set. Raises GradientError where there is no graph, where it was freed, or where a value that
        it needs has been updated in place since.
        """
        retain_graph = as_flag("retain_graph", retain_graph)
        seed = None if gradient is None else ops.as_tensor(gradient)
        tracer = current_tracer()
        if tracer is None:
            autograd.backward(self, seed, retain_graph)
        else:
            tracer.gradients.backward(self, seed, retain_graph)

    @property
    def data(self) -> Tensor:
        """The same as `detach()`. Assigning copies elements in place."""
        return ops.detach(self)

    @data.setter
    def data(self, value: Tensor | Array) -> None:
        self.detach().copy_(ops.detach(ops.as_tensor(value)))

    def zero_grad(self) -> None:
        """Set `grad` to None."""
        self.grad = None

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

    def _assign(self, value: Tensor, instead: str = "write `t = t + x` instead.") -> None:
        """Take over the elements of a tensor of the same shape: what every in-place update comes down to. The error for
        a computed tensor has the hint `instead`."""
        if value.type != self.type:
            raise DTypeError(
                f"an in-place update keeps the type {self.type}, got {value.type}.",
                hint="write `t = t + x` for a new tensor of another type or shape.",
            )
        if self._history is not None:
            raise ArgumentError("a computed tensor can't be updated in place.", hint=instead)
        if self._requires_grad and is_grad_enabled():
            raise ArgumentError(
                "a tensor that requires a gradient was updated in place while gradients are recorded.",
                hint="put the update under `with lucid.no_grad():`",
            )
        if value._requires_grad and is_grad_enabled():
            raise ArgumentError(
                "values that require a gradient were written into a tensor that requires none: there it would end.",
                hint="write `t = lucid.index_put(t, (rows,), value)` or another new tensor, or write value.detach().",
            )
        owner = self._owner()
        if owner is None:
            raise ArgumentError(
                "a view can't be updated in place.",
                hint="update the tensor it views: `x[0] = x[0] + 5` instead of `x[0] += 5`.",
            )
        tracer = current_tracer()
        if tracer is not None:
            tracer.assign(owner, value)
            return
        savepoint = modes.savepoint
        if owner.device != "cpu":
            about_to_write(owner, owner._remember_elements)
            gpu().write(owner._array, value._here("an in-place update"))
        elif savepoint is not None and savepoint.later:
            savepoint.put_off(owner, owner._remember_array)
            owner._array = value._concrete("an in-place update")
        else:
            about_to_write(owner, owner._remember_elements)
            np.copyto(owner._concrete("an in-place update"), value._concrete("an in-place update"))
        owner._version.count += 1

    def _remember_elements(self) -> Callable[[], None]:
        """What gives a leaf the elements back that it has now. That it has been written stays known."""
        return _elements_put_back(self._array)

    def _remember_array(self) -> tuple[Callable[[], None], Callable[[], None]]:
        """What gives a leaf the array back that it has now, and what does so with the elements that it has then."""
        array: Any = self._array

        def restore() -> None:
            self._array = array

        def finish() -> None:
            computed: Any = self._array
            if computed is not array:
                about_to_write(self, lambda: _elements_put_back(array))
                np.copyto(array, computed)
                self._array = array

        return restore, finish

    def _remember_all(self) -> Callable[[], None]:
        """What makes a computed tensor again what it is now."""
        kept = self._array, self._alias, self._version, self._requires_grad, self._history

        def restore() -> None:
            self._array, self._alias, self._version, self._requires_grad, self._history = kept

        return restore

    def _owner(self) -> Tensor | None:
        """The tensor whose elements these are: itself, or what it was detached from. None for views of other kinds."""
        owner = self
        while (viewed := owner._viewed()) is not None:
            owner, op = viewed
            if op.name != "detach":
                return None
        return owner

    def _become(self, result: Tensor) -> Tensor:
        """Hold what an operation has made of this tensor from here on, as `inplace=True` asks for, and return it.

        A leaf is updated in place. A computed tensor takes over the result with its history, while other tensors, and
        the backward of what has read it, keep the elements that it had.
        """
        tracer = current_tracer()
        is_from_outside = tracer is not None and self._symbol is None
        if is_from_outside or (self._history is None and self._owner() is not None):
            self._assign(result)
            return self
        if tracer is None:
            about_to_write(self, self._remember_all)
            self._array = result._array
        else:
            tracer.replace(self, result)
        self._alias, self._version = result._viewed(), result._version
        self._requires_grad, self._history = result._requires_grad, result._history
        return self

    def _update(self, result: Tensor) -> Tensor:
        """`t += x`: in place for a leaf, a new tensor for a computed one (and where gradients are recorded, if it
        requires one, the error of `_assign`)."""
        if self._history is not None or (result.requires_grad and not self._requires_grad):
            return result
        self._assign(result)
        return self

    __iadd__ = _in_place(ops.add)
    __isub__ = _in_place(ops.subtract)
    __imul__ = _in_place(ops.multiply)
    __itruediv__ = _in_place(ops.divide)

    def __setitem__(self, key: Any, value: Operand) -> None:
        self._assign(ops.with_item(self, key, value), "write `t = lucid.index_put(t, (rows,), value)`, or lucid.where.")

    # Operators. Methods with names are in `lucid.methods`.

    __add__ = ops.add
    __radd__ = _reflected(ops.add)
    __sub__ = ops.subtract
    __rsub__ = _reflected(ops.subtract)
    __mul__ = ops.multiply
    __rmul__ = _reflected(ops.multiply)
    __truediv__ = ops.divide
    __rtruediv__ = _reflected(ops.divide)
    __floordiv__ = ops.floor_divide
    __rfloordiv__ = _reflected(ops.floor_divide)
    __mod__ = ops.remainder
    __rmod__ = _reflected(ops.remainder)
    __pow__ = ops.power
    __rpow__ = _reflected(ops.power)
    __matmul__ = ops.matmul
    __rmatmul__ = _reflected(ops.matmul)
    __lshift__ = ops.left_shift
    __rlshift__ = _reflected(ops.left_shift)
    __rshift__ = ops.right_shift
    __rrshift__ = _reflected(ops.right_shift)
    __and__ = ops.bitwise_and
    __or__ = ops.bitwise_or
    __xor__ = ops.bitwise_xor
    __neg__ = ops.negative
    __abs__ = ops.absolute
    __invert__ = ops.bitwise_not
    __lt__ = ops.less
    __le__ = ops.less_equal
    __gt__ = ops.greater
    __ge__ = ops.greater_equal
    __eq__ = ops.equal  # type: ignore[assignment]  # elementwise, as in NumPy
    __ne__ = ops.not_equal  # type: ignore[assignment]
    __hash__ = object.__hash__
    __getitem__ = ops.get_item

    def __divmod__(self, y: Operand) -> tuple[Tensor, Tensor]:
        return ops.floor_divide(self, y), ops.remainder(self, y)

    def __rdivmod__(self, x: Operand) -> tuple[Tensor, Tensor]:
        return ops.floor_divide(x, self), ops.remainder(x, self)

    def __round__(self, decimals: int = 0) -> Tensor:
        return ops.round(self, decimals=decimals)


TensorCore.result_class = Tensor


def tensor(data: object, dtype: object = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of a copy of data, on a device: PyTorch's way of writing `Tensor(data, requires_grad, dtype)`.

    >>> tensor([1, 2], dtype="float32")
    Tensor([1.0, 2.0], grad=None)
    """
    made = Tensor(data, dtype=dtype)
    placed = made if device is None else made.to(device)
    return placed.requires_grad_() if as_flag("requires_grad", requires_grad) else placed
