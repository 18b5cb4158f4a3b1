"""A training run that can be saved, loaded and compared."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.data import DataLoader, TensorDataset
from lucid.optim.lr_scheduler import CosineAnnealingLR
from tests.training import classifying_step


def epochs(loader: DataLoader) -> Iterator[Any]:
    """Batches without end."""
    while True:
        yield from loader


class Training:
    """A model, its optimizer, a schedule and a compiled step, with data in batches."""

    def __init__(self, seed: int, compiled: bool = True, kind: str = "Adam", **options: Any) -> None:
        lucid.seed(seed)
        hidden = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3))
        self.model = model = nn.Sequential(hidden, nn.Linear(8, 3))
        own = {"maximize": False} if kind == "Rprop" else {"weight_decay": 0.1}
        groups = [{"params": hidden.parameters(), **own}, {"params": model[1].parameters()}]
        self.optimizer = optimizer = getattr(optim, kind)(groups, lr=0.05, **options)
        self.scheduler = CosineAnnealingLR(optimizer, 30)
        generator = np.random.default_rng(0)
        data = TensorDataset(generator.standard_normal((32, 4), np.float32), generator.integers(0, 3, 32))
        self.loader = DataLoader(data, batch_size=5, shuffle=True, drop_last=True)

        step = classifying_step(model, optimizer)

        self.step = lucid.compile(step) if compiled else step
        self.batches = epochs(self.loader)

    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "loader": self.loader,
        }

    def train(self, steps: int) -> list[float]:
        losses = []
        for x, y in itertools.islice(self.batches, steps):
            losses.append(self.step(x, y).item())
            self.scheduler.step()
        return losses

    def load(self, path: Path) -> dict[str, Any]:
        rest = lucid.load(path, **self.parts())
        self.batches = epochs(self.loader)
        return rest

    def state(self) -> tuple[object, ...]:
        """All that training has changed, comparable bit for bit."""
        arrays = {**self.model.state_dict(), **{name: x.numpy() for name, x in self.optimizer.state.items()}}
        groups = [{**group, "params": None} for group in self.optimizer.param_groups]
        bits = {name: array.tobytes() for name, array in arrays.items()}
        return bits, groups, self.scheduler.state_dict(), self.loader.state_dict(), lucid.get_state()
