"""A hundred steps of training: compiled and eager runs stay together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor

STEPS, BATCH = 100, 32
PROTOTYPES = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)


def batch(step: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noisy pictures of ten kinds."""
    generator = np.random.default_rng(step)
    labels = generator.integers(0, 10, BATCH)
    return PROTOTYPES[labels] + generator.standard_normal((BATCH, 64)).astype(np.float32), labels


def train(wrap: Callable[[Any], Any], make: Callable[[Iterable[Tensor]], optim.Optimizer]) -> dict[str, Any]:
    """One run: losses, masks of the last steps, gradients and weights."""
    lucid.seed(42)
    model = nn.Sequential(
        nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 32), nn.GELU(), nn.Dropout(0.5), nn.Linear(32, 10)
    )
    optimizer = make(model.parameters())
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)

    def step(x: Any, y: Any) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    called = wrap(step)
    losses, masks, gradients = [], [], []
    for number in range(STEPS):
        losses.append(called(*batch(number)).item())
        masks.append([model[2].mask.numpy(), model[5].mask.numpy()])
        gradients.append([p.grad.numpy() for p in model.parameters()])
        schedule.step()
    model.eval()
    with lucid.no_grad():
        scores = wrap(model)(batch(STEPS)[0])
    return {
        "losses": losses,
        "masks": masks,
        "gradients": gradients,
        "weights": list(model.state_dict().values()),
        "scores": scores.numpy(),
        "programs": len(getattr(called, "programs", ())),
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.Adam(p, lr=3e-3),
        lambda p: optim.AdamW(p, lr=3e-3, weight_decay=0.05),
    ],
    ids=["SGD", "Adam", "AdamW"],
)
def test_compiled_and_eager_training_stay_together(make: Callable[[Iterable[Tensor]], optim.Optimizer]) -> None:
    eager, compiled = train(lambda f: f, make), train(lucid.compile, make)
    np.testing.assert_allclose(compiled["losses"], eager["losses"], rtol=1e-4)
    assert np.mean(eager["losses"][-10:]) < 0.5 * np.mean(eager["losses"][:10]), "it learns"
    for number, (ours, theirs) in enumerate(zip(eager["masks"], compiled["masks"], strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b, f"masks of step {number}")
        if number:
            assert (theirs[0] != compiled["masks"][number - 1][0]).any()
    for number, (ours, theirs) in enumerate(zip(eager["gradients"], compiled["gradients"], strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            scale = max(float(np.abs(a).max()), 1e-6)
            np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3 * scale, err_msg=f"gradients of step {number}")
    for a, b in zip(eager["weights"], compiled["weights"], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(compiled["scores"], eager["scores"], rtol=1e-3, atol=1e-2)
    assert compiled["programs"] == 1


def test_two_compiled_runs_are_the_same_bits() -> None:
    first, second = (train(lucid.compile, lambda p: optim.Adam(p, lr=3e-3)) for _ in range(2))
    assert first["losses"] == second["losses"]
    for a, b in zip(first["weights"], second["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
