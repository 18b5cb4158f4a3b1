"""Module: a part of a network, with its parameters, buffers and child modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from os import PathLike
from typing import Any, TypeVar

import numpy as np

from lucid.context import Described, enter_module, leave_module
from lucid.conversion import to_array
from lucid.core import device_and_dtype, expect_movable
from lucid.errors import ArgumentTypeError, UndefinedError
from lucid.modes import no_grad
from lucid.nn.hooks import Hook, RemovableHandle, called_with_hooks
from lucid.nn.registry import REGISTRIES, Registry, as_prefix, join
from lucid.nn.state import StateDictDifference, check_state, difference_hint
from lucid.operations import as_tensor, zeros_like
from lucid.operations.arguments import as_flag
from lucid.savepoints import Savepoint
from lucid.tensor import Array, Tensor

M = TypeVar("M", bound="Module")


class Module(Registry):
    """The base of everything with parameters. A subclass calls `super().__init__()`, assigns parameters and modules
    to attributes, and defines `forward`; calling the module calls `forward`.

    A Parameter or a Module that is assigned to an attribute is registered under its name. Tensors that belong to the
    state but are not trained are registered by `register_buffer`; assigning to a buffer's name copies into it.
    """

    _hooks: tuple[Hook, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes. Every subclass that is called defines it."""
        name = type(self).__name__
        raise UndefinedError(
            f"{name} defines no forward().",
            hint="write `for layer in layers: x = layer(x)`, or make an nn.Sequential of them."
            if type(self).__module__.startswith("lucid.")
            else f"write `def forward(self, x): ...` in the class {name}: calling the module calls it.",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, np.ndarray) for x in (*args, *kwargs.values())):  # as compiled code does
            args = tuple(map(_as_tensor, args))
            kwargs = {name: _as_tensor(value) for name, value in kwargs.items()}
        enter_module(self)
        try:
            with Savepoint():
                return called_with_hooks(self, args, kwargs) if self._hooks else self.forward(*args, **kwargs)
        finally:
            leave_module()

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Have each call begin with `hook(module, args)`, whose result, unless it is None, stands in for the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)`, which returns a pair of both, or None. Hooks are called
        in the order in which they came, or before those that are there with `prepend`. In a compiled function they run
        when it is traced; one that comes or goes compiles again.

        >>> import lucid
        >>> import lucid.nn as nn
        >>> double = nn.Identity()
        >>> handle = double.register_forward_pre_hook(lambda module, args: args[0] * 2.0)
        >>> print(double(lucid.ones(2)))
        [2.0, 2.0]
        >>> handle.remove()
        >>> print(double(lucid.ones(2)))
        [1.0, 1.0]
        """
        return self._hooked(Hook(hook, True, as_flag("with_kwargs", with_kwargs), False), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Have each call end with `hook(module, args, result)`, whose result, unless it is None, stands in for that.

        With `with_kwargs` it is `hook(module, args, kwargs, result)`. With `always_call` it is called, with None, after
        a call that raised, too. For the rest see `register_forward_pre_hook`.
        """
        with_kwargs, always_call = as_flag("with_kwargs", with_kwargs), as_flag("always_call", always_call)
        return self._hooked(Hook(hook, False, with_kwargs, always_call), prepend)

    def _hooked(self, hook: Hook, first: bool) -> RemovableHandle:
        if not callable(hook.function):
            raise ArgumentTypeError(f"a hook is a function, got {type(hook.function).__name__}.")
        self._hooks = (hook, *self._hooks) if as_flag("prepend", first) else (*self._hooks, hook)
        return RemovableHandle(self, hook)

    # State.

    def state_dict(
        self, *, destination: MutableMapping[str, Array] | None = None, prefix: str = ""
    ) -> MutableMapping[str, Array]:
        """A copy of every parameter and persistent buffer as a NumPy array, by its dotted name behind a prefix.

        Later training does not change it. What modules share stands under each of its names. The arrays are added to
        `destination`, if it is given.
        """
        state: MutableMapping[str, Array] = {} if destination is None else destination
        if not isinstance(state, MutableMapping):
            raise ArgumentTypeError(f"state_dict takes a dict as destination, got {type(destination).__name__}.")
        prefix = as_prefix(prefix)
        state.update({f"{prefix}{name}": tensor._concrete("state_dict()").copy() for name, tensor in self._state("")})
        return state

    def _state(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        for registry in (self._parameters, self._buffers):
            for name, tensor in registry.items():
                if tensor is not None and name not in self._not_saved:
                    yield join(prefix, name), tensor
        for name, module in self._modules.items():
            if module is not None:
                yield from module._state(join(prefix, name))

    def load_state_dict(self, state_dict: Mapping[str, object], strict: bool = True) -> StateDictDifference:
        """Copy arrays (or tensors) of a state_dict into the parameters and buffers of the same names, in place.

        Everything is checked before anything is written. Raises StateDictError where a shape differs and, if
        `strict`, where keys are missing or unexpected; else they are returned, and the rest is loaded. Values are
        cast to the dtype that the module has.
        """
        if not isinstance(state_dict, Mapping):
            raise ArgumentTypeError(
                f"load_state_dict takes a dict of tensors by name, got {type(state_dict).__name__}.",
                hint="lucid.load(path, model) loads a file." if isinstance(state_dict, str | PathLike) else None,
            )
        strict = as_flag("strict", strict)
        own = dict(self._state(""))
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        arrays = {name: to_array(value) for name, value in state_dict.items() if name in own}
        check_state(
            type(self).__name__,
            {name: own[name] for name in arrays},
            arrays,
            missing if strict else [],
            unexpected if strict else [],
            difference_hint(own, state_dict, missing, unexpected) if strict else None,
        )
        with Savepoint(later=True), no_grad():
            for name, array in arrays.items():
                own[name].copy_(array)
        return StateDictDifference(missing, unexpected)

    # Changing all of it.

    def to(self: M, device: str | object | None = None, dtype: object = None) -> M:
        """Move the parameters and buffers, with their gradients, to a device, "cpu" or "cuda"; return the module.

        The tensors stay the same objects. A function compiled for "cuda" moves what it captures by itself. With a
        dtype, which may be the first argument, too, the module is cast as by `astype`. Raises TraceError where it would
        move in a compiled function.
        """
        place, kind = device_and_dtype(device, dtype)
        if place is not None:
            expect_movable(type(self).__name__)
        if kind is not None:
            self.astype(kind)
        if place is not None:
            for tensor in (*self.parameters(), *self.buffers()):
                tensor._move(place)
        return self

    def cpu(self: M) -> M:
        """The same as `to("cpu")`."""
        return self.to("cpu")

    def cuda(self: M) -> M:
        """The same as `to("cuda")`."""
        return self.to("cuda")

    def float(self: M) -> M:
        """The same as `astype("float32")`."""
        return self.astype("float32")

    def double(self: M) -> M:
        """The same as `astype("float64")`."""
        return self.astype("float64")

    def _place(self, device: str | None) -> None:
        """Move what a constructor has made to the device that it was given, if any."""
        if device is not None:
            self.to(device)

    def train(self: M, mode: bool = True) -> M:
        """Set `training` here and in every module below: Dropout drops only where it is set."""
        if not isinstance(mode, bool):
            raise ArgumentTypeError(f"train takes True or False, got {mode!r}.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """The same as `train(False)`."""
        return self.train(False)

    def apply(self: M, fn: Callable[[Module], object]) -> M:
        """Call a function on every module below, children first, and then on this one."""
        if not callable(fn):
            raise ArgumentTypeError(f"apply takes a function of a module, got {type(fn).__name__}.")
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the `grad` of every parameter to None, or, where there is one, to zeros without `set_to_none`."""
        set_to_none = as_flag("set_to_none", set_to_none)
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of every parameter."""
        requires_grad = as_flag("requires_grad", requires_grad)
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def astype(self: M, dtype: object) -> M:
        """Replace every float parameter and buffer by one of another float dtype. Grads are dropped.

        Make the optimizer afterwards: one that was made before holds the parameters that were replaced.
        """
        replaced: dict[int, Tensor] = {}
        for module in list(self.modules()):
            for kind in ("_parameters", "_buffers"):
                for name, tensor in list(getattr(module, kind).items()):
                    if tensor is not None and tensor.dtype.is_float:
                        if id(tensor) not in replaced:
                            replaced[id(tensor)] = type(tensor)(tensor.detach().astype(dtype), tensor.requires_grad)
                        module._register(kind, name, replaced[id(tensor)])
        return self

    # For people.

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr: the arguments, as they would be written."""
        return ""

    def describe(self) -> str:
        """The module in one line, without those below it: `Linear(64, 128)`."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def name_of_child(self, child: Described) -> str | None:
        """The dotted name of a module below this one, or None."""
        own: dict[str, Module | None] = self.__dict__["_modules"]
        for name, module in own.items():  # most are right here: no need to search the whole tree
            if module is child:
                return name
        return next((name for name, member in _tree(self) if member is child), None)

    def __repr__(self) -> str:
        children = [
            f"({name}): {module!r}".replace("\n", "\n  ")
            for name, module in self._modules.items()
            if module is not None
        ]
        if not children:
            return self.describe()
        lines = [line for line in (self.extra_repr(), *children) if line]
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"


def _tree(module: Module, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Everything that is registered in a module and below, by dotted name.

    For messages: it reads the registries in a way that a trace does not record.
    """
    for kind in REGISTRIES:
        for name, member in module.__dict__.get(kind, {}).items():
            yield join(prefix, name), member
            if isinstance(member, Module):
                yield from _tree(member, join(prefix, name))


def clear_grad(parameter: Tensor, set_to_none: bool = True) -> None:
    """Set the grad of a tensor to None, or, where there is one, to zeros."""
    grad = None if set_to_none else parameter.grad
    parameter.grad = None if grad is None else zeros_like(grad)


def _as_tensor(x: Any) -> Any:
    """An array as a tensor over the same memory; everything else as it is."""
    return as_tensor(x) if isinstance(x, np.ndarray) else x
