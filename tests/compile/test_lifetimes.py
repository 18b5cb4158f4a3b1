"""A program keeps alive what it captured, and nothing of the calls that it was made for."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor

weight = Tensor(np.ones((3, 3), np.float32), requires_grad=True)


def array() -> Any:
    return np.ones((3, 3), np.float32)


def tensor() -> Any:
    return Tensor(array())


def leaf() -> Any:
    return Tensor(array(), requires_grad=True)


def leaf_with_grad() -> Any:
    x = leaf()
    x.grad = tensor()
    return x


def writes_a_grad(x: Tensor) -> None:
    (x * x).sum().backward()


def updates(x: Tensor) -> None:
    x.copy_(x * 2.0)


CASES: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "an array": (lambda x: x * 2.0, array),
    "a tensor": (lambda x: x * 2.0, tensor),
    "before a captured weight that is differentiated": (lambda x: x @ weight, tensor),
    "a leaf that is differentiated": (lambda x: x @ x, leaf),
    "a tensor that is returned": (lambda x: x, tensor),
    "a leaf whose grad is written": (writes_a_grad, leaf),
    "a leaf whose grad is read": (lambda x: x.grad + 1.0, leaf_with_grad),
    "a tensor that is updated": (updates, tensor),
    "a detached one": (lambda x: x * 2.0, lambda: leaf().detach()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_arguments_of_the_first_call_are_freed(case: str) -> None:
    """The results of the latest two calls stay in the program, to be used again, and with them their history."""
    function, argument = CASES[case]
    compiled = lucid.compile(function)
    first = argument()
    freed = weakref.ref(first)
    compiled(first)
    del first
    for _ in range(2):
        compiled(argument())
    gc.collect()
    assert freed() is None
    assert len(compiled.programs) == 1
