"""What a later call would not do again is refused: changes of globals, of the variables around a function, and of
attributes."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import TraceError

X = Tensor([1.0, 2.0])
kept = 0.0


class Around:
    """Functions, each of which changes something around it."""

    def __init__(self) -> None:
        seen: list[int] = []
        table: dict[str, float] = {}
        count = 0

        def appends(x: Tensor) -> Tensor:
            seen.append(1)
            return x

        def sets_an_item(x: Tensor) -> Tensor:
            def inside() -> None:
                table["x"] = 1.0

            inside()
            return x

        def counts(x: Tensor) -> Tensor:
            nonlocal count
            count += 1
            return x * count

        def calls_what_counts(x: Tensor) -> Tensor:
            return counts(x)

        def looks(x: Tensor) -> Tensor:
            return x * (len(seen) + len(table) + count + 1.0)

        def changes_and_restores(x: Tensor) -> Tensor:
            nonlocal count
            count += 1
            seen.append(1)
            y = looks(x)
            count -= 1
            seen.pop()
            return y

        self.refused = {
            "seen": [appends],
            "table": [sets_an_item],
            "count": [counts, calls_what_counts],
        }
        self.allowed = [looks, changes_and_restores]


@pytest.mark.parametrize("name", Around().refused)
def test_a_variable_around_the_function_that_changes(name: str) -> None:
    for function in Around().refused[name]:
        with pytest.raises(TraceError) as caught:
            lucid.compile(function)(X)
        assert caught.value.sentence == (
            f"the variable {name} of a closure changed while the function was traced; later calls would not change it."
        )


def test_a_variable_that_is_as_before_in_the_end() -> None:
    look, change_and_restore = Around().allowed
    assert lucid.compile(look)(X).tolist() == [1.0, 2.0]
    assert lucid.compile(change_and_restore)(X).tolist() == [3.0, 6.0]


def total_of(function: Callable[[float], float]) -> Callable[[Tensor], Tensor]:
    """A function whose own variables change, by way of a closure that it makes."""

    def total(x: Tensor) -> Tensor:
        parts: list[Tensor] = []
        number = 0

        def add(y: Tensor) -> None:
            nonlocal number
            number += 1
            parts.append(y * function(number))

        add(x)
        add(x)
        return parts[0] + parts[1]

    return total


def test_variables_of_the_function_itself_may_change() -> None:
    compiled = lucid.compile(total_of(lambda number: 2.0 * number))
    assert [compiled(X).tolist() for _ in range(2)] == [[6.0, 12.0]] * 2
    assert len(compiled.programs) == 1


def test_a_global_that_is_only_assigned_to() -> None:
    def keep(x: Tensor) -> Tensor:
        global kept
        kept = 1.0
        return x

    with pytest.raises(TraceError, match="the global kept changed while the function was traced"):
        lucid.compile(keep)(X)


class Tally:
    """An object that is not a module."""

    most = 0

    def __init__(self) -> None:
        self.count = 0
        self.losses: list[object] = []
        self.by_name: dict[str, list[int]] = {"a": []}
        self.recent: deque[int] = deque()

    def add(self) -> None:
        self.count += 1


class Slots:
    __slots__ = ("__weakref__", "first", "second")

    def __init__(self) -> None:
        self.first = 1


class Logs(nn.Module):
    """A module with a list."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[object] = []
        self.register_buffer("calls", lucid.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1.0
        self.losses.append(x.sum())
        return x


class Trainer:
    """Steps, each of which changes an attribute of something that a later call would not change again."""

    def __init__(self) -> None:
        self.count = 0
        self.tally = Tally()
        self.slots = Slots()
        self.module = Logs()

    def counts(self, x: Tensor) -> Tensor:
        self.count += 1
        return x

    def sets_what_was_not_there(self, x: Tensor) -> Tensor:
        self.last = x * 2.0
        return x

    def deletes(self, x: Tensor) -> Tensor:
        del self.tally.count
        return x

    def appends(self, x: Tensor) -> Tensor:
        self.tally.losses.append(x * 2.0)
        return x

    def appends_deep_inside(self, x: Tensor) -> Tensor:
        self.tally.by_name["a"].append(1)
        return x

    def appends_to_a_deque(self, x: Tensor) -> Tensor:
        recent = self.tally.recent
        recent.append(1)
        return x

    def calls_a_method(self, x: Tensor) -> Tensor:
        self.tally.add()
        return x

    def hands_over(self, x: Tensor) -> Tensor:
        def record(tally: Tally) -> None:
            tally.count = 3

        record(self.tally)
        return x

    def sets_by_name(self, x: Tensor) -> Tensor:
        setattr(self, "count", 5)  # noqa: B010  that is what is tested
        return x

    def sets_of_a_class(self, x: Tensor) -> Tensor:
        Tally.most = self.tally.most + 1
        return x

    def sets_a_slot(self, x: Tensor) -> Tensor:
        self.slots.second = 2
        return x

    def calls_a_module(self, x: Tensor) -> Tensor:
        y: Tensor = self.module(x)
        return y

    def keeps_a_new_object(self, x: Tensor) -> Tensor:
        self.tally = Tally()
        self.tally.add()
        return x

    def changes_new_objects(self, x: Tensor) -> Tensor:
        def double(tally: Tally) -> None:
            tally.count *= 2

        tally = Tally()
        tally.add()
        double(tally)
        tally.losses.append(x)
        return x * tally.count + tally.losses[0]

    def changes_and_restores(self, x: Tensor) -> Tensor:
        self.count += 1
        self.tally.losses.append(1)
        self.tally.losses.pop()
        y = x * self.count
        self.count -= 1
        return y


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    Tally.most = 0


@pytest.mark.parametrize(
    ("name", "attribute"),
    {
        "counts": "Trainer.count",
        "sets_what_was_not_there": "Trainer.last",
        "deletes": "Tally.count",
        "appends": "Tally.losses",
        "appends_deep_inside": "Tally.by_name",
        "appends_to_a_deque": "Tally.recent",
        "calls_a_method": "Tally.count",
        "hands_over": "Tally.count",
        "sets_by_name": "Trainer.count",
        "sets_of_a_class": "Tally.most",
        "sets_a_slot": "Slots.second",
        "calls_a_module": "Logs.losses",
        "keeps_a_new_object": "Trainer.tally",
    }.items(),
)
def test_an_attribute_that_changes(name: str, attribute: str) -> None:
    trainer = Trainer()
    with pytest.raises(TraceError) as caught:
        lucid.compile(getattr(trainer, name))(X)
    assert caught.value.sentence == (
        f"{attribute} changed while the function was traced; later calls would not change it."
    )
    assert trainer.module.calls.item() == 0.0


@pytest.mark.parametrize("enabled", [True, False])
def test_attributes_of_new_objects_may_change(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        compiled = lucid.compile(Trainer().changes_new_objects)
        assert [compiled(X).tolist() for _ in range(2)] == [[3.0, 6.0]] * 2
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
    assert len(compiled.programs) == 1


def test_an_attribute_that_is_as_before_in_the_end() -> None:
    compiled = lucid.compile(Trainer().changes_and_restores)
    assert [compiled(X).tolist() for _ in range(2)] == [[1.0, 2.0]] * 2
    assert len(compiled.programs) == 1


def test_what_finds_modules_may_change_where_a_traced_function_imports_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def __init__(self) -> None:
            self.asked: list[str] = []

        def find_spec(self, name: str, path: object, target: object = None) -> None:
            self.asked.append(name)

    finder = Finder()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    @lucid.compile
    def f(x: Tensor) -> Tensor:
        with contextlib.suppress(ImportError):
            import_module("this_module_is_not_there")
        return x * 2.0

    assert f(Tensor([1.0])).tolist() == [2.0]
    assert "this_module_is_not_there" in finder.asked  # beside what Lucid imports


def test_objects_of_the_trace_that_refer_to_each_other_or_stand_around_a_function_may_change() -> None:
    def twice(x: Tensor) -> Tensor:
        first, second = Tally(), Tally()
        first.losses.append(second)
        second.losses.append(first)

        def add() -> None:
            first.count += 1
            second.add()

        add()
        first.add()
        return x * (first.count + second.count)

    assert lucid.compile(twice)(X).tolist() == [3.0, 6.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_tuples_may_be_made_around_traces(compiled: bool) -> None:
    """An object that is being made, such as a tuple of a generator, must have no reference that it does not know."""

    def total(x: Tensor) -> Tensor:
        found: Tensor = lucid.scan(lambda c, element: (c + element, c), lucid.zeros(()), x)[0]
        return found

    for count in (1, 3, 7):
        function = lucid.compile(total) if compiled else total
        assert [x.item() for x in tuple(function(lucid.ones(3 + n)) for n in range(count))] == [
            3.0 + n for n in range(count)
        ]
