"""Guards on what the traced code read by name: globals, closure cells, and constant attribute chains of both.

While a trace runs, a profile hook notes each Python function that is called, but for those inside functions of Lucid's
that call none of the user's (`modes.unwatched`). Afterwards the bytecode of those outside Lucid, NumPy and the standard
library is scanned for names that it loads, and each becomes a guard on its value.
"""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from lucid.bytecode import loads
from lucid.descriptions import is_mutable
from lucid.guards import GuardRecorder
from lucid.iterators import holds_iterator, is_iterator, line_of
from lucid.modes import modes
from lucid.observed import MISSING, Observed
from lucid.side_effects import IN_A_TRACE, Refusal, SideEffects, content_of, functions_of, held, owner_name
from lucid.tensor import Tensor

_SKIPPED = sys.stdlib_module_names | {"lucid", "numpy", "llvmlite", "networkx"}


def _is_foreign(module_name: str) -> bool:
    return module_name.partition(".")[0] not in _SKIPPED


class Ran:
    """A code object that ran: its globals, and the objects that its arguments and free variables were at each call."""

    def __init__(self, code: CodeType, names: dict[str, Any], effects: SideEffects) -> None:
        self.names = names
        self.loads = list(loads(code))
        self._effects = effects
        read = [name for kind, name, _ in self.loads if kind == "global"]
        effects.note(code, names, read)
        for name in dict.fromkeys(name for name in read if name in names):
            self._note_iterator(code, name, names[name], f"the global {name}")
        self._chains = [(kind, name, attributes) for kind, name, attributes in self.loads if attributes]
        self.objects: dict[str, dict[int, Callable[[], object]]] = {}
        self.kinds: set[type] = set()  # the classes of the first arguments, and those that were classes themselves
        self.free: list[tuple[object, ...]] = []  # the free variables together, for each closure that ran

    def note(self, code: CodeType, local: dict[str, Any], is_first: bool) -> None:
        """Note a call. The arguments of the first one of all come from outside, and so do defaults."""
        for name, value in local.items():
            is_argument = name not in code.co_freevars
            if is_argument and (is_first or (is_iterator(value) and self._is_default(code, value))):
                self._note_iterator(code, name, value, f"the argument {name}")
        for name, value in local.items():
            if not _is_closed(value):
                self.objects.setdefault(name, {})[id(value)] = _reference(value)
        if code.co_argcount:
            first = local.get(code.co_varnames[0])
            self.kinds.update(kind for kind in (type(first), first) if isinstance(kind, type))
        free = tuple(local.get(name, MISSING) for name in code.co_freevars)
        if not self._effects.is_inner(code) and not any(_identical(free, known) for known in self.free):
            self.free.append(free)
            self._effects.note_variables(code, free)
            for name, value in zip(code.co_freevars, free, strict=True):
                self._note_iterator(code, name, value, f"the variable {name} of a closure")
        for kind, name, attributes in self._chains:
            root = self.names.get(name) if kind == "global" else local.get(name)
            for owner, attribute, value in _held_along(root, attributes):
                is_new = self._effects.note_attribute(owner, attribute, value)
                is_whole = attribute == attributes[-1] or not _is_users_iterator(value)
                if is_whole and (is_iterator(value) or (is_new and holds_iterator(value))):
                    what = f"{owner_name(owner)}.{attribute}{_holds(value)}"
                    self._effects.note_iterator(what, line_of(code, attribute), owner)

    def _is_default(self, code: CodeType, value: object) -> bool:
        """Whether a value is the default of an argument of a function that was defined outside."""
        functions = () if self._effects.is_inner(code) else functions_of(code)
        defaults = ((*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()) for f in functions)
        return any(value is default for each in defaults for default in each)

    def _note_iterator(self, code: CodeType, name: str, value: object, what: str) -> None:
        """Note what a name stands for if that is an iterator, or holds one. One of a class of the user's of which only
        attributes are read is held to those."""
        if holds_iterator(value):
            followed = [attributes for _, loaded, attributes in self.loads if loaded == name]
            if not (_is_users_iterator(value) and followed and all(followed)):
                self._effects.note_iterator(f"{what}{_holds(value)}", line_of(code, name))


