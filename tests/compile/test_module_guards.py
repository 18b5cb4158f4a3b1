"""What a trace has read of modules is guarded: attributes, methods, children."""

from __future__ import annotations

import types

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
from lucid import Tensor
from tests.compile.changes import check, value


class Scaled(nn.Module):
    offset = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0
        self.table = {"a": [1.0]}
        self.register_buffer("buffer", Tensor([0.0]))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "extra"):
            x = x + self.extra
        y = x * self.scale * self.table["a"][0] + self.offset
        return y if self.training else -y


def test_attributes_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Scaled()
    check(
        model,
        (lambda: setattr(model, "scale", 3.0), 3.0),
        (lambda: setattr(model, "scale", 3), 3.0),
        (lambda: model.table["a"].__setitem__(0, 2.0), 6.0),
        (lambda: setattr(model, "table", {"a": [1.0]}), 3.0),
        (lambda: monkeypatch.setattr(Scaled, "offset", 1.0), 4.0),
        (lambda: setattr(model, "offset", 2.0), 5.0),
        first=2.0,
    )


def test_attributes_that_come_and_go() -> None:
    model = Scaled()
    check(
        model,
        (lambda: setattr(model, "extra", 1.0), 4.0),
        (lambda: delattr(model, "extra"), 2.0),
        (lambda: setattr(model, "extra", nn.Parameter([2.0])), 6.0),
        (model.eval, -6.0),
        (model.train, 6.0),
        first=2.0,
    )


def test_what_is_not_read_is_not_guarded() -> None:
    model = Scaled()
    fast = lucid.compile(model)
    for number in range(5):
        model.unrelated = number
        assert value(fast) == 2.0
    assert len(fast.programs) == 1


def test_methods_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubling(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2.0

    model = Doubling()
    check(
        model,
        (lambda: setattr(model, "forward", lambda x: x * 3.0), 3.0),
        (lambda: setattr(model, "forward", types.MethodType(lambda self, x: x * 4.0, model)), 4.0),
        (lambda: setattr(model, "forward", types.MethodType(lambda self, x: x * 5.0, model)), 5.0),
        (lambda: delattr(model, "forward"), 2.0),
        (lambda: setattr(Doubling, "forward", lambda self, x: x * 6.0), 6.0),
        (lambda: setattr(Doubling, "forward", lambda self, x: x * 7.0), 7.0),
        first=2.0,
    )


def test_training_and_evaluation_are_two_programs() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    fast = lucid.compile(model)
    x = Tensor(np.ones((2, 4), np.float32))
    for _ in range(3):
        model.train()
        assert (fast(x).numpy() == 0.0).any()
        model.eval()
        np.testing.assert_allclose(fast(x).numpy(), model(x).numpy(), rtol=1e-6)
    assert len(fast.programs) == 2


def test_the_probability_of_dropout() -> None:
    dropout = nn.Dropout(0.0)
    fast = lucid.compile(dropout)
    x = Tensor(np.ones(1000, np.float32))
    for p in (0.0, 0.5, 0.9, 1.0, 0.0):
        dropout.p = p
        dropped = float((fast(x).numpy() == 0.0).mean())
        assert dropped == pytest.approx(p, abs=0.06)
    assert len(fast.programs) == 4


def test_attributes_through_a_compiled_module() -> None:
    dropout = nn.Dropout(0.5)
    fast = lucid.compile(dropout)
    fast.p = 0.0
    assert dropout.p == 0.0
    assert fast(Tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert fast.training
    fast.eval()
    assert not dropout.training


def test_modules_that_are_added_and_replaced() -> None:
    def linear(weight: float) -> nn.Linear:
        layer = nn.Linear(1, 1, bias=False)
        with lucid.no_grad():
            layer.weight.fill_(weight)
        return layer

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([linear(2.0)])
            self.listed = [linear(1.0)]

        def forward(self, x: Tensor) -> Tensor:
            for layer in (*self.layers, *self.listed):
                x = layer(x)
            return x

    model = Chain()
    check(
        model,
        (lambda: model.layers.append(linear(3.0)), 6.0),
        (lambda: model.layers.__setitem__(0, linear(5.0)), 15.0),
        (lambda: model.listed.append(linear(10.0)), 150.0),
        (lambda: model.listed.__setitem__(0, linear(2.0)), 300.0),
        (lambda: setattr(model, "layers", nn.ModuleList()), 20.0),
        (lambda: setattr(model.listed[0], "weight", nn.Parameter([[4.0]])), 40.0),
        first=2.0,
    )
