"""Module: a part of a network, with its parameters, buffers and child modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from lucid.context import Described, enter_module, leave_module
from lucid.conversion import to_array
from lucid.core import expect_device
from lucid.errors import ArgumentError, ModuleError
from lucid.modes import bump_epoch, current_tracer, no_grad
from lucid.nn.parameter import Parameter
from lucid.nn.state import StateDictDifference, check_state
from lucid.observed import Observed
from lucid.operations import as_tensor
from lucid.tensor import Array, Tensor

M = TypeVar("M", bound="Module")

REGISTRIES = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "module"}


class Module(Observed):
    """The base of everything with parameters. A subclass calls `super().__init__()`, assigns parameters and modules
    to attributes, and defines `forward`; calling the module calls `forward`.

    A Parameter or a Module that is assigned to an attribute is registered under its name. Tensors that belong to the
    state but are not trained are registered by `register_buffer`; assigning to a buffer's name copies into it.
    """

    structural = frozenset({*REGISTRIES, "_not_saved"})

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _not_saved: set[str]  # the buffers that are left out of the state_dict

    def __init__(self) -> None:
        self._parameters = {}
        self._buffers = {}
        self._modules = {}
        self._not_saved = set()
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes. Every subclass that is called defines it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, np.ndarray) for x in (*args, *kwargs.values())):  # as compiled code does
            args = tuple(map(_as_tensor, args))
            kwargs = {name: _as_tensor(value) for name, value in kwargs.items()}
        enter_module(self)
        try:
            return self.forward(*args, **kwargs)
        finally:
            leave_module()

    # Attributes.

    def __getattr__(self, name: str) -> Any:
        if name not in REGISTRIES and "_not_saved" in self.__dict__:
            for registry in (self._parameters, self._buffers, self._modules):
                if name in registry:
                    return registry[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.add_module(name, value)
        elif isinstance(getattr(value, "module", None), Module):  # its parameters would not be found
            raise ArgumentError(
                f"{type(self).__name__}.{name} was set to {type(value).__name__}, which wraps a module.",
                hint="assign the module itself, and compile the outermost module or the step.",
            )
        elif (kind := self._kind(name)) is None:
            super().__setattr__(name, value)
        elif value is None:
            self._register(kind, name, None)
        elif kind == "_buffers":
            self._set_buffer(name, value)
        else:
            wanted = "a Parameter" if kind == "_parameters" else "a Module"
            raise ArgumentError(
                f"{type(self).__name__}.{name} is a {REGISTRIES[kind]} and takes {wanted} or None, "
                f"got {type(value).__name__}.",
                hint=f"new values go into a parameter by `with lucid.no_grad(): module.{name}.copy_(values)`."
                if kind == "_parameters"
                else None,
            )

    def __delattr__(self, name: str) -> None:
        kind = self._kind(name)
        tracer = current_tracer()
        if kind is None:
            super().__delattr__(name)
        elif tracer is not None and not tracer.is_new(self):
            tracer.delete_attribute(self, name)
        else:
            self._forget(name)
            bump_epoch()

    def _kind(self, name: str) -> str | None:
        """The registry that holds a name."""
        if "_not_saved" not in self.__dict__:
            return None
        return next((kind for kind in REGISTRIES if name in getattr(self, kind)), None)

    def _register(self, kind: str, name: str, value: Parameter | Tensor | Module | None) -> None:
        """Put a value into a registry under a name that no other registry holds afterwards."""
        owner = type(self).__name__
        if "_not_saved" not in self.__dict__:
            raise ModuleError(
                f"{owner}.{name} was assigned before the module was set up.",
                hint=f"call super().__init__() at the start of {owner}.__init__.",
            )
        if not name or "." in name or hasattr(type(self), name):
            raise ArgumentError(
                f"{name!r} can't name a {REGISTRIES[kind]} of {owner}: names are not empty, have no dot, and are not "
                "those of methods and other attributes of the class."
            )
        registry = getattr(self, kind)
        if name in registry and registry[name] is value:
            return
        tracer = current_tracer()
        if tracer is not None and not tracer.is_new(self):
            tracer.write_attribute(self, name, value)
        if name not in registry:
            self._forget(name)
        registry[name] = value
        bump_epoch()

    def _forget(self, name: str) -> None:
        self._not_saved.discard(name)
        for attributes in (self.__dict__, *(getattr(self, kind) for kind in REGISTRIES)):
            attributes.pop(name, None)

    def _set_buffer(self, name: str, value: object) -> None:
        if not isinstance(value, Tensor | np.ndarray):
            raise ArgumentError(f"the buffer {name} takes a tensor or None, got {type(value).__name__}.")
        buffer = self._buffers[name]
        if buffer is None:
            self._register("_buffers", name, value if isinstance(value, Tensor) else Tensor(value))
        elif value is not buffer:
            if tuple(value.shape) != buffer.shape or str(value.dtype) != str(buffer.dtype):
                raise ArgumentError(
                    f"the buffer {name} keeps its type, {buffer.dtype} of shape {buffer.shape}, "
                    f"got {value.dtype} of shape {tuple(value.shape)}."
                )
            with no_grad():
                buffer.copy_(value)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Register a parameter: what assigning it to an attribute does. None keeps the name for one."""
        if parameter is not None and not isinstance(parameter, Parameter):
            raise ArgumentError(f"register_parameter takes a Parameter or None, got {type(parameter).__name__}.")
        self._register("_parameters", name, parameter)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that belongs to the state but is not trained, such as a running mean.

        Assigning to its name copies into it, in place. It is part of the state_dict if it is `persistent`.
        """
        is_tensor, kind = isinstance(tensor, Tensor), type(tensor).__name__
        if tensor is not None and (not isinstance(tensor, Tensor) or not tensor.is_leaf):
            raise ArgumentError(
                f"register_buffer takes a leaf tensor or None, got {'a computed one' if is_tensor else kind}.",
                hint="use .detach()." if is_tensor else "make a tensor of it: lucid.Tensor(values).",
            )
        self._register("_buffers", name, tensor)
        if persistent:
            self._not_saved.discard(name)
        else:
            self._not_saved.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a child module: what assigning it to an attribute does."""
        if module is not None and not isinstance(module, Module):
            raise ArgumentError(f"add_module takes a Module or None, got {type(module).__name__}.")
        self._register("_modules", name, module)

    # What is inside.

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct child modules and their names, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct child modules, each once."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted names, parents first, each module once."""
        return self._walk(prefix, set())

    def _walk(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module._walk(join(prefix, name), seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, parents first, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters and their dotted names; one that several modules share comes once, under its first name."""
        return self._named_members("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers and their dotted names, each once."""
        return self._named_members("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters, then the buffers, with their dotted names."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def _named_members(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, member in getattr(module, kind).items():
                if member is not None and id(member) not in seen:
                    seen.add(id(member))
                    yield join(path, name), member

    # State.

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and persistent buffer as a NumPy array, by its dotted name.

        Later training does not change it. What modules share stands under each of its names.
        """
        return {name: tensor.numpy().copy() for name, tensor in self._state("")}

    def _state(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        for registry in (self._parameters, self._buffers):
            for name, tensor in registry.items():
                if tensor is not None and name not in self._not_saved:
                    yield join(prefix, name), tensor
        for name, module in self._modules.items():
            if module is not None:
                yield from module._state(join(prefix, name))

    def load_state_dict(self, state: Mapping[str, object], strict: bool = True) -> StateDictDifference:
        """Copy arrays (or tensors) of a state_dict into the parameters and buffers of the same names, in place.

        Everything is checked before anything is written. Raises StateDictError where a shape differs and, if
        `strict`, where keys are missing or unexpected; else they are returned, and the rest is loaded. Values are
        cast to the dtype that the module has.
        """
        own = dict(self._state(""))
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        arrays = {name: to_array(value) for name, value in state.items() if name in own}
        check_state(
            type(self).__name__,
            {name: own[name] for name in arrays},
            arrays,
            missing if strict else [],
            unexpected if strict else [],
        )
        with no_grad():
            for name, array in arrays.items():
                own[name].copy_(array)
        return StateDictDifference(missing, unexpected)

    # Changing all of it.

    def to(self: M, device: str) -> M:
        """Move the parameters and buffers, with their gradients, to a device, "cpu" or "cuda"; return the module.

        The tensors stay the same objects. A function compiled for "cuda" moves what it captures by itself.
        """
        expect_device(device)
        for tensor in (*self.parameters(), *self.buffers()):
            tensor._move(device)
        bump_epoch()
        return self

    def _place(self, device: str | None) -> None:
        """Move what a constructor has made to the device that it was given, if any."""
        if device is not None:
            self.to(device)

    def train(self: M, mode: bool = True) -> M:
        """Set `training` here and in every module below: Dropout drops only where it is set."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train takes True or False, got {mode!r}.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """The same as `train(False)`."""
        return self.train(False)

    def apply(self: M, function: Callable[[Module], object]) -> M:
        """Call a function on every module below, children first, and then on this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def zero_grad(self) -> None:
        """Set the `grad` of every parameter to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set `requires_grad` of every parameter."""
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


def join(prefix: str, name: str) -> str:
    """A dotted name."""
    return f"{prefix}.{name}" if prefix else name


def _as_tensor(x: Any) -> Any:
    """An array as a tensor over the same memory; everything else as it is."""
    return as_tensor(x) if isinstance(x, np.ndarray) else x