def _is_users_iterator(value: object) -> bool:
    return is_iterator(value) and _is_foreign(type(value).__module__)


def _holds(value: object) -> str:
    return " is" if is_iterator(value) else " holds"


def _reference(value: object) -> Callable[[], object]:
    """What gives an object without keeping it alive, if that can be: the objects of a trace end with it."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def _held_along(root: object, attributes: list[str]) -> Iterator[tuple[object, str, object]]:
    """The hops of root.a.b... from one object of a user to the next: the object, the attribute, and what it holds.

    Of modules and optimizers, whose writes are watched, those that hold a container or an iterator.
    """
    for attribute in attributes:
        if _is_closed(root):
            return
        value = held(root, attribute)
        if _is_computed(root, attribute, value):
            return
        if (
            not isinstance(root, Observed)
            or is_iterator(value)
            or (is_mutable(value) and attribute not in type(root).structural)
        ):
            yield root, attribute, value
        root = value


def _is_closed(value: object) -> bool:
    """Whether the attributes of a value are not followed: it is plain, of Lucid or the standard library, a tensor, or
    a function."""
    if isinstance(value, ModuleType):
        return not _is_foreign(value.__name__)
    return _is_plain(value) or is_ours(value) or isinstance(value, Tensor | FunctionType | MethodType)


class CodeObserver:
    """Notes the functions that run inside its `with` block, and guards what they read.

    Blocks may stand in each other, as the body of a loop does in a trace: what runs in the inner one, both note.
    """

    def __init__(self, function: Callable[..., Any], refusal: Refusal = IN_A_TRACE) -> None:
        self._root = function
        self._refusal = refusal
        self._ran: dict[CodeType, Ran] = {}
        self._effects: SideEffects
        self._skipped: dict[int, dict[str, Any]] = {}  # the globals of modules that are not the user's, by identity
        self._before: Any = None
        self._outer: Any = None  # the hook of the block around this one
        self._collects = True

    def __enter__(self) -> CodeObserver:
        self._collects = gc.isenabled()
        gc.disable()  # callbacks and finalizers of a collection are no part of the function
        self._effects = SideEffects(self._refusal)
        self._before, self._outer = sys.getprofile(), modes.hook
        hook = self._hook()
        profiled = callable(self._before) and self._before is not self._outer
        modes.hook = None if profiled else hook  # who profiles wants to hear of all calls
        sys.setprofile(hook)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Raises TraceError where the function changed something that was noted."""
        modes.hook = self._outer
        if hasattr(self._before, "enable"):  # cProfile's profiler: sys.setprofile would take it for a function
            self._before.enable()
        else:
            sys.setprofile(self._before)
        try:
            if kind is None:
                self._effects.expect_none()
        finally:
            if self._collects:
                gc.enable()

    def _hook(self) -> Callable[[FrameType, str, Any], None]:
        """What the interpreter tells of each call and return, hence lean: few of ten thousands of them are noted."""
        skipped, note, before = self._skipped, self._note, self._before

        def hook(frame: FrameType, event: str, arg: Any) -> None:
            if event == "call" and id(frame.f_globals) not in skipped:
                note(frame)

        def chained(frame: FrameType, event: str, arg: Any) -> None:
            hook(frame, event, arg)
            before(frame, event, arg)

        return chained if callable(before) else hook

    def _note(self, frame: FrameType) -> None:
        """Note a call of a function, if it is the user's."""
        code, names = frame.f_code, frame.f_globals
        if not _is_foreign(names.get("__name__", "")):
            self._skipped[id(names)] = names
            return
        is_first = not self._ran
        if code not in self._ran:
            self._ran[code] = Ran(code, names, self._effects)
        self._ran[code].note(code, frame.f_locals, is_first)

    def guard(self, guards: GuardRecorder) -> None:
        """Add the guards of everything that was noted."""
        if isinstance(self._root, functools.partial):
            guards.guard(guards.bind(self._root), self._root, "the compiled function")
        functions = _functions_in(self._root)
        nested = {const for code in self._ran for const in code.co_consts if isinstance(const, CodeType)}
        for code, ran in self._ran.items():
            closures = _closures(code, ran, functions.get(code, []), search=code not in nested)
            for function in closures:
                _guard_defaults(guards, function)
            _guard_special(guards, code, ran)
            _guard_inherited(guards, code, ran)
            for kind, name, attributes in ran.loads:
                for root, expression in _roots(guards, kind, name, ran, closures):
                    if expression is not None and not isinstance(root, _UNGUARDED) and not is_ours(root):
                        guards.guard(expression, root, name)
                    _guard_chain(guards, root, attributes, name)
        for function in [thing for thing in guards.namespace.values() if isinstance(thing, FunctionType)]:
            if function.__code__ in self._ran:  # a method, or what a container or an object holds
                _guard_defaults(guards, function)


