"""Guards on what the traced code read by name: globals, closure cells, and constant attribute chains of both.

While a trace runs, a profile hook notes each Python function that is called. Afterwards the bytecode of those outside
Lucid, NumPy and the standard library is scanned for names that it loads, and each becomes a guard on its value.
"""

from __future__ import annotations

import dis
import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from lucid.guards import GuardRecorder
from lucid.observed import MISSING, Observed
from lucid.tensor import Tensor

_SKIPPED = sys.stdlib_module_names | {"lucid", "numpy", "llvmlite", "networkx"}


def _is_foreign(module_name: str) -> bool:
    return module_name.partition(".")[0] not in _SKIPPED


class CodeObserver:
    """Notes the functions that run inside its `with` block, and guards what they read."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._root = function
        self._frames: dict[CodeType, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._before: Any = None

    def __enter__(self) -> CodeObserver:
        self._before = sys.getprofile()
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        new = event == "call" and frame.f_code not in self._frames
        if new and _is_foreign(frame.f_globals.get("__name__", "")):
            self._frames[frame.f_code] = frame.f_globals, dict(frame.f_locals)
        if self._before is not None:
            self._before(frame, event, arg)

    def guard(self, guards: GuardRecorder) -> None:
        """Add the guards of everything that was noted."""
        functions = _functions_in(self._root)
        nested = {const for code in self._frames for const in code.co_consts if isinstance(const, CodeType)}
        for code, (names, local) in self._frames.items():
            cells: dict[str, Any] = {}
            if set(code.co_freevars) - {"__class__"} and code not in nested:
                function = functions.get(code) or _owner(code)
                if function is not None and function.__closure__ is not None:
                    cells = dict(zip(code.co_freevars, function.__closure__, strict=True))
            for kind, name, attributes in loads(code):
                self._guard_load(guards, kind, name, attributes, names, local, cells)

    def _guard_load(
        self,
        guards: GuardRecorder,
        kind: str,
        name: str,
        attributes: list[str],
        names: dict[str, Any],
        local: dict[str, Any],
        cells: dict[str, Any],
    ) -> None:
        if kind == "global" and name in names:
            root, expression = names[name], f"{guards.bind(names)}.get({name!r}, MISSING)"
        elif kind == "cell" and name in cells:
            try:
                root, expression = cells[name].cell_contents, f"{guards.bind(cells[name])}.cell_contents"
            except ValueError:  # an empty cell
                return
        elif kind == "argument" and name in local and not _is_plain(local[name]):
            root, expression = local[name], guards.bind(local[name])
            if isinstance(root, Tensor | Observed | FunctionType | type) or root is None:
                return
        else:
            return
        if kind != "argument" and not isinstance(root, ModuleType | BuiltinFunctionType) and not _is_ours(root):
            guards.guard(expression, root, name)
        _guard_chain(guards, root, attributes, name)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | bytes | list | tuple | dict | set)


def _is_ours(value: object) -> bool:
    """Whether a value is a function or class of Lucid, NumPy or the standard library."""
    if isinstance(value, FunctionType | type | MethodType):
        return not _is_foreign(getattr(value, "__module__", None) or "")
    return False


def _guard_chain(guards: GuardRecorder, root: Any, attributes: list[str], subject: str) -> None:
    """Guard root.a.b...: each hop by identity as long as it leads to objects of a user, the last by its value."""
    for attribute in attributes:
        if _is_plain(root) or isinstance(root, Observed | Tensor | FunctionType | MethodType | type):
            return
        if isinstance(root, ModuleType) and not _is_foreign(root.__name__):
            return
        static = inspect.getattr_static(root, attribute, MISSING)
        holds = getattr(root, "__dict__", {})
        if attribute not in holds and (callable(static) or (hasattr(static, "__get__") and not _is_slot(static))):
            return  # methods and properties: the code behind them has been noted by itself
        value = getattr(root, attribute, MISSING)
        subject = f"{subject}.{attribute}"
        if not isinstance(value, ModuleType | BuiltinFunctionType) and not _is_ours(value):
            guards.guard(f"getattr({guards.bind(root)}, {attribute!r}, MISSING)", value, subject)
        root = value


def _is_slot(static: object) -> bool:
    return inspect.ismemberdescriptor(static)


def loads(code: CodeType) -> Iterator[tuple[str, str, list[str]]]:
    """The names that bytecode loads, each with the attributes that it then follows.

    >>> list(loads(compile("a.b.c + d", "", "eval")))
    [('global', 'a', ['b', 'c']), ('global', 'd', [])]
    """
    kinds = {"LOAD_GLOBAL": "global", "LOAD_NAME": "global", "LOAD_DEREF": "cell", "LOAD_CLASSDEREF": "cell"}
    arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    pending: tuple[str, str, list[str]] | None = None
    for instruction in dis.get_instructions(code):
        opname, argument = instruction.opname, instruction.argval
        if opname in ("LOAD_ATTR", "LOAD_METHOD") and pending is not None:
            pending[2].append(argument)
            continue
        if opname in ("PUSH_NULL", "CACHE"):
            continue
        if pending is not None:
            yield pending
            pending = None
        if opname in kinds:
            pending = kinds[opname], argument, []
        elif opname.startswith("LOAD_FAST"):
            name = argument[-1] if isinstance(argument, tuple) else argument
            if name in arguments:
                pending = "argument", name, []
    if pending is not None:
        yield pending


def _functions_in(root: object) -> dict[CodeType, FunctionType]:
    """The Python functions that can be reached from one by globals, closures, methods and attributes of modules."""
    found: dict[CodeType, FunctionType] = {}
    stack, seen = [root], set()
    while stack:
        thing = stack.pop()
        if isinstance(thing, MethodType):
            stack.append(thing.__func__)
        elif isinstance(thing, FunctionType):
            if thing.__code__ in found or not _is_foreign(thing.__module__ or ""):
                continue
            found[thing.__code__] = thing
            for cell in thing.__closure__ or ():
                try:
                    stack.append(cell.cell_contents)
                except ValueError:
                    continue
            stack.extend(thing.__globals__.get(name) for name in thing.__code__.co_names)
        elif isinstance(thing, Observed) and id(thing) not in seen:
            seen.add(id(thing))
            stack.extend(vars(type(thing)).values() if _is_foreign(type(thing).__module__) else ())
            for attribute in type(thing).structural:
                members = getattr(thing, attribute, None)
                stack.extend(members.values() if isinstance(members, dict) else ())
    return found


def _owner(code: CodeType) -> FunctionType | None:
    """The function that runs a code object, found among everything that refers to it."""
    owners = [thing for thing in gc.get_referrers(code) if isinstance(thing, FunctionType) and thing.__code__ is code]
    return owners[0] if len(owners) == 1 else None
