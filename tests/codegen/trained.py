"""A step that tests of the target "cuda" train by, and what it has come to."""

from __future__ import annotations

from typing import Any

import numpy as np

import lucid
import lucid.nn as nn
import lucid.optim as optim
from tests.training import classifying_step

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
Y = np.array([0, 2, 1])


def trained(target: str, steps: int = 3) -> tuple[Any, ...]:
    """A model, its optimizer and its compiled step after some steps."""
    lucid.seed(4)
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.Linear(5, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    step = lucid.compile(classifying_step(model, optimizer), target=target)

    losses = [step(X, Y) for _ in range(steps)]
    return model, optimizer, step, losses


def state(model: nn.Module, optimizer: optim.Optimizer) -> list[bytes]:
    tensors = [*model.parameters(), *optimizer.state.values()]
    return [tensor.numpy().tobytes() for tensor in tensors]
