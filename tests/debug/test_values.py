"""program.values: every value of a step, found by name, module and line, and no effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.errors import ArgumentError, CheckError

X, Y = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), np.array([0, 1, 2])


def training() -> tuple[Callable[..., Any], nn.Module]:
    lucid.seed(5)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @lucid.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)  # forward
        loss.backward()
        optimizer.step()
        return loss

    return step, model


def test_values_are_those_of_the_next_call_and_change_nothing() -> None:
    step, model = training()
    program = step.lower(X, Y)
    state, weight = lucid.get_state(), model[0].weight.numpy().copy()
    values = program.values(X, Y)
    again = program.values(X, Y)
    assert lucid.get_state() == state
    assert model[0].weight.numpy().tobytes() == weight.tobytes()
    assert model[0].weight.grad is None
    loss_name = program.ir("differentiated").rpartition("return ")[2].split(",")[0]
    loss = step(X, Y)
    np.testing.assert_allclose(values[loss_name], loss.numpy(), rtol=1e-5)
    np.testing.assert_allclose(values["0.weight"], weight, rtol=0)
    (mask,) = (array for name, array in values.of("2").items() if array.dtype == bool)
    assert mask.astype(np.float32).tolist() == model[2].mask.numpy().tolist(), "the very mask of the call"
    assert all(values[name].tobytes() == again[name].tobytes() for name in values)
    (gradient,) = (
        array
        for name, array in values.of("0").items()
        if array.shape == (8, 4) and "in backward" in line_of(program.ir("differentiated"), name)
    )
    np.testing.assert_allclose(gradient, model[0].weight.grad.numpy(), rtol=1e-4, atol=1e-6)


def line_of(text: str, name: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(f"  %{name}: "))
    return line


def test_they_are_found_by_module_and_line() -> None:
    step, _ = training()
    values = step.lower(X, Y).values(X, Y)
    assert set(values.of("0")) | set(values.of("3")) == set(values.of("Linear"))
    line = 1 + next(n for n, text in enumerate(Path(__file__).read_text().splitlines()) if text.endswith("# forward"))
    assert set(values.of("0")) < set(values.at(line))
    assert values.at(line).keys() == values.at(f"test_values.py:{line}").keys()
    assert "%0.weight" in values
    assert values["%0.weight"] is values["0.weight"]
    assert len(values) == len(list(values))


def test_inner_modules_belong_to_outer_ones() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Tanh())
    with lucid.no_grad():
        values = lucid.compile(model).lower(X).values(X)
    assert set(values.of("0")) == set(values.of("0.0")) | set(values.of("0.1"))
    assert len(values.of("1")) == 1


def test_its_text_is_a_table() -> None:
    @lucid.compile
    def f(x: Any) -> Any:
        return x.log()

    table = str(f.lower(np.ones(3, np.float32)).values(np.array([1.0, 0.0, np.e], np.float32)))
    head, x, y = table.splitlines()
    assert head.split() == ["value", "type", "least", "mean", "most", "not", "finite", "op", "where"]
    assert x.split() == ["%x", "f32[3]", "0", "1.239", "2.718"]
    assert y.split() == ["%0", "f32[3]", "0", "0.5", "1", "1", "log", f"test_values.py:{y.rpartition(':')[2]}"]


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda v: v["nothing"], "there is no value 'nothing'."),
        (lambda v: v[3], "there is no value 3."),
        (lambda v: v.of("7"), "there is no module '7'; expected one of 0: Linear, 1: ReLU, 2: Dropout, 3: Linear."),
        (lambda v: v.at(1), "no value comes from line 1."),
    ],
)
def test_what_is_not_there_is_an_error(ask: Callable[[Any], Any], sentence: str) -> None:
    step, _ = training()
    with pytest.raises(ArgumentError) as caught:
        ask(step.lower(X, Y).values(X, Y))
    assert str(caught.value).startswith(sentence)


def test_get_gives_a_default() -> None:
    step, _ = training()
    assert step.lower(X, Y).values(X, Y).get("nothing") is None


def test_the_mean_of_huge_values_is_a_number() -> None:
    f = lucid.compile(lambda x: x * 1.0)
    x = np.array([1e38, 3e38, 3e38], np.float32)
    assert str(f.lower(x).values(x)).splitlines()[1].split()[2:] == ["1e+38", "2.333e+38", "3e+38"]


def test_other_arguments_are_refused() -> None:
    step, _ = training()
    program = step.lower(X, Y)
    with pytest.raises(ArgumentError) as caught:
        program.values(X[:2], Y[:2])
    assert str(caught.value).startswith(
        "values takes arguments of the program's signature, f32[3, 4], i64[3], got f32[2, 4], i64[2]."
    )
    with pytest.raises(CheckError, match="target 9 at position 1 is out of range"):
        program.values(X, np.array([0, 9, 1]))
