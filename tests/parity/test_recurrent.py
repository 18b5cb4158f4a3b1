"""Recurrent layers and cells: values, gradients, states, initial weights, and what training makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from tests.parity.compare import assert_close, normal, torch

KINDS = ("RNN", "LSTM", "GRU")

# Every value of every option with every kind, but not all combinations.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False, "batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2, "batch_first": True},
    {"num_layers": 3, "bidirectional": True, "bias": False},
]
GRID = [
    *itertools.product(KINDS, OPTIONS),
    ("RNN", {"nonlinearity": "relu", "bidirectional": True}),
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True}),
]


def pair(kind: str, **options: Any) -> tuple[Any, Any]:
    """A layer of ours and one of PyTorch with the same weights."""
    ours, theirs = getattr(nn, kind)(3, 4, **options), getattr(torch.nn, kind)(3, 4, **options)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def leaves(result: Any) -> list[Any]:
    """The tensors of nested tuples."""
    return [leaf for part in result for leaf in leaves(part)] if isinstance(result, tuple) else [result]


def states(layer: Any, batch: tuple[int, ...]) -> Any:
    """A first state for a layer, as arrays."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    hidden = normal(count, *batch, layer.proj_size or 4, seed=1)
    return (hidden, normal(count, *batch, 4, seed=2)) if isinstance(layer, nn.LSTM) else hidden


def map_arrays(function: Callable[[Any], Any], tree: Any) -> Any:
    return tuple(map(function, tree)) if isinstance(tree, tuple) else function(tree)


def compare(ours: Any, call: Callable[..., Any], theirs: Any, x: np.ndarray, state: Any) -> None:
    """Values, and gradients of everything, of a weighted sum of all results."""
    our_inputs = [Tensor(x, requires_grad=True)]
    their_inputs = [torch.tensor(x, requires_grad=True)]
    if state is not None:
        our_inputs.append(map_arrays(lambda a: Tensor(a, requires_grad=True), state))
        their_inputs.append(map_arrays(lambda a: torch.tensor(a, requires_grad=True), state))
    our_results, their_results = leaves(call(*our_inputs)), leaves(theirs(*their_inputs))
    assert len(our_results) == len(their_results)
    our_total, their_total = Tensor(0.0), torch.tensor(0.0)
    for number, (a, b) in enumerate(zip(our_results, their_results, strict=True)):
        assert_close(a, b)
        weights = normal(*a.shape, seed=number + 5)
        our_total, their_total = our_total + (a * weights).sum(), their_total + (b * torch.tensor(weights)).sum()
    ours.zero_grad()
    theirs.zero_grad()
    our_total.backward()
    their_total.backward()
    for a, b in zip(leaves(tuple(our_inputs)), leaves(tuple(their_inputs)), strict=True):
        assert_close(a.grad, b.grad, atol=1e-5)
    for (name, a), (their_name, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == their_name
        assert_close(a.grad, b.grad, rtol=1e-4, atol=2e-5)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # PyTorch, of itself
@pytest.mark.parametrize(("kind", "options"), GRID, ids=str)
def test_layers(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = pair(kind, **options)
    x = normal(5, 2, 3) if not options.get("batch_first") else normal(2, 5, 3)
    compiled = lucid.compile(ours)
    compare(ours, ours, theirs, x, None)
    compare(ours, ours, theirs, x, states(ours, (2,)))
    compare(ours, compiled, theirs, x, states(ours, (2,)))


@pytest.mark.parametrize("kind", KINDS)
def test_sequences_without_a_batch_and_of_one_element(kind: str) -> None:
    ours, theirs = pair(kind, bidirectional=True)
    compare(ours, ours, theirs, normal(5, 3), None)
    compare(ours, ours, theirs, normal(5, 3), states(ours, ()))
    compare(ours, lucid.compile(ours), theirs, normal(1, 2, 3), states(ours, (2,)))


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(2,), ()])
def test_cells(kind: str, bias: bool, batch: tuple[int, ...]) -> None:
    ours, theirs = pair(kind, bias=bias)
    hidden = normal(*batch, 4, seed=1)
    state = (hidden, normal(*batch, 4, seed=2)) if kind == "LSTMCell" else hidden
    compare(ours, ours, theirs, normal(*batch, 3), state)
    compare(ours, lucid.compile(ours), theirs, normal(*batch, 3), None)


def test_a_cell_with_relu() -> None:
    ours, theirs = pair("RNNCell", nonlinearity="relu")
    compare(ours, ours, theirs, normal(2, 3), normal(2, 4, seed=1))


@pytest.mark.parametrize("kind", [*KINDS, "RNNCell", "LSTMCell", "GRUCell"])
def test_initial_weights_are_spread_as_in_pytorch(kind: str) -> None:
    lucid.seed(0)
    ours, theirs = getattr(nn, kind)(30, 64), getattr(torch.nn, kind)(30, 64)
    assert [(name, p.shape) for name, p in ours.named_parameters()] == [
        (name, tuple(p.shape)) for name, p in theirs.named_parameters()
    ]
    for parameter in ours.parameters():
        values = parameter.detach().numpy()
        assert np.abs(values).max() <= 1 / 8
        assert np.abs(values).max() > 0.95 / 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_steps_of_training(kind: str) -> None:
    ours, theirs = pair(kind, num_layers=2, batch_first=True)
    our_optimizer, their_optimizer = optim.Adam(ours.parameters(), lr=1e-2), torch.optim.Adam(theirs.parameters(), 1e-2)

    @lucid.compile
    def step(x: Tensor, y: Tensor) -> Tensor:
        our_optimizer.zero_grad()
        loss = ((ours(x)[0] - y) ** 2).mean()
        loss.backward()
        our_optimizer.step()
        return loss

    xs, ys = normal(100, 8, 6, 3), 0.5 * np.tanh(normal(100, 8, 6, 4, seed=1))
    losses, expected = [], []
    for x, y in zip(xs, ys, strict=True):
        losses.append(step(x, y).item())
        their_optimizer.zero_grad()
        loss = ((theirs(torch.from_numpy(x))[0] - torch.from_numpy(y)) ** 2).mean()
        loss.backward()
        their_optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a.detach(), b, rtol=2e-3, atol=2e-4)
