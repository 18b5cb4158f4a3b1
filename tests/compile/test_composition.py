"""Compiled functions in threads, in each other, and copied."""

from __future__ import annotations

import copy
import queue
import threading
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from tests.compile.worlds import normal, training_step

X = normal(3, 4)


def test_a_copied_model_is_another_model() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.0))
    fast = lucid.compile(model)
    expected = fast(X).numpy().copy()
    copied, twin = copy.deepcopy(fast), copy.deepcopy(model)
    with lucid.no_grad():
        model[0].weight.fill_(0.0)
        model[0].bias.fill_(0.0)
    assert (fast(X).numpy() == 0.0).all()
    np.testing.assert_allclose(copied(X).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(lucid.compile(twin)(X).numpy(), expected, rtol=1e-6)
    assert copied.module is not model


def test_threads_that_call_one_function() -> None:
    model = nn.Linear(4, 4)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    step = lucid.compile(training_step(model, optimizer))
    batches = [np.full((3, 4), float(i), np.float32) for i in range(6)]
    expected = [(model(x) ** 2).mean().item() for x in batches]
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            for _ in range(50):
                if step(batches[number]).item() != pytest.approx(expected[number], rel=1e-5):
                    wrong.append(number)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(step.programs) == 1


def test_a_thread_that_runs_eagerly_during_a_trace() -> None:
    weight = nn.Parameter([2.0])
    seen: queue.Queue[float] = queue.Queue()

    def traced(x: Tensor) -> Tensor:
        thread = threading.Thread(target=lambda: seen.put((weight * 3.0).item()))
        thread.start()
        thread.join()
        return x * weight

    assert lucid.compile(traced)(Tensor([5.0])).item() == 10.0
    assert seen.get_nowait() == 6.0


def test_compiled_functions_inside_compiled_functions() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    fast = lucid.compile(model)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss = lucid.compile(lambda x: F.mse_loss(fast(x), np.zeros((3, 4), np.float32)))

    def step(x: Any) -> Tensor:
        optimizer.zero_grad()
        value = loss(x)
        value.backward()
        optimizer.step()
        return value

    lucid.seed(1)
    start = model.state_dict()
    nested = [lucid.compile(step)(X).item() for _ in range(3)]
    model.load_state_dict(start)
    lucid.set_state((1, 0))
    assert [step(X).item() for _ in range(3)] == pytest.approx(nested, rel=1e-5)


def test_recursion() -> None:
    @lucid.compile
    def power(x: Tensor, n: int) -> Tensor:
        return x if n == 0 else power(x * 2.0, n - 1)

    assert power(Tensor([1.0]), 5).item() == 32.0
    assert power(Tensor([1.0]), 3).item() == 8.0
    assert len(power.programs) == 2
