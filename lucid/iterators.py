"""Which values are iterators: what a trace takes from one that was made outside, later calls would not take."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from io import IOBase
from types import CodeType

from lucid.descriptions import identities


def is_iterator(value: object) -> bool:
    """Whether a value is an iterator, by its type, so that no code of the user's runs. Files are not meant."""
    kind = type(value)
    return issubclass(kind, Iterator) and not issubclass(kind, IOBase)


def holds_iterator(value: object) -> bool:
    """Whether a value is an iterator, or a container that holds one."""
    return any(map(is_iterator, identities(value)))


def line_of(code: CodeType, name: str) -> tuple[str, int]:
    """File and line where a code object, or one defined in it, first reads a name; else where the code begins."""
    return _line_of(code, name) or (code.co_filename, code.co_firstlineno)


def _line_of(code: CodeType, name: str) -> tuple[str, int] | None:
    for instruction in dis.get_instructions(code):
        argument, positions = instruction.argval, instruction.positions
        line = None if positions is None else positions.lineno
        hands_on = instruction.opname in ("LOAD_CLOSURE", "MAKE_CELL")  # to a function that is defined here
        is_named = argument == name or (isinstance(argument, tuple) and name in argument)
        if is_named and line is not None and not hands_on:
            return code.co_filename, line
    inner = (_line_of(constant, name) for constant in code.co_consts if isinstance(constant, CodeType))
    return next((line for line in inner if line is not None), None)
