"""Other resolutions: values and gradients."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import DTypeError
from tests.parity.compare import assert_same, assert_same_both, assert_same_module, normal, torch

TF = torch.nn.functional

UPSAMPLED: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"scale_factor": 2}, (2, 3, 4)),
    ({"scale_factor": (2, 3)}, (2, 3, 4, 5)),
    ({"size": (4, 15)}, (2, 3, 4, 5)),
    ({"scale_factor": 2.0}, (1, 2, 2, 3, 2)),
    ({"size": (3, 7)}, (2, 3, 4, 5)),
    ({"scale_factor": 1.7}, (2, 3, 10)),
    ({"scale_factor": 0.4}, (1, 2, 12)),
    ({"scale_factor": 2.5, "mode": "nearest-exact"}, (1, 2, 7)),
    ({"size": 5, "mode": "nearest-exact"}, (1, 2, 8)),
    ({"size": 7, "mode": "linear"}, (2, 3, 4)),
    ({"size": 3, "mode": "linear", "align_corners": True}, (2, 3, 8)),
    ({"size": (1, 9), "mode": "bilinear", "align_corners": True}, (2, 2, 4, 5)),
    ({"scale_factor": 2, "mode": "bilinear"}, (2, 2, 4, 5)),
    ({"scale_factor": (1.5, 0.7), "mode": "bilinear", "align_corners": False}, (1, 2, 5, 6)),
    ({"size": (3, 5, 4), "mode": "trilinear"}, (1, 2, 2, 3, 4)),
    ({"scale_factor": 2, "mode": "bicubic"}, (2, 2, 4, 5)),
    ({"size": (3, 9), "mode": "bicubic", "align_corners": True}, (1, 2, 5, 4)),
    ({"scale_factor": (1.6, 0.6), "mode": "bicubic", "recompute_scale_factor": True}, (1, 2, 5, 6)),
    ({"size": 3, "mode": "area"}, (2, 3, 7)),
    ({"scale_factor": (0.6, 1.4), "mode": "area"}, (1, 2, 7, 5)),
    ({"size": (2, 3, 5), "mode": "area"}, (1, 2, 4, 4, 3)),
]


@pytest.mark.parametrize(("options", "shape"), UPSAMPLED)
def test_upsample(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert_same_module(nn.Upsample(**options), torch.nn.Upsample(**options), [normal(*shape)])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 9), (1, 5)])  # PyTorch's rows are all alike where they have one element
def test_antialias(mode: str, align_corners: bool, size: tuple[int, int]) -> None:
    options = {"size": size, "mode": mode, "align_corners": align_corners, "antialias": True}
    assert_same_both(
        lambda x: F.interpolate(x, **options), lambda x: TF.interpolate(x, **options), [normal(1, 2, 7, 6)]
    )


def test_antialias_reads_each_element_and_none_twice() -> None:
    x = Tensor(np.full((1, 1, 1, 12), 7.0), requires_grad=True)
    y = F.interpolate(x, (1, 3), mode="bilinear", antialias=True)
    np.testing.assert_allclose(y.detach(), 7.0)
    y.sum().backward()
    assert (x.grad.numpy() > 0.0).all()
    np.testing.assert_allclose(x.grad.sum().item(), 3.0)


POINTS = [((2, 2, 4, 3), (2, 3, 5, 2)), ((1, 2, 1, 4), (1, 2, 3, 2)), ((1, 2, 2, 3, 4), (1, 2, 2, 3, 3))]


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_grid_sample(mode: str, padding_mode: str) -> None:
    """Values and gradients of the input and of the points, of which most lie outside."""
    for (shape, points), align_corners in itertools.product(POINTS[: 2 if mode == "bicubic" else 3], (False, True)):
        options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
        ours, theirs = functools.partial(F.grid_sample, **options), functools.partial(TF.grid_sample, **options)
        grid = np.random.default_rng(0).uniform(-2.7, 2.7, points)
        assert_same(ours, theirs, [normal(*shape, dtype="float64"), grid], (0,) if mode == "nearest" else (0, 1))


def test_grid_sample_compiled() -> None:
    options = "bilinear", "reflection", False
    functions = (lambda x, g: F.grid_sample(x, g, *options)), (lambda x, g: TF.grid_sample(x, g, *options))
    assert_same_both(*functions, [normal(2, 2, 4, 3), normal(2, 3, 2, 2)], (0, 1))


def test_points_that_are_no_numbers_are_outside() -> None:
    grid = np.array([[[[np.nan, 0.0], [np.inf, 0.0], [0.0, -1e30]]]])
    assert F.grid_sample(np.ones((1, 1, 3, 3)), grid).tolist() == [[[[0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("size", [(2, 3, 4, 5), (1, 1, 2, 3), (2, 1, 2, 2, 3)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_affine_grid(size: tuple[int, ...], align_corners: bool) -> None:
    axes = len(size) - 2
    functions = (lambda t: F.affine_grid(t, size, align_corners)), (lambda t: TF.affine_grid(t, size, align_corners))
    assert_same_both(*functions, [normal(size[0], axes, axes + 1)])


def test_a_spatial_transformer_learns_where_to_look() -> None:
    """The map that moves an image back is found by its gradient."""
    image = np.exp(-((np.mgrid[-1:1:9j, -1:1:9j] ** 2).sum(0) * 4.0))[None, None]
    shift = Tensor([[[1.0, 0.0, 0.3], [0.0, 1.0, -0.2]]])
    moved = F.grid_sample(image, F.affine_grid(shift, image.shape, True), "bicubic", align_corners=True)
    theta = Tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], requires_grad=True)

    @lucid.compile
    def step(wanted: Tensor) -> Tensor:
        found = F.grid_sample(image, F.affine_grid(theta, image.shape, True), "bicubic", align_corners=True)
        loss = ((found - wanted) ** 2).mean()
        (gradient,) = lucid.grad(loss, [theta])
        with lucid.no_grad():
            theta.copy_(theta - gradient * 2.0)
        return loss

    losses = [step(moved).item() for _ in range(31)]
    assert losses[-1] < 1e-6 * losses[0]


def test_bilinear_layer_and_float64() -> None:
    ours, theirs = nn.UpsamplingBilinear2d((5, 7)), torch.nn.UpsamplingBilinear2d((5, 7))
    for dtype in ("float32", "float64"):
        assert_same_module(ours, theirs, [normal(2, 3, 4, 4, dtype=dtype)])


def test_integers_have_nothing_in_between() -> None:
    with pytest.raises(DTypeError, match=r'interpolate takes floats in mode="bilinear", got int64\.'):
        F.interpolate(np.ones((1, 1, 2, 2), np.int64), scale_factor=2, mode="bilinear")
    assert F.interpolate(np.array([[[1, 2]]]), scale_factor=2).tolist() == [[[1, 1, 2, 2]]]


@pytest.mark.parametrize("shape", [(2, 8, 3, 5), (8, 2, 2), (2, 3, 4, 1, 1)])
def test_pixels_and_channels(shape: tuple[int, ...]) -> None:
    assert_same_module(nn.PixelShuffle(2), torch.nn.PixelShuffle(2), [normal(*shape)])
    back = (*shape[:-3], shape[-3] // 4, 2 * shape[-2], 2 * shape[-1])
    assert_same_module(nn.PixelUnshuffle(2), torch.nn.PixelUnshuffle(2), [normal(*back)])


@pytest.mark.parametrize("shape", [(0, 4, 2, 2), (2, 0, 3, 4), (2, 4, 0, 3)])
def test_pixels_of_nothing(shape: tuple[int, ...]) -> None:
    """Not beside PyTorch, whose gradient of an empty batch has another shape than the batch."""
    x = Tensor(normal(*shape), requires_grad=True)
    y = F.pixel_shuffle(x, 2)
    y.sum().backward()
    assert y.shape == (*shape[:-3], shape[-3] // 4, 2 * shape[-2], 2 * shape[-1])
    assert F.pixel_unshuffle(y, 2).shape == x.grad.shape == shape


@pytest.mark.parametrize(
    "options",
    [{"kernel_size": 2}, {"kernel_size": (3, 2), "padding": (1, 0), "stride": 2}, {"kernel_size": 2, "dilation": 2}],
)
def test_unfold_and_fold(options: dict[str, Any]) -> None:
    x = normal(2, 3, 6, 7)
    columns = torch.nn.Unfold(**options)(torch.tensor(x)).numpy()
    for ours, theirs, inputs in (
        (nn.Unfold(**options), torch.nn.Unfold(**options), x),
        (nn.Fold((6, 7), **options), torch.nn.Fold((6, 7), **options), columns),
    ):
        assert ours.extra_repr() == theirs.extra_repr()
        assert_same_both(ours, theirs, [inputs])
        assert_same_both(ours, theirs, [inputs[0]])
