"""Losses: values and gradients, with every option."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same, normal, torch

REDUCTIONS = ["mean", "sum", "none"]
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.0, 0.25], np.float32)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss(reduction: str) -> None:
    assert_same(
        nn.MSELoss(reduction), torch.nn.MSELoss(reduction=reduction), [normal(5, 3), normal(5, 3, seed=1)], (0, 1)
    )


@pytest.mark.parametrize(("shape", "target_shape"), [((6, 4), (6,)), ((4,), ()), ((3, 4, 2), (3, 2))])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_cross_entropy_of_classes(
    shape: tuple[int, ...],
    target_shape: tuple[int, ...],
    reduction: str,
    weighted: bool,
    ignore_index: int,
    label_smoothing: float,
) -> None:
    targets = np.random.default_rng(1).integers(0, 4, target_shape)
    if targets.ndim:
        targets.flat[0] = ignore_index
    elif targets == ignore_index:
        targets += 1
    options = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
    ours = nn.CrossEntropyLoss(weight=Tensor(CLASS_WEIGHTS) if weighted else None, **options)
    theirs = torch.nn.CrossEntropyLoss(weight=torch.tensor(CLASS_WEIGHTS) if weighted else None, **options)
    assert_same(ours, theirs, [normal(*shape), targets])


@pytest.mark.parametrize(
    ("reduction", "weighted", "label_smoothing"), list(product(REDUCTIONS, [False, True], [0.0, 0.1]))
)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (3, 4, 2)])
def test_cross_entropy_of_probabilities(
    shape: tuple[int, ...], reduction: str, weighted: bool, label_smoothing: float
) -> None:
    targets = F.softmax(normal(*shape, seed=1), dim=0 if len(shape) == 1 else 1).numpy()
    options = {"reduction": reduction, "label_smoothing": label_smoothing}
    ours = nn.CrossEntropyLoss(weight=Tensor(CLASS_WEIGHTS) if weighted else None, **options)
    theirs = torch.nn.CrossEntropyLoss(weight=torch.tensor(CLASS_WEIGHTS) if weighted else None, **options)
    assert_same(ours, theirs, [normal(*shape), targets], (0, 1))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_loss(reduction: str, weighted: bool) -> None:
    targets = np.array([0, 3, -100, 2, 2, 1])
    options = {"reduction": reduction}
    ours = nn.NLLLoss(weight=Tensor(CLASS_WEIGHTS) if weighted else None, **options)
    theirs = torch.nn.NLLLoss(weight=torch.tensor(CLASS_WEIGHTS) if weighted else None, **options)
    assert_same(ours, theirs, [normal(6, 4), targets])


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_cross_entropy_of_extreme_logits(scale: float) -> None:
    logits = normal(6, 4) * np.float32(scale)
    assert_same(F.cross_entropy, torch.nn.functional.cross_entropy, [logits, np.arange(6) % 4])


def test_a_class_that_is_impossible() -> None:
    logits = np.array([[0.0, -np.inf, 1.0]], np.float32)
    assert_same(F.cross_entropy, torch.nn.functional.cross_entropy, [logits, np.array([2])])


def test_no_target_counts() -> None:
    arguments: tuple[Any, ...] = (normal(2, 3), np.array([-100, -100]))
    ours = F.cross_entropy(*arguments)
    assert_close(ours, torch.nn.functional.cross_entropy(*map(torch.tensor, arguments)))
    assert np.isnan(ours.item())
