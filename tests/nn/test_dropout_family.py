"""The relatives of Dropout: what their masks cover, their arithmetic, and compiled code that draws the same."""

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError, ShapeError
from lucid.ir import philox

CASES = [
    (nn.Dropout1d(0.3), (4, 3, 5), (4, 3, 1)),
    (nn.Dropout1d(0.3), (3, 5), (3, 1)),
    (nn.Dropout2d(0.3), (4, 3, 5, 2), (4, 3, 1, 1)),
    (nn.Dropout2d(0.3), (3, 5, 2), (3, 1, 1)),
    (nn.Dropout3d(0.3), (4, 3, 5, 2, 2), (4, 3, 1, 1, 1)),
    (nn.DropPath(0.3), (6, 3, 5), (6, 1, 1)),
    (nn.DropPath(0.3), (6,), (6,)),
]


@pytest.mark.parametrize(("layer", "shape", "mask_shape"), CASES)
@pytest.mark.parametrize("compiled", [False, True])
def test_one_element_of_the_stream_for_each_mask_element(
    layer: nn.Module, shape: tuple[int, ...], mask_shape: tuple[int, ...], compiled: bool
) -> None:
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    call = lucid.compile(layer) if compiled else layer
    lucid.seed(7)
    for draw in range(2):
        x = Tensor(data, requires_grad=True)
        y = call(x)
        words = philox.words(7, draw, int(np.prod(mask_shape))).reshape(mask_shape)
        mask = (words >= round(0.3 * 2**32)).astype(np.float32)
        assert (layer.mask.numpy() == mask).all()
        scale = np.float32(1.0 / 0.7)
        assert (y.numpy() == data * mask * scale).all()
        y.backward(data)
        assert (x.grad.numpy() == data * mask * scale).all()


def test_paths_without_a_scale() -> None:
    layer = nn.DropPath(0.5, scale_by_keep=False)
    y = layer(lucid.ones(64, 2))
    assert (y.numpy() == np.broadcast_to(layer.mask.numpy(), (64, 2))).all()
    lucid.seed(3)
    expected = F.drop_path(lucid.ones(64, 2), 0.5, training=True, scale_by_keep=False)
    lucid.seed(3)
    assert layer(lucid.ones(64, 2)).tolist() == expected.tolist()


@pytest.mark.parametrize("compiled", [False, True])
def test_alpha_dropout_keeps_mean_and_variance(compiled: bool) -> None:
    lucid.seed(0)
    layer = nn.AlphaDropout(0.2)
    x = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    call = lucid.compile(layer) if compiled else layer
    y = call(x).numpy()
    assert abs(y.mean()) < 0.01
    assert abs(y.std() - 1.0) < 0.01
    dropped = y[layer.mask.numpy() == 0.0]
    assert len(set(dropped.tolist())) == 1
    assert abs(len(dropped) / len(x) - 0.2) < 0.005


def test_gradient_of_alpha_dropout() -> None:
    x, layer = Tensor(np.ones(64, np.float32), requires_grad=True), nn.AlphaDropout(0.25)
    layer(x).backward()
    lowest = -1.0507009873554805 * 1.6732632423543772
    a = (0.75 * (1.0 + 0.25 * lowest**2)) ** -0.5
    np.testing.assert_allclose(x.grad.numpy(), layer.mask.numpy() * np.float32(a), rtol=1e-6)


@pytest.mark.parametrize("layer", [nn.AlphaDropout(1.0), nn.Dropout2d(1.0), nn.DropPath(1.0)], ids=str)
def test_everything_is_dropped(layer: nn.Module) -> None:
    assert not layer(lucid.ones(2, 3, 4, 5)).numpy().any()


@pytest.mark.parametrize("layer", [nn.AlphaDropout(), nn.Dropout1d(), nn.Dropout2d(), nn.Dropout3d(), nn.DropPath(0.5)])
def test_evaluation_passes_the_input_and_draws_nothing(layer: nn.Module) -> None:
    lucid.seed(0)
    x = lucid.ones(*(2, 3, 4, 5, 6)[: {"Dropout1d": 3, "Dropout2d": 4}.get(type(layer).__name__, 5)])
    assert layer.eval()(x) is x
    assert lucid.random.get_state() == (0, 0)


@pytest.mark.parametrize(
    ("function", "shape"),
    [(F.dropout1d, (2, 3, 4)), (F.dropout2d, (2, 3, 4, 5)), (F.dropout3d, (2, 3, 4, 5, 6)), (F.alpha_dropout, (2, 3))],
)
def test_functions_draw_as_modules_do(function: object, shape: tuple[int, ...]) -> None:
    name = {"alpha_dropout": "AlphaDropout"}.get(function.__name__, function.__name__.capitalize())
    lucid.seed(5)
    expected = getattr(nn, name)(0.4)(lucid.ones(*shape)).tolist()
    lucid.seed(5)
    assert function(lucid.ones(*shape), 0.4, training=True).tolist() == expected


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Dropout1d(), (2, 3, 4, 5), "Dropout1d takes inputs of 3 axes"),
        (nn.Dropout2d(), (2, 3), "Dropout2d takes inputs of 4 axes"),
        (nn.Dropout3d().eval(), (2, 3), "Dropout3d takes inputs of 5 axes"),
        (nn.DropPath(), (), r"drop_path takes inputs of shape \(N, ...\)"),
    ],
)
def test_wrong_shapes(layer: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer(lucid.ones(shape))


def test_wrong_probabilities() -> None:
    for make in (nn.Dropout1d, nn.AlphaDropout, nn.DropPath):
        with pytest.raises(ArgumentError, match=r"p=1\.5"):
            make(1.5)
