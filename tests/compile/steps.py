"""Whole training steps of different kinds, for tests that look at the programs they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from lucid.ir.graph import Graph
from tests.training import classifying_step

Batch = tuple[Any, ...]
Make = Callable[[], tuple[Callable[..., Any], Batch]]

X, CLASSES = np.ones((6, 16), np.float32), np.arange(6) % 4


def classifier() -> tuple[Callable[..., Any], Batch]:
    """An MLP with Dropout, cross-entropy and Adam."""
    model = nn.Sequential(
        nn.Linear(16, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 24), nn.Tanh(), nn.Dropout(0.5), nn.Linear(24, 4)
    )
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    step = classifying_step(model, optimizer)

    return step, (X, CLASSES)


def normalized() -> tuple[Callable[..., Any], Batch]:
    """LayerNorm, GELU and softmax; clipping, momentum and weight decay."""
    model = nn.Sequential(
        nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 4), nn.Softmax(1)
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)

    def step(x: Any, y: Any, limit: float) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        return loss, norm

    return step, (X, np.full((6, 4), 0.25, np.float32), 0.5)


def penalized() -> tuple[Callable[..., Any], Batch]:
    """A gradient of a gradient, a shared layer, a running mean, and AdamW."""
    layer, head = nn.Linear(16, 16), nn.Linear(16, 1)
    mean = lucid.zeros(16)
    optimizer = optim.AdamW([*layer.parameters(), *head.parameters()], lr=1e-2)

    def step(x: Any) -> Tensor:
        optimizer.zero_grad()
        leaf = lucid.as_tensor(x).detach().requires_grad_()
        h = layer(layer(leaf - mean).tanh())
        slope = lucid.grad(head(h.sigmoid()).sum(), leaf, create_graph=True)
        loss = ((slope * slope).sum(1) - 1.0).abs().mean() + (h**2).mean() + head(h).mean()
        loss.backward()
        optimizer.step()
        with lucid.no_grad():
            mean.copy_(mean * 0.9 + h.mean(0) * 0.1)
        return loss

    return step, (X,)


def accumulated() -> tuple[Callable[..., Any], Batch]:
    """Two backwards whose gradients add up, and no optimizer."""
    model = nn.Sequential(nn.Linear(16, 8), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(8, 4))

    def step(x: Any, y: Any) -> Tensor:
        model.zero_grad()
        first = F.cross_entropy(model(x[:3]), y[:3])
        first.backward()
        second = F.cross_entropy(model(x[3:]), y[3:], label_smoothing=0.1)
        second.backward()
        return first + second

    return step, (X, CLASSES)


STEPS: tuple[Make, ...] = (classifier, normalized, penalized, accumulated)


def inputs_for(graph: Graph, seed: int = 0) -> list[npt.NDArray[Any]]:
    """Arrays for a step's graph: small positive floats, as second moments and rates must be, and ones."""
    generator = np.random.default_rng(seed)

    def array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        if dtype.kind == "f":
            return np.asarray(np.abs(generator.standard_normal(shape)) * 0.2 + 0.01, dtype)
        return np.ones(shape, dtype)

    return [array(value.type.shape, value.type.dtype.numpy) for value in graph.inputs]
