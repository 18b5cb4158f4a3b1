"""Grads: what a compiled function stores in `.grad`, and which values a backward inside it follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import GradientError, TraceError
from tests.compile.worlds import Made, assert_alike, normal, state_of, training_step

X = normal(3, 4)


def test_gradient_accumulation_over_calls() -> None:
    def setup() -> Made:
        model = nn.Linear(4, 2)

        def step(x: Any) -> Tensor:
            loss = (model(x) ** 2).sum()
            loss.backward()
            return loss

        return step, state_of(model)

    step = assert_alike(setup, *[(normal(3, 4, seed=i),) for i in range(4)])
    assert len(step.programs) == 2


def test_grads_are_tensors_of_their_own() -> None:
    model = nn.Linear(4, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    step = lucid.compile(training_step(model, optimizer))
    kept = []
    for i in range(5):
        step(normal(3, 4, seed=i))
        kept.append((model.weight.grad, model.weight.grad.numpy().copy()))
    for tensor, array in kept:
        np.testing.assert_array_equal(tensor.numpy(), array)


def test_zero_grad_at_the_end_stores_nothing() -> None:
    def setup() -> Made:
        model = nn.Linear(4, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> Tensor:
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        return step, state_of(model)

    step = assert_alike(setup, *[(X,)] * 3)
    assert len(step.programs) == 1
    assert len(step.programs[0].graph("traced").outputs) == 1


def test_grads_that_are_written() -> None:
    def setup() -> Made:
        weight = nn.Parameter([1.0, 2.0])
        weight.grad = Tensor([5.0, 6.0])

        def step(how: str) -> Tensor | None:
            grad = weight.grad
            assert grad is not None
            if how == "zero":
                grad.zero_()
            elif how == "scale":
                grad *= 0.5
            elif how == "add":
                (weight * weight).sum().backward()
                weight.grad = weight.grad * 10.0
            elif how == "set":
                weight.grad = Tensor([1.0, 1.0])
            return weight.grad

        return step, [weight]

    assert_alike(setup, ("scale",), ("add",), ("read",), ("zero",), ("add",), ("set",), ("scale",))


def test_the_grad_of_an_argument() -> None:
    def cube(x: Tensor) -> Tensor:
        (x * x * x).sum().backward()
        return x.grad * 1.0  # type: ignore[operator]

    for wrap in (lambda f: f, lucid.compile):
        step = wrap(cube)
        a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
        assert [step(a).item(), step(b).item(), step(b).item()] == [3.0, 12.0, 24.0]
        assert [a.grad.item(), b.grad.item()] == [3.0, 24.0]


def test_a_backward_that_reaches_outside() -> None:
    weight = Tensor([1.0], requires_grad=True)
    computed = weight * 2.0
    with pytest.raises(TraceError, match=r"reached a tensor that was computed outside it(.|\n)*\.detach\(\)"):
        lucid.compile(lambda: (computed * computed).backward())()
    assert weight.grad is None
    with pytest.raises(TraceError, match="reached a tensor that was computed outside"):
        lucid.compile(lambda x: (x * x).backward())(computed)


def test_graphs_are_freed_in_a_trace() -> None:
    def twice(x: Tensor, retain: bool) -> Tensor:
        y = (x * x).sum()
        y.backward(retain_graph=retain)
        y.backward()
        return y

    for wrap in (lambda f: f, lucid.compile):
        x = Tensor([3.0], requires_grad=True)
        wrap(twice)(x, True)
        assert x.grad.tolist() == [12.0]
        x = Tensor([3.0], requires_grad=True)
        with pytest.raises(GradientError, match="has been freed by an earlier backward"):
            wrap(twice)(x, False)


def test_values_computed_without_recording_are_cut_off() -> None:
    def setup() -> Made:
        weight = nn.Parameter([1.0, 2.0, 3.0])
        with lucid.no_grad():
            outside = weight[0:2]

        def step() -> Tensor:
            weight.grad = None
            with lucid.no_grad():
                inside = weight[1:] * 2.0
            loss = (outside * weight[0:2] + inside * weight[1:]).sum() * weight.detach().sum()
            loss.backward()
            with lucid.no_grad():
                weight.__isub__(weight.grad * 0.1)
            loss2 = (weight * inside.sum()).sum()
            loss2.backward()
            return loss + loss2

        return step, [weight]

    assert_alike(setup, (), ())
