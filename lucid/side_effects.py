"""What traced code would not do again: changes of globals, of what a closure holds, of attributes, and of iterators.

What they are is noted when a code object is first called, attributes at each call, and compared at the end of the
trace. The variables of a function that ran inside the trace, and the objects that it made, began with it, and may
change.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import inspect
import reprlib
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

from lucid.descriptions import describe, is_mutable
from lucid.errors import TraceError
from lucid.observed import MISSING

Reference = Callable[[], object]  # gives an object, or None when it is gone

_SETS_A_GLOBAL = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_SETS_A_CELL = frozenset({"STORE_DEREF", "DELETE_DEREF"})


@dataclass(frozen=True)
class Refusal:
    """How an error tells of a change: when it happened and what is lost with it, and what to do instead. The same of
    an iterator that was read."""

    when: str
    hint: str
    of_iterators: str
    hint_for_iterators: str


IN_A_TRACE = Refusal(
    "while the function was traced; later calls would not change it",
    "pass it as an argument and return its new value, or keep it in a registered buffer.",
    "that is read while the function is traced; later calls would take nothing from it, and get the same items",
    "pass what it gives as an argument, as in step(next(batches)), or loop outside the compiled function.",
)
IN_A_BODY = Refusal(
    "in the body of a scan, which is called once for all runs",
    "return it from the body, as a part of the carry or of the output.",
    "that is read in the body of a scan, which is called once for all runs, and would take one item for all",
    "pass what it gives as the elements of the scan: lucid.scan(body, init, lucid.stack([*iterator])).",
)
_HYPERPARAMETER = "set it outside of the compiled function: a change of a hyperparameter compiles nothing."


class SideEffects:
    """What globals, the variables around functions, and attributes were when traced code first came upon them.

    Objects whose attributes were noted are not kept alive: one that is gone at the end was the trace's own.
    """

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal
        self._attributes: dict[tuple[int, str], tuple[Reference, object]] = {}
        self._globals: dict[tuple[int, str], tuple[dict[str, Any], object]] = {}
        self._cells: dict[int, tuple[str, CellType, object]] = {}
        self._contents: dict[int, tuple[str, object, object]] = {}
        self._iterators: list[tuple[str, tuple[str, int], Reference | None]] = []
        self._inner: set[CodeType] = set()  # what is defined in code that ran

    def note(self, code: CodeType, names: dict[str, Any], read: Iterable[str]) -> None:
        """Note the first call of a code object. `names` are its globals, `read` those that it loads."""
        self._inner |= {constant for constant in code.co_consts if isinstance(constant, CodeType)}
        for name in (*(name for name in read if name in names), *_assigned(code, _SETS_A_GLOBAL)):
            if (id(names), name) not in self._globals:
                self._globals[id(names), name] = names, describe(names.get(name, MISSING))
        if not code.co_freevars or code in self._inner:
            return
        rebound = _assigned(code, _SETS_A_CELL).intersection(code.co_freevars)
        for function in functions_of(code) if rebound else ():
            for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
                if name in rebound:
                    self._cells.setdefault(id(cell), (name, cell, describe(content_of(cell))))

    def note_variables(self, code: CodeType, values: Iterable[object]) -> None:
        """Note the first call of a closure of a code object: the values of its free variables, in order."""
        for name, value in zip(code.co_freevars, values, strict=True):
            if code not in self._inner and is_mutable(value) and id(value) not in self._contents:
                self._contents[id(value)] = name, value, describe(value)

    def note_attribute(self, owner: object, name: str, value: object) -> bool:
        """Note the value of an attribute of an object that traced code has come upon, and return whether it is new. A
        finder of modules changes where one is imported, which has no effect the next time."""
        known = self._attributes.get((id(owner), name))
        is_new = known is None or known[0]() is not owner
        if is_new and not any(owner is finder for finder in sys.meta_path):
            with contextlib.suppress(TypeError):  # an object with slots that can't be referred to weakly
                self._attributes[id(owner), name] = weakref.ref(owner), describe(value)
        return is_new

    def note_iterator(self, what: str, where: tuple[str, int], owner: object = None) -> None:
        """Note that an iterator is read, `where`: what it is called, and the object of which it is an attribute, if it
        is one. An object of the trace's own may have an iterator; where that is not known, it is taken for such."""
        with contextlib.suppress(TypeError):
            self._iterators.append((what, where, None if owner is None else weakref.ref(owner)))

    def expect_none(self) -> None:
        """Raise TraceError where something is not what it was, and where an iterator from outside was read."""
        if any(holder is not None for _, _, holder in self._iterators):
            gc.collect()
        for what, where, holder in self._iterators:
            if holder is None or holder() is not None:
                sentence = f"{what} an iterator from outside {self._refusal.of_iterators}."
                raise TraceError(sentence, hint=self._refusal.hint_for_iterators, where=where)
        for (_, name), (names, before) in self._globals.items():
            self._expect_same(f"the global {name}", names.get(name, MISSING), before)
        for name, cell, before in self._cells.values():
            self._expect_same(f"the variable {name} of a closure", content_of(cell), before)
        for name, value, before in self._contents.values():
            self._expect_same(f"the variable {name} of a closure", value, before)
        if any(self._changed()):
            gc.collect()  # objects of the trace that refer to each other
        for owner, name, before in self._changed():
            hint = _HYPERPARAMETER if name == "param_groups" else None
            self._expect_same(f"{owner_name(owner)}.{name}", held(owner, name), before, hint)

    def _changed(self) -> Iterator[tuple[object, str, object]]:
        """The objects that are there yet of which an attribute is not what it was, with its name and what it was."""
        for (_, name), (reference, before) in self._attributes.items():
            owner = reference()
            if owner is not None and describe(held(owner, name)) != before:
                yield owner, name, before

    def is_inner(self, code: CodeType) -> bool:
        """Whether a code object is defined in code that ran, so that the variables around it are the trace's own."""
        return code in self._inner

    def _expect_same(self, what: str, now: object, before: object, hint: str | None = None) -> None:
        if describe(now) != before:
            raise TraceError(f"{what} changed {self._refusal.when}.", hint=hint or self._refusal.hint)


