"""-0.0 equals 0.0, and NaN does not equal itself: a program made for the one is not for the other, wherever a trace
meets it, and one that was made for NaN is for NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.guards import describe

NUMBERS = (0.0, -0.0, 0.0, float("nan"), -float("nan"), 1.0, -0.0, 1.0, float("nan"))  # four that differ
held: Any = None


@dataclass(frozen=True)
class Settings:
    scale: Any


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale: Any = None

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[0]


def _outcome(function: Callable[..., Any], *args: Any) -> str:
    (element,) = function(Tensor([1.0]), *args).tolist()
    return repr(element)  # by spelling


KINDS: dict[str, tuple[Callable[[float], Any], Callable[[Any], float]]] = {  # how it is held, and read again
    "float": (float, lambda x: x),
    "np.float64": (np.float64, float),
    "complex": (lambda x: complex(1.0, x), lambda x: float(x.imag)),
    "tuple": (lambda x: (x, 1), lambda x: float(x[0])),
    "list of floats": (lambda x: [x, 1.0], lambda x: float(x[0])),
    "list": (lambda x: ["a", [x]], lambda x: float(x[1][0])),
    "dict": (lambda x: {"a": x}, lambda x: float(x["a"])),
    "key": (lambda x: {x: 1}, lambda x: float(*x)),
    "tuple in a key": (lambda x: {(x,): 1}, lambda x: float(*next(iter(x)))),
    "set": (lambda x: {x}, lambda x: float(*x)),
    "dataclass": (Settings, lambda x: float(x.scale)),
    "tuple in a dataclass": (lambda x: Settings((x,)), lambda x: float(x.scale[0])),
    "complex in a dataclass": (lambda x: Settings(complex(x)), lambda x: float(x.scale.real)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument(kind: str) -> None:
    hold, read = KINDS[kind]
    fast = lucid.compile(lambda x, number: x * float(read(number)))
    for number in NUMBERS * 2:
        for _ in range(3):  # the third takes the shortest way
            assert _outcome(fast, hold(number)) == repr(number)
    assert len(fast.programs) == 4


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "dataclass" not in kind])
def test_a_global(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold, read = KINDS[kind]
    fast = lucid.compile(lambda x: x * read(held))
    for number in NUMBERS * 2:
        monkeypatch.setitem(globals(), "held", hold(number))
        for _ in range(3):
            assert _outcome(fast) == repr(number)
    assert len(fast.programs) == 4 or kind == "np.float64"  # two of NumPy's 1.0 are two objects


def test_an_attribute_of_a_module() -> None:
    model = Scaled()
    fast = lucid.compile(model)
    for number in NUMBERS * 2:
        model.scale = (number,)
        for _ in range(3):
            assert _outcome(fast) == repr(number)
    assert len(fast.programs) == 4


def test_a_write_of_the_other_zero_is_a_change() -> None:
    model = Scaled()
    model.scale = 0.0

    def write(x: Tensor) -> Tensor:
        model.scale = -0.0
        return x

    with pytest.raises(lucid.errors.TraceError, match=r"was set to -0\.0 while a function is traced"):
        lucid.compile(write)(Tensor([1.0]))


@pytest.mark.parametrize(
    ("one", "other"),
    [([0.0, 1.0], [-0.0, 1.0]), ([0.0, "a"], [-0.0, "a"]), ({0.0}, {-0.0}), (0j, -0j), ({"a": 0.0}, {"a": -0.0})],
)
def test_they_are_described_apart(one: object, other: object) -> None:
    assert one == other
    assert describe(one) != describe(other)


class Size(IntEnum):
    two = 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x, s: x * float(s * np.float64(2.0)),
        lambda x, s: x * float(Size.two - s),
        lambda x, s: x * float((-2.0) ** s),
        lambda x, s: x * (3.0 if s > Size.two else 5.0),
        lambda x, s: x * (3.0 if s == np.float64(3.0) else 5.0),
    ],
)
@pytest.mark.parametrize("kind", [float, np.float64])
def test_a_guard_on_arithmetic_with_any_number_holds_again(function: Callable[..., Any], kind: Any) -> None:
    fast = lucid.compile(function)
    for number in (2.0, 3.0, 2.0, 3.0):
        assert _outcome(fast, kind(number)) == _outcome(function, number)
    assert len(fast.programs) == 2


def test_keys_of_other_types_are_other_keys() -> None:
    fast = lucid.compile(lambda x, names: dict.fromkeys(names, x))
    for key in (1, True, 1.0, "1", 1, True):
        (given,) = fast(Tensor([1.0]), {key: None})
        assert given is key or (given, type(given)) == (key, type(key))
