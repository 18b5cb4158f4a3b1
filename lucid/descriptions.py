"""What values hold, as guards and the keys of programs compare it: plain values and containers by content, all else by
identity."""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections import deque
from collections.abc import Collection, Iterator
from enum import Enum
from functools import cached_property, lru_cache, partial
from operator import is_
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))
# Of items of these very classes, and of none derived from them, the == of two tuples decides: of their classes, and of
# the items. Of floats alone, and no NaN, their bytes decide: -0.0 == 0.0, and NaN does not equal itself.
_COLUMNS = frozenset({bool, int, str, bytes, type(None), type(Ellipsis)})

_SINGLE = _COLUMNS | {float}  # classes of items that hold no others

# Tuples, and no unions, which an isinstance in a call would make anew.
_SEQUENCES, _SETS, _FIXED = (list, tuple, deque), (set, frozenset), (tuple, frozenset)
_CONTAINERS = (*_SEQUENCES, *_SETS, dict, bytearray)


def describe(value: object, depth: int = 0) -> object:
    """A hashable account of a value: plain values, containers, frozen dataclasses and functools.partial by content, all
    else by identity.

    >>> describe([1, 2.0]) == describe([1, 2.0]), describe([1]) == describe([True])
    (True, False)
    """
    if issubclass(type(value), float):  # by spelling: -0.0 is not 0.0, and nan is nan; a Scalar is none
        return type(value), float.__repr__(value)
    if isinstance(value, complex):
        return type(value), complex.__repr__(value)
    if isinstance(value, _PLAIN):
        return type(value), value
    if depth < 8:
        if isinstance(value, bytearray):
            return type(value), bytes(value)
        if isinstance(value, _SEQUENCES):
            return type(value), *_describe_items(value, depth)
        if isinstance(value, dict):
            return type(value), *_describe_items(value, depth), *_describe_items(value.values(), depth)
        if isinstance(value, _SETS):
            return type(value), frozenset(describe(item, depth + 1) for item in value)
        if (held := parts_of(value)) is not None:
            return type(value), *_describe_items(held, depth)
    return type(value), id(value)


def parts_of(value: Any) -> tuple[object, ...] | None:
    """What a functools.partial is made of, or a frozen dataclass that compares by its fields, where that is all that it
    has and will have; None for all else."""
    kind: Any = type(value)
    if kind is partial:
        return None if value.__dict__ else (value.func, value.args, value.keywords)
    names = _compared_fields(kind) if "__dataclass_params__" in kind.__dict__ else None
    if names is None or not getattr(value, "__dict__", {}).keys() <= names.keys():
        return None
    try:
        return tuple([getattr(value, name) for name in names])
    except AttributeError:
        return None


@lru_cache  # looking through the class takes longer than a call
def _compared_fields(kind: type) -> dict[str, None] | None:
    """The fields of a dataclass, in order, where its instances are frozen, compare by them, and cache nothing."""
    parameters: Any = kind.__dict__["__dataclass_params__"]
    if not parameters.frozen or not parameters.eq:
        return None
    if any(isinstance(member, cached_property) for base in kind.__mro__ for member in vars(base).values()):
        return None
    return dict.fromkeys(field.name for field in dataclasses.fields(kind))


def _describe_items(items: Collection[Any], depth: int) -> tuple[object, object]:
    """An account of items in order. A container may have millions of plain ones: those are not taken one by one."""
    kinds = tuple(map(type, items))
    distinct = set(kinds)
    if distinct <= _COLUMNS:
        return kinds, tuple(items)
    if distinct == {float} and not any(map(math.isnan, items)):
        return kinds, array("d", items).tobytes()
    return None, tuple(describe(item, depth + 1) for item in items)


def identities(value: object, depth: int = 0) -> Iterator[object]:
    """The objects that `describe` accounts for by identity."""
    if isinstance(value, _PLAIN):
        return
    if depth < 8 and isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if depth < 8 and (held := parts_of(value)) is not None:
        value = held
    if depth < 8 and isinstance(value, _CONTAINERS):
        if not _SINGLE.issuperset(map(type, value)):
            for item in value:
                yield from identities(item, depth + 1)
    else:
        yield value


def is_value(value: object) -> bool:
    """Whether a frozen dataclass is as good as any other with the same description: nothing in it can change in place.

    Where a part says more than its description does, as an instance of a subclass of str with attributes, it is not."""
    held = None if type(value) is partial else parts_of(value)
    return held is not None and all(map(_stays, held))


def _stays(part: object) -> bool:
    if isinstance(part, (*_PLAIN, tuple, frozenset)) and getattr(part, "__dict__", None) and not isinstance(part, Enum):
        return False
    held = part if isinstance(part, _FIXED) else parts_of(part)
    return not is_mutable(part) if held is None else type(part) is not partial and all(map(_stays, held))


def is_container(value: object) -> bool:
    """Whether a value is guarded by what it holds."""
    return isinstance(value, _CONTAINERS) or type(value) is partial


def is_mutable(value: object) -> bool:
    """Whether the content of a value can change without a write to the attribute that holds it."""
    if isinstance(value, _FIXED):
        return any(map(is_mutable, value))
    return is_container(value)


class Content:
    """What a value holds, to ask at each call whether one holds the same: what `describe` says, at a fraction of the
    time where it is the very same object, and holds the very same ones.

    >>> held = [1, "a"]
    >>> content = Content(held)
    >>> content.is_in(held), content.is_in([1, "a"]), held.append(2), content.is_in(held)
    (True, True, None, False)
    """

    __slots__ = ("_description", "_noted")

    def __init__(self, value: object) -> None:
        self._description = describe(value)
        self._noted = value, _columns(value)  # one attribute: a signal handler may call, too

    def is_in(self, value: object) -> bool:
        """Whether `describe` says of a value what it has said of the one before."""
        noted, columns = self._noted
        if columns is not None and value is noted:
            for column, items in columns:
                if len(column) != len(items) or not all(map(is_, column, items)):
                    break
            else:
                return True
        if describe(value) != self._description:
            return False
        self._noted = value, _columns(value)
        return True


def _columns(value: Any, depth: int = 0) -> list[tuple[Collection[object], tuple[object, ...]]] | None:
    """What `describe` would find other items in if the value or a part of it were changed in place, with the items that
    are there now; None where that is not all that it looks at."""
    if depth == 8 or isinstance(value, _PLAIN):
        return []
    kind = type(value)
    if kind in (list, tuple, set, frozenset, deque):
        columns: list[Collection[object]] = [value]
    elif kind is dict:
        columns = [value, value.values()]
    elif is_container(value) or "__dataclass_params__" in kind.__dict__:
        return None
    else:
        return []
    found = []
    for column in columns:
        items = tuple(column)
        if kind is not tuple and kind is not frozenset:
            found.append((column, items))
        if not _SINGLE.issuperset(map(type, items)):
            for item in items:
                held = _columns(item, depth + 1)
                if held is None:
                    return None
                found += held
    return found
