"""Each message of a function of `nn.functional` that goes over positions: convolutions, pools, padding and grids, in
full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid.nn.functional as F
from lucid import ones
from lucid.errors import (
    ArgumentError,
    DTypeError,
    ShapeError,
)
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (
        lambda: F.pad(ones(2), (1, 1), "wrap"),
        ArgumentError,
        "pad takes mode='constant', 'reflect', 'replicate', 'circular', got 'wrap'.",
        None,
    ),
    (
        lambda: F.pad(ones(2), (1,)),
        ShapeError,
        "pad takes two numbers for each of the last axes, got (1,) for shape (2,).",
        None,
    ),
    (
        lambda: F.pad(ones(2), (3, 3), "reflect"),
        ShapeError,
        "reflect padding of axis 0 of shape (2,) adds at most 1, got 3 and 3.",
        None,
    ),
    (lambda: F.pad(ones(2), (-3, 0)), ShapeError, "pad crops 3 elements of axis 0 of shape (2,).", None),
    (
        lambda: F.interpolate(ones(1, 1, 2), 4, mode="cubic"),
        ArgumentError,
        'interpolate along 1 axes takes mode="nearest", "nearest-exact", "area", "linear", got \'cubic\'.',
        None,
    ),
    (lambda: F.interpolate(ones(1, 1, 2)), ArgumentError, "interpolate takes either size or scale_factor.", None),
    (
        lambda: F.interpolate(ones(1, 1, 2), 0),
        ArgumentError,
        "interpolate gives at least one element along each axis, got [0] from (2,).",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), 3, align_corners=False),
        ArgumentError,
        "interpolate takes align_corners where it interpolates, got mode='nearest'.",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), 1, mode="linear", antialias=True),
        ArgumentError,
        'interpolate takes antialias with mode="bilinear" or "bicubic", got mode=\'linear\'.',
        None,
    ),
    (
        lambda: F.affine_grid(ones(1, 2, 3), (1, 1, 2, 2, 2)),
        ShapeError,
        "affine_grid takes theta (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for (N, C, D, H, W), "
        "got (1, 2, 3) and (1, 1, 2, 2, 2).",
        None,
    ),
    (
        lambda: F.affine_grid(np.ones((1, 2, 3), np.int64), (1, 1, 2, 2)),
        DTypeError,
        "affine_grid takes floats, got int64.",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2), ones(1, 2, 2, 3)),
        ShapeError,
        "grid_sample takes an input (N, C, H, W) and a grid (N, H, W, 2), or with D and 3 coordinates, "
        "got (1, 1, 2, 2) and (1, 2, 2, 3).",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 0, 2), ones(1, 2, 2, 2)),
        ShapeError,
        "grid_sample takes an input with positions, got (1, 1, 0, 2).",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2, 2), ones(1, 2, 2, 2, 3), "bicubic"),
        ArgumentError,
        "grid_sample takes mode='bilinear', 'nearest', got 'bicubic'.",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2), ones(1, 2, 2, 2), padding_mode="wrap"),
        ArgumentError,
        "grid_sample takes padding_mode='zeros', 'border', 'reflection', got 'wrap'.",
        None,
    ),
    (
        lambda: F.grid_sample(np.ones((1, 1, 2, 2), np.int64), ones(1, 2, 2, 2)),
        DTypeError,
        "grid_sample takes floats, got int64 and float32.",
        None,
    ),
    (
        lambda: F.pixel_shuffle(ones(1, 3, 2, 2), 2),
        ShapeError,
        "pixel_shuffle takes channels on axis -3 that 4 divides, got shape (1, 3, 2, 2).",
        None,
    ),
    (
        lambda: F.pixel_unshuffle(ones(1, 3, 2, 3), 2),
        ShapeError,
        "pixel_unshuffle takes rows and columns that 2 divides, got shape (1, 3, 2, 3).",
        None,
    ),
    (
        lambda: F.unfold(ones(1, 3, 2, 3), 3),
        ShapeError,
        "unfold with windows of (3, 3) does not fit into (2, 3) elements.",
        None,
    ),
    (
        lambda: F.fold(ones(1, 7, 4), 3, 2),
        ShapeError,
        "fold takes columns of a multiple of 4 taps at 4 positions, got shape (1, 7, 4).",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), (4, 4)),
        ArgumentError,
        "interpolate takes a value for each of 1 axes, got (4, 4).",
        None,
    ),
    (lambda: F.conv2d(ones(1, 1, 4, 4), 1.0), ShapeError, "conv2d takes a weight of 4 axes, got shape ().", None),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), padding="full"),
        ArgumentError,
        'conv1d takes padding="same", "valid" or integers, got \'full\'.',
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), stride=2, padding="same"),
        ArgumentError,
        'conv1d takes padding="same" with a stride of 1, got (2,).',
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 5)),
        ShapeError,
        (
            "a kernel that spans 5 elements does not fit into axis 2 of shape (1, 1, 4) with 0 and 0 elements"
            " of padding."
        ),
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), bias=ones(2)),
        ShapeError,
        "conv1d with 1 output channels takes a bias of shape (1,), got (2,).",
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 2, 4), ones(1, 1, 2)),
        ShapeError,
        (
            "a convolution with a weight of shape (1, 1, 2) and groups=1 takes inputs of 1 channels on axis "
            "1, got (1, 2, 4)."
        ),
        None,
    ),
    (
        lambda: F.conv2d(ones(2, 8, 8, 3), ones(4, 3, 3, 3)),
        ShapeError,
        (
            "a convolution with a weight of shape (4, 3, 3, 3) and groups=1 takes inputs of 3 channels on axis "
            "1, got (2, 8, 8, 3)."
        ),
        "channels come first: x.permute(0, 3, 1, 2)",
    ),
    (
        lambda: F.conv1d(ones(4), ones(1, 1, 2)),
        ShapeError,
        "conv1d takes inputs of 3 axes, or 2 without a batch, got (4,).",
        None,
    ),
    (
        lambda: F.conv_transpose1d(ones(1, 1, 4), ones(1, 1, 2), output_padding=2),
        ArgumentError,
        ("conv_transpose1d takes output_padding below stride or dilation, got (2,), stride (1,) and dilation (1,)."),
        None,
    ),
    (
        lambda: F.conv_transpose1d(ones(1, 1, 1), ones(1, 1, 1), padding=1),
        ShapeError,
        "a transposed convolution of shape (1, 1, 1) has extents (-1,): none is left.",
        None,
    ),
    (
        lambda: F.max_pool1d(ones(2), 2),
        ShapeError,
        "max_pool1d takes inputs of 3 axes, or 2 without a batch, got (2,).",
        None,
    ),
    (
        lambda: F.adaptive_avg_pool1d(ones(1, 1, 4), (2, 2)),
        ArgumentError,
        "adaptive_avg_pool1d takes a length, or 1 of them, as output_size, got (2, 2).",
        None,
    ),
    (
        lambda: F.adaptive_avg_pool1d(ones(1, 1, 4), 2**30),
        ArgumentError,
        "adaptive_avg_pool1d takes an output_size up to 65536, got 1073741824.",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
