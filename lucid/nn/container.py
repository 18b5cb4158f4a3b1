"""Modules that hold other modules in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, overload

from lucid.errors import ArgumentError
from lucid.nn.module import Module
from lucid.tensor import Array, Tensor

C = TypeVar("C", bound="Container")


class Container(Module):
    """The base of modules that are sequences: children are named 0, 1, 2, ..."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

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
            return list(self)[index]
        part = type(self)()
        part.extend(list(self)[index])
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(str(range(len(self))[index]), self._checked(module))

    def append(self: C, module: Module) -> C:
        """Add a module at the end."""
        self.add_module(str(len(self)), self._checked(module))
        return self

    def extend(self: C, modules: Iterable[Module]) -> C:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def _checked(self, module: object) -> Module:
        if not isinstance(module, Module):
            raise ArgumentError(f"{type(self).__name__} holds modules, got {type(module).__name__}.")
        return module


class ModuleList(Container):
    """A list of modules for use in a `forward`. It is not called itself."""


class Sequential(Container):
    """Modules applied one after the other.

    >>> from lucid.nn import Linear, ReLU
    >>> Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
    Sequential(
      (0): Linear(4, 8)
      (1): ReLU()
      (2): Linear(8, 2)
    )
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor | Array) -> Any:
        for module in self:
            x = module(x)
        return x
