"""What needs the value of a tensor, in a trace that knows none, is an error with the user's line and a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import TraceError


def if_(x: Tensor) -> Tensor:
    if x.sum() > 1.0:
        return x
    return -x


def while_(x: Tensor) -> Tensor:
    while x.sum() < 1.0:
        x = x + 1.0
    return x


def and_(x: Tensor) -> Tensor:
    return x and x


def assert_(x: Tensor) -> Tensor:
    assert (x > 0.0).all()
    return x


def int_(x: Tensor) -> Tensor:
    return x * int(x.sum())


def float_(x: Tensor) -> Tensor:
    return x * float(x.sum())


def item_(x: Tensor) -> Tensor:
    return x * x.sum().item()


def numpy_(x: Tensor) -> Tensor:
    return x * x.numpy()


def asarray_(x: Tensor) -> Tensor:
    return x * np.asarray(x)


def tolist_(x: Tensor) -> Tensor:
    return x * sum(x.tolist())


def range_(x: Tensor) -> Tensor:
    for _ in range(x.astype("int64").sum()):
        x = x + 1.0
    return x


def index_(x: Tensor) -> Tensor:
    return x * [1.0, 2.0][x.astype("int64").sum()]


def constructor_(x: Tensor) -> Tensor:
    return Tensor([x.sum(), x.sum()])


def captured_(x: Tensor) -> Tensor:
    return x if WEIGHT.sum() > 0.0 else -x


def parameter_(x: Tensor) -> Tensor:
    return x * WEIGHT.item()


WEIGHT = nn.Parameter([1.0])


@pytest.mark.parametrize(
    ("function", "line", "what"),
    [
        (if_, "if x.sum() > 1.0:", r"bool\(\)"),
        (while_, "while x.sum() < 1.0:", r"bool\(\)"),
        (and_, "return x and x", r"bool\(\)"),
        (assert_, "assert (x > 0.0).all()", r"bool\(\)"),
        (int_, "return x * int(x.sum())", r"int\(\)"),
        (float_, "return x * float(x.sum())", r"float\(\)"),
        (item_, "return x * x.sum().item()", r"\.item\(\)"),
        (numpy_, "return x * x.numpy()", r"\.numpy\(\)"),
        (asarray_, "return x * np.asarray(x)", r"numpy\.asarray\(\.\.\.\)"),
        (tolist_, "return x * sum(x.tolist())", r"\.tolist\(\)"),
        (range_, "for _ in range(x.astype", "an index"),
        (index_, "return x * [1.0, 2.0][x.astype", "an index"),
        (constructor_, "return Tensor([x.sum(), x.sum()])", r"Tensor\(\.\.\.\)"),
        (captured_, "return x if WEIGHT.sum() > 0.0 else -x", r"bool\(\)"),
        (parameter_, "return x * WEIGHT.item()", r"\.item\(\)"),
    ],
    ids=lambda part: part.__name__ if callable(part) else "",
)
@pytest.mark.parametrize("argument", [Tensor([0.5]), np.array([0.5], np.float32)], ids=["tensor", "array"])
def test_what_needs_a_value(function: Callable[..., Any], line: str, what: str, argument: Any) -> None:
    fast = lucid.compile(function)
    for _ in range(2):
        with pytest.raises(
            TraceError, match=what + " needs the value of a tensor that is only known when the compiled step runs"
        ) as caught:
            fast(argument)
        _sentence, where, *hint = str(caught.value).splitlines()
        assert where.startswith("  test_unknown_values.py:")
        assert line in where
        assert hint
        assert hint[0].startswith("  hint: ")
    assert not fast.programs


def test_the_text_of_an_error() -> None:
    with pytest.raises(TraceError) as caught:
        lucid.compile(if_)(Tensor([1.0]))
    number = if_.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        "bool() needs the value of a tensor that is only known when the compiled step runs.\n"
        f"  test_unknown_values.py:{number}: if x.sum() > 1.0:\n"
        "  hint: use lucid.where(condition, a, b), or take the decision outside the compiled function."
    )