_UNGUARDED = (ModuleType, BuiltinFunctionType)  # only the attributes that are read of them matter


def _roots(
    guards: GuardRecorder, kind: str, name: str, ran: Ran, closures: list[FunctionType]
) -> Iterator[tuple[object, str | None]]:
    """The objects that a name stood for, each with the expression that gives it now; None for arguments and variables
    of the call itself, which other guards are about."""
    if kind == "global":
        if name in ran.names:
            yield ran.names[name], f"{guards.bind(ran.names)}.get({name!r}, MISSING)"
        return
    for function in closures:
        cell = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)).get(name)
        if cell is not None and name != "__class__" and (content := content_of(cell)) is not MISSING:
            yield content, f"{guards.bind(cell)}.cell_contents"
    for reference in ran.objects.get(name, {}).values():
        yield reference(), None


def _identical(xs: tuple[object, ...], ys: tuple[object, ...]) -> bool:
    return len(xs) == len(ys) and all(x is y for x, y in zip(xs, ys, strict=True))


def _closures(code: CodeType, ran: Ran, known: list[FunctionType], search: bool) -> list[FunctionType]:
    """The functions that ran a code object: those among the known ones whose free variables are what was noted, and
    where `search` is set, and not all are known, those found among everything that refers to the code."""

    def matching(functions: list[FunctionType]) -> list[FunctionType]:
        contents = [(f, tuple(map(content_of, f.__closure__ or ()))) for f in functions]
        return [f for f, values in contents if any(_identical(values, noted) for noted in ran.free)]

    found = known if len(known) == 1 else matching(known)
    if search and len(found) < len(ran.free) and set(code.co_freevars) - {"__class__"}:
        owners = list(functions_of(code))
        found = owners if len(owners) == 1 else matching(owners)
    return found


def _guard_defaults(guards: GuardRecorder, function: FunctionType) -> None:
    """Guard the default arguments of a function: those that can be changed in place by content."""
    for attribute in ("__defaults__", "__kwdefaults__"):
        values = getattr(function, attribute)
        expression, subject = f"{guards.bind(function)}.{attribute}", f"{function.__name__}.{attribute}"
        if isinstance(values, dict) or any(isinstance(value, list | dict | set) for value in values or ()):
            guards.guard(expression, values, subject)
        else:
            guards.require(f"{expression} is {guards.bind(values)}", subject)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str | bytes | list | tuple | dict | set)


def is_ours(value: object) -> bool:
    """Whether a value is a function or class of Lucid, NumPy or the standard library."""
    if isinstance(value, FunctionType | type | MethodType):
        return not _is_foreign(getattr(value, "__module__", None) or "")
    return False


def _guard_chain(guards: GuardRecorder, root: Any, attributes: list[str], subject: str) -> None:
    """Guard root.a.b...: each hop by identity as long as it leads to objects of a user, the last by its value.

    What a trace reads of modules and optimizers is guarded already; the chain goes on behind it.
    """
    for attribute in attributes:
        if _is_closed(root):
            return
        static = inspect.getattr_static(root, attribute, MISSING)
        if _is_computed(root, attribute, static):
            _guard_computed(guards, root, attribute, static, f"{subject}.{attribute}")
            return  # the code behind methods and properties has been noted by itself
        value = getattr(root, attribute, MISSING)
        subject = f"{subject}.{attribute}"
        if not isinstance(root, Observed) and not isinstance(value, _UNGUARDED) and not is_ours(value):
            guards.guard(f"getattr({guards.bind(root)}, {attribute!r}, MISSING)", value, subject)
        root = value


