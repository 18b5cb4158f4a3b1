"""State: parameters, buffers, captured tensors and grads are read, updated and stored as in eager code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from tests.compile.worlds import Made, assert_alike, normal, state_of, training_step

X = normal(3, 4)


# Parameters and optimizers.


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1, maximize=True),
        lambda p: optim.Adam(p, lr=0.1),
        lambda p: optim.Adam(p, lr=0.1, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1),
        lambda p: optim.AdamW(p, lr=0.1),
    ],
)
def test_optimizers(make: Callable[..., optim.Optimizer]) -> None:
    def setup() -> Made:
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
        optimizer = make(model.parameters())
        return training_step(model, optimizer), state_of(model, optimizer)

    step = assert_alike(setup, *[(normal(3, 4, seed=i),) for i in range(5)])
    assert len(step.programs) == 1


def test_two_optimizers_and_two_losses() -> None:
    def setup() -> Made:
        generator, critic = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
        first, second = optim.Adam(generator.parameters(), lr=0.1), optim.SGD(critic.parameters(), lr=0.1)

        def step(x: Any) -> tuple[Tensor, Tensor]:
            made = generator(x)
            second.zero_grad()
            apart = critic(made.detach()).mean() - critic(x).mean()
            apart.backward()
            second.step()
            first.zero_grad()
            fooled = -critic(made).mean()
            fooled.backward()
            first.step()
            return apart, fooled

        return step, [*state_of(generator, first), *state_of(critic, second)]

    assert_alike(setup, *[(X,)] * 4)


def test_a_module_used_twice_in_a_step() -> None:
    def setup() -> Made:
        layer = nn.Linear(4, 4)
        optimizer = optim.Adam(layer.parameters(), lr=0.1)
        return training_step(nn.Sequential(layer, nn.Tanh(), layer), optimizer), state_of(layer, optimizer)

    assert_alike(setup, *[(X,)] * 3)


def test_tied_weights() -> None:
    def setup() -> Made:
        model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        model[2].weight = model[0].weight
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        assert len(list(model.parameters())) == 3
        return training_step(model, optimizer), state_of(model, optimizer)

    assert_alike(setup, *[(X,)] * 3)


def test_two_models_that_share_a_parameter() -> None:
    def setup() -> Made:
        a, b = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        b.weight = a.weight
        optimizer = optim.SGD(a.parameters(), lr=0.1)

        def step(x: Any) -> Tensor:
            optimizer.zero_grad()
            loss = (a(x) * b(x)).sum()
            loss.backward()
            optimizer.step()
            return loss + b(x).sum()

        return step, list(a.parameters())

    assert_alike(setup, *[(X,)] * 3)


def test_frozen_and_unused_parameters() -> None:
    def setup() -> Made:
        used, frozen, unused = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        frozen.requires_grad_(False)
        model = nn.ModuleList([used, frozen, unused])
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        return training_step(nn.Sequential(used, frozen), optimizer), state_of(model, optimizer)

    step = assert_alike(setup, *[(X,)] * 3)
    assert len(step.programs) == 1


def test_clipping_of_gradients() -> None:
    def setup() -> Made:
        model = nn.Linear(4, 4)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, limit: float) -> Tensor:
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
            optimizer.step()
            return norm

        return step, state_of(model)

    step = assert_alike(setup, (X, 1.0), (X, 0.1), (X, 100.0))
    assert len(step.programs) == 1


def test_a_gradient_penalty() -> None:
    def setup() -> Made:
        model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> Tensor:
            optimizer.zero_grad()
            leaf = lucid.as_tensor(x).detach().requires_grad_()
            slope = lucid.grad(model(leaf).sum(), leaf, create_graph=True)
            loss = ((slope * slope).sum(1) - 1.0).mean() ** 2
            loss.backward()
            optimizer.step()
            return loss

        return step, state_of(model)

    assert_alike(setup, *[(X,)] * 3, tolerance=1e-4)


def test_parameters_are_updated_where_they_are() -> None:
    model = nn.Linear(4, 4)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    array, view = model.weight.numpy(), model.weight.detach()
    before = array.copy()
    lucid.compile(training_step(model, optimizer))(X)
    assert np.shares_memory(model.weight.numpy(), array)
    assert (array != before).any()
    np.testing.assert_array_equal(view.numpy(), array)


def test_a_state_dict_that_is_loaded_between_calls() -> None:
    model = nn.Linear(4, 4)
    step = lucid.compile(training_step(model, optim.SGD(model.parameters(), lr=0.1)))
    saved = model.state_dict()
    first = [step(X).item() for _ in range(3)]
    model.load_state_dict(saved)
    assert [step(X).item() for _ in range(3)] == first
    assert len(step.programs) == 1
