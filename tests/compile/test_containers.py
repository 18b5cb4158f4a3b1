"""Containers are guarded by what they hold, each item with its type, however many there are."""

import sys
from collections import deque
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.guards import describe

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
