"""What a later call would not do again is refused: changes of globals and of the variables around a function."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import lucid
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
