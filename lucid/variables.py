"""How the user's code writes what a trace captures: the names of parameters, and of variables that hold a tensor."""

from __future__ import annotations

import re
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.context import calling_modules, running_frames
from lucid.core import TensorCore

if TYPE_CHECKING:
    from lucid.context import Described

DEPTH, WIDTH = 2, 1000  # containers and objects that are looked into, from a variable on, and items of each
_KEY = re.compile(r"\w+")


class Names:
    """The names that a trace has met. Parameters are called as seen from the outermost module that has been called,
    other tensors and arrays as seen from the variables of the functions that run: `w`, `self.scale`, `weights.0`."""

    def __init__(self) -> None:
        self._parameters: dict[int, str] = {}
        self._roots: set[int] = set()
        self._variables: dict[int, tuple[str, object]] = {}  # with what they hold, whose identity stays its own
        self._modules: dict[int, tuple[str, Described]] = {}
        self._searched: set[tuple[CodeType, int]] = set()

    def of(self, tensor: TensorCore, array: object = None) -> str | None:
        """The name of a tensor, or of the array that it stands for; None where no variable is known to lead to it."""
        root = calling_modules()[0] if calling_modules() else None
        if root is not None and id(root) not in self._roots:
            self._roots.add(id(root))
            taken = set(self._parameters.values())
            for name, known in root.named_tensors():
                if id(known) not in self._parameters:  # of a second model, `generator.0.weight`
                    other = self._of_variable(known) if name in taken else None
                    self._parameters[id(known)] = other or name
        return self._parameters.get(id(tensor)) or tensor.name or self._of_variable(tensor if array is None else array)

    def _of_variable(self, thing: object) -> str | None:
        for frame in running_frames():
            place = frame.f_code, frame.f_lineno
            if place not in self._searched:  # a line that comes again has the same variables, but for those of loops
                self._searched.add(place)
                for name, value in _variables(frame).items():
                    self._enter(name, value, DEPTH)
        found = self._variables.get(id(thing))
        if found is not None:
            return found[0]
        for name, module in self._modules.values():
            below = module.name_of_child(thing)  # type: ignore[arg-type]  # it finds tensors, too
            if below is not None:
                return f"{name}.{below}"
        return None

    def _enter(self, name: str, value: Any, depth: int) -> None:
        """Note what a variable leads to."""
        if isinstance(value, TensorCore | np.ndarray):
            self._variables.setdefault(id(value), (name, value))
        elif hasattr(type(value), "name_of_child"):
            self._modules.setdefault(id(value), (name, value))
        elif depth:
            for key, item in _items(value):
                self._enter(f"{name}.{key}", item, depth - 1)


def _variables(frame: FrameType) -> dict[str, object]:
    """The globals that the code of a frame reads, and its variables."""
    names = frame.f_code.co_names
    return {**{name: frame.f_globals[name] for name in names if name in frame.f_globals}, **frame.f_locals}


def _items(value: Any) -> list[tuple[object, object]]:
    """The items of a container and the attributes of an object, but for those whose names are no words."""
    if type(value) in (list, tuple):  # of which no code of the user's runs here
        return list(enumerate(value[:WIDTH]))
    if type(value) is not dict:
        if isinstance(value, ModuleType | FunctionType | MethodType | type) or not hasattr(type(value), "__dict__"):
            return []
        try:
            value = object.__getattribute__(value, "__dict__")  # a read that a trace does not note
        except AttributeError:
            return []
    return [(key, item) for key, item in [*value.items()][:WIDTH] if isinstance(key, str) and _KEY.fullmatch(key)]
