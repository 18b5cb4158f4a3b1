"""Modules and losses are trained for a hundred compiled steps beside PyTorch, from the same weights, in float64.

Errors of a gradient add up over the steps, so that the losses of all steps and the weights at the end tell them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from tests.parity.compare import normal, torch

STEPS = 100
LEARNING_RATE, MOMENTUM = 0.02, 0.9


@dataclass(frozen=True)
class Case:
    """A module of either library, and inputs for it; what it gives is trained towards fixed numbers."""

    make: Callable[[Any], Any]
    inputs: tuple[np.ndarray, ...]
    call: Callable[..., Any] = lambda module, *inputs: module(*inputs)


def case(make: Callable[[Any], Any], *shape: int, call: Callable[..., Any] | None = None) -> Case:
    inputs = (normal(*shape, dtype="float64"),)
    return Case(make, inputs) if call is None else Case(make, inputs, call)


def first(module: Any, *inputs: Any) -> Any:
    """The output of a module that also gives its state or its weights."""
    return module(*inputs)[0]


PLANE, LINE, SPACE = (2, 4, 5, 6), (2, 4, 9), (2, 4, 3, 4, 4)
SHAPES = {1: LINE, 2: PLANE, 3: SPACE}
Options = dict[str, Any]
CLASSES = np.array([0, 2, 1, 1, 0])
PLAIN = (
    *(
        "CELU",
        "ELU",
        "GELU",
        "GLU",
        "SELU",
        "Hardsigmoid",
        "Hardswish",
        "Hardtanh",
        "Identity",
        "LeakyReLU",
        "LogSigmoid",
    ),
    *("Mish", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh", "Tanhshrink", "Flatten"),
    *("Hardshrink", "Softshrink"),
)
# Modules without weights, each behind a Linear over the last axis; those with the same input are trained together.
WITHOUT_WEIGHTS: dict[tuple[int, ...], dict[str, Options]] = {
    (5, 6): {
        **{name: {} for name in PLAIN},
        "LogSoftmax": {"dim": 1},
        "Softmax": {"dim": 1},
        "Softmin": {"dim": 1},
        "Threshold": {"threshold": 0.1, "value": 0.3},
        "Unflatten": {"dim": 1, "unflattened_size": (2, 3)},
    },
}
MODULES: dict[str, Case] = {
    "Linear": case(lambda nn: nn.Linear(6, 3), 5, 6),
    "Bilinear": Case(lambda nn: nn.Bilinear(3, 4, 2), (normal(5, 3, dtype="float64"), normal(5, 4, dtype="float64"))),
    "Embedding": Case(lambda nn: nn.Embedding(7, 3, padding_idx=2), (np.array([[0, 2, 6], [6, 6, 1]]),)),
    "EmbeddingBag": Case(lambda nn: nn.EmbeddingBag(7, 3, mode="max"), (np.array([[0, 2, 6], [6, 6, 1]]),)),
    "LinearCrossEntropyLoss": Case(
        lambda nn: nn.LinearCrossEntropyLoss(6, 3, bias=True), (normal(5, 6, dtype="float64"), CLASSES)
    ),
    "AdaptiveLogSoftmaxWithLoss": Case(
        lambda nn: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6], 2.0),
        (normal(4, 8, dtype="float64"), np.array([0, 4, 9, 1])),
        lambda m, x, t: m(x, t).output,
    ),
    "PReLU": case(lambda nn: nn.Sequential(nn.Linear(6, 4), nn.PReLU(4)), 5, 6),
    "LayerNorm": case(lambda nn: nn.LayerNorm(6), 5, 6),
    "RMSNorm": case(lambda nn: nn.RMSNorm(6), 5, 6),
    "GroupNorm": case(lambda nn: nn.GroupNorm(2, 4), *LINE),
    "BatchNorm1d": case(lambda nn: nn.BatchNorm1d(4), *LINE),
    "BatchNorm2d": case(lambda nn: nn.BatchNorm2d(4), *PLANE),
    "BatchNorm3d": case(lambda nn: nn.BatchNorm3d(4), *SPACE),
    "MultiheadAttention": case(
        lambda nn: nn.MultiheadAttention(6, 2, batch_first=True), 2, 4, 6, call=lambda m, x: m(x, x, x)[0]
    ),
    "TransformerEncoderLayer": case(lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True), 2, 4, 6),
    "TransformerDecoderLayer": case(
        lambda nn: nn.TransformerDecoderLayer(6, 2, 8, 0.0, batch_first=True), 2, 4, 6, call=lambda m, x: m(x, x * 0.5)
    ),
    "TransformerEncoder": case(
        lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True), 2), 2, 3, 4
    ),
    "TransformerDecoder": case(
        lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 6, 0.0, batch_first=True), 2),
        *(2, 3, 4),
        call=lambda m, x: m(x, x * 0.5),
    ),
    "Transformer": case(
        lambda nn: nn.Transformer(4, 2, 1, 1, 6, 0.0, batch_first=True), 2, 3, 4, call=lambda m, x: m(x, x * 0.5)
    ),
    "CosineSimilarity": case(
        lambda nn: nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 6)),
        *(5, 6),
        call=lambda m, x: (nn if isinstance(m, nn.Module) else torch.nn).CosineSimilarity()(m(x), x),
    ),
    "PairwiseDistance": case(
        lambda nn: nn.Linear(6, 6),
        *(5, 6),
        call=lambda m, x: (nn if isinstance(m, nn.Module) else torch.nn).PairwiseDistance()(m(x), x),
    ),
    "RNN": case(lambda nn: nn.RNN(3, 4), 5, 2, 3, call=first),
    "LSTM": case(lambda nn: nn.LSTM(3, 4), 5, 2, 3, call=first),
    "GRU": case(lambda nn: nn.GRU(3, 4), 5, 2, 3, call=first),
    "RNNCell": case(lambda nn: nn.RNNCell(3, 4), 2, 3),
    "LSTMCell": case(lambda nn: nn.LSTMCell(3, 4), 2, 3, call=first),
    "GRUCell": case(lambda nn: nn.GRUCell(3, 4), 2, 3),
}
for _n, _shape in SHAPES.items():
    _pads = {f"{kind}Pad{_n}d": {"padding": 1} for kind in ("Circular", "Reflection", "Replication", "Zero")}
    WITHOUT_WEIGHTS[_shape] = {
        **_pads,
        f"ConstantPad{_n}d": {"padding": 2, "value": 0.5},
        f"InstanceNorm{_n}d": {"num_features": 4},
        f"MaxPool{_n}d": {"kernel_size": 2},
        f"AvgPool{_n}d": {"kernel_size": 2},
        f"AdaptiveAvgPool{_n}d": {"output_size": 2},
        f"AdaptiveMaxPool{_n}d": {"output_size": 2},
        f"LPPool{_n}d": {"norm_type": 2, "kernel_size": 2},
    }
    MODULES[f"Conv{_n}d"] = case(lambda nn, n=_n: getattr(nn, f"Conv{n}d")(4, 6, 3, padding=1, groups=2), *_shape)
    MODULES[f"ConvTranspose{_n}d"] = case(
        lambda nn, n=_n: getattr(nn, f"ConvTranspose{n}d")(4, 2, 3, stride=2, padding=1), *_shape
    )


def unpooling(axes: int) -> Callable[[Any], Any]:
    """A layer, what a max pool takes of it, and zeros around that."""
    return lambda nn: nn.ModuleList(
        [
            nn.Linear(SHAPES[axes][-1], SHAPES[axes][-1]),
            getattr(nn, f"MaxPool{axes}d")(2, return_indices=True),
            getattr(nn, f"MaxUnpool{axes}d")(2),
        ]
    )


def fractions(axes: int) -> Callable[[Any], Any]:
    """A layer, and a pool of it whose windows are random, but the same in both libraries."""
    shape, samples = (2, 4, 4, 5, 6)[: 2 + axes], np.random.default_rng(0).uniform(size=(2, 4, axes))

    def make(nn: Any) -> Any:
        given = Tensor(samples) if nn.__name__ == "lucid.nn" else torch.tensor(samples)
        pool = getattr(nn, f"FractionalMaxPool{axes}d")(2, (2, 3, 2)[:axes], _random_samples=given)
        return nn.Sequential(nn.Linear(shape[-1], shape[-1]), pool)

    return make


for _n, _shape in SHAPES.items():
    MODULES[f"MaxUnpool{_n}d"] = case(unpooling(_n), *_shape, call=lambda m, x: m[2](*m[1](m[0](x))))
MODULES |= {f"FractionalMaxPool{_n}d": case(fractions(_n), *((2, 4, 4, 5, 6)[: 2 + _n])) for _n in (2, 3)}
WITHOUT_WEIGHTS[LINE]["Fold"] = {"output_size": (4, 4), "kernel_size": 2}
WITHOUT_WEIGHTS[PLANE] |= {
    **{name: {"scale_factor": 2} for name in ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")},
    "PixelShuffle": {"upscale_factor": 2},
    "ChannelShuffle": {"groups": 2},
    "LocalResponseNorm": {"size": 3},
    "Softmax2d": {},
    "Unfold": {"kernel_size": (2, 3), "padding": 1},
}
WITHOUT_WEIGHTS[2, 2, 4, 6] = {"PixelUnshuffle": {"downscale_factor": 2}}

SIGNS = np.where(normal(5, seed=7) < 0.0, -1.0, 1.0)
TARGET, OTHER = normal(5, 3, seed=1, dtype="float64"), normal(5, 3, seed=2, dtype="float64")
CHANCES = 1.0 / (1.0 + np.exp(-TARGET))
LOSSES: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    **dict.fromkeys(["MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"], (lambda loss, y, t: loss(y, t), (TARGET,))),
    "BCELoss": (lambda loss, y, t: loss(y.sigmoid(), t), (CHANCES,)),
    "BCEWithLogitsLoss": (lambda loss, y, t: loss(y, t), (CHANCES,)),
    "CrossEntropyLoss": (lambda loss, y, t: loss(y, t), (CLASSES,)),
    "NLLLoss": (lambda loss, y, t: loss(y - y.logsumexp(-1, keepdim=True), t), (CLASSES,)),
    "KLDivLoss": (lambda loss, y, t: loss(y - y.logsumexp(-1, keepdim=True), t), (CHANCES,)),
    "PoissonNLLLoss": (lambda loss, y, t: loss(y, t), (np.abs(TARGET).round(),)),
    "GaussianNLLLoss": (lambda loss, y, t, v: loss(y, t, v), (TARGET, CHANCES)),
    "CosineEmbeddingLoss": (lambda loss, y, t, s: loss(y, t, s), (TARGET, SIGNS)),
    "TripletMarginLoss": (lambda loss, y, t, u: loss(y, t, u), (TARGET, OTHER)),
    "MarginRankingLoss": (lambda loss, y, t, s: loss(y, t, s), (TARGET, np.sign(OTHER))),
    "HingeEmbeddingLoss": (lambda loss, y, s: loss(y, s), (np.sign(OTHER),)),
    "MultiMarginLoss": (lambda loss, y, t: loss(y, t), (CLASSES,)),
    "MultiLabelMarginLoss": (lambda loss, y, t: loss(y, t), (np.array([[1, 0, -1], [2, -1, -1]] * 2 + [[0, -1, 1]]),)),
    "MultiLabelSoftMarginLoss": (lambda loss, y, t: loss(y, t), (CHANCES,)),
    "TripletMarginWithDistanceLoss": (lambda loss, y, t, u: loss(y, t, u), (TARGET, OTHER)),
    "CTCLoss": (
        lambda loss, y, t, times, length: loss(y - y.logsumexp(-1, keepdim=True), t, times, length),
        (np.array([1, 2]), np.array(5), np.array(2)),
    ),
    "SoftMarginLoss": (lambda loss, y, s: loss(y, s), (np.sign(OTHER),)),
}
HOLD_OTHERS = {"Module", "Parameter", "ParameterDict", "ParameterList", "ModuleDict", "ModuleList", "Sequential"}
DRAW = {  # masks and slopes: tests/parity/test_masked_trajectories.py
    "AlphaDropout",
    "FeatureAlphaDropout",
    "RReLU",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "DropPath",
}


def train(
    model: Any, optimizer: Any, loss_of: Callable[..., Any], arrays: list[Any], wrap: Callable[..., Any]
) -> list[float]:
    """The loss of each step."""

    def update(*inputs: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model, *inputs)
        loss.backward()
        optimizer.step()
        return loss

    step = wrap(update)
    return [step(*arrays).item() for _ in range(STEPS)]


def assert_same_trajectory(ours: Any, theirs: Any, loss_of: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> None:
    ours.astype("float64")
    theirs.double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    our_optimizer = optim.SGD(ours.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    their_optimizer = torch.optim.SGD(theirs.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    found = train(ours, our_optimizer, loss_of, [Tensor(array) for array in arrays], lucid.compile)
    expected = train(theirs, their_optimizer, loss_of, [torch.tensor(array) for array in arrays], lambda step: step)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)
    assert len(set(expected)) > 1, "nothing was learnt"
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], tensor.numpy(), rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    lucid.seed(0)
    chosen = MODULES[name]
    theirs = chosen.make(torch.nn)
    given = chosen.call(theirs.double(), *map(torch.tensor, chosen.inputs))
    target = normal(*given.shape, seed=3, dtype="float64")

    def loss_of(model: Any, *inputs: Any) -> Any:
        *given, wanted = inputs
        return ((chosen.call(model, *given) - wanted) ** 2).mean()

    assert_same_trajectory(chosen.make(nn), theirs, loss_of, (*chosen.inputs, target))


@pytest.mark.parametrize("shape", WITHOUT_WEIGHTS, ids=str)
def test_modules_without_weights(shape: tuple[int, ...]) -> None:
    lucid.seed(0)
    x, chosen = normal(*shape, dtype="float64"), WITHOUT_WEIGHTS[shape]

    def make(nn: Any) -> Any:
        width = shape[-1]
        made = {name: getattr(nn, name)(**options) for name, options in chosen.items()}
        return nn.ModuleDict({name: nn.Sequential(nn.Linear(width, width), one) for name, one in made.items()})

    theirs = make(torch.nn).double()
    targets = [normal(*theirs[name](torch.tensor(x)).shape, seed=3, dtype="float64") for name in chosen]

    def loss_of(model: Any, x: Any, *targets: Any) -> Any:
        return sum(((model[name](x) - target) ** 2).mean() for name, target in zip(chosen, targets, strict=True))

    assert_same_trajectory(make(nn), theirs, loss_of, (x, *targets))


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    lucid.seed(0)
    apply, targets = LOSSES[name]
    options = {"reduction": "batchmean"} if name == "KLDivLoss" else {}  # PyTorch warns of the default
    losses = {nn: getattr(nn, name)(**options), torch.nn: getattr(torch.nn, name)(**options)}

    def loss_of(model: Any, x: Any, *others: Any) -> Any:
        return apply(losses[nn if isinstance(model, nn.Module) else torch.nn], model(x), *others)

    assert_same_trajectory(nn.Linear(4, 3), torch.nn.Linear(4, 3), loss_of, (normal(5, 4, dtype="float64"), *targets))


def test_no_module_is_left_out() -> None:
    names = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    without_weights = {name for chosen in WITHOUT_WEIGHTS.values() for name in chosen}
    assert names == {*MODULES, *LOSSES} | without_weights | HOLD_OTHERS | DRAW


def test_accumulated_clipped_and_averaged() -> None:
    """Gradients of three batches, limited in their norm, a step of Adam, averages of weights: in one compiled step."""
    batches = [normal(3, 5, 4, seed=step, dtype="float64") for step in range(4)]

    def steps(library: Any, model: Any, optimizer: Any, wrap: Callable[..., Any], tensor: Any) -> tuple[Any, list[Any]]:
        averages = library.optim.swa_utils
        averaged = averages.AveragedModel(model, avg_fn=averages.get_ema_avg_fn(0.9))

        def update(xs: Any) -> Any:
            optimizer.zero_grad()
            for number in range(3):
                ((model(xs[number]) - xs[number][:, :2]) ** 2).mean().backward()
            norm = library.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            averaged.update_parameters(model)
            return norm

        step = wrap(update)
        return averaged, [step(tensor(batches[number % 4])).item() for number in range(STEPS)]

    lucid.seed(0)
    ours, theirs = (library.nn.Linear(4, 2) for library in (lucid, torch))
    ours.astype("float64")
    theirs.double().load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    optimizers = optim.Adam(ours.parameters(), lr=0.02), torch.optim.Adam(theirs.parameters(), lr=0.02)
    found = steps(lucid, ours, optimizers[0], lucid.compile, Tensor)
    expected = steps(torch, theirs, optimizers[1], lambda step: step, torch.tensor)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-8)
    for name, tensor in expected[0].state_dict().items():
        np.testing.assert_allclose(found[0].state_dict()[name], tensor.numpy(), rtol=1e-8, err_msg=name)
