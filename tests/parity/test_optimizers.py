"""Optimizers and schedules: 20 steps from the same weights and data."""

from typing import Any

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.optim import lr_scheduler
from tests.parity.compare import assert_close, normal, torch

STEPS = 20


def models() -> tuple[nn.Module, Any]:
    ours = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    return normal(10, 4, seed=step), np.random.default_rng(step).integers(0, 3, 10)


def assert_same_path(ours: nn.Module, theirs: Any, our_optimizer: Any, their_optimizer: Any, skip: int = 0) -> None:
    """Parameters stay equal over the steps. The first `skip` steps freeze the last layer."""
    for step in range(STEPS):
        x, y = batch(step)
        for layer in (ours[-1], theirs[-1]):
            layer.requires_grad_(step >= skip)
        our_optimizer.zero_grad()
        their_optimizer.zero_grad()
        loss = F.cross_entropy(ours(x), y)
        their_loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
        assert_close(loss, their_loss, rtol=1e-4)
        loss.backward()
        their_loss.backward()
        our_optimizer.step()
        their_optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {}),
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True}),
        ("Adam", {}),
        ("Adam", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3}),
        ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.01, "maximize": True}),
        ("AdamW", {}),
        ("AdamW", {"lr": 0.05, "weight_decay": 0.2}),
    ],
)
@pytest.mark.parametrize("skip", [0, 7], ids=["all", "late"])
def test_trajectory(name: str, options: dict[str, Any], skip: int) -> None:
    ours, theirs = models()
    pair = (
        getattr(optim, name)(ours.parameters(), **options),
        getattr(torch.optim, name)(theirs.parameters(), **options),
    )
    assert_same_path(ours, theirs, *pair, skip=skip)


def test_groups() -> None:
    ours, theirs = models()
    optimizers = [
        library.SGD([{"params": model[0].parameters(), "lr": 0.5}, {"params": [model[2].weight]}], lr=0.1, momentum=0.9)
        for library, model in ((optim, ours), (torch.optim, theirs))
    ]
    for optimizer, model in zip(optimizers, (ours, theirs), strict=True):
        optimizer.add_param_group({"params": model[2].bias, "weight_decay": 0.1})
    assert_same_path(ours, theirs, *optimizers)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 3}),
        ("StepLR", {"step_size": 1, "gamma": 0.9}),
        ("CosineAnnealingLR", {"T_max": 10}),
        ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
        ("CosineAnnealingLR", {"T_max": 1}),
    ],
)
def test_schedule(name: str, options: dict[str, Any]) -> None:
    ours, theirs = models()
    our_optimizer, their_optimizer = (
        optim.Adam(ours.parameters(), lr=0.1),
        torch.optim.Adam(theirs.parameters(), lr=0.1),
    )
    our_schedule = getattr(lr_scheduler, name)(our_optimizer, **options)
    their_schedule = getattr(torch.optim.lr_scheduler, name)(their_optimizer, **options)
    their_optimizer.step()  # PyTorch warns of a schedule that steps first
    for _ in range(25):
        np.testing.assert_allclose(our_schedule.get_last_lr(), their_schedule.get_last_lr(), rtol=1e-9, atol=1e-12)
        our_schedule.step()
        their_schedule.step()


def test_schedules_combine() -> None:
    ours, theirs = models()
    our_optimizer, their_optimizer = optim.SGD(ours.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)
    schedules = [
        (library.StepLR(optimizer, 4, 0.5), library.CosineAnnealingLR(optimizer, 15, 0.001))
        for library, optimizer in ((lr_scheduler, our_optimizer), (torch.optim.lr_scheduler, their_optimizer))
    ]
    their_optimizer.step()
    for _ in range(12):
        for pair in schedules:
            for schedule in pair:
                schedule.step()
        np.testing.assert_allclose(our_optimizer.param_groups[0]["lr"], their_optimizer.param_groups[0]["lr"])
