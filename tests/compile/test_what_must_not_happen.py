"""Defects that a compiler of training steps is prone to; each test fails on one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from tests.compile.worlds import assert_alike, normal


def test_a_mask_that_is_frozen_when_traced() -> None:
    model = nn.Sequential(nn.Linear(16, 64), nn.Dropout(0.5))
    optimizer = optim.SGD(model.parameters(), lr=0.0)  # the masks alone can make a difference
    x = np.ones((4, 16), np.float32)

    @lucid.compile
    def step() -> Tensor:
        optimizer.zero_grad()
        y = model(x)
        y.sum().backward()
        optimizer.step()
        return y

    outputs, masks, grads = [], [], []
    for _ in range(4):
        outputs.append(step().numpy() != 0.0)
        masks.append(model[1].mask.numpy())
        grads.append(model[0].bias.grad.numpy())
        np.testing.assert_array_equal(outputs[-1], masks[-1] == 1.0)
        np.testing.assert_allclose(grads[-1], 2.0 * masks[-1].sum(0), rtol=1e-6)
    for i in range(4):
        for j in range(i):
            assert (masks[i] != masks[j]).any()
    assert len(step.programs) == 1


def test_an_optimizer_state_that_is_frozen() -> None:
    def setup() -> Any:
        weight = nn.Parameter([1.0, 2.0])
        optimizer = optim.Adam([weight], lr=0.1)

        def step() -> None:
            optimizer.zero_grad()
            (weight * 3.0).sum().backward()  # a constant gradient: only the state changes what a step does
            optimizer.step()

        return step, [weight, *optimizer.state.values()]

    assert len(assert_alike(setup, *[()] * 6).programs) == 1


def test_saved_values_of_two_calls_that_are_mixed_up() -> None:
    results = []
    for wrap in (lambda f: f, lucid.compile):
        lucid.seed(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
        f = wrap(model)
        y1 = f(normal(5, 4, seed=1))
        y2 = f(normal(5, 4, seed=2))
        (y1 + y2 * 2.0).sum().backward()
        results.append([y1, y2, *(p.grad for p in model.parameters())])
    for eager, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-5, atol=1e-6)


def test_an_output_that_the_next_call_overwrites() -> None:
    fast = lucid.compile(lambda x: (x * 2.0, {"sum": x.sum(), "again": x * 3.0}))
    kept = [fast(np.full(100, float(i), np.float32)) for i in range(6)]
    for i, (double, rest) in enumerate(kept):
        assert (double.numpy() == 2.0 * i).all()
        assert rest["sum"].item() == 100.0 * i
        assert (rest["again"].numpy() == 3.0 * i).all()


@pytest.mark.parametrize(
    "keep",
    [
        lambda y: y.numpy(),
        lambda y: y.numpy()[1:],
        lambda y: y[1:],
        lambda y: y.detach(),
        lambda y: y.reshape(2, 2),
        lambda y: y.T,
        lambda y: memoryview(y.numpy()),
        lambda y: np.from_dlpack(y),
        lambda y: np.asarray(y).reshape(2, 2).T,
        lambda y: iter(y),
        lambda y: {"y": [y]},
        lambda y: lucid.as_tensor(y.numpy()),
    ],
    ids=range(12),
)
def test_a_part_of_an_output_that_the_next_call_overwrites(keep: Any) -> None:
    fast = lucid.compile(lambda x: x + 1.0)
    kept = [keep(fast(np.full(4, float(i), np.float32))) for i in range(6)]
    for i, part in enumerate(kept):
        if isinstance(part, dict):
            part = part["y"][0]
        values = [x.item() for x in part] if hasattr(part, "__next__") else np.asarray(part).ravel()
        assert set(values) == {i + 1.0}


def test_an_output_whose_flags_stay_from_an_earlier_call() -> None:
    fast = lucid.compile(lambda x: x + 1.0)
    for _ in range(6):
        y = fast(np.zeros(2, np.float32))
        assert not y.requires_grad
        assert y.grad is None
        assert y.name is None
        assert y.is_leaf
        y.requires_grad = True
        y.name = "y"
        (y * y).sum().backward()
        y.grad = y.grad
        del y


def test_an_output_in_a_graph_that_the_next_call_overwrites() -> None:
    fast, weight = lucid.compile(lambda x: x + 1.0), Tensor([1.0, 1.0], requires_grad=True)
    products = [(weight * fast(np.full(2, float(i), np.float32))).sum() for i in range(4)]
    for i, product in enumerate(products):
        weight.grad = None
        product.backward()
        assert weight.grad.tolist() == [i + 1.0] * 2


def test_one_output_that_feeds_another() -> None:
    results = []
    for wrap in (lambda f: f, lucid.compile):
        x = Tensor([1.0, 2.0, 3.0], requires_grad=True)

        def chain(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            a = x * x
            b = a * x
            return a, b, a + b

        a, b, c = wrap(chain)(x)
        (a * 2.0 + b * 3.0 + c * 5.0).sum().backward()
        results.append(x.grad.tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x,
        lambda x: x + x,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: x * x * x + x,
        lambda x: lucid.where(x > 0.0, x, x * x),
        lambda x: lucid.concatenate([x, x * 2.0, x]).sum() * x,
        lambda x: x.maximum(x),
        lambda x: x.reshape(3, 1) @ x.reshape(1, 3),
        lambda x: (x.reshape(3, 1) @ x.reshape(1, 3)) @ (x.reshape(3, 1) @ x.reshape(1, 3)),
        lambda x: x**2 + x**x,
    ],
)
def test_a_value_that_is_used_twice(function: Any) -> None:
    results = []
    for wrap in (lambda f: f, lucid.compile):
        x = Tensor([0.5, 2.0, 3.0], requires_grad=True)
        wrap(function)(x).sum().backward()
        y = Tensor([0.5, 2.0, 3.0], requires_grad=True)
        wrap(lambda y: function(y).sum().backward())(y)
        assert x.grad is not None
        assert y.grad is not None
        results += [x.grad.numpy(), y.grad.numpy()]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-5)


def test_a_parameter_that_gets_no_gradient() -> None:
    used, unused = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = optim.AdamW([*used.parameters(), *unused.parameters()], lr=0.1, weight_decay=0.5)
    before = unused.state_dict()

    @lucid.compile
    def step(x: Any) -> None:
        optimizer.zero_grad()
        used(x).sum().backward()
        optimizer.step()

    step(normal(3, 2))
    assert unused.weight.grad is None
    for name, array in unused.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert optimizer.state["step.2"].item() == 0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 4),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Softmax(1),
        nn.LayerNorm(4),
        nn.Flatten(),
        nn.Identity(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_float32_stays_float32(layer: nn.Module) -> None:
    x = Tensor(normal(3, 4), requires_grad=True)
    for call in (layer, lucid.compile(layer)):
        y = call(x)
        y.backward()
        assert y.dtype == lucid.float32
        assert x.grad.dtype == lucid.float32
        for p in layer.parameters():
            assert p.grad.dtype == lucid.float32
    y, targets = x * 1.0, np.array([0, 1, 2])
    for loss in (F.cross_entropy(y, targets), F.mse_loss(y, normal(3, 4)), F.nll_loss(F.log_softmax(y), targets)):
        assert loss.dtype == lucid.float32


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2.0), True])
def test_python_numbers_do_not_widen(number: Any) -> None:
    @lucid.compile
    def arithmetic(x: Tensor, n: Any) -> tuple[Tensor, ...]:
        return x * n, n - x, x / n, n**x, x.maximum(n), lucid.where(x > n, x, n)

    for y in arithmetic(normal(3), number):
        assert y.dtype == lucid.float32


def test_optimizers_keep_the_dtype() -> None:
    for dtype in ("float32", "float64"):
        model = nn.Linear(4, 2).astype(dtype)
        for optimizer in (optim.Adam(model.parameters()), optim.SGD(model.parameters(), momentum=0.9)):

            @lucid.compile
            def step(x: Any, optimizer: Any = optimizer, model: Any = model) -> Tensor:
                optimizer.zero_grad()
                loss = model(x).sum()
                loss.backward()
                optimizer.step()
                return loss

            assert str(step(normal(3, 4).astype(dtype)).dtype.numpy) == dtype
            assert model.weight.grad.dtype == model.weight.dtype
