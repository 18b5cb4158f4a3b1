"""How the user's code writes what a trace captures: the names of parameters, and of variables that hold a tensor.

The search for a name runs no code of the user's, and keeps nothing alive that the user's code lets go.
"""

from __future__ import annotations

import inspect
import re
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from types import CodeType, FrameType, FunctionType, GetSetDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.context import calling_modules, running_frames
from lucid.core import TensorCore

if TYPE_CHECKING:
    from lucid.context import Described

# Containers and objects that are looked into, from a variable on, items of each, and items in a trace.
DEPTH, WIDTH, ITEMS = 2, 200, 10_000
_KEY = re.compile(r"\w+")
_OF_LOCALS = frozenset({"locals", "vars", "eval", "exec", "f_locals"})  # names by which code comes to its locals()
_classes, _contents = type.__dict__["__mro__"].__get__, type.__dict__["__dict__"].__get__  # whatever a metaclass says


class Names:
    """The names that a trace has met. Parameters are called as seen from the outermost module that has been called,
    other tensors and arrays as seen from the variables of the functions that run: `w`, `self.scale`, `weights.0`."""

    def __init__(self) -> None:
        self._parameters: dict[int, str] = {}
        self._roots: set[int] = set()
        self._variables: dict[int, tuple[str, weakref.ref[Any]]] = {}  # with what they hold, as ids are used again
        self._modules: dict[int, tuple[str, weakref.ref[Described]]] = {}
        self._searched: set[tuple[CodeType, int]] = set()
        self._looked_into: set[tuple[int, int]] = set()  # containers: by the length, too, as lists grow
        self._left = ITEMS

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
        if (name := self._known(thing)) is not None:
            return name
        for frame in running_frames():
            place = frame.f_code, frame.f_lineno
            if place not in self._searched:  # a line that comes again has the same variables, but for those of loops
                self._searched.add(place)
                self._search(_variables(frame).items())
        if (name := self._known(thing)) is not None:
            return name
        for name, reference in self._modules.values():
            module = reference()
            below = None if module is None else module.name_of_child(thing)  # type: ignore[arg-type]  # tensors, too
            if below is not None:
                return f"{name}.{below}"
        return None

    def _known(self, thing: object) -> str | None:
        name, reference = self._variables.get(id(thing), ("", None))
        return name if reference is not None and reference() is thing else None

    def _search(self, variables: Iterable[tuple[str, object]]) -> None:
        """Note what variables lead to, the nearest first, so that a large list hides nothing that is near."""
        queue = deque((name, value, DEPTH) for name, value in variables)
        while queue:
            name, value, depth = queue.popleft()
            kind = type(value)
            if issubclass(kind, TensorCore | np.ndarray):
                self._note(self._variables, name, value)
            elif any("name_of_child" in _contents(base) for base in _classes(kind)):
                self._note(self._modules, name, value)
            elif depth and self._left > 0:
                for key, item in self._items(value):
                    if type(item) is not float and type(item) is not int and type(item) is not str:
                        queue.append((f"{name}.{key}", item, depth - 1))

    def _note(self, table: dict[int, tuple[str, weakref.ref[Any]]], name: str, value: Any) -> None:
        if id(value) not in table or table[id(value)][1]() is not value:
            table[id(value)] = name, weakref.ref(value)

    def _items(self, value: Any) -> Iterator[tuple[object, object]]:
        """The items of a container and the attributes of an object, but for those whose names are no words; none of
        what has been looked into before."""
        kind = type(value)
        is_sequence = kind is list or kind is tuple
        contents = value if is_sequence or kind is dict else _attributes(value)
        if contents is None or (place := (id(contents), len(contents))) in self._looked_into:
            return
        self._looked_into.add(place)
        items = [*islice(enumerate(contents) if is_sequence else contents.items(), min(WIDTH, self._left))]
        self._left -= len(items)
        for key, item in items:
            if is_sequence or (type(key) is str and _KEY.fullmatch(key)):
                yield key, item


def _variables(frame: FrameType) -> dict[str, object]:
    """The globals that the code of a frame reads, and its variables."""
    code, names = frame.f_code, frame.f_globals
    found = {name: names[name] for name in code.co_names if name in names}
    if not code.co_flags & inspect.CO_OPTIMIZED or not _OF_LOCALS.isdisjoint(code.co_names):
        return found  # whose variables are globals, or are in a dict that the user's code may hold: reading renews it
    held = frame.f_locals
    found.update(held)
    # Before Python 3.13 the frame keeps this dict, and so what is in it. A debugger would write it back to the frame.
    if type(held) is dict and sys.getrefcount(held) == 3 and sys.gettrace() is None:
        held.clear()
    return found


def _attributes(value: Any) -> dict[Any, Any] | None:
    """The attributes of an object, read by nothing that its class defines, and so that no trace notes it."""
    if issubclass(type(value), ModuleType | FunctionType | type):
        return None
    for base in _classes(type(value)):
        if "__dict__" in _contents(base):
            descriptor = _contents(base)["__dict__"]
            found = descriptor.__get__(value) if type(descriptor) is GetSetDescriptorType else None
            return found if type(found) is dict else None
    return None
