"""Arrays that a compiled function uses are read at each call, whoever made them and however they become tensors."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import TraceError

X = lucid.zeros(3)


def buffers() -> list[Any]:
    elements = np.ones(3, np.float32)
    return [elements, memoryview(np.ones(3, np.float32)), array.array("f", [1.0, 1.0, 1.0])]


@pytest.mark.parametrize("make", [lucid.as_tensor, Tensor, lambda data: lucid.as_tensor(data, "float64")])
@pytest.mark.parametrize("data", buffers(), ids=lambda data: type(data).__name__)
def test_an_array_around_the_function(make: Callable[[Any], Tensor], data: Any) -> None:
    step = lucid.compile(lambda x: x + make(data))
    for number in (1.0, 5.0):
        data[0] = number
        assert step(X).tolist() == (X + make(data)).tolist() == [number, 1.0, 1.0]
    assert len(step.programs) == 1


@pytest.mark.parametrize("data", buffers(), ids=lambda data: type(data).__name__)
def test_an_array_among_the_arguments(data: Any) -> None:
    step = lucid.compile(lambda data: lucid.as_tensor(data) * 2.0)
    for number in (1.0, 5.0):
        data[0] = number
        assert step(data).tolist() == [2.0 * number, 2.0, 2.0]
    assert len(step.programs) == 1


def test_a_tensor_of_pytorch_around_the_function() -> None:
    torch = pytest.importorskip("torch")
    data = torch.ones(3)
    step = lucid.compile(lambda x: x + lucid.as_tensor(data) + Tensor(data))
    assert step(X).tolist() == [2.0, 2.0, 2.0]
    data += 1.0
    assert step(X).tolist() == [4.0, 4.0, 4.0]


def test_a_copy_of_an_array_is_the_functions_own() -> None:
    table = np.ones(3, np.float32)

    def step(x: Tensor) -> Tensor:
        copy = Tensor(table)
        copy += x
        return copy * 2.0

    compiled = lucid.compile(step)
    for _ in range(2):
        assert compiled(lucid.ones(3)).tolist() == step(lucid.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert table.tolist() == [1.0, 1.0, 1.0]


def test_an_array_that_changes_under_its_copies_is_refused() -> None:
    def step(x: Tensor) -> Tensor:
        scratch = np.zeros(3, np.float32)
        first = Tensor(scratch)
        scratch[0] = float("nan")
        return x + first

    with pytest.raises(TraceError) as caught:
        lucid.compile(step)(X)
    assert caught.value.sentence == ("an array was changed after a tensor was made of it, while a function is traced.")
    assert caught.value.hint == "make the tensor of a copy: lucid.Tensor(array.copy())."


def test_a_copy_has_a_gradient_of_its_own() -> None:
    table = np.array([1.0, 2.0, 3.0], np.float32)

    @lucid.compile
    def slope(x: Tensor) -> Tensor:
        leaf = Tensor(table, requires_grad=True)
        return lucid.grad((leaf * leaf * x).sum(), leaf)

    assert slope(lucid.ones(3)).tolist() == [2.0, 4.0, 6.0]
    table[0] = 5.0
    assert slope(lucid.ones(3)).tolist() == [10.0, 4.0, 6.0]
