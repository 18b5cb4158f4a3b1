"""Recurrent layers: shapes, errors, dropout between layers, and code that does not grow with the sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.errors import ArgumentError, ArgumentTypeError, LucidError, ShapeError
from tests.oracle import Array, assert_close


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_does_what_its_cell_does_step_by_step(kind: Any) -> None:
    layer, cell = kind(3, 4), getattr(nn, f"{kind.__name__}Cell")(3, 4)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in layer.state_dict().items()})
    x = normal(5, 2, 3)
    outputs, _ = layer(x)
    state: Any = None
    for element, output in zip(x, outputs.detach(), strict=True):
        state = cell(element, state)
        assert_close(output.numpy(), (state[0] if isinstance(state, tuple) else state).detach().numpy())


def test_names_and_shapes_of_parameters() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    assert list(shapes) == [f"{kind}_l{n}{way}" for n in range(2) for way in ("", "_reverse") for kind in kinds]
    assert shapes["weight_ih_l1_reverse"] == (16, 4)
    assert (shapes["weight_hh_l0"], shapes["weight_hr_l0"]) == ((16, 2), (2, 4))
    output, (hidden, cell) = layer(normal(5, 3, 3))
    assert (output.shape, hidden.shape, cell.shape) == ((5, 3, 4), (4, 3, 2), (4, 3, 4))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.RNN(3, 4, nonlinearity="relu"), "RNN(3, 4, nonlinearity=relu)"),
        (nn.LSTM(3, 4, 2, dropout=0.5, proj_size=2), "LSTM(3, 4, num_layers=2, dropout=0.5, proj_size=2)"),
        (
            nn.GRU(3, 4, bias=False, batch_first=True, bidirectional=True),
            "GRU(3, 4, bias=False, batch_first=True, bidirectional=True)",
        ),
        (nn.GRUCell(3, 4, bias=False), "GRUCell(3, 4, bias=False)"),
        (nn.RNNCell(3, 4, nonlinearity="relu"), "RNNCell(3, 4, nonlinearity=relu)"),
    ],
)
def test_what_a_layer_prints(module: nn.Module, expected: str) -> None:
    assert repr(module) == expected


def test_dropout_between_layers_is_the_same_eager_and_compiled() -> None:
    layer, x = nn.LSTM(3, 16, num_layers=3, dropout=0.5), normal(4, 2, 3)
    results = []
    for call in (layer, lucid.compile(layer)):
        lucid.seed(7)
        results.append([call(x)[0].detach().numpy() for _ in range(2)])
        assert lucid.get_state() == (7, 4)
    for eager, compiled in zip(*results, strict=True):
        assert_close(eager, compiled)
    assert not np.allclose(*results[0])
    layer.eval()
    state = lucid.get_state()
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())
    assert lucid.get_state() == state


def test_a_single_layer_with_dropout_warns() -> None:
    with pytest.warns(UserWarning, match=r"GRU drops elements between layers, of which it has one: dropout=0\.5 does"):
        nn.GRU(3, 4, dropout=0.5)


def step_of(layer: nn.Module) -> Callable[..., Any]:
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = (layer(x)[0] ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_code_does_not_grow_with_the_sequence(kind: Any) -> None:
    step = step_of(kind(3, 4, batch_first=True, bidirectional=True))
    short, long = (len(step.lower(normal(2, length, 3)).llvm_ir().splitlines()) for length in (400, 8000))
    assert long < short + 100  # both sum around the loop in two levels, and some of these sums have another kernel


def test_a_long_sequence_trains() -> None:
    step = step_of(nn.GRU(1, 4))
    x = normal(3000, 1, 1)
    losses = [step(x).item() for _ in range(3)]
    assert losses[2] < losses[0]


def refusal(call: Callable[[], Any]) -> LucidError:
    with pytest.raises(LucidError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("call", "kind", "expected"),
    [
        (lambda: nn.LSTM(0, 4), ArgumentError, "LSTM takes a positive integer as input_size, got 0."),
        (lambda: nn.GRU(3, 4, 0), ArgumentError, "GRU takes a positive integer as num_layers, got 0."),
        (
            lambda: nn.LSTM(3, 4, proj_size=4),
            ArgumentError,
            "LSTM takes a proj_size from 0 to below hidden_size, got 4.",
        ),
        (
            lambda: nn.RNN(3, 4, nonlinearity="gelu"),
            ArgumentError,
            'RNN takes the nonlinearity "tanh" or "relu", got \'gelu\'.',
        ),
        (lambda: nn.RNN(3, 4, 2, dropout=1.5), ArgumentError, "dropout takes a probability p from 0 to 1, got p=1.5."),
        (
            lambda: nn.LSTM(3, 4)(normal(5, 2, 4)),
            ShapeError,
            "LSTM(3, 4) takes inputs of shape (L, N, 3) or (L, 3), got (5, 2, 4).",
        ),
        (
            lambda: nn.GRU(3, 4, batch_first=True)(normal(3)),
            ShapeError,
            "GRU(3, 4, batch_first=True) takes inputs of shape (N, L, 3) or (L, 3), got (3,).",
        ),
        (
            lambda: nn.GRU(3, 4)(normal(5, 2, 3), normal(1, 3, 4)),
            ShapeError,
            "GRU(3, 4) takes a first state of shape (1, 2, 4) here, got (1, 3, 4).",
        ),
        (
            lambda: nn.LSTM(3, 4)(normal(5, 3), (normal(1, 4), normal(4))),
            ShapeError,
            "LSTM(3, 4) takes a first state of shape (1, 4) here, got (4,).",
        ),
        (lambda: nn.LSTM(3, 4)((normal(5, 3), normal(5))), ArgumentError, "LSTM(3, 4) takes a tensor, got a tuple."),
        (
            lambda: nn.LSTM(3, 4)(normal(5, 2, 3), normal(1, 2, 4)),
            ArgumentTypeError,
            "LSTM(3, 4) takes a pair (h, c) as hx, got a Tensor of shape (1, 2, 4).",
        ),
        (
            lambda: nn.LSTM(3, 4)(normal(5, 2, 3), (normal(1, 2, 4),)),
            ArgumentError,
            "LSTM(3, 4) takes a pair (h, c) as hx, got a tuple of 1.",
        ),
        (
            lambda: nn.GRU(3, 4)(normal(5, 2, 3), (normal(1, 2, 4), normal(1, 2, 4))),
            ArgumentTypeError,
            "GRU(3, 4) takes one tensor as hx, got a tuple of 2.",
        ),
        (
            lambda: nn.LSTMCell(3, 4)(normal(2, 3), normal(2, 4)),
            ArgumentTypeError,
            "LSTMCell(3, 4) takes a pair (h, c) as hx, got a Tensor of shape (2, 4).",
        ),
        (
            lambda: nn.RNNCell(3, 4)(normal(2, 3), (normal(2, 4), normal(2, 4))),
            ArgumentTypeError,
            "RNNCell(3, 4) takes one tensor as hx, got a tuple of 2.",
        ),
        (
            lambda: nn.GRUCell(3, 4)(normal(2, 5, 3)),
            ShapeError,
            "GRUCell(3, 4) takes inputs of shape (N, 3) or (3,), got (2, 5, 3).",
        ),
        (
            lambda: nn.LSTMCell(3, 4)(normal(2, 3), (normal(2, 4), normal(2, 3))),
            ShapeError,
            "LSTMCell(3, 4) takes a state of shape (2, 4) here, got (2, 3).",
        ),
    ],
)
def test_errors(call: Callable[[], Any], kind: type[LucidError], expected: str) -> None:
    error = refusal(call)
    assert (type(error), error.sentence) == (kind, expected)
