"""A function compiled once, and checked before and after changes of what it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lucid
import lucid.compiler
from lucid import Tensor
from lucid.compiler import CompiledFunction

ONE = [1.0]


def value(function: Callable[..., Any], *args: Any) -> float:
    """What a function of one element gives for 1."""
    result = function(Tensor(ONE), *args)
    assert result.shape == (1,)
    return float(result.tolist()[0])


def check(function: Callable[..., Any], *changes: tuple[Callable[[], object], float], first: float) -> CompiledFunction:
    """Compile a function, and check its value before the first change and after each, twice."""
    fast = lucid.compile(function)
    for change, expected in ((lambda: None, first), *changes):
        change()
        assert value(function) == pytest.approx(expected), "eagerly"
        assert value(fast) == pytest.approx(expected)
        count = len(fast.programs)
        assert value(fast) == pytest.approx(expected)
        assert len(fast.programs) == count, "a second call without a change compiled again"
    return fast
