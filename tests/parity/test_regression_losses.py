"""Losses of one prediction against one target, and of embeddings: values and gradients, eager and compiled."""

from typing import Any

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import CheckError
from tests.parity.compare import assert_close, assert_same_both, normal, torch

REDUCTIONS = ["mean", "sum", "none"]


def probabilities(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape).astype(np.float32)


def signs(*shape: int) -> np.ndarray:
    return np.where(np.random.default_rng(5).random(shape) < 0.5, -1.0, 1.0).astype(np.float32)


PAIR = [normal(5, 3) * np.float32(2.0), normal(5, 3, seed=1)]
PROBABILITIES = [probabilities(5, 3), probabilities(5, 3, seed=1)]
COUNTS = [normal(5, 3), np.random.default_rng(2).poisson(2.0, (5, 3)).astype(np.float32)]
VECTORS = [normal(5, 3), normal(5, 3, seed=1), normal(5, 3, seed=2)]

CASES: list[tuple[str, dict[str, Any], list[np.ndarray], tuple[int, ...]]] = [
    ("L1Loss", {}, PAIR, (0, 1)),
    ("SmoothL1Loss", {}, PAIR, (0, 1)),
    ("SmoothL1Loss", {"beta": 0.3}, PAIR, (0, 1)),
    ("SmoothL1Loss", {"beta": 0.0}, PAIR, (0, 1)),
    ("HuberLoss", {}, PAIR, (0, 1)),
    ("HuberLoss", {"delta": 0.4}, PAIR, (0, 1)),
    ("BCELoss", {}, PROBABILITIES, (0,)),
    ("BCEWithLogitsLoss", {}, [PAIR[0], PROBABILITIES[0]], (0, 1)),
    ("KLDivLoss", {}, PROBABILITIES, (0, 1)),
    ("KLDivLoss", {"log_target": True}, PAIR, (0, 1)),
    ("PoissonNLLLoss", {}, COUNTS, (0,)),
    ("PoissonNLLLoss", {"full": True}, COUNTS, (0,)),
    ("PoissonNLLLoss", {"log_input": False, "eps": 0.01}, [np.abs(COUNTS[0]), COUNTS[1]], (0,)),
    ("GaussianNLLLoss", {}, [*PAIR, probabilities(5, 3)], (0, 1, 2)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.5}, [*PAIR, probabilities(5, 3)], (0, 1, 2)),
    ("GaussianNLLLoss", {}, [*PAIR, probabilities(5)], (0, 2)),
    ("GaussianNLLLoss", {}, [*PAIR, probabilities(5, 1)], (0, 2)),
    ("CosineEmbeddingLoss", {}, [*VECTORS[:2], signs(5)], (0, 1)),
    ("CosineEmbeddingLoss", {"margin": 0.2}, [*VECTORS[:2], signs(5)], (0, 1)),
    ("MarginRankingLoss", {}, [*PAIR, signs(5, 3)], (0, 1)),
    ("MarginRankingLoss", {"margin": 0.7}, [*PAIR, signs(5, 3)], (0, 1)),
    ("TripletMarginLoss", {}, VECTORS, (0, 1, 2)),
    ("TripletMarginLoss", {"margin": 0.5, "p": 1.0, "swap": True}, VECTORS, (0, 1, 2)),
    ("TripletMarginLoss", {"p": 3.0}, VECTORS, (0, 1, 2)),
    ("HingeEmbeddingLoss", {}, [normal(5, 3), signs(5, 3)], (0,)),
    ("HingeEmbeddingLoss", {"margin": 0.3}, [normal(5, 3), signs(5, 3)], (0,)),
    ("SoftMarginLoss", {}, [PAIR[0] * 10, signs(5, 3)], (0,)),
]


@pytest.mark.parametrize(("name", "options", "inputs", "wrt"), CASES, ids=lambda case: str(case)[:40])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch's advice on kl_div
def test_loss(
    name: str, options: dict[str, Any], inputs: list[np.ndarray], wrt: tuple[int, ...], reduction: str
) -> None:
    ours, theirs = (getattr(library, name)(reduction=reduction, **options) for library in (nn, torch.nn))
    assert_same_both(ours, theirs, inputs, wrt)


