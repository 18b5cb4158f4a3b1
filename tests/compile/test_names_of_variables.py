"""What a trace captures is called as the user's code writes it: in the IR, and in the causes of compilations."""

from __future__ import annotations

import sys
import time
import weakref
from collections import OrderedDict
from typing import Any, NoReturn

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.ir.text import parse

WEIGHT = Tensor([1.0, 2.0], requires_grad=True)
TABLE = np.array([3.0, 4.0], np.float32)
X = lucid.ones(2)


def inputs(function: Any, *arguments: Any) -> list[str | None]:
    """The names of what the graph of a call takes up; it prints and parses."""
    program = lucid.compile(function).lower(*arguments)
    graph = parse(program.ir("traced"))
    return [value.name for value in graph.inputs]


def test_globals_and_arrays() -> None:
    assert inputs(lambda x: x * WEIGHT + TABLE, X) == ["x", "WEIGHT", "TABLE"]


def test_variables_around_and_what_they_hold() -> None:
    scale, weights, by_name = Tensor([2.0]), [Tensor([3.0]), Tensor([4.0])], {"bias": Tensor([5.0]), "no word": X}

    def step(x: Tensor) -> Tensor:
        return x * scale * weights[1] + by_name["bias"] + by_name["no word"]

    assert inputs(step, Tensor([1.0, 2.0])) == ["x", "scale", "weights.1", "by_name.bias", "captured"]


def test_attributes_of_objects_and_modules() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.scale = Tensor([2.0])
            self.model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

        def step(self, x: Tensor) -> Tensor:
            return self.model[1](x * self.scale) + self.model[0].bias

    names = inputs(Trainer().step, X)
    assert names == ["x", "self.scale", "weight", "bias", "self.model.0.bias"]


def test_two_models_whose_parameters_have_the_same_names() -> None:
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 1)
    names = inputs(lambda x: discriminator(generator(x)), lucid.ones(1, 2))
    assert names == ["x", "weight", "bias", "discriminator.weight", "discriminator.bias"]


def test_a_helper_is_told_by_what_calls_it() -> None:
    def double() -> Tensor:
        return next(w for w in held if w.size == 2) * 2.0

    held = [Tensor([1.0]), Tensor([1.0, 2.0])]
    assert inputs(lambda x: x + double(), X) == ["x", "held.1"]


def test_a_gradient_that_comes_or_goes_has_the_name_of_its_tensor() -> None:
    model, leaf = nn.Linear(2, 1), Tensor([1.0, 2.0], requires_grad=True)

    @lucid.compile
    def step(x: Tensor) -> None:
        (x @ model.weight.T * leaf.sum()).sum().backward()

    @lucid.compile
    def watch(x: Tensor) -> Tensor:
        return x if leaf.grad is None else x * leaf.grad

    assert watch(X).tolist() == [1.0, 1.0]
    for _ in range(2):
        step(lucid.ones(1, 2))
    watch(X)
    causes = [function.explain(recompiles=True).rows[-1].cause for function in (step, watch)]
    assert causes == [
        "whether model.weight.grad is None was True, is False",
        "whether leaf.grad is None was True, is False",
    ]


def test_the_search_for_a_name_runs_no_code_of_the_users() -> None:
    class Loud(list[Tensor]):
        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("read")

    class Computed:
        @property
        def weight(self) -> Tensor:
            raise AssertionError("read")

    loud, computed = Loud([WEIGHT]), Computed()

    def step(x: Tensor) -> Tensor:
        assert (loud, computed) is not None
        return x + WEIGHT

    assert inputs(step, X) == ["x", "WEIGHT"]


class Unreadable:
    """Of which every read that asks the class fails."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError("read")


class Nameless:
    __slots__ = ()

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # as proxies do
        raise RuntimeError("read")


class Empty:
    __slots__ = ()
    __dict__ = None  # type: ignore[assignment]  # as a mock may


class Ordered:
    def __init__(self) -> None:
        self.__dict__ = OrderedDict(weight=Tensor([1.0, 2.0]))


class Asked(type):
    def __getattr__(cls, name: str) -> Any:
        if name == "name_of_child":
            raise RuntimeError("read")
        raise AttributeError(name)


class OfAsked(metaclass=Asked):
    pass


ODD = {"unreadable": Unreadable, "nameless": Nameless, "empty": Empty, "ordered": Ordered, "metaclass": OfAsked}


@pytest.mark.parametrize("kind", ODD)
def test_the_search_goes_past_objects_that_answer_for_themselves(kind: str) -> None:
    def step(x: Tensor) -> Tensor:
        odd = [type.__call__(ODD[kind])]
        return x + WEIGHT if odd else x

    assert inputs(step, X) == ["x", "WEIGHT"]


def test_a_large_list_is_looked_into_once_and_not_to_its_end() -> None:
    weights = [Tensor([float(i)]) for i in range(8)]

    def step(x: Tensor) -> Tensor:
        rows = [[0.0] * 1000 for _ in range(1000)]
        x = x + weights[0] if rows else x
        x = x + weights[1]
        x = x + weights[2]
        x = x + weights[3]
        x = x + weights[4]
        x = x + weights[5]
        x = x + weights[6]
        return x + weights[7]

    begin = time.thread_time()
    assert inputs(step, X) == ["x", *(f"weights.{i}" for i in range(8))]
    assert time.thread_time() - begin < 2.0  # it takes 0.02 s; to enter all items at each line, 6 s


def test_what_the_function_lets_go_is_freed() -> None:
    class Big:
        pass

    def step(x: Tensor) -> Tensor:
        big = Big()
        reference = weakref.ref(big)
        x = x + WEIGHT
        del big
        alive.add(reference() is None)
        return x

    alive: set[bool] = set()
    with pytest.raises(lucid.errors.TraceError, match="variable alive of a closure changed"):
        lucid.compile(step).lower(X)
    assert alive == {True}


def test_a_dict_of_the_variables_is_not_renewed() -> None:
    def step(x: Tensor) -> Tensor:
        known = locals()
        later = WEIGHT
        x = x + later
        return x if "later" in known or known["x"] is x else x * 2.0

    assert lucid.compile(step)(X).tolist() == step(X).tolist() == [4.0, 6.0]


def test_a_dict_of_the_variables_that_a_helper_holds_is_not_cleared() -> None:
    def variables() -> Any:
        return sys._getframe(1).f_locals

    def step(x: Tensor) -> Tensor:
        known = variables()
        x = x + WEIGHT
        return x * 2.0 if "known" in known or len(known) else x

    assert lucid.compile(step)(X).tolist() == [4.0, 6.0]
