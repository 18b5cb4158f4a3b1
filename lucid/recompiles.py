"""Why a function was compiled again: what the guards and the arguments say of a call that no program fitted."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from lucid.descriptions import describe
from lucid.guards import Guards
from lucid.pytree import Spec
from lucid.signature import Key, array_kind, key_text
from lucid.tables import table

SHOWN = 60  # characters of a value


@dataclass(frozen=True)
class Recompilation:
    """One compilation of a function, by number from 1: for which signature, and what made it necessary: a guard or an
    argument, what it was for the program that came nearest, and what it is. The first has no cause."""

    number: int
    signature: str
    subject: str = ""
    before: str = ""
    now: str = ""

    @property
    def cause(self) -> str:
        """The cause in a few words."""
        return f"{self.subject} was {self.before}, is {self.now}" if self.subject else "the first call"


@dataclass(frozen=True)
class Recompilations:
    """All compilations of a function, in order. `str` gives a table, `as_dict` what JSON has."""

    name: str
    rows: tuple[Recompilation, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [["", "compiled for", "because"]]
        lines += [[str(row.number), shorten(row.signature, SHOWN, placeholder=" ..."), row.cause] for row in self.rows]
        return "\n".join([self.name, *table(lines)])


def advice(key: Key, known: Collection[Key]) -> str:
    """What to do where calls with ever other keys compile a function again and again."""
    if key not in known and any(_without_shapes(key) == _without_shapes(other) for other in known):
        return "each shape has a program: pad to few of them; for batches, DataLoader(..., drop_last=True)."
    return "pass what changes from call to call as a float or a tensor, by itself or in a dict, list or tuple."


def _without_shapes(key: Key) -> Key:
    leaves = (leaf[1:] if isinstance(leaf, tuple) and isinstance(leaf[0], tuple) else leaf for leaf in key.leaves)
    return key._replace(leaves=tuple(leaves))


def broken_guard(guards: Guards, leaves: Sequence[Any], names: Sequence[str]) -> tuple[str, str, str]:
    """The first guard of a program that does not hold for the leaves of a call: what it is about, was and is."""
    for condition in guards.broken(leaves):
        return guards.subject(condition, names), *_both_shown(condition.traced, guards.current(condition, leaves))
    return "whether an argument is also captured", "no", "yes"


def nearest_difference(
    key: Key, known: Iterable[Key], names_of: Callable[[Spec], Sequence[str]]
) -> tuple[str, str, str]:
    """Where the key of a call differs from that of the known ones that agrees with it in most arguments."""
    names = names_of(key.spec)

    def distance(other: Key) -> float:
        if other.spec != key.spec:
            return len(names) + 2.0
        apart = [_distance(a, b) for a, b in zip(key.leaves, other.leaves, strict=True)]
        return sum(apart) + (key[2:] != other[2:])

    nearest = min(reversed([*known]), key=distance)
    if nearest.spec != key.spec:
        before, now = (f"({', '.join(each)})" for each in (names_of(nearest.spec), names))
        if before == now:  # such as a list where a tuple was
            return "the kind of a container among the arguments", "another", "new"
        return "which arguments there are", _cut(before), _cut(now)
    for name, before, now in zip(names, nearest.leaves, key.leaves, strict=True):
        if before != now:
            texts = key_text(before), key_text(now)
            if texts[0] == texts[1] and isinstance(before, tuple):  # an array, and a tensor of its type
                texts = f"{texts[0]}, {array_kind(before)}", f"{texts[1]}, {array_kind(now)}"
            return name, _cut(texts[0]), _cut(texts[1])
    if nearest.aliases != key.aliases:
        return "whether arguments are one and the same", str(nearest.aliases is not None), str(key.aliases is not None)
    return "whether gradients are recorded", str(nearest.records_gradients), str(key.records_gradients)


def _distance(a: Any, b: Any) -> float:
    """How far the keys of two leaves are apart, from 0 to 1: the part of what they say that differs."""
    if not isinstance(a, tuple) or not isinstance(b, tuple):
        return float(a != b)
    pairs = [*itertools.zip_longest(a, b)]  # the key of a tensor says more than that of an array
    return len([x for x, y in pairs if x != y]) / len(pairs)


def _both_shown(before: object, now: object) -> tuple[str, str]:
    """Two values as texts that differ, where they are dicts or lists whose items do."""
    texts = _shown(before), _shown(now)
    if texts[0] != texts[1] or not isinstance(before, dict | list) or type(before) is not type(now):
        return texts
    items = [dict(each) if isinstance(each, dict) else dict(enumerate(each)) for each in (before, now)]
    first, second = items
    apart = [
        [key for key in own if key not in other or describe(own[key]) != describe(other[key])]
        for own, other in ((first, second), (second, first))
    ]
    another = "another " if apart[0] == apart[1] else ""
    kind = "a dict" if isinstance(before, dict) else "a list"
    return f"{kind} of {_counted(first, apart[0], '')}", f"{kind} of {_counted(second, apart[1], another)}"


def _counted(items: dict[Any, Any], apart: list[Any], another: str) -> str:
    held = f", with {another}{_cut(', '.join(map(repr, apart)))}" if apart else ""
    return f"{len(items)} item{'s' * (len(items) != 1)}{held}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN and "\n" not in text else f"of type {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
