"""The specified random stream: eager and compiled code draw the same masks, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError
from lucid.ir import philox
from tests.compile.worlds import normal


def specified(seed: int, draw: int, p: float, *shape: int) -> np.ndarray[Any, Any]:
    """The mask of a draw, computed from the specification."""
    words = philox.words(seed, draw, int(np.prod(shape))).astype(np.uint64)
    return (words >= round(p * 2**32)).reshape(shape)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (4,), (5, 7), (2, 3, 67), (0,), (1, 1024)])
def test_masks_are_as_specified(seed: int, shape: tuple[int, ...]) -> None:
    dropout = nn.Dropout(0.3)
    for call in (dropout, lucid.compile(dropout)):
        lucid.seed(seed)
        for draw in range(3):
            y = call(np.ones(shape, np.float32))
            mask = specified(seed, draw, 0.3, *shape)
            np.testing.assert_array_equal(y.numpy() != 0.0, mask)
            np.testing.assert_array_equal(dropout.mask.numpy(), mask)
            assert dropout.mask.dtype == lucid.float32
            assert lucid.get_state() == (seed, draw + 1)


@pytest.mark.parametrize("draw", [2**32 - 1, 2**32, 2**64 - 1])
def test_draw_numbers_of_64_bits(draw: int) -> None:
    dropout = nn.Dropout(0.5)
    for call in (dropout, lucid.compile(dropout)):
        lucid.set_state((7, draw))
        y = call(np.ones(10, np.float32))
        np.testing.assert_array_equal(y.numpy() != 0.0, specified(7, draw, 0.5, 10))
        assert lucid.get_state() == (7, (draw + 1) % 2**64)


@pytest.mark.parametrize("p", [0.0, 1.0, 0.5, 0.1, 1e-10, 1.0 - 1e-12, 2.0**-32, 0.999, 1, 0, np.float64(0.25)])
def test_probabilities(p: float) -> None:
    dropout = nn.Dropout(p)
    x = Tensor(normal(9, 11), requires_grad=True)
    scale = np.float32(0.0) if p == 1.0 else np.float32(1.0 / (1.0 - p))
    for call in (dropout, lucid.compile(dropout)):
        lucid.seed(3)
        x.grad = None
        y = call(x)
        y.sum().backward()
        mask = specified(3, 0, p, 9, 11).astype(np.float32)
        np.testing.assert_array_equal(y.numpy(), x.numpy() * mask * scale)
        np.testing.assert_array_equal(x.grad.numpy(), mask * scale)
        np.testing.assert_array_equal(dropout.mask.numpy(), mask)
        assert lucid.get_state() == (3, 1)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), "0.5", None])
def test_probabilities_that_are_refused(p: Any) -> None:
    with pytest.raises(ArgumentError, match="p"):
        nn.Dropout(p)
    with pytest.raises(ArgumentError, match="p"):
        lucid.compile(lambda x: F.dropout(x, p))(Tensor([1.0]))


def test_a_probability_that_is_an_argument() -> None:
    fast = lucid.compile(lambda x, p: F.dropout(x, p))
    for number, p in enumerate((0.5, 0.25, 0.75, 1e-3, 0.5)):
        lucid.seed(number)
        y = fast(np.ones(100, np.float32), p)
        np.testing.assert_array_equal(y.numpy(), specified(number, 0, p, 100) * np.float32(1.0 / (1.0 - p)))
    assert len(fast.programs) == 1
    lucid.seed(0)
    assert (fast(np.ones(100, np.float32), 1.0).numpy() == 0.0).all()
    assert (fast(np.ones(100, np.float32), 0.0).numpy() == 1.0).all()
    with pytest.raises(ArgumentError, match=r"1\.5"):
        fast(np.ones(100, np.float32), 1.5)
    assert lucid.get_state() == (0, 2)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.drops = nn.ModuleList([nn.Dropout(p) for p in (0.1, 0.5, 0.9)])

    def forward(self, x: Any) -> Tensor:
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = drop(layer(x).tanh())
        return self.drops[1](x)  # once more


def test_masks_of_a_training_run() -> None:
    runs = []
    for wrap in (lambda f: f, lucid.compile):
        lucid.seed(17)
        model = Net()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        fast, masks = wrap(step), []
        for i in range(8):
            _, draw = lucid.get_state()
            fast(normal(5, 6, seed=i))
            assert lucid.get_state() == (17, draw + 4)
            masks.append([drop.mask.numpy() for drop in model.drops])
            offsets = (0, 3, 2)  # the middle one is used twice; its mask is the latest
            for mask, offset, p in zip(masks[-1], offsets, (0.1, 0.5, 0.9), strict=True):
                np.testing.assert_array_equal(mask, specified(17, draw + offset, p, 5, 6))
        runs.append(masks)
    for eager, compiled in zip(*runs, strict=True):
        for ours, theirs in zip(eager, compiled, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_eager_and_compiled_calls_share_one_stream() -> None:
    dropout = nn.Dropout(0.5)
    fast = lucid.compile(dropout)
    lucid.seed(5)
    x = np.ones(50, np.float32)
    for draw, call in enumerate((fast, dropout, fast, fast, dropout)):
        np.testing.assert_array_equal(call(x).numpy() != 0.0, specified(5, draw, 0.5, 50))
        np.testing.assert_array_equal(dropout.mask.numpy(), specified(5, draw, 0.5, 50))


def test_seeding_between_calls() -> None:
    fast = lucid.compile(nn.Dropout(0.5))
    x = np.ones(50, np.float32)
    lucid.seed(1)
    first = [fast(x).numpy().copy() for _ in range(3)]
    state = lucid.get_state()
    later = fast(x).numpy().copy()
    lucid.seed(1)
    for expected in first:
        np.testing.assert_array_equal(fast(x).numpy(), expected)
    fast(x)
    lucid.set_state(state)
    np.testing.assert_array_equal(fast(x).numpy(), later)
    assert len(fast.programs) == 1
    lucid.seed(2)
    assert (fast(x).numpy() != first[0]).any()


def test_evaluation_draws_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    fast = lucid.compile(model)
    lucid.seed(0)
    fast(normal(2, 4))
    model.eval()
    for _ in range(3):
        fast(normal(2, 4))
    assert lucid.get_state() == (0, 1)


def test_equal_masks_are_not_merged() -> None:
    fast = lucid.compile(lambda x: (F.dropout(x, 0.5), F.dropout(x, 0.5)))
    a, b = fast(np.ones(64, np.float32))
    assert (a.numpy() != b.numpy()).any()


def test_a_mask_that_is_not_used_is_drawn_all_the_same() -> None:
    def both(x: Any) -> Tensor:
        F.dropout(x, 0.5)
        return F.dropout(x, 0.5)

    lucid.seed(4)
    y = lucid.compile(both)(np.ones(64, np.float32))
    np.testing.assert_array_equal(y.numpy() != 0.0, specified(4, 1, 0.5, 64))
    assert lucid.get_state() == (4, 2)


def test_how_many_are_kept() -> None:
    fast = lucid.compile(lambda x, p: F.dropout(x, p))
    lucid.seed(123)
    count = 200_000
    x = np.ones(count, np.float32)
    for p in (0.1, 0.5, 0.9):
        y = fast(x, p).numpy()
        spread = np.sqrt(p * (1.0 - p) / count)
        assert abs((y == 0.0).mean() - p) < 5.0 * spread
        assert y.mean() == pytest.approx(1.0, abs=0.02)
        left, right = y[:-1] != 0.0, y[1:] != 0.0
        assert abs((left & right).mean() - (1.0 - p) ** 2) < 0.01  # neighbours are independent


def test_the_mask_after_a_failed_call() -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    fast = lucid.compile(lambda x, y: F.cross_entropy(model(x), y))
    fast(normal(4, 3), np.array([0, 1, 2, 0]))
    mask = model[0].mask.tolist()
    with pytest.raises(IndexError):
        fast(normal(4, 3), np.array([0, 1, 3, 0]))
    assert model[0].mask.tolist() == mask


def test_random_numbers_of_numpy_are_left_alone() -> None:
    np.random.seed(0)
    expected = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    lucid.compile(nn.Dropout(0.5))(np.ones(10, np.float32))
    np.testing.assert_array_equal(np.random.get_state()[1], expected)  # type: ignore[index]


def test_a_probability_is_as_exact_in_a_compiled_call() -> None:
    """round(p * 2^32) differs between 0.1 in float32 and in float64."""
    for function in (lambda p: lucid.bernoulli(p, 3), lambda p: lucid.as_tensor(p, "float64")):
        for p in (0.1, 0.3):
            lucid.seed(0)
            expected = function(p)
            lucid.seed(0)
            assert lucid.compile(function)(p).tolist() == expected.tolist()
    program = lucid.compile(lambda p: lucid.bernoulli(p, 3)).lower(0.1)
    assert "f64[] = mul %p" in program.ir("traced")
