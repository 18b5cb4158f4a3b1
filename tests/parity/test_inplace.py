"""Models with activations in place whose inputs are read again: they see the results, as in PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from tests.parity.compare import assert_same_module, normal, torch


def blocks(nn: Any, functional: Any) -> Any:
    """A residual network whose skip connections read what activations in place have left."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.first = nn.Linear(4, 4)
            self.second = nn.Linear(4, 4)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            hidden = self.norm(x)
            hidden = self.first(self.relu(hidden)) + hidden
            functional.elu(hidden, inplace=True)
            result = self.second(hidden)
            result += hidden
            return self.relu(result)

    return nn.Sequential(nn.Linear(4, 4), nn.SiLU(inplace=True), Block(), Block(), nn.Dropout(0.0, inplace=True))


@pytest.mark.filterwarnings("ignore:.*zero-probability")
def test_a_residual_network() -> None:
    lucid.seed(0)
    ours, theirs = blocks(nn, nn.functional), blocks(torch.nn, torch.nn.functional)
    assert_same_module(ours, theirs, [normal(6, 4)], calls=2)


@pytest.mark.parametrize("wrap", [lambda step: step, lucid.compile])
def test_training(wrap: Callable[..., Any]) -> None:
    lucid.seed(0)
    ours, theirs = blocks(nn, nn.functional), blocks(torch.nn, torch.nn.functional)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    x, y = normal(6, 4), normal(6, 4, seed=1)

    def trained(library: Any, model: Any, optimizer: Any, tensor: Any, wrap: Callable[..., Any]) -> list[float]:
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = library.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        call = wrap(step)
        return [float(call(tensor(x), tensor(y)).detach()) for _ in range(20)]

    losses = trained(lucid, ours, lucid.optim.SGD(ours.parameters(), lr=0.05), lucid.Tensor, wrap)
    expected = trained(torch, theirs, torch.optim.SGD(theirs.parameters(), lr=0.05), torch.tensor, lambda step: step)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert losses[-1] < losses[0]


def test_repeated_steps() -> None:
    lucid.seed(0)
    results = []
    for inplace in (False, True):
        lucid.seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace), nn.Dropout(0.5, inplace), nn.Linear(8, 1))
        optimizer = lucid.optim.Adam(model.parameters())

        @lucid.compile
        def step(x: Any, model: nn.Module = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        results.append(step.repeat(normal(5, 3, 4)).numpy())
    np.testing.assert_array_equal(*results)
