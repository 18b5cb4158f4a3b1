"""Attention and transformers: values and gradients, with every mask, eager and compiled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, assert_same_module, normal, torch

L, S = 4, 5


def triple(*batch: int) -> list[np.ndarray]:
    return [normal(*batch, L, 6), normal(*batch, S, 6, seed=1), normal(*batch, S, 3, seed=2)]


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_scaled_dot_product_attention(options: dict[str, Any], batch: tuple[int, ...]) -> None:
    ours, theirs = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention
    assert_same_both(
        lambda q, k, v: ours(q, k, v, **options), lambda q, k, v: theirs(q, k, v, **options), triple(*batch), (0, 1, 2)
    )


@pytest.mark.parametrize("shape", [(L, S), (2, 1, L, S), (2, 3, 1, S)])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(shape: tuple[int, ...], kind: str) -> None:
    mask = normal(*shape, seed=3)
    if kind == "bool":
        mask = mask > 0.0
        mask[..., 0, :] = False  # a query that attends to nothing
    ours, theirs = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention
    assert_same_both(ours, theirs, [*triple(2, 3), mask], (0, 1, 2))


def test_a_mask_has_gradients() -> None:
    ours, theirs = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention
    assert_same_both(ours, theirs, [*triple(2), normal(L, S, seed=3)], (0, 3))


def test_grouped_queries() -> None:
    inputs = [normal(2, 6, L, 4), normal(2, 3, S, 4, seed=1), normal(2, 3, S, 4, seed=2)]
    ours, theirs = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention
    assert_same_both(
        lambda q, k, v: ours(q, k, v, enable_gqa=True),
        lambda q, k, v: theirs(q, k, v, enable_gqa=True),
        inputs,
        (0, 1, 2),
    )


class Part:
    """A module that returns one of its two results."""

    def __init__(self, module: Any, options: dict[str, Any], number: int) -> None:
        self.module, self.options, self.number = module, options, number

    def __call__(self, *inputs: Any) -> Any:
        return self.module(*inputs, **self.options)[self.number]


def attention(**options: Any) -> tuple[nn.MultiheadAttention, Any]:
    ours, theirs = nn.MultiheadAttention(6, 2, **options), torch.nn.MultiheadAttention(6, 2, **options)
    for parameter in ours.parameters():  # biases start as zeros, which would hide them
        parameter.data = normal(*parameter.shape, seed=parameter.ndim) * np.float32(0.5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 4, "vdim": 5},
    {"kdim": 4, "bias": False, "batch_first": True},
]


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize(("number", "options"), enumerate(OPTIONS), ids=str)
def test_multihead_attention(number: int, options: dict[str, Any], averaged: bool) -> None:
    """Each choice of options with averaged weights and without; one of the two has a batch."""
    batched = averaged == (number % 2 == 0)
    call = {} if averaged else {"average_attn_weights": False}
    ours, theirs = attention(**options)
    leading = [(2, L), (2, S)] if options.get("batch_first") else [(L, 2), (S, 2)]
    if not batched:
        leading = [(L,), (S,)]
    kdim, vdim = options.get("kdim", 6), options.get("vdim", 6)
    inputs = [normal(*leading[0], 6), normal(*leading[1], kdim, seed=1), normal(*leading[1], vdim, seed=2)]
    for part, wrt in ((0, (0, 1, 2)), (1, (0, 1))):
        assert_same_both(Part(ours, call, part), Part(theirs, call, part), inputs, wrt)


@pytest.mark.parametrize("attn_shape", [None, (L, S), (4, L, S)])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("extra", [False, True])
def test_masks_of_multihead_attention(attn_shape: tuple[int, ...] | None, padded: bool, kind: str, extra: bool) -> None:
    ours, theirs = attention(batch_first=True, add_bias_kv=extra)
    masks = {}
    if attn_shape:
        masks["attn_mask"] = normal(*attn_shape, seed=3)
    if padded:
        masks["key_padding_mask"] = normal(2, S, seed=4)
    if kind == "bool":
        masks = {name: mask > 0.5 for name, mask in masks.items()}
        for mask in masks.values():
            mask[..., 0] = False
    inputs = [normal(2, L, 6), normal(2, S, 6, seed=1), normal(2, S, 6, seed=2)]
    options = {name: torch.tensor(mask) for name, mask in masks.items()}
    assert_same_both(Part(ours, masks, 0), Part(theirs, options, 0), inputs, (0, 1, 2))


def test_gradients_of_self_attention_and_of_its_weights() -> None:
    class OursAlone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention()[0]

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x, x, need_weights=False, is_causal=True)[0]

    class TheirsAlone(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention()[1]

        def forward(self, x: Any) -> Any:
            mask = torch.nn.Transformer.generate_square_subsequent_mask(len(x))
            return self.attention(x, x, x, need_weights=False, attn_mask=mask, is_causal=True)[0]

    assert_same_module(OursAlone(), TheirsAlone(), [normal(L, 2, 6)])


def test_causal_masks() -> None:
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(4)
    assert_close(nn.generate_square_subsequent_mask(4), theirs)


LAYERS: list[dict[str, Any]] = [
    {},
    {"norm_first": True, "activation": "gelu"},
    {"batch_first": True, "bias": False},
    {"layer_norm_eps": 1e-2},
]


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_encoder(options: dict[str, Any]) -> None:
    def make(nn: Any) -> Any:
        layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, **options)
        more = {"enable_nested_tensor": False} if nn is torch.nn else {}
        return nn.TransformerEncoder(layer, 2, nn.LayerNorm(6), **more)

    assert_same_module(make(nn), make(torch.nn), [normal(3, 2, 6)])


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_decoder(options: dict[str, Any]) -> None:
    def make(nn: Any) -> Any:
        return nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8, dropout=0.0, **options), 2)

    shapes = [(2, 3, 6), (2, 4, 6)] if options.get("batch_first") else [(3, 2, 6), (4, 2, 6)]
    inputs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    assert_same_module(make(nn), make(torch.nn), inputs, (0, 1))


@pytest.mark.parametrize("training", [True, False])
def test_layers_in_evaluation_and_with_masks(training: bool) -> None:
    make: Callable[[Any], Any] = lambda nn: nn.TransformerDecoderLayer(6, 2, 8, dropout=0.0)  # noqa: E731
    ours, theirs = make(nn).train(training), make(torch.nn).train(training)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    causal = nn.generate_square_subsequent_mask(3).numpy()
    padding = np.array([[False, False, True, False], [False, True, True, False]])
    masks = {"tgt_mask": causal, "memory_key_padding_mask": padding}
    their_masks = {"tgt_mask": torch.tensor(causal), "memory_key_padding_mask": torch.tensor(padding)}
    assert_same_both(
        lambda x, m: ours(x, m, **masks), lambda x, m: theirs(x, m, **their_masks), [normal(3, 2, 6), normal(4, 2, 6)]
    )


def test_dropout_of_attention_weights() -> None:
    """The weights that are returned show the mask: with it, the rest is what PyTorch computes without."""
    lucid.seed(2)
    ours = attention(dropout=0.5, batch_first=True)[0]
    x = normal(2, L, 6)
    lucid.seed(3)
    result, weights = ours(x, x, x, average_attn_weights=False)
    lucid.seed(3)
    keep = lucid.random.keep(0.5, weights.shape)[0].numpy()
    assert ((weights.numpy() != 0.0) == keep).all()
    values = (x @ ours.in_proj_weight.numpy()[12:].T + ours.in_proj_bias.numpy()[12:]).reshape(2, L, 2, 3)
    joined = np.einsum("nhls,nshe->nlhe", weights.numpy(), values).reshape(2, L, 6)
    expected = joined @ ours.out_proj.weight.numpy().T + ours.out_proj.bias.numpy()
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=1e-5)
    ours.eval()
    assert (ours(x, x, x, average_attn_weights=False)[1].numpy() != 0.0).all()
