"""The training step that most tests take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor


def classifying_step(model: nn.Module, optimizer: optim.Optimizer) -> Callable[[Any, Any], Tensor]:
    """A step of a classifier: from inputs and classes to the loss that it has made smaller."""

    def step(x: Any, y: Any) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step