def _guard_computed(guards: GuardRecorder, root: Any, attribute: str, static: Any, subject: str) -> None:
    """Guard which method or property of a user's class an attribute is. What is read of modules is guarded already."""
    function = static.fget if isinstance(static, property) else getattr(static, "__func__", static)
    if isinstance(root, Observed) or not isinstance(function, FunctionType) or is_ours(function):
        return
    bound = guards.bind(root)
    if not isinstance(static, property):
        guards.guard(f"getattr(getattr({bound}, {attribute!r}, MISSING), '__func__', MISSING)", function, subject)
    elif not isinstance(root, type):
        guards.guard(f"getattr(type({bound}), {attribute!r}, MISSING)", static, subject)


def _guard_special(guards: GuardRecorder, code: CodeType, ran: Ran) -> None:
    """Guard a method such as `__call__` or `__add__`, which runs by what its class has, and is not read by name."""
    name = code.co_name
    if not (name.startswith("__") and name.endswith("__") and code.co_argcount):
        return
    for kind in ran.kinds:
        function = getattr(kind, name, None)
        if isinstance(function, FunctionType) and function.__code__ is code:
            guards.guard(f"getattr({guards.bind(kind)}, {name!r}, MISSING)", function, f"{kind.__name__}.{name}")


def _guard_inherited(guards: GuardRecorder, code: CodeType, ran: Ran) -> None:
    """Guard what a method may read by `super()`: what each of its names is in the classes behind the one it is of, or
    behind one that it names itself."""
    if "super" not in code.co_names:
        return
    owners = [dict(zip(code.co_freevars, free, strict=True)).get("__class__") for free in ran.free]
    owners += [ran.names.get(name) for name in code.co_names]
    for kind in ran.kinds:
        for owner in [owner for owner in owners if isinstance(owner, type) and owner in kind.__mro__]:
            behind = kind.__mro__[kind.__mro__.index(owner) + 1 :]
            for name in code.co_names:
                static = next((vars(base)[name] for base in behind if name in vars(base)), MISSING)
                function = static.fget if isinstance(static, property) else getattr(static, "__func__", static)
                expression = f"getattr(super({guards.bind(owner)}, {guards.bind(kind)}), {name!r}, MISSING)"
                if isinstance(static, classmethod):
                    expression = f"getattr({expression}, '__func__', MISSING)"
                if _is_plain(static) or (isinstance(function, FunctionType) and not is_ours(function)):
                    value = static if isinstance(static, property) else function
                    guards.guard(expression, value, f"super().{name}")


def _is_computed(root: object, attribute: str, static: object) -> bool:
    """Whether an attribute is made when it is read: a method or a property."""
    if isinstance(root, type):
        return isinstance(static, classmethod | property)
    if attribute in getattr(root, "__dict__", {}) or isinstance(static, staticmethod):
        return False
    return callable(static) or (hasattr(static, "__get__") and not inspect.ismemberdescriptor(static))


def _functions_in(root: object) -> dict[CodeType, list[FunctionType]]:
    """The Python functions that can be reached from one by globals, closures, methods and attributes of modules."""
    found: dict[CodeType, list[FunctionType]] = {}
    stack: list[Any] = [root]
    seen: set[int] = set()
    while stack:
        thing = stack.pop()
        if isinstance(thing, MethodType):
            stack.append(thing.__func__)
        elif id(thing) in seen:
            continue
        elif isinstance(thing, FunctionType) and _is_foreign(thing.__module__ or ""):
            seen.add(id(thing))
            found.setdefault(thing.__code__, []).append(thing)
            stack.extend(map(content_of, thing.__closure__ or ()))
            stack.extend(thing.__globals__.get(name) for name in thing.__code__.co_names)
        elif isinstance(thing, Observed):
            seen.add(id(thing))
            for kind in type(thing).__mro__:
                stack.extend(vars(kind).values() if _is_foreign(kind.__module__) else ())
            for attribute in type(thing).structural:
                members = getattr(thing, attribute, None)
                stack.extend(members.values() if isinstance(members, dict) else ())
    return found
