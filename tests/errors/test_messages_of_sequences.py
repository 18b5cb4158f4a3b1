"""Lists and tuples of tensors where one tensor is taken: what would lose gradients is refused, each message in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor, ones
from lucid.errors import ArgumentError, GradientError, TraceError
from tests.errors.messages import expect_message

LIST = (
    "gradients would end in the array that is made of a list of tensors here.",
    "lucid.stack([x, y]) makes one tensor of a list; x.detach() or lucid.no_grad() leaves them out.",
)
TUPLE = (
    "a tuple of tensors was given where one tensor is taken.",
    "LSTM, GRU, RNN and MultiheadAttention return tuples: take y[0]; lucid.stack(y) makes one tensor of all.",
)
FIRST, SECOND = Tensor(1.0, requires_grad=True), Tensor(2.0)

X = ones(2, 5, 8)
LSTM, GRU = nn.LSTM(8, 4, batch_first=True), nn.GRU(8, 4)
ATTENTION, LINEAR, WIDE = nn.MultiheadAttention(8, 2), nn.Linear(4, 3), nn.Linear(8, 3)
STACKED = nn.Sequential(LSTM, LINEAR)


@pytest.mark.parametrize(
    "use",
    [
        lucid.mean,
        lucid.sum,
        lucid.max,
        lucid.as_tensor,
        Tensor,
        lambda tensors: lucid.as_tensor(tensors, "float64"),
        lambda tensors: SECOND + tensors,
        lambda tensors: lucid.where([True, False], tensors, 0.0),
        lambda tensors: lucid.zeros(2).copy_(tensors),
    ],
)
def test_no_gradient_is_lost_in_a_sequence(use: Callable[[Any], Tensor | None]) -> None:
    computed = FIRST * 2.0
    for tensor in (FIRST, computed):
        expect_message((lambda t=tensor: use([SECOND, t]), GradientError, *LIST))
        expect_message((lambda t=tensor: use((SECOND, t)), GradientError, *TUPLE))
        with lucid.no_grad():
            use([SECOND, tensor])
        use([SECOND, tensor.detach()])
        use((SECOND, tensor.detach()))


def test_sequences_without_gradients_are_arrays() -> None:
    assert Tensor([FIRST.detach(), SECOND]).tolist() == [1.0, 2.0]
    assert lucid.mean((SECOND, 4.0)).item() == 3.0
    with lucid.no_grad():
        assert lucid.sum([[FIRST], [SECOND]]).item() == 3.0
    expect_message((lambda: lucid.sum([[SECOND], [FIRST]]), GradientError, *LIST))
    lucid.mean(lucid.stack([FIRST, SECOND])).backward()
    assert FIRST.grad is not None
    assert FIRST.grad.item() == 0.5


# What a module's tuple is given on to: inside a module, the message begins with that module.
USES: dict[str, Callable[[], Tensor]] = {
    "sequential": lambda: STACKED(X),
    "loss": lambda: F.cross_entropy(LSTM(X), np.array([0, 1])),
    "activation": lambda: F.relu(GRU(X)),
    "attention": lambda: WIDE(ATTENTION(X, X, X)),
    "shapes that fit": lambda: LINEAR(GRU(ones(1, 2, 8))),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_tuple_of_a_module_given_on(use: Callable[[], Tensor]) -> None:
    expect_message((use, GradientError, *TUPLE))
    expect_message((lucid.compile(use), TraceError, *TUPLE))


def test_a_tuple_of_unequal_shapes_without_gradients() -> None:
    with lucid.no_grad():
        expect_message((USES["sequential"], ArgumentError, *TUPLE))
        expect_message((USES["activation"], ArgumentError, *TUPLE))
    unequal = ([1.0], [2.0, 3.0])
    message = "a tensor takes nested sequences of equal lengths, got [[1.0], [2.0, 3.0]]."
    expect_message((lambda: Tensor(unequal), ArgumentError, message, "pad the shorter ones."))


def test_a_tuple_given_to_a_recurrent_layer() -> None:
    stacked = nn.Sequential(nn.LSTM(8, 4), GRU)
    hint = "LSTM, GRU and RNN return tuples: take y[0]; packed sequences are not taken: pad to one length."
    for layers in (stacked, lucid.compile(stacked)):
        expect_message((lambda f=layers: f(X), ArgumentError, "GRU(8, 4) takes a tensor, got a tuple.", hint))
