"""Containers are guarded by what they hold, each item with its type, however many there are."""

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import lucid.descriptions
from lucid.descriptions import Content, describe

NAN = float("nan")
SHARED = object()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [1, 2]),
        ([1.0, NAN], [1.0, -float("nan")]),
        ([1, NAN, "a"], [1, float("nan"), "a"]),
        ([SHARED, 1], [SHARED, 1]),
        ({"a": 1, "b": [2]}, {"a": 1, "b": [2]}),
        ({3, "a"}, {"a", 3}),
        (deque([1]), deque([1])),
        ([10**400, 1.0], [10**400, 1.0]),
    ],
)
def test_equal_content_is_equal(one: object, other: object) -> None:
    assert describe(one) == describe(other)
    assert hash(describe(one)) == hash(describe(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        ([1, 2], (1, 2)),
        ([1], [True]),
        ([1], [1.0]),
        ([1.0], [NAN]),
        ([1, [1]], [1, [True]]),
        ([], {}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": True}),
        ({1: "a"}, {True: "a"}),
        ({1}, {True}),
        ([object()], [object()]),
        ([int, int, 1], [(1, 1)]),
    ],
)
def test_other_content_is_not(one: object, other: object) -> None:
    assert describe(one) != describe(other)


@pytest.mark.parametrize(
    "container", [list(range(30_000)), [0.5] * 30_000, dict.fromkeys(map(str, range(30_000)), 1)], ids=type
)
def test_many_plain_items_are_not_taken_one_by_one(container: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "many", container)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    scaled = lucid.compile(lambda x: x * len(many))  # type: ignore[name-defined]  # noqa: F821
    x = np.ones(2, np.float32)
    sys.setprofile(count)
    try:
        scaled(x)
        first, calls = calls, 0
        scaled(x)
    finally:
        sys.setprofile(None)
    assert first < 60_000
    assert calls < 1_000
    assert scaled(x).numpy().tolist() == [30_000, 30_000]
    container.pop(next(reversed(container)) if isinstance(container, dict) else -1)
    assert scaled(x).numpy().tolist() == [29_999, 29_999]


def _held() -> dict[str, Any]:
    return {"list": [1, [2]], "dict": {"a": (SHARED, [3])}, "set": {4}, "deque": deque([5]), "tuple": (6, {"b": 7})}


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held["list"].append(1),
        lambda held: held["list"].__setitem__(0, True),
        lambda held: held["list"][1].clear(),
        lambda held: held["dict"].update(b=1),
        lambda held: held["dict"].update(a=(SHARED, [3, 3])),
        lambda held: held["dict"]["a"][1].pop(),
        lambda held: held["set"].add(5),
        lambda held: held["deque"].rotate(1) or held["deque"].append(5),
        lambda held: held["tuple"][1].update(b=7.0),
        lambda held: held.update(dict=held.pop("dict")),
    ],
)
def test_what_changes_in_place_is_noticed(change: Callable[[Any], object]) -> None:
    held = _held()
    content = Content(held)
    assert content.is_in(held)
    assert content.is_in(_held())  # which is what it compares with at once from here on
    assert content.is_in(held)
    change(held)
    assert not content.is_in(held)
    assert content.is_in(_held())


@dataclass(frozen=True)
class _Sizes:
    width: int


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (bytearray(b"a"), lambda part: part.extend(b"b")),
        (partial(print, end=""), lambda part: part.keywords.clear()),
        (_Sizes(1), lambda part: object.__setattr__(part, "width", 2)),
    ],
    ids=type,
)
def test_other_parts_are_described_at_each_call(part: Any, change: Callable[[Any], object]) -> None:
    held = [part]
    content = Content(held)
    assert content.is_in(held)
    change(part)
    assert not content.is_in(held)


def test_the_same_container_is_not_described_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    held = _held()
    content = Content(held)
    monkeypatch.setattr(lucid.descriptions, "describe", None)
    assert content.is_in(held)
