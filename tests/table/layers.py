"""Rows of the functions of `lucid.nn.functional`, with options that the rows of the modules leave at their defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.table.row import (
    ALSO_EMPTY,
    FLOATS_ONLY,
    KEEPS_INTEGERS,
    Array,
    Inputs,
    Row,
    chances,
    function,
    numbers,
    places,
    positive,
)

ANYWHERE = ((5, 6), (), (2, 0, 3))
LINE, PLANE, SPACE = (2, 4, 6), (2, 4, 4, 5), (2, 4, 3, 4, 3)
SHAPES = {1: LINE, 2: PLANE, 3: SPACE}


def layer(name: str, inputs: Inputs, *others: Inputs, **options: Any) -> Row:
    return function(f"nn.functional.{name}", inputs, *others, **options)


def activation(name: str, *calls: dict[str, Any], **options: Any) -> Row:
    """The row of an activation with several choices of its options."""
    first, *others = [(numbers(*shape),) for shape in ANYWHERE]
    return layer(name, first, *others, call=lambda f, x: [f(x, **given) for given in calls or ({},)], **options)


def unpooled(n: int) -> Array:
    """Different positions for the elements that a max pool of pairs takes of each channel."""
    order = np.argsort(np.random.default_rng(0).uniform(size=(2, 4, 1 << 2 * n)), -1)
    return order[..., : 1 << n].reshape(2, 4, *(2,) * n)


SHAPED = {2: numbers(*PLANE), 3: numbers(2, 4, 4, 4, 4)}
COUNTS = {"integer 0": "ours"}  # running statistics are of the dtype of the input here
PADDED = numbers(7, 3)
PADDED[2] = 0.0

ROWS: list[Row] = [
    *(activation(name) for name in ("relu", "sigmoid", "tanh", "logsigmoid", "softsign", "tanhshrink", "selu", "silu")),
    *(activation(name) for name in ("hardsigmoid", "hardswish", "mish")),
    activation("relu6", outcomes=KEEPS_INTEGERS),
    activation("elu", {}, {"alpha": 0.5}),
    activation("celu", {}, {"alpha": 0.5}),
    activation("gelu", {}, {"approximate": "tanh"}),
    activation("hardtanh", {}, {"min_val": -0.5, "max_val": 2.0}, outcomes=KEEPS_INTEGERS),
    activation("leaky_relu", {}, {"negative_slope": 0.3}),
    activation("rrelu", {}, {"lower": 0.3, "upper": 0.3, "training": True}),
    activation("hardshrink", {}, {"lambd": 0.8}),
    activation("softshrink", {}, {"lambd": 0.8}),
    activation("softplus", {}, {"beta": 2.0, "threshold": 1.0}),
    activation("threshold", {"threshold": 0.3, "value": 2.0}, outcomes=KEEPS_INTEGERS),
    layer("glu", (numbers(3, 4),), (numbers(2, 0),), call=lambda f, x: (f(x), f(x, -1))),
    *(
        layer(name, (numbers(3, 4),), (numbers(1, 1),), (numbers(2, 3, 1),), call=lambda f, x: (f(x, 1), f(x, dim=-1)))
        for name in ("softmax", "log_softmax", "softmin")
    ),
    layer("prelu", (numbers(3, 4, 2), chances(4)), (numbers(3, 1), chances(1)), along=(0, None)),
    *(
        layer(
            *(name, (numbers(2, 3, *shape),)),
            call=lambda f, x: (f(x, 0.0, True), f(x, 0.5, False)),
            outcomes=FLOATS_ONLY,
        )
        for names, shape in (
            (("dropout", "alpha_dropout"), ()),
            (("dropout1d", "feature_alpha_dropout"), (2,)),
            (("dropout2d",), (2, 2)),
            (("dropout3d",), (1, 2, 2)),
        )
        for name in names
    ),
    layer(
        "linear",
        (numbers(3, 4), numbers(2, 4), numbers(2)),
        (numbers(4), numbers(1, 4), numbers(1)),
        along=(0, None, None),
    ),
    layer("bilinear", (numbers(3, 4), numbers(3, 2), numbers(5, 4, 2), numbers(5)), along=(0, 0, None, None)),
    layer(
        *("embedding", (places(7, 5, 2), PADDED), (places(7), numbers(7, 1))),
        along=(0, None),
        call=lambda f, x, weight: (f(x, weight), f(x, weight, padding_idx=2)),
    ),
    layer(
        *("embedding_bag", (places(7, 5, 2), PADDED)),
        along=(0, None),
        call=lambda f, x, weight: [f(x, weight, padding_idx=2, mode=mode) for mode in ("sum", "mean", "max")],
    ),
    layer(
        *("embedding_bag", (places(7, 6), PADDED, np.array([0, 2, 2, 5])), (places(7, 0), PADDED, np.array([0]))),
        along=None,
        call=lambda f, x, weight, starts: [f(x, weight, starts, mode=mode) for mode in ("sum", "mean", "max")],
    ),
    layer(
        *("embedding_bag", (places(7, 6), PADDED, np.array([0, 2, 2, 6]))),
        along=None,
        call=lambda f, x, weight, starts: [
            f(x, weight, starts, mode=mode, include_last_offset=True) for mode in ("sum", "mean", "max")
        ],
    ),
    *(
        layer(
            *(f"max_unpool{n}d", (numbers(2, 4, *(2,) * n), unpooled(n))),
            along=(0, 0),
            call=lambda f, x, index: f(x, index, 2),
            outcomes={"strided": "ours"} if n > 1 else {},
        )
        for n in (1, 2, 3)
    ),
    *(
        layer(
            *(f"fractional_max_pool{n}d", (SHAPED[n], chances(2, 4, n))),
            along=(0, 0),
            call=lambda f, x, samples, n=n: f(x, 2, (2, 2, 1)[:n], _random_samples=samples.detach()),
        )
        for n in (2, 3)
    ),
    layer("one_hot", (places(5, 3, 2),), (places(5),), call=lambda f, x: f(x, 5), differences=False),
    layer(
        *("layer_norm", (numbers(3, 4, 2), numbers(4, 2), numbers(4, 2))),
        along=(0, None, None),
        call=lambda f, x, *w: (f(x, w[0].shape, *w), f(x, [2], eps=0.1)),
    ),
    layer(
        *("rms_norm", (numbers(3, 4, 2), numbers(4, 2))),
        along=(0, None),
        call=lambda f, x, w: (f(x, w.shape, w), f(x, [2], eps=0.1)),
        outcomes={"wide 1": "promoted"},
    ),
    layer(
        *("group_norm", (numbers(3, 4, 2), numbers(4), numbers(4))),
        along=(0, None, None),
        call=lambda f, x, *w: (f(x, 2, *w), f(x, 4, eps=0.1)),
    ),
    layer(
        *("batch_norm", (numbers(3, 4, 2), numbers(4), numbers(4))),
        along=(0, None, None),
        call=lambda f, x, *w: (
            f(x, x.new_full((4,), 0.5), x.new_full((4,), 2.0), *w),
            f(x, None, None, *w, training=True, eps=0.1),
        ),
        outcomes=COUNTS,
    ),
    layer(
        *("instance_norm", (numbers(3, 4, 5), numbers(4), numbers(4))),
        along=(0, None, None),
        call=lambda f, x, *w: (
            f(x, None, None, *w, eps=0.1),
            f(x, x.new_full((4,), 0.5), x.new_full((4,), 2.0), use_input_stats=False),
        ),
        outcomes={"none": "ours", **COUNTS},
    ),
    layer("local_response_norm", (numbers(*PLANE),), call=lambda f, x: f(x, 3, 0.5, 0.6, 2.0), outcomes=KEEPS_INTEGERS),
    layer(
        *("normalize", (numbers(3, 4, 2),), (numbers(3, 1),)),
        call=lambda f, x: (f(x), f(x, 1.0, -1), f(x, p=3.0, eps=2.0)),
    ),
    layer(
        *("scaled_dot_product_attention", (numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 2, seed=2))),
        (numbers(1, 4), numbers(1, 4), numbers(1, 4)),
        call=lambda f, *x: (f(*x), f(*x, is_causal=True), f(*x, scale=0.3)),
    ),
    layer(
        *("pad", (numbers(2, 4, 5),), (places(9, 2, 4, 5),)),
        call=lambda f, x: (
            [f(x, (1, 2)), f(x, (1, 0, 2, 1), value=0.5)]
            + [f(x, (2, 1), mode) for mode in ("reflect", "replicate", "circular")]
        ),
    ),
    layer("channel_shuffle", (numbers(*PLANE),), call=lambda f, x: f(x, 2)),
    layer("pixel_shuffle", (numbers(*PLANE),), (numbers(4, 1, 1),), call=lambda f, x: f(x, 2), outcomes=ALSO_EMPTY),
    layer(
        "pixel_unshuffle", (numbers(2, 1, 4, 2),), (numbers(1, 2, 2),), call=lambda f, x: f(x, 2), outcomes=ALSO_EMPTY
    ),
    layer("fold", (numbers(2, 4, 6),), call=lambda f, x: f(x, (4, 3), 2, stride=1)),
    layer("unfold", (numbers(2, 2, 4, 5),), call=lambda f, x: (f(x, 2), f(x, (2, 1), 2, 1, (1, 2)))),
    layer(
        *("interpolate", (numbers(2, 2, 3, 4),), (numbers(1, 1, 1, 1),)),
        call=lambda f, x: (
            [f(x, scale_factor=2.0), f(x, 2, mode="area")]
            + [f(x, (5, 3), mode=mode, align_corners=True) for mode in ("bilinear", "bicubic")]
            + [f(x, (2, 3), mode=mode, antialias=True) for mode in ("bilinear", "bicubic")]
        ),
    ),
    layer(
        *("affine_grid", (numbers(2, 2, 3),)),
        call=lambda f, x: (f(x, (len(x), 1, 3, 4), True), f(x, (len(x), 1, 3, 4), False)),
        outcomes={"none": "refused"},
    ),
    layer(
        *("grid_sample", (numbers(2, 2, 3, 4), 2.2 * chances(2, 3, 2, 2) - 1.1)),
        call=lambda f, x, grid: [
            f(x, grid, mode, padding, False)
            for mode, padding in (("bilinear", "zeros"), ("bilinear", "reflection"), ("bicubic", "border"))
        ],
    ),
]

for _n, _shape in SHAPES.items():
    _small, _one = (numbers(*_shape[:1], 2, *_shape[2:]),), (numbers(1, 1, *(2,) * _n),)
    ROWS += [
        layer(
            *(f"conv{_n}d", (numbers(*_shape), numbers(6, 2, *(2,) * _n), numbers(6))),
            (numbers(*_shape[1:]), numbers(2, 2, *(1,) * _n), numbers(2)),
            along=(0, None, None),
            call=lambda f, x, *w: (f(x, *w, groups=2), f(x, *w, stride=2, padding=2, dilation=2, groups=2)),
        ),
        layer(
            *(f"conv_transpose{_n}d", (numbers(*_shape), numbers(4, 3, *(2,) * _n), numbers(6))),
            (numbers(*_shape[1:]), numbers(4, 1, *(1,) * _n), numbers(2)),
            along=(0, None, None),
            call=lambda f, x, *w: (f(x, *w, groups=2), f(x, *w, stride=2, output_padding=1, groups=2, dilation=2)),
        ),
        layer(
            *(f"avg_pool{_n}d", _small, _one),
            call=lambda f, x: (f(x, 2), f(x, 2, 1, 1, ceil_mode=True, count_include_pad=False)),
            outcomes=KEEPS_INTEGERS,
        ),
        layer(
            *(f"max_pool{_n}d", _small, _one),
            call=lambda f, x: (f(x, 2), f(x, 2, 1, 1, ceil_mode=True), f(x, 2, return_indices=True)),
        ),
        layer(f"adaptive_avg_pool{_n}d", _small, _one, call=lambda f, x: (f(x, 2), f(x, 1))),
        layer(f"adaptive_max_pool{_n}d", _small, _one, call=lambda f, x: (f(x, 2), f(x, 1, return_indices=True))),
        layer(
            f"lp_pool{_n}d",
            (positive(*_small[0].shape),),
            call=lambda f, x: (f(x, 2, 2), f(x, 3.0, 2, 1, True)),
            outcomes=KEEPS_INTEGERS,
        ),
    ]
