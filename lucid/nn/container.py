"""Modules that hold other modules, or parameters, in order or by name."""

from __future__ import annotations

import reprlib
from abc import abstractmethod
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from types import FunctionType
from typing import Any, Generic, TypeVar, overload

from lucid.errors import ArgumentTypeError, MissingKeyError
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_integer, as_list, as_position, checked_slice
from lucid.tensor import Array, Tensor

C = TypeVar("C", bound="Container")
H = TypeVar("H", Module, Parameter)


class Container(Module):
    """The base of modules that are sequences: children are named 0, 1, 2, ..."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))  # type: ignore[arg-type]  # append lets no None in

    @overload
    def __getitem__(self: C, index: slice) -> C: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...
    def __getitem__(self: C, index: int | slice) -> C | Module:
        """The module at a position, or a container of the same modules for a slice."""
        if not isinstance(index, slice):
            return list(self)[_position(self, index)]
        part = type(self)()
        part.extend(list(self)[checked_slice(index)])
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[_position(self, index)], self._checked(module))

    def append(self: C, module: Module) -> C:
        """Add a module at the end."""
        self.add_module(str(len(self)), self._checked(module))
        return self

    def extend(self: C, modules: Iterable[Module]) -> C:
        """Add modules at the end."""
        for module in [self._checked(module) for module in _listed(self, modules)]:
            self.append(module)
        return self

    def insert(self: C, index: int, module: Module) -> C:
        """Add a module before the one at a position; those behind are renamed."""
        held = list(self)
        held.insert(as_integer("insert takes an integer as index", index), self._checked(module))
        return self._hold(held)

    def pop(self, key: int) -> Module:
        """Take the module at a position out, and return it; those behind are renamed."""
        held = list(self)
        found = held.pop(_position(self, key))
        self._hold(held)
        return found

    def __delitem__(self, index: int | slice) -> None:
        held = list(self)
        del held[checked_slice(index) if isinstance(index, slice) else _position(self, index)]
        self._hold(held)

    def _hold(self: C, modules: list[Module]) -> C:
        """Have these modules in the place of those that are there."""
        names, numbers = list(self._modules), [str(number) for number in range(len(modules))]
        are_numbers = names[: len(numbers)] == numbers[: len(names)]
        for name in reversed(names[len(numbers) :] if are_numbers else names):
            delattr(self, name)
        for number, module in enumerate(modules):
            self.add_module(str(number), module)
        return self

    def _checked(self, module: object) -> Module:
        if isinstance(module, type) and issubclass(module, Module):
            raise ArgumentTypeError(
                f"{type(self).__name__} holds modules, got the class {module.__name__}.",
                hint=f"write {module.__name__}(...).",
            )
        if not isinstance(module, Module):
            raise ArgumentTypeError(
                f"{type(self).__name__} holds modules, got {type(module).__name__}.",
                hint="a function is called in a forward; nn.ReLU() is the module of F.relu."
                if isinstance(module, FunctionType)
                else None,
            )
        return module


class ModuleList(Container):
    """A list of modules for use in a `forward`. It is not called itself."""


class Sequential(Container):
    """Modules applied one after the other, which are named 0, 1, 2, ..., or as in a dict of them.

    >>> from lucid.nn import Linear, ReLU
    >>> Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
    Sequential(
      (0): Linear(4, 8)
      (1): ReLU()
      (2): Linear(8, 2)
    )
    >>> Sequential({"widen": Linear(4, 8), "act": ReLU()}).widen
    Linear(4, 8)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            super().__init__()
            for name, module in modules[0].items():
                self.add_module(name, self._checked(module))
        else:
            super().__init__(modules)  # type: ignore[arg-type]  # which are checked

    def _checked(self, module: object) -> Module:
        if isinstance(module, Iterable) and not isinstance(module, Module | str):
            raise ArgumentTypeError(
                f"Sequential takes modules one by one, got {type(module).__name__}.",
                hint="write nn.Sequential(*layers).",
            )
        return super()._checked(module)

    def forward(self, input: Tensor | Array) -> Any:
        for module in self:
            input = module(input)
        return input


class Named(Module, Generic[H]):
    """The base of modules that hold modules or parameters by name."""

    @abstractmethod
    def _held(self) -> dict[str, H]:
        """What is held, by name, in the order in which it came."""

    def __getitem__(self, key: str) -> H:
        held = self._held()
        if not isinstance(key, str) or key not in held:
            raise MissingKeyError(f"{type(self).__name__} has no {key!r}; it has {reprlib.repr(list(held))}.")
        return held[key]

    def __delitem__(self, key: str) -> None:
        self[key]  # or the error that says that there is none
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._held())

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._held()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._held().keys()

    def values(self) -> ValuesView[H]:
        """What is held."""
        return self._held().values()

    def items(self) -> ItemsView[str, H]:
        """The names, each with what it stands for."""
        return self._held().items()

    def pop(self, key: str) -> H:
        """Take out what has a name, and return it. Raises MissingKeyError where there is nothing."""
        found = self[key]
        del self[key]
        return found

    def clear(self) -> None:
        """Take everything out."""
        for key in self:
            del self[key]


