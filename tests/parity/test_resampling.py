"""Other resolutions: values and gradients."""

from typing import Any

import numpy as np
import pytest

import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import DTypeError
from tests.parity.compare import assert_same_both, assert_same_module, normal, torch

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
]


@pytest.mark.parametrize(("options", "shape"), UPSAMPLED)
def test_upsample(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert_same_module(nn.Upsample(**options), torch.nn.Upsample(**options), [normal(*shape)])


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
