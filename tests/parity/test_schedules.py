"""Schedules: the rates of many epochs, one group by one."""

import math
from typing import Any

import numpy as np
import pytest

import lucid.optim as optim
from lucid import Tensor
from lucid.optim import lr_scheduler
from tests.names import without_addresses
from tests.parity.compare import torch

LIBRARIES = [
    (optim, lambda: Tensor([1.0], requires_grad=True)),
    (torch.optim, lambda: torch.ones(1, requires_grad=True)),
]


def optimizers(name: str = "SGD", **options: Any) -> list[Any]:
    """The same optimizer twice, with groups of different rates."""
    made = []
    for library, leaf in LIBRARIES:
        groups = [{"params": [leaf()], "lr": 0.1}, {"params": [leaf()], "lr": 0.4}]
        made.append(getattr(library, name)(groups, **options))
    return made


def assert_same_rates(ours: Any, theirs: Any, pair: list[Any], epochs: int = 25) -> None:
    pair[1].step()  # PyTorch warns of a schedule that steps first
    for _ in range(epochs):
        for key in ("lr", "momentum", "betas"):
            if key in pair[0].param_groups[0]:
                found, expected = ([group[key] for group in optimizer.param_groups] for optimizer in pair)
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        ours.step()
        theirs.step()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 3}),
        ("StepLR", {"step_size": 1, "gamma": 0.9}),
        ("MultiStepLR", {"milestones": [8, 3, 3], "gamma": 0.5}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("ConstantLR", {}),
        ("ConstantLR", {"factor": 0.5, "total_iters": 7}),
        ("LinearLR", {}),
        ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 10}),
        ("PolynomialLR", {}),
        ("PolynomialLR", {"total_iters": 12, "power": 2.0}),
        ("LambdaLR", {"lr_lambda": lambda epoch: 1.0 / (epoch + 2)}),
        ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1.0]}),
        ("MultiplicativeLR", {"lr_lambda": lambda epoch: 1.0 - 0.01 * epoch}),
        ("CosineAnnealingLR", {"T_max": 10}),
        ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
        ("CosineAnnealingLR", {"T_max": 1}),
        ("CosineAnnealingWarmRestarts", {"T_0": 4}),
        ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ],
    ids=lambda case: without_addresses(case)[:50],
)
def test_schedule(name: str, options: dict[str, Any]) -> None:
    pair = optimizers("Adam")
    ours, theirs = (
        getattr(library, name)(optimizer, **options)
        for library, optimizer in zip((lr_scheduler, torch.optim.lr_scheduler), pair, strict=True)
    )
    assert_same_rates(ours, theirs, pair)


@pytest.mark.parametrize("make", [("SGD", {"momentum": 0.9}), ("AdamW", {})], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"max_lr": 1.0, "total_steps": 26},
        {"max_lr": [0.5, 1.0], "epochs": 13, "steps_per_epoch": 2, "pct_start": 0.5},
        {"max_lr": 1.0, "total_steps": 26, "three_phase": True},
        {"max_lr": 1.0, "total_steps": 26, "anneal_strategy": "linear", "div_factor": 5.0, "final_div_factor": 10.0},
        {"max_lr": 1.0, "total_steps": 26, "cycle_momentum": False},
        {"max_lr": 1.0, "total_steps": 26, "base_momentum": 0.5, "max_momentum": 0.8},
    ],
    ids=str,
)
def test_one_cycle(make: tuple[str, dict[str, Any]], options: dict[str, Any]) -> None:
    pair = optimizers(make[0], **make[1])
    ours, theirs = (
        library.OneCycleLR(optimizer, **options)
        for library, optimizer in zip((lr_scheduler, torch.optim.lr_scheduler), pair, strict=True)
    )
    assert_same_rates(ours, theirs, pair)