class ModuleDict(Named[Module]):
    """Modules by name, in the order in which they came, for use in a `forward`. It is not called itself.

    >>> from lucid.nn import ReLU, Tanh
    >>> list(ModuleDict({"relu": ReLU(), "tanh": Tanh()}))
    ['relu', 'tanh']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(() if modules is None else modules)

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise ArgumentTypeError(f"ModuleDict holds modules, got {type(module).__name__}.")
        self.add_module(key, module)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or replace those of the same names."""
        for key, module in _named(self, modules).items():
            self[key] = module

    def _held(self) -> dict[str, Module]:
        return {name: module for name, module in self._modules.items() if module is not None}


class ParameterList(Module):
    """A list of parameters for use in a `forward`. Other tensors become parameters."""

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter([parameter for parameter in self._parameters.values() if parameter is not None])

    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    def __getitem__(self, index: int | slice) -> ParameterList | Parameter:
        """The parameter at a position, or a list of the same parameters for a slice."""
        if isinstance(index, slice):
            return ParameterList(list(self)[checked_slice(index)])
        return list(self)[_position(self, index)]

    def __setitem__(self, index: int, parameter: Tensor) -> None:
        self.register_parameter(str(_position(self, index)), _as_parameter("ParameterList", parameter))

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end."""
        self.register_parameter(str(len(self)), _as_parameter("ParameterList", value))
        return self

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add parameters at the end."""
        for value in [_as_parameter("ParameterList", value) for value in _listed(self, values)]:
            self.append(value)
        return self

    def pop(self, idx: int = -1) -> Parameter:
        """Take the parameter at a position out, and return it; those behind are renamed."""
        held = list(self)
        found = held.pop(_position(self, idx))
        for number, parameter in enumerate(held):
            self.register_parameter(str(number), parameter)
        delattr(self, str(len(held)))
        return found

    def extra_repr(self) -> str:
        return ", ".join(str(parameter.type) for parameter in self)


class ParameterDict(Named[Parameter]):
    """Parameters by name, in the order in which they came. Other tensors become parameters."""

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        self.update(() if parameters is None else parameters)

    def __setitem__(self, key: str, parameter: Tensor) -> None:
        self.register_parameter(key, _as_parameter("ParameterDict", parameter))

    def update(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> None:
        """Add parameters, or replace those of the same names."""
        for key, parameter in _named(self, parameters).items():
            self[key] = parameter

    def get(self, key: str, default: Tensor | None = None) -> Tensor | None:
        """The parameter of a name, or a default."""
        if not isinstance(key, str):
            raise ArgumentTypeError(f"a ParameterDict is asked for a name that is a text, got {reprlib.repr(key)}.")
        return self._held().get(key, default)

    def setdefault(self, key: str, default: Tensor) -> Parameter:
        """The parameter of a name; where there is none, the default is added."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Parameter]:
        """Take the parameter that came last out, and return it with its name. Raises MissingKeyError where there is
        none."""
        if not len(self):
            raise MissingKeyError("popitem takes a ParameterDict that holds something, got an empty one.")
        key = list(self)[-1]
        return key, self.pop(key)

    def _held(self) -> dict[str, Parameter]:
        return {name: parameter for name, parameter in self._parameters.items() if parameter is not None}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}: {parameter.type}" for name, parameter in self.items())


def _position(owner: Container | ParameterList, index: object) -> int:
    return as_position(type(owner).__name__, index, len(owner))


def _listed(owner: Module, given: object) -> list[Any]:
    """What is given to be held in order."""
    return as_list(f"{type(owner).__name__} takes a list of what it holds", given)


def _named(owner: Module, given: object) -> dict[str, Any]:
    """What is given to be held by name; ArgumentTypeError for anything but a dict or a list of pairs."""
    try:
        return dict(given)  # type: ignore[call-overload, no-any-return]  # which says so where it is none
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"{type(owner).__name__} takes a dict of what it holds, got {type(given).__name__}."
        ) from None


def _as_parameter(owner: str, tensor: object) -> Parameter:
    if isinstance(tensor, Parameter):
        return tensor
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"{owner} holds parameters, got {type(tensor).__name__}.")
    return Parameter(tensor)
