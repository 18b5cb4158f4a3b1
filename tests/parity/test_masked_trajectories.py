"""Modules that draw random numbers are trained for a hundred steps beside PyTorch, eagerly and compiled, with the same.

PyTorch is given masks from Lucid's stream as it is specified: element i of draw d is kept where word i of Philox is at
least round(p * 2^32); a number of float64 takes two words, the first one low, and 53 bits of them. A module that drew
in another order, another number of times or another shape would part at once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.ir import philox
from tests.parity.compare import normal, torch
from tests.parity.test_trajectories import DRAW, STEPS, train

SEED, LOWEST = 11, -1.0507009873554805 * 1.6732632423543772


class Masks:
    """PyTorch's functions that drop, with masks of Lucid's stream."""

    def __init__(self) -> None:
        self.draws = itertools.count()

    def keep(self, p: float, shape: tuple[int, ...]) -> Any:
        words = philox.words(SEED, next(self.draws), int(np.prod(shape))).reshape(shape)
        return torch.tensor(words >= round(p * 2**32))

    def dropout(self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        return x * self.keep(p, tuple(x.shape)) * (1.0 / (1.0 - p))

    def channels(self, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        return x * self.keep(p, (*x.shape[:2], *(1,) * (x.ndim - 2))) * (1.0 / (1.0 - p))

    def alpha(self, x: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
        return self.to_alpha(x, p, tuple(x.shape))

    def alpha_of_channels(self, x: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
        return self.to_alpha(x, p, (*x.shape[:2], *(1,) * (x.ndim - 2)))

    def to_alpha(self, x: Any, p: float, shape: tuple[int, ...]) -> Any:
        a = ((1.0 - p) * (1.0 + p * LOWEST**2)) ** -0.5
        return torch.where(self.keep(p, shape), x, LOWEST) * a - a * p * LOWEST

    def paths(self, x: Any, p: float) -> Any:
        return x * self.keep(p, (len(x), *(1,) * (x.ndim - 1))) * (1.0 / (1.0 - p))

    def rrelu(self, x: Any, lower: float, upper: float, training: bool = False, inplace: bool = False) -> Any:
        words = philox.words(SEED, next(self.draws), 2 * x.numel()).astype(np.uint64)
        numbers = ((words[1::2] << np.uint64(32) | words[::2]) >> np.uint64(11)) * 2.0**-53
        slopes = lower + (upper - lower) * torch.tensor(numbers.reshape(x.shape))
        return torch.where(x > 0.0, x, x * slopes)

    def recurrent(self, forward: Callable[..., Any], module: Any, x: Any) -> Any:
        """What `forward` of a recurrent module computes, layer by layer, as its dropout is out of reach."""
        if module.num_layers == 1:
            return forward(module, x)
        for layer in range(module.num_layers):
            if layer:
                x = self.dropout(x, module.dropout)
            names = ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l")
            weights = {f"{name}0": getattr(module, f"{name}{layer}") for name in names}
            alone = type(module)(x.shape[-1], module.hidden_size).double()
            x, _ = torch.func.functional_call(alone, weights, x)
        return x, None

    def attention(self, q: Any, k: Any, v: Any, attn_mask: Any, dropout_p: float, is_causal: bool) -> Any:
        assert attn_mask is None
        weights = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1)
        return self.dropout(weights, dropout_p) @ v


def _recurrent(module: Any, masks: Masks, forward: Callable[..., Any], x: Any) -> Any:
    return masks.recurrent(forward, module, x)


class Paths(torch.nn.Module):  # type: ignore[misc]
    """DropPath, which PyTorch does not have."""

    def __init__(self, masks: Masks, p: float) -> None:
        super().__init__()
        self.masks, self.p = masks, p

    def forward(self, x: Any) -> Any:
        return self.masks.paths(x, self.p)


def behind(name: str, *shape: int) -> tuple[Callable[[Any], Any], tuple[int, ...], Callable[..., Any]]:
    """A module behind a Linear over the last axis."""
    width = shape[-1]
    return lambda nn: nn.Sequential(nn.Linear(width, width), getattr(nn, name)(0.3)), shape, lambda m, x: m(x)


def recurrent(name: str) -> tuple[Callable[[Any], Any], tuple[int, ...], Callable[..., Any]]:
    """Three layers with masks in between."""
    return lambda nn: getattr(nn, name)(3, 4, 3, dropout=0.3), (5, 2, 3), lambda m, x: m(x)[0].sum(-1, keepdim=True)


CASES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], Callable[..., Any]]] = {
    "Dropout": behind("Dropout", 5, 6),
    "Dropout1d": behind("Dropout1d", 3, 4, 5),
    "Dropout2d": behind("Dropout2d", 3, 4, 2, 5),
    "Dropout3d": behind("Dropout3d", 3, 4, 2, 2, 3),
    "AlphaDropout": behind("AlphaDropout", 5, 6),
    "FeatureAlphaDropout": behind("FeatureAlphaDropout", 3, 4, 5),
    "DropPath": behind("DropPath", 5, 6),
    "RReLU": (
        lambda nn: nn.Sequential(nn.Linear(6, 6), nn.RReLU(0.1, 0.5)),
        (5, 6),
        lambda m, x: m(x),
    ),
    **{name: recurrent(name) for name in ("RNN", "LSTM", "GRU")},
    "MultiheadAttention": (
        lambda nn: nn.MultiheadAttention(6, 2, 0.3, batch_first=True),
        (2, 4, 6),
        lambda m, x: m(x, x, x)[0],
    ),
    "TransformerEncoderLayer": (
        lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.3, batch_first=True),
        (2, 4, 6),
        lambda m, x: m(x),
    ),
    "TransformerDecoderLayer": (
        lambda nn: nn.TransformerDecoderLayer(6, 2, 8, 0.3, batch_first=True),
        (2, 4, 6),
        lambda m, x: m(x, x * 0.5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_masks_give_the_same_trajectory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, shape, call = CASES[name]
    masks, functions = Masks(), torch.nn.functional
    monkeypatch.setattr(functions, "dropout", masks.dropout)
    monkeypatch.setattr(functions, "alpha_dropout", masks.alpha)
    monkeypatch.setattr(functions, "feature_alpha_dropout", masks.alpha_of_channels)
    monkeypatch.setattr(functions, "scaled_dot_product_attention", masks.attention)
    monkeypatch.setattr(functions, "rrelu", masks.rrelu)
    monkeypatch.setattr(torch.nn, "DropPath", functools.partial(Paths, masks), raising=False)
    for kind in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU):
        monkeypatch.setattr(kind, "forward", functools.partialmethod(_recurrent, masks, kind.forward))
    for axes in (1, 2, 3):
        monkeypatch.setattr(functions, f"dropout{axes}d", masks.channels)
    arrays = [normal(*shape, dtype="float64"), normal(*shape, seed=3, dtype="float64")]

    def loss_of(model: Any, x: Any, target: Any) -> Any:
        return ((call(model, x) - target) ** 2).mean()

    lucid.seed(0)
    ours, theirs = make(nn).astype("float64"), make(torch.nn).double()
    state = ours.state_dict()
    theirs.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.02, momentum=0.9)
    expected = train(theirs, optimizer, loss_of, [torch.tensor(x) for x in arrays], lambda step: step)
    assert len(set(expected)) == STEPS, "the masks were the same"
    draws = next(masks.draws)
    for wrap in (lambda step: step, lucid.compile):
        ours.load_state_dict(state)
        lucid.seed(SEED)
        found = train(
            ours, optim.SGD(ours.parameters(), lr=0.02, momentum=0.9), loss_of, [Tensor(x) for x in arrays], wrap
        )
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)
        assert lucid.get_state() == (SEED, draws)
        for key, tensor in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[key], tensor.numpy(), rtol=1e-6, atol=1e-8, err_msg=key)


def test_no_module_that_draws_is_left_out() -> None:
    assert set(CASES) >= DRAW
