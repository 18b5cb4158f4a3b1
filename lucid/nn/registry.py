"""Registry: the parameters, buffers and child modules of a module, by name, and how they are found."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping, MutableSet, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.errors import ArgumentError, ArgumentTypeError, ModuleError, NameTakenError, argument_error
from lucid.missing_names import refuse_attribute
from lucid.modes import bump_epoch, current_tracer, no_grad
from lucid.nn.arguments import expect_known, expect_settings
from lucid.nn.parameter import Parameter
from lucid.observed import Observed
from lucid.operations.arguments import as_flag
from lucid.tensor import Tensor

if TYPE_CHECKING:
    from lucid.nn.module import Module

REGISTRIES = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "module"}


class Registry(Observed):
    """What a Module is without its calls: attributes, some of which are registered under their names."""

    structural = {
        "_parameters": "what {} has as parameters",
        "_buffers": "what {} has as buffers",
        "_modules": "what {} has as layers",
        "_not_saved": "what {} has as buffers that are not saved",
    }

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _not_saved: set[str]  # the buffers that are left out of the state_dict

    @classmethod
    def _expect_arguments(cls, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        if (args or kwargs) and cls.__module__.startswith("lucid."):
            expect_known(cls, kwargs)
            expect_settings(cls, args)

    def __init__(self) -> None:
        self._parameters = {}
        self._buffers = {}
        self._modules = {}
        self._not_saved = set()
        self.training = True

    def __getattr__(self, name: str) -> Any:
        if name not in REGISTRIES and "_not_saved" in self.__dict__:
            for registry in (self._parameters, self._buffers, self._modules):
                if name in registry:
                    return registry[name]
        return refuse_attribute(self, name)

    def __dir__(self) -> list[str]:
        registered = (name for kind in REGISTRIES for name in self.__dict__.get(kind, ()))
        return [*super().__dir__(), *registered]

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._expect_free("_parameters", name)
            self._register("_parameters", name, value)
        elif isinstance(value, Registry):
            self._expect_free("_modules", name)
            self._register("_modules", name, value)  # type: ignore[arg-type]  # no Registry is made but as a Module
        elif isinstance(getattr(value, "module", None), Registry):  # its parameters would not be found
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
        if not isinstance(name, str):
            raise ArgumentTypeError(f"a {REGISTRIES[kind]} is named by a text, got {name!r}.")
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
            raise ArgumentTypeError(f"the buffer {name} takes a tensor or None, got {type(value).__name__}.")
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

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a parameter: what assigning it to an attribute does. None keeps the name for one."""
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentTypeError(f"register_parameter takes a Parameter or None, got {type(param).__name__}.")
        self._expect_free("_parameters", name, attributes=True)
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a tensor that belongs to the state but is not trained, such as a running mean.

        Assigning to its name copies into it, in place. It is part of the state_dict if it is `persistent`.
        """
        persistent = as_flag("persistent", persistent)
        is_tensor, kind = isinstance(tensor, Tensor), type(tensor).__name__
        if tensor is not None and (not isinstance(tensor, Tensor) or not tensor.is_leaf):
            raise argument_error(
                tensor,
                Tensor,
                f"register_buffer takes a leaf tensor or None, got {'a computed one' if is_tensor else kind}.",
                hint="use .detach()." if is_tensor else "make a tensor of it: lucid.Tensor(values).",
            )
        self._expect_free("_buffers", name, attributes=True)
        self._register("_buffers", name, tensor)
        if persistent:
            self._not_saved.discard(name)
        else:
            self._not_saved.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a child module: what assigning it to an attribute does."""
        if module is not None and not isinstance(module, Registry):
            raise ArgumentTypeError(f"add_module takes a Module or None, got {type(module).__name__}.")
        self._expect_free("_modules", name, attributes=True)
        self._register("_modules", name, module)

    def _expect_free(self, kind: str, name: str, attributes: bool = False) -> None:
        """Raise NameTakenError where a member of another kind has a name, or a plain attribute with `attributes`."""
        held: dict[str, str] = {"__dict__": "an attribute"} if attributes else {}
        held |= {other: f"a {REGISTRIES[other]}" for other in REGISTRIES if other != kind}
        for place, what in held.items() if isinstance(name, str) else ():
            if name in (self.__dict__ if place == "__dict__" else self.__dict__.get(place, ())):
                raise NameTakenError(
                    f"{name!r} names {what} of {type(self).__name__}, so it can't name a {REGISTRIES[kind]}.",
                    hint=f"choose another name, or delete that first: del module.{name}",
                )

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

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted names, parents first, each module once unless
        `remove_duplicate` is False. Those in `memo` are left out, and those that come are added to it."""
        seen = set() if memo is None else memo
        if not isinstance(seen, MutableSet):
            raise ArgumentTypeError(f"named_modules takes a set of modules as memo, got {type(memo).__name__}.")
        return self._walk(as_prefix(prefix), seen, as_flag("remove_duplicate", remove_duplicate))

    def _walk(self, prefix: str, seen: MutableSet[Module], once: bool) -> Iterator[tuple[str, Module]]:
        if once and self in seen:
            return
        seen.add(self)  # type: ignore[arg-type]
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                yield from module._walk(join(prefix, name), seen, once)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first, each once unless `remove_duplicate` is False."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters and their dotted names. One that several modules share comes once, under its first name,
        unless `remove_duplicate` is False."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers and their dotted names, each once unless `remove_duplicate` is False."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters, then the buffers, with their dotted names."""
        yield from self.named_parameters()
        yield from self.named_buffers()

    def _named_members(self, kind: str, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Any]]:
        prefix, once = as_prefix(prefix), as_flag("remove_duplicate", once)
        below = self._walk(prefix, set(), once) if as_flag("recurse", recurse) else [(prefix, self)]
        return self._members_of(kind, below, once)

    @staticmethod
    def _members_of(kind: str, modules: Iterable[tuple[str, Registry]], once: bool) -> Iterator[tuple[str, Any]]:
        seen = set()
        for path, module in modules:
            for name, member in getattr(module, kind).items():
                if member is not None and not (once and id(member) in seen):
                    seen.add(id(member))
                    yield join(path, name), member

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name below this one, or this one for "". Raises ArgumentError where there is none.

        >>> import lucid.nn as nn
        >>> nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU())).get_submodule("1.0")
        ReLU()
        """
        found: Registry = self
        expect_name(target)
        for name in target.split(".") if target else ():
            member = found._modules.get(name)
            if member is None:
                raise ArgumentError(
                    f"{type(self).__name__} has no module {target!r}.", hint=self._near(target, "modules")
                )
            found = member
        return found  # type: ignore[return-value]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises ArgumentError where there is none."""
        found: Parameter = self._member("_parameters", target)
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises ArgumentError where there is none."""
        found: Tensor = self._member("_buffers", target)
        return found

    def _member(self, kind: str, target: str) -> Any:
        expect_name(target)
        path, _, name = target.rpartition(".")
        member = getattr(self.get_submodule(path), kind).get(name)
        if member is None:
            raise ArgumentError(
                f"{type(self).__name__} has no {REGISTRIES[kind]} {target!r}.",
                hint=self._near(target, f"{REGISTRIES[kind]}s"),
            )
        return member

    def _near(self, target: str, kind: str) -> str | None:
        names = [name for name, _ in getattr(self, f"named_{kind}")()]
        near = get_close_matches(target, names, n=1)
        return f"did you mean {near[0]!r}?" if near else None


def expect_name(target: object) -> None:
    """Raise ArgumentTypeError for what is not a dotted name."""
    if not isinstance(target, str):
        raise ArgumentTypeError(f"a member of a module is named by a text such as '0.weight', got {target!r}.")


def as_prefix(prefix: object) -> str:
    """What stands before names, or an ArgumentTypeError for what is no text."""
    if not isinstance(prefix, str):
        raise ArgumentTypeError(f"a prefix of names is a text, got {reprlib.repr(prefix)}.")
    return prefix


def join(prefix: str, name: str) -> str:
    """A dotted name."""
    return f"{prefix}.{name}" if prefix else name
