"""What a trace captures is called as the user's code writes it: in the IR, and in the causes of compilations."""

from __future__ import annotations

from typing import Any

import numpy as np

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
