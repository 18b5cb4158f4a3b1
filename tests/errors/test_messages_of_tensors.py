"""Each message of a Tensor's attributes and in-place updates, in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    DTypeError,
    LucidError,
    ShapeError,
)
from lucid.ir.text import parse


def sgd(**settings: Any) -> optim.SGD:
    return optim.SGD([nn.Parameter([1.0])], 0.1, **settings)


def ir(statements: str) -> Any:
    return parse(f"graph(%x: f32[4, 3], %i: i64[4], %b: bool[4]) {{ {statements}; return %y }}")


CASES: list[tuple[Callable[[], Any], type[LucidError], str, str | None]] = [
    (
        lambda: __import__("copy").deepcopy(ones(2).requires_grad_() * 2.0),
        ArgumentError,
        "only leaf tensors can be deep-copied.",
        "use .detach() first",
    ),
    (lambda: ones(2).copy_(ones(3)), ShapeError, "shape (3,) does not broadcast to (2,).", None),
    (lambda: ones(2).__setitem__(0, ones(3)), ShapeError, "shape (3,) does not broadcast to ().", None),
    (
        lambda: Tensor([1, 2]).__iadd__(0.5),
        DTypeError,
        "an in-place update keeps the type i64[2], got f32[2].",
        "write `t = t + x` for a new tensor of another type or shape.",
    ),
    (
        lambda: ones(2).requires_grad_().__iadd__(1.0),
        ArgumentError,
        "a tensor that requires a gradient was updated in place while gradients are recorded.",
        "put the update under `with lucid.no_grad():`",
    ),
    (
        lambda: (ones(2).requires_grad_() * 2.0).zero_(),
        ArgumentError,
        "a tensor that requires a gradient was updated in place while gradients are recorded.",
        "put the update under `with lucid.no_grad():`",
    ),
    (
        lambda: ones(2, 3).T.zero_(),
        ArgumentError,
        "a view can't be updated in place.",
        "update the tensor it views: `w[0] = ...` works on w.",
    ),
    (
        lambda: (ones(2).requires_grad_() * 2.0).requires_grad_(False),
        ArgumentError,
        "requires_grad of a computed tensor can't be unset.",
        "use .detach().",
    ),
    (lambda: setattr(ones(2), "grad", ones(3)), DTypeError, "grad takes a tensor of type f32[2], got f32[3].", None),
]


@pytest.mark.parametrize(("call", "kind", "sentence", "hint"), CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(call: Callable[[], Any], kind: type[LucidError], sentence: str, hint: str | None) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert (caught.value.sentence, caught.value.hint) == (sentence, hint)
    assert type(caught.value) is kind