def expect_no_write(owner: object, name: str, value: object) -> None:
    """Raise TraceError for a write to an attribute of a module or optimizer, unless it changes nothing."""
    before = owner.__dict__.get(name)
    if before is value or (name in owner.__dict__ and describe(before) == describe(value)):
        return
    hint = "keep what changes from step to step in a tensor: self.register_buffer(...), then self.name = ..."
    if name == "training":
        hint = "call train() and eval() outside the compiled function, which is compiled once for each mode."
    new = f" to {reprlib.repr(value)}"
    if name == "param_groups":
        hint, new = "call add_param_group outside the compiled function.", ""
    raise TraceError(
        f"{type(owner).__name__}.{name} was set{new} while a function is traced; later calls would not set it again.",
        hint=hint,
    )


def refuse_deletion(owner: object, name: str) -> NoReturn:
    """Raise TraceError for the deletion of an attribute of a module or optimizer."""
    raise TraceError(
        f"{type(owner).__name__}.{name} was deleted while a function is traced; later calls would not delete it.",
        hint="delete it outside the compiled function.",
    )


def _assigned(code: CodeType, instructions: frozenset[str]) -> set[str]:
    """The names that a code object, or one defined in it, assigns to by some kinds of instructions."""
    found: set[str] = set()
    if any(dis.opmap[name] in code.co_code[::2] for name in instructions):  # disassembling is slow
        found |= {i.argval for i in dis.get_instructions(code) if i.opname in instructions}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _assigned(constant, instructions)
    return found


def functions_of(code: CodeType) -> Iterator[FunctionType]:
    """The functions that a code object is of, whoever holds them."""
    return (f for f in gc.get_referrers(code) if isinstance(f, FunctionType) and f.__code__ is code)


def owner_name(owner: object) -> str:
    """What an object with attributes is called in a message: its class, its own name, or that of a module."""
    return owner.__name__ if isinstance(owner, type | ModuleType) else type(owner).__name__


def content_of(cell: CellType) -> object:
    """What a closure's variable holds; MISSING before it is assigned to."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def held(owner: object, name: str) -> object:
    """What an object or its class holds as an attribute, found without running code of theirs; MISSING where there is
    none. Of a method or a property that is the function or the property itself."""
    try:
        contents = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        contents = {}
    if name in contents:
        return contents[name]
    static = inspect.getattr_static(owner if isinstance(owner, type) else type(owner), name, MISSING)
    if not inspect.ismemberdescriptor(static):
        return static
    try:
        return static.__get__(owner)  # a slot
    except AttributeError:
        return MISSING
