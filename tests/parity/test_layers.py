"""Layers: values and gradients of inputs and parameters, and initial weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same, assert_same_both, assert_same_module, normal, torch


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda nn: nn.Linear(4, 3), (5, 4)),
        (lambda nn: nn.Linear(4, 3, bias=False), (5, 4)),
        (lambda nn: nn.Linear(4, 3), (4,)),
        (lambda nn: nn.Linear(4, 3), (2, 5, 4)),
        (lambda nn: nn.ReLU(), (5, 4)),
        (lambda nn: nn.Tanh(), (5, 4)),
        (lambda nn: nn.Sigmoid(), (5, 4)),
        (lambda nn: nn.GELU(), (5, 4)),
        (lambda nn: nn.GELU(approximate="tanh"), (5, 4)),
        (lambda nn: nn.Softmax(dim=1), (5, 4)),
        (lambda nn: nn.Softmax(dim=0), (5, 4)),
        (lambda nn: nn.LogSoftmax(dim=-1), (2, 5, 4)),
        (lambda nn: nn.Flatten(), (2, 3, 4)),
        (lambda nn: nn.Flatten(0, 1), (2, 3, 4)),
        (lambda nn: nn.Identity(), (5, 4)),
        (lambda nn: nn.LayerNorm(4), (2, 5, 4)),
        (lambda nn: nn.LayerNorm((5, 4), eps=1e-3), (2, 5, 4)),
        (lambda nn: nn.LayerNorm(4, elementwise_affine=False), (5, 4)),
        (lambda nn: nn.LayerNorm(4, bias=False), (5, 4)),
        (lambda nn: nn.Unflatten(1, (2, 2)), (5, 4)),
        (lambda nn: nn.Unflatten(-2, (-1, 5)), (2, 5, 4)),
        (lambda nn: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2), nn.Tanh()), (5, 4)),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_module(make: Callable[[Any], Any], shape: tuple[int, ...], dtype: str) -> None:
    ours, theirs = make(nn), make(torch.nn)
    if dtype == "float64":
        ours, theirs = ours.astype("float64"), theirs.double()
    assert_same_module(ours, theirs, [normal(*shape, dtype=dtype)])


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op")
@pytest.mark.parametrize(("inputs", "outputs"), [(0, 2), (2, 0), (0, 0)])
def test_layers_without_features(inputs: int, outputs: int) -> None:
    ours, theirs = nn.Linear(inputs, outputs), torch.nn.Linear(inputs, outputs)
    assert_same_module(ours, theirs, [normal(3, inputs)])
    assert_close(nn.Linear(0, outputs).bias, torch.nn.Linear(0, outputs).bias)
    ours, theirs = nn.Bilinear(2, 3, outputs), torch.nn.Bilinear(2, 3, outputs)
    assert_same_module(ours, theirs, [normal(4, 2), normal(4, 3)], wrt=(0, 1))
    ours, theirs = nn.Embedding(inputs, outputs), torch.nn.Embedding(inputs, outputs)
    assert_same_module(ours, theirs, [np.arange(inputs)], wrt=())


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    "row", [[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [0.0, -np.inf, 1.0], [3e38, -3e38, 0.0], [-np.inf, -np.inf, 5.0]]
)
def test_softmax_of_extreme_logits(name: str, row: list[float]) -> None:
    x = np.array([row], np.float32)
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    (y, z) = getattr(F, name)(ours, dim=1), getattr(torch.nn.functional, name)(theirs, dim=1)
    assert_close(y, z)
    seed = np.array([[1.0, 2.0, 3.0]], np.float32)
    y.backward(seed)
    z.backward(torch.from_numpy(seed))
    assert_close(ours.grad, theirs.grad)


def test_gelu_far_from_zero() -> None:
    assert_same(F.gelu, torch.nn.functional.gelu, [np.array([-50.0, -5.0, 0.0, 5.0, 50.0], np.float32)])


def test_layer_norm_of_large_numbers() -> None:
    x = normal(3, 64) + np.float32(1000.0)
    ours = F.layer_norm(x, 64).numpy()
    theirs = torch.nn.functional.layer_norm(torch.tensor(x, dtype=torch.float64), (64,)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_dropout_with_the_same_mask() -> None:
    x, dropout = normal(6, 5), nn.Dropout(0.3)
    lucid.seed(3)
    dropout(lucid.Tensor(x))
    mask = dropout.mask.numpy()

    def theirs(x: Any) -> Any:
        return x * torch.tensor(mask) * np.float32(1.0 / (1.0 - 0.3))

    lucid.seed(3)
    assert_same(dropout, theirs, [x])


def test_initial_weights_are_distributed_alike() -> None:
    lucid.seed(0)
    torch.manual_seed(0)
    for ours, theirs in zip(nn.Linear(50, 400).parameters(), torch.nn.Linear(50, 400).parameters(), strict=True):
        array, expected = ours.numpy(), theirs.detach().numpy()
        assert np.abs(array).max() <= 1 / np.sqrt(np.float32(50))
        np.testing.assert_allclose(array.std(), expected.std(), rtol=0.1)
        np.testing.assert_allclose(array.mean(), 0.0, atol=0.02)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uniform_", {"a": -2.0, "b": 3.0}),
        ("normal_", {"mean": 1.0, "std": 2.0}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {"gain": 2.0}),
        ("kaiming_uniform_", {"a": 0.5}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ],
)
def test_initial_values(name: str, options: dict[str, Any]) -> None:
    lucid.seed(0)
    torch.manual_seed(0)
    ours = getattr(nn.init, name)(lucid.zeros(60, 200), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.zeros(60, 200), **options).numpy()
    np.testing.assert_allclose([ours.mean(), ours.std()], [theirs.mean(), theirs.std()], atol=0.05)
    if "normal" not in name:
        np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], rtol=0.01)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (5,), (2, 3)])
def test_bilinear(bias: bool, leading: tuple[int, ...]) -> None:
    inputs = [normal(*leading, 3), normal(*leading, 4, seed=1)]
    assert_same_module(nn.Bilinear(3, 4, 2, bias), torch.nn.Bilinear(3, 4, 2, bias), inputs, (0, 1))


@pytest.mark.parametrize(
    ("name", "options"),
    [(f"{kind}Pad{n}d", {"n": n}) for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2, 3)]
    + [(f"ConstantPad{n}d", {"n": n, "value": 1.5}) for n in (1, 2, 3)],
)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_padding(name: str, options: dict[str, Any], batch: tuple[int, ...]) -> None:
    n, others = options["n"], {key: value for key, value in options.items() if key != "n"}
    for padding in (2, (1, 2, 0, 3, 3, 1)[: 2 * n]):
        ours, theirs = (getattr(library, name)(padding, **others) for library in (nn, torch.nn))
        assert_same_module(ours, theirs, [normal(*batch, 3, *(4, 5, 4)[:n])])


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5)])
def test_constants_around_any_rank(shape: tuple[int, ...]) -> None:
    for name, values in (("ZeroPad1d", ()), ("ConstantPad1d", (1.5,))):
        ours, theirs = (getattr(library, name)((1, 2), *values) for library in (nn, torch.nn))
        assert_same_module(ours, theirs, [normal(*shape)])


@pytest.mark.parametrize("pad", [(-1, 0), (2, -1), (-1, -1, 1, 0)])
def test_padding_that_crops(pad: tuple[int, ...]) -> None:
    assert_same_both(lambda x: F.pad(x, pad), lambda x: torch.nn.functional.pad(x, pad), [normal(3, 4)])


@pytest.mark.parametrize("max_norm", [0.5, 1e3])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, np.inf])
def test_clip_grad_norm(max_norm: float, norm_type: float) -> None:
    ours, theirs = [], []
    for seed, shape in enumerate([(3, 4), (5,), (2,)]):
        array, grad = normal(*shape), normal(*shape, seed=seed + 1)
        ours.append(Tensor(array, requires_grad=True))
        theirs.append(torch.tensor(array, requires_grad=True))
        if seed < 2:
            ours[-1].grad, theirs[-1].grad = Tensor(grad), torch.tensor(grad)
    norm = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    assert_close(norm, torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type))
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        assert_close(a.grad, b.grad)
    assert ours[2].grad is None