@pytest.mark.parametrize("log_target", [False, True])
def test_the_divergence_by_its_definition(log_target: bool) -> None:
    options = {"reduction": "batchmean", "log_target": log_target}
    assert_same_both(nn.KLDivLoss(**options), torch.nn.KLDivLoss(**options), PROBABILITIES, (0, 1))


def test_a_target_probability_of_zero() -> None:
    target = np.array([[0.0, 1.0, 0.0]], np.float32)
    options = {"reduction": "sum"}
    assert_same_both(nn.KLDivLoss(**options), torch.nn.KLDivLoss(**options), [normal(1, 3), target])


@pytest.mark.parametrize("weight_shape", [(3,), (5, 3), (5, 1)])
def test_weights_of_binary_losses(weight_shape: tuple[int, ...]) -> None:
    weight = probabilities(*weight_shape, seed=3)
    ours, theirs = nn.BCELoss(Tensor(weight)), torch.nn.BCELoss(torch.tensor(weight))
    assert_same_both(ours, theirs, PROBABILITIES)
    options = [{"weight": make(weight), "pos_weight": make(weight[:1])} for make in (Tensor, torch.tensor)]
    logits = [PAIR[0], PROBABILITIES[0]]
    assert_same_both(nn.BCEWithLogitsLoss(**options[0]), torch.nn.BCEWithLogitsLoss(**options[1]), logits)


@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_logits_of_any_size(target: float) -> None:
    logits = np.array([-3e38, -1e4, -100.0, 0.0, 100.0, 1e4, 3e38], np.float32)
    options = {"reduction": "none"}
    ours, theirs = nn.BCEWithLogitsLoss(**options), torch.nn.BCEWithLogitsLoss(**options)
    assert_same_both(ours, theirs, [logits, np.full(7, target, np.float32)])


def test_certain_probabilities() -> None:
    """Logarithms of 0 are taken as -100. PyTorch's gradient there is 1e12; ours is that of the limited logarithm."""
    x, y = np.array([0.0, 0.0, 1.0, 1.0], np.float32), np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    ours = Tensor(x, requires_grad=True)
    loss = F.binary_cross_entropy(ours, y, reduction="none")
    theirs = torch.nn.functional.binary_cross_entropy(torch.tensor(x), torch.tensor(y), reduction="none")
    assert_close(loss, theirs)
    loss.backward()
    assert np.isfinite(ours.grad.numpy()).all()
    with pytest.raises(CheckError, match="takes predictions from 0 to 1, which is not so at position 0"):
        F.binary_cross_entropy([-0.5], [1.0])


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity(dim: int) -> None:
    inputs = [normal(4, 3), normal(4, 3, seed=1)]
    ours, theirs = F.cosine_similarity, torch.nn.functional.cosine_similarity
    assert_same_both(lambda x, y: ours(x, y, dim), lambda x, y: theirs(x, y, dim), inputs, (0, 1))


def test_cosine_similarity_broadcasts() -> None:
    inputs = [normal(4, 1, 3), normal(5, 3, seed=1)]
    ours, theirs = F.cosine_similarity, torch.nn.functional.cosine_similarity
    assert_same_both(lambda x, y: ours(x, y, -1), lambda x, y: theirs(x, y, -1), inputs, (0, 1))


@pytest.mark.parametrize("p", [1.0, 2.0, 2.5, float("inf")])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance(p: float, keepdim: bool) -> None:
    inputs = [normal(4, 3), normal(4, 3, seed=1)]
    ours, theirs = F.pairwise_distance, torch.nn.functional.pairwise_distance
    assert_same_both(
        lambda x, y: ours(x, y, p, keepdim=keepdim), lambda x, y: theirs(x, y, p, keepdim=keepdim), inputs, (0, 1)
    )


def test_gradients_of_vectors_of_length_zero() -> None:
    x, y = (Tensor(np.zeros((2, 3), np.float32), requires_grad=True) for _ in range(2))
    for loss in (
        F.cosine_similarity(x, y),
        F.pairwise_distance(x, y, eps=0.0),
        F.pairwise_distance(x, y, p=1.5, eps=0.0),
        F.normalize(x),
    ):
        loss.backward()
        assert np.isfinite(x.grad.numpy()).all()
