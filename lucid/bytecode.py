"""The names that the bytecode of a function loads."""

from __future__ import annotations

import dis
from collections import Counter
from collections.abc import Iterator
from types import CodeType

_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")
_BY_NAME = ("getattr", "hasattr", "setattr", "delattr")


def loads(code: CodeType) -> Iterator[tuple[str, str, list[str]]]:
    """The names that bytecode loads, each with the attributes that it then follows or sets, also by way of a local
    variable that is assigned once, or of `getattr`, `hasattr`, `setattr` and `delattr` with a constant.

    >>> list(loads(compile("a.b.c + d", "", "eval")))
    [('global', 'a', ['b', 'c']), ('global', 'd', [])]
    """
    kinds = {"LOAD_GLOBAL": "global", "LOAD_NAME": "global", "LOAD_DEREF": "cell", "LOAD_CLASSDEREF": "cell"}
    arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    instructions = list(dis.get_instructions(code))
    stores = Counter(i.argval for i in instructions if i.opname == "STORE_FAST")
    local: dict[str, tuple[str, str, list[str]]] = {}  # what a local variable stands for
    pending: tuple[str, str, list[str]] | None = None
    asking = False  # whether the name before was getattr or hasattr
    for instruction in instructions:
        opname, argument = instruction.opname, instruction.argval
        if opname in _ATTRIBUTES and pending is not None:
            pending[2].append(argument)
            continue
        if opname in ("PUSH_NULL", "CACHE", "COPY"):  # `a.b += c` copies a before it loads a.b
            continue
        if pending is not None:
            if asking and opname == "LOAD_CONST":
                pending[2].append(argument)
            asking = pending[0] == "global" and pending[1] in _BY_NAME and not pending[2]
            yield pending
            if opname == "STORE_FAST" and stores[argument] == 1 and argument not in arguments:
                local[argument] = pending
            pending = None
        if opname in kinds:
            pending = kinds[opname], argument, []
        elif opname.startswith("LOAD_FAST"):
            name = argument[-1] if isinstance(argument, tuple) else argument
            if name in arguments:
                pending = "argument", name, []
            elif name in local:
                kind, root, attributes = local[name]
                pending = kind, root, [*attributes]
    if pending is not None:
        yield pending