@pytest.mark.parametrize("make", [("SGD", {"momentum": 0.9}), ("Adam", {})])
@pytest.mark.parametrize(
    "options",
    [
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "step_size_down": 7, "mode": "triangular2"},
        {"base_lr": 0.02, "max_lr": 0.3, "step_size_up": 4, "mode": "exp_range", "gamma": 0.97},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "scale_fn": lambda cycle: 1.0 / cycle},
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "cycle_momentum": False, "base_momentum": 0.5},
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 4,
            "base_momentum": 0.7,
            "max_momentum": 0.99,
            "scale_fn": lambda step: 0.9**step,
            "scale_mode": "iterations",
        },
    ],
)
def test_cycles(make: tuple[str, dict[str, Any]], options: dict[str, Any]) -> None:
    pair = optimizers(make[0], **make[1])
    ours, theirs = (
        library.CyclicLR(optimizer, **options)
        for library, optimizer in zip((lr_scheduler, torch.optim.lr_scheduler), pair, strict=True)
    )
    assert_same_rates(ours, theirs, pair)


@pytest.mark.parametrize("name", ["SGD", "RMSprop"])
@pytest.mark.parametrize(
    ("schedule", "options"),
    [("OneCycleLR", {"max_lr": 0.1, "total_steps": 8}), ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1})],
)
def test_a_momentum_that_comes_with_the_schedule(name: str, schedule: str, options: dict[str, Any]) -> None:
    trained = []
    for module, (library, leaf) in zip((lr_scheduler, torch.optim.lr_scheduler), LIBRARIES, strict=True):
        weight = leaf()
        optimizer = getattr(library, name)([weight])
        scheduler = getattr(module, schedule)(optimizer, **options)
        for _ in range(8):
            optimizer.zero_grad()
            (weight * weight).sum().backward()
            optimizer.step()
            scheduler.step()
        trained.append([*weight.tolist(), optimizer.param_groups[0]["momentum"]])
    np.testing.assert_allclose(*trained, rtol=1e-5)


def combined(library: Any, optimizer: Any, kind: str) -> Any:
    if kind == "chained":
        warm_up = library.ConstantLR(optimizer, 0.1, 4)
        return library.ChainedScheduler([warm_up, library.ExponentialLR(optimizer, 0.9)])
    if kind == "both":
        first, second = library.StepLR(optimizer, 4, 0.5), library.CosineAnnealingLR(optimizer, 30, 0.001)
        return library.ChainedScheduler([first, second])
    schedules = [
        library.LinearLR(optimizer, 0.1, 1.0, 5),
        library.CosineAnnealingLR(optimizer, 8, 0.001),
        library.ExponentialLR(optimizer, 0.5),
    ]
    return library.SequentialLR(optimizer, schedules, milestones=[5, 13])


@pytest.mark.parametrize("kind", ["chained", "both", "sequential"])
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # PyTorch's advice about its own call
def test_schedules_combine(kind: str) -> None:
    pair = optimizers()
    ours, theirs = (
        combined(library, optimizer, kind)
        for library, optimizer in zip((lr_scheduler, torch.optim.lr_scheduler), pair, strict=True)
    )
    assert_same_rates(ours, theirs, pair)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 2, "factor": 0.5},
        {"patience": 1, "cooldown": 3, "min_lr": [0.01, 0.05]},
        {"patience": 1, "cooldown": 3, "factor": 0.5},
        {"patience": 2, "threshold": 0.1, "threshold_mode": "abs"},
        {"mode": "max", "patience": 2, "threshold": 0.1, "threshold_mode": "abs", "eps": 0.05},
    ],
    ids=str,
)
def test_plateau(options: dict[str, Any]) -> None:
    pair = optimizers()
    ours, theirs = (
        library.ReduceLROnPlateau(optimizer, **options)
        for library, optimizer in zip((lr_scheduler, torch.optim.lr_scheduler), pair, strict=True)
    )
    for epoch in range(40):  # a constant figure at the end: then every epoch is bad, those of a cooldown too
        figure = math.exp(-epoch / 5) + 0.1 * math.sin(epoch) if epoch < 25 else 1.0
        ours.step(figure)
        theirs.step(figure)
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-9)
