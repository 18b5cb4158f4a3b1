"""Layers, losses and helpers beside the usual ones: values and gradients, eager and compiled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import CheckError
from tests.parity.compare import assert_close, assert_same_both, assert_same_module, normal, torch

TF = torch.nn.functional

MODULES: list[tuple[Callable[[Any], Any], tuple[int, ...]]] = [
    (lambda nn: nn.ChannelShuffle(3), (2, 6, 4)),
    (lambda nn: nn.ChannelShuffle(2), (1, 4, 2, 3)),
    (lambda nn: nn.LocalResponseNorm(3), (2, 5, 4)),
    (lambda nn: nn.LocalResponseNorm(4, alpha=0.5, beta=0.5, k=2.0), (2, 5, 3, 4)),
    (lambda nn: nn.LocalResponseNorm(1), (1, 2, 3, 2, 2)),
    (lambda nn: nn.LPPool1d(2, 3), (2, 3, 9)),
    (lambda nn: nn.LPPool1d(1.5, 2, stride=3, ceil_mode=True), (2, 3, 9)),
    (lambda nn: nn.LPPool2d(2, (2, 3)), (2, 3, 5, 7)),
    (lambda nn: nn.LPPool2d(3, 2, ceil_mode=True), (3, 5, 7)),
    (lambda nn: nn.LPPool3d(2, 2), (1, 2, 4, 5, 4)),
    (lambda nn: nn.RReLU().eval(), (3, 4)),
    (lambda nn: nn.RReLU(0.2, 0.4, inplace=False).eval(), (3, 4)),
    (lambda nn: nn.FeatureAlphaDropout(0.3).eval(), (3, 4, 2)),
]


@pytest.mark.parametrize(("make", "shape"), MODULES)
def test_module(make: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    if "1.5" in repr(make(nn)) or "norm_type=3" in repr(make(nn)):
        x = np.abs(x)
    assert_same_module(make(nn), make(torch.nn), [x])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_margins(reduction: str) -> None:
    scores, row = normal(4, 5), normal(5)
    classes = np.array([0, 4, 2, 2])
    weight = np.abs(normal(5, seed=3))
    for p in (1, 2):
        for options in ({}, {"margin": 0.3}, {"weight": weight}):
            ours = {k: Tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
            theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
            module = nn.MultiMarginLoss(p, reduction=reduction, **ours)
            reference = torch.nn.MultiMarginLoss(p, reduction=reduction, **theirs)
            assert_same_both(
                lambda x, m=module: m(x, classes), lambda x, m=reference: m(x, torch.tensor(classes)), [scores]
            )
    assert_same_both(
        lambda x: F.multi_margin_loss(x, np.array(3), reduction=reduction),
        lambda x: TF.multi_margin_loss(x, torch.tensor(3), reduction=reduction),
        [row],
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_several_right_classes(reduction: str) -> None:
    labels = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [0, 1, 2, 3], [2, -1, -1, -1]])
    for x, y in ((normal(4, 4), labels), (normal(4), labels[0])):
        assert_same_both(
            lambda x, y=y: nn.MultiLabelMarginLoss(reduction)(x, y),
            lambda x, y=y: torch.nn.MultiLabelMarginLoss(reduction=reduction)(x, torch.tensor(y)),
            [x],
        )
    y, weight = (normal(4, 3, seed=1) > 0).astype(np.float32), np.abs(normal(3, seed=2))
    for given in (None, weight):
        ours = nn.MultiLabelSoftMarginLoss(None if given is None else Tensor(given), reduction=reduction)
        theirs = torch.nn.MultiLabelSoftMarginLoss(None if given is None else torch.tensor(given), reduction=reduction)
        assert_same_both(ours, theirs, [normal(4, 3), y])


def test_classes_out_of_range() -> None:
    with pytest.raises(CheckError, match=r"target 5 at position 1 is out of range: expected 0 to 4\."):
        F.multi_margin_loss(normal(2, 5), np.array([0, 5]))
    with pytest.raises(CheckError, match="target 4 at position"):
        F.multilabel_margin_loss(normal(1, 3), np.array([[0, 4, -1]]))
    F.multilabel_margin_loss(normal(1, 3), np.array([[0, -1, 4]]))


def test_triplets_with_a_distance() -> None:
    inputs = [normal(4, 3, seed=number) for number in range(3)]
    for options in ({}, {"swap": True}, {"margin": 0.2, "reduction": "sum"}):
        ours, theirs = nn.TripletMarginWithDistanceLoss(**options), torch.nn.TripletMarginWithDistanceLoss(**options)
        assert_same_both(ours, theirs, inputs, (0, 1, 2))
    assert_same_both(
        nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: abs(x - y).sum(-1)),
        torch.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: abs(x - y).sum(-1)),
        inputs,
        (0, 1, 2),
    )


def test_distances() -> None:
    inputs = [normal(4, 3), normal(4, 3, seed=1)]
    assert_same_both(nn.CosineSimilarity(), torch.nn.CosineSimilarity(), inputs, (0, 1))
    assert_same_both(nn.CosineSimilarity(dim=0), torch.nn.CosineSimilarity(dim=0), inputs, (0, 1))
    assert_same_both(nn.PairwiseDistance(1.0, keepdim=True), torch.nn.PairwiseDistance(1.0, keepdim=True), inputs)


def test_slopes_of_rrelu_in_training() -> None:
    lucid.seed(0)
    x = -np.ones((100, 100), np.float32)
    for call in (nn.RReLU(0.2, 0.4), lucid.compile(nn.RReLU(0.2, 0.4))):
        y = -call(x).numpy()
        assert 0.2 <= y.min() < 0.201
        assert 0.399 < y.max() <= 0.4
        assert abs(y.mean() - 0.3) < 0.002
    tensor = Tensor([2.0, -1.0], requires_grad=True)
    result = nn.RReLU(0.2, 0.4)(tensor)
    result.sum().backward()
    assert tensor.grad is not None
    assert tensor.grad.tolist() == [1.0, -result.tolist()[1]]


def test_whole_channels_of_alpha_dropout() -> None:
    lucid.seed(0)
    dropout = nn.FeatureAlphaDropout(0.4)
    for call in (dropout, lucid.compile(dropout)):
        y = call(normal(50, 20, 3)).numpy()
        mask = dropout.mask
        assert mask is not None
        assert mask.shape == (50, 20, 1)
        dropped = np.broadcast_to(mask.numpy() == 0, y.shape)
        assert 0.35 < dropped.mean() < 0.45
        assert len(np.unique(y[dropped])) == 1


@pytest.mark.parametrize("compiled", [False, True])
def test_gumbel_softmax(compiled: bool) -> None:
    lucid.seed(0)
    logits = np.log(np.array([[0.1, 0.2, 0.7]], np.float32)).repeat(20000, 0)
    soft, hard = (lambda x, hard=hard: F.gumbel_softmax(x, tau=0.5, hard=hard) for hard in (False, True))
    if compiled:
        soft, hard = lucid.compile(soft), lucid.compile(hard)
    y = soft(logits).numpy()
    np.testing.assert_allclose(y.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose((y == y.max(-1, keepdims=True)).mean(0), [0.1, 0.2, 0.7], atol=0.015)
    x = Tensor(logits[:5], requires_grad=True)
    z = hard(x)
    assert set(np.round(z.numpy(), 6).flat) == {0.0, 1.0}
    np.testing.assert_allclose(z.numpy().sum(-1), 1.0, rtol=1e-6)
    (z * np.array([1.0, 2.0, 3.0], np.float32)).sum().backward()
    assert x.grad is not None
    assert np.abs(x.grad.numpy()).max() > 0.0
    assert F.gumbel_softmax(normal(2, 3, 4), hard=True, dim=1).numpy().sum(1).round(5).tolist() == [[1.0] * 4] * 2


@pytest.mark.parametrize("compiled", [False, True])
def test_multinomial(compiled: bool) -> None:
    lucid.seed(0)
    weights = np.array([[0.0, 1.0, 3.0, 0.0], [2.0, 2.0, 0.0, 0.0]], np.float32)
    with_replacement, without = (
        lambda w: lucid.multinomial(w, 20000, replacement=True),
        lambda w: lucid.multinomial(w, 2),
    )
    if compiled:
        with_replacement, without = lucid.compile(with_replacement), lucid.compile(without)
    found = with_replacement(weights).numpy()
    assert found.dtype == np.int64
    shares = [np.bincount(row, minlength=4) / 20000 for row in found]
    np.testing.assert_allclose(shares, weights / 4.0, atol=0.015)
    first = np.array([without(weights).numpy() for _ in range(400)])
    assert {tuple(sorted(row)) for row in first[:, 0]} == {(1, 2)}
    assert {tuple(sorted(row)) for row in first[:, 1]} == {(0, 1)}
    assert 0.65 < (first[:, 0, 0] == 2).mean() < 0.85
    assert lucid.multinomial(np.array([0.0, 0.0, 5.0], np.float32), 3).tolist()[0] == 2


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_transformer(batch_first: bool) -> None:
    options = {"d_model": 8, "nhead": 2, "num_encoder_layers": 2, "num_decoder_layers": 1, "dim_feedforward": 12}
    options |= {"dropout": 0.0, "batch_first": batch_first}
    ours, theirs = nn.Transformer(**options), torch.nn.Transformer(**options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    src, tgt = normal(3, 2, 8), normal(4, 2, 8, seed=1)
    if batch_first:
        src, tgt = src.swapaxes(0, 1), tgt.swapaxes(0, 1)
    assert_same_module(ours, theirs, [src, tgt], (0, 1))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    expected_mask = torch.nn.Transformer.generate_square_subsequent_mask(4)
    assert_close(mask, expected_mask)
    expected = theirs(torch.tensor(src), torch.tensor(tgt), tgt_mask=expected_mask, tgt_is_causal=True)
    assert_close(ours(src, tgt, tgt_mask=mask), expected, atol=1e-5)
    with pytest.raises(lucid.errors.ShapeError, match=r"Transformer takes a tgt of shape \(\.\.\., 8\), got"):
        ours(src, tgt[..., :7])


def test_parameters_as_a_vector() -> None:
    model, reference = (library.Sequential(library.Linear(3, 2), library.PReLU()) for library in (nn, torch.nn))
    reference.load_state_dict({name: torch.tensor(array) for name, array in model.state_dict().items()})
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert_close(vector, torch.nn.utils.parameters_to_vector(reference.parameters()))
    nn.utils.vector_to_parameters(vector * 2.0, model.parameters())
    torch.nn.utils.vector_to_parameters(torch.tensor(vector.numpy() * 2), reference.parameters())
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert_close(ours, theirs)
    for kind in (1.0, 2.0, math.inf):
        grads = [normal(3, 2), normal(4)]
        ours_norm = nn.utils.get_total_norm([Tensor(g) for g in grads], kind)
        assert_close(ours_norm, torch.nn.utils.get_total_norm([torch.tensor(g) for g in grads], kind))
