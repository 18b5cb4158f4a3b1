"""Calls of the functions of `lucid.nn.functional`."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import (
    BLOCK,
    CLASSES,
    COUNTS,
    IMAGES,
    LINE,
    LONG_LINE,
    NUMBER,
    PLACES,
    SQUARE,
    TABLE,
    TURNED,
    WIDE,
    floats,
    integers,
)
from tests.errors.calls.call import Call, Of, call, unlike

ANY = "rank shape dtype value"
COMPLEX = Of(lambda _: TABLE.astype(complex))


CALLS: list[Call] = [
    *(
        call(f"F.{name}", TABLE, takes=ANY)
        for name in (
            *("gelu", "hardsigmoid", "hardswish", "logsigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu"),
            *("softsign", "tanh", "tanhshrink"),
        )
    ),
    *(
        call(f"F.{name}", TABLE, 0.5, takes="rank shape dtype", bad={"value": {1: "x"}})
        for name in ("celu", "elu", "hardshrink", "leaky_relu", "softshrink")
    ),
    call("F.hardtanh", TABLE, -1.0, 1.0, takes="rank shape dtype", bad={"value": [{1: "x"}, {1: 2.0}]}),
    call("F.softplus", TABLE, 1.0, 20.0, takes="rank shape dtype", bad={"value": {1: "x"}}),
    call("F.threshold", TABLE, 0.1, 0.5, takes="rank shape dtype", bad={"value": {1: "x"}}),
    call("F.rrelu", TABLE, 0.1, 0.3, takes="rank shape dtype", bad={"value": {1: 0.4}}),
    call("F.rrelu", TABLE, 0.1, 0.3, True, takes="rank shape dtype", bad={"value": [{1: 0.4}, {1: "x"}]}),
    call(
        "F.glu",
        floats(3, 4),
        -1,
        takes="dtype",
        bad={"rank": [{0: NUMBER}, {1: 2}], "shape": {0: TABLE}, "value": {1: 0.5}},
    ),
    call("F.prelu", TABLE, floats(1), takes="value dtype", bad={"rank": {1: TABLE}, "shape": {1: LONG_LINE}}),
    *(
        call(f"F.{name}", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}})
        for name in ("log_softmax", "softmax", "softmin")
    ),
    call(
        "F.gumbel_softmax",
        TABLE,
        1.0,
        takes="shape",
        bad={"rank": {"dim": 2}, "dtype": {0: COUNTS}, "value": [unlike({1: 0.0}, "gives NaN"), {1: "x"}]},
    ),
    # Drops.
    *(
        call(
            f"F.{name}", TABLE, 0.5, True, takes="rank shape", bad={"dtype": {0: COUNTS}, "value": [{1: 1.5}, {1: "x"}]}
        )
        for name in ("dropout", "alpha_dropout")
    ),
    *(
        call(
            f"F.{name}",
            x,
            0.5,
            True,
            takes="shape",
            bad={"rank": {0: NUMBER}, "dtype": {0: x.astype(np.int64)}, "value": [{1: 1.5}, {1: "x"}]},
        )
        for name, x in (
            ("dropout1d", IMAGES[1]),
            ("dropout2d", IMAGES[2]),
            ("dropout3d", IMAGES[3]),
            ("feature_alpha_dropout", IMAGES[1]),
        )
    ),
    call(
        "F.drop_path",
        TABLE,
        0.5,
        True,
        takes="shape",
        bad={"rank": {0: NUMBER}, "dtype": {0: COUNTS}, "value": [{1: 1.5}, {1: "x"}]},
    ),
    # Layers.
    call(
        "F.linear",
        TABLE,
        SQUARE,
        LINE,
        takes="value",
        bad={"rank": {1: BLOCK}, "shape": [{0: TURNED}, {2: LONG_LINE}], "dtype": {0: WIDE}},
    ),
    call(
        *("F.bilinear", TABLE, TABLE, floats(5, 3, 3)),
        takes="value",
        bad={"rank": {2: TABLE}, "shape": {0: TURNED}, "dtype": {0: WIDE}},
    ),
    call(
        *("F.embedding", PLACES, TABLE),
        takes="shape",
        bad={"rank": {1: LINE}, "dtype": {0: LINE}, "data": {0: np.array([2])}, "value": [{2: 2}, {2: 0.5}]},
    ),
    call(
        "F.one_hot",
        PLACES,
        2,
        takes="rank shape",
        bad={"dtype": {0: LINE}, "data": {0: CLASSES}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        "F.layer_norm",
        TABLE,
        (3,),
        LINE,
        LINE,
        bad={
            "rank": {1: (2, 2, 3)},
            "shape": [{1: (4,)}, {2: LONG_LINE}],
            "dtype": {0: COMPLEX},
            "value": [{1: "x"}, {4: "x"}],
        },
    ),
    call(
        "F.rms_norm",
        TABLE,
        (3,),
        LINE,
        bad={
            "rank": {1: (2, 2, 3)},
            "shape": [{1: (4,)}, {2: LONG_LINE}],
            "dtype": {0: COMPLEX},
            "value": [{1: "x"}, {3: "x"}],
        },
    ),
    call(
        "F.group_norm",
        IMAGES[1],
        2,
        LONG_LINE,
        LONG_LINE,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": [{1: 3}, {2: LINE}], "value": [{1: 0}, {1: 0.5}, {4: "x"}]},
    ),
    call(
        "F.local_response_norm", IMAGES[1], 2, takes="shape dtype", bad={"rank": {0: LINE}, "value": [{1: 0}, {1: 0.5}]}
    ),
    call(
        *("F.batch_norm", IMAGES[1], LONG_LINE, LONG_LINE, LONG_LINE, LONG_LINE, True),
        takes="dtype",
        bad={
            "rank": {0: LINE},
            "shape": [{1: LINE}, {3: LINE}, {0: floats(1, 4)}],
            "value": [{6: "x"}, {7: "x"}],
        },
    ),
    call(
        *("F.instance_norm", IMAGES[1], LONG_LINE, LONG_LINE, LONG_LINE, LONG_LINE),
        takes="dtype",
        bad={
            "rank": {0: LINE},
            "shape": [{1: LINE}, {3: LINE}, {0: floats(2, 4, 1)}],
            "value": [{"momentum": "x"}, {"eps": "x"}],
        },
    ),
    call("F.normalize", TABLE, 2.0, 1, takes="shape dtype", bad={"rank": {2: 2}, "value": [{1: "x"}, {2: 0.5}]}),
    *(
        call(
            *(f"F.conv{n}d", IMAGES[n], floats(4, 2, *(3,) * n), LONG_LINE),
            groups=2,
            bad={
                "rank": [{0: TABLE}, {1: TABLE}],
                "shape": [
                    *({0: floats(2, 3, *(4,) * n)}, {2: LINE}, {1: floats(4, 2, *(9,) * n)}, {"groups": 3}),
                ],
                "dtype": {0: IMAGES[n].astype(np.float64)},
                "value": [
                    *({"stride": 0}, {"padding": -1}, {"dilation": 0}, {"groups": 0}, {"stride": 0.5}),
                    *({"padding": "some"}, {"stride": (1,) * 4}),
                ],
            },
        )
        for n in (1, 2, 3)
    ),
    *(
        call(
            *(f"F.conv_transpose{n}d", IMAGES[n], floats(4, 2, *(3,) * n), LONG_LINE),
            groups=2,
            stride=2,
            bad={
                "rank": [{0: TABLE}, {1: TABLE}],
                "shape": [{0: floats(2, 3, *(4,) * n)}, {2: LINE}],
                "dtype": {0: IMAGES[n].astype(np.float64)},
                "value": [
                    *({"stride": 0}, {"padding": -1}, {"dilation": 0}, {"groups": 0}, {"output_padding": 2}),
                    {"stride": 0.5},
                ],
            },
        )
        for n in (1, 2, 3)
    ),
    *(
        call(
            *(f"F.{kind}_pool{n}d", IMAGES[n], 2),
            takes="dtype",
            bad={
                "rank": {0: LINE},
                "shape": {1: 9},
                "value": [{1: 0}, {1: "x"}, {1: (1, 1, 1, 1)}, {"stride": 0}, {"padding": -1}, {"padding": 2}],
            },
        )
        for kind in ("avg", "max")
        for n in (1, 2, 3)
    ),
    *(
        call(
            *(f"F.lp_pool{n}d", IMAGES[n], 2.0, 2),
            takes="dtype",
            bad={"rank": {0: LINE}, "shape": {2: 9}, "value": [{1: 0}, {1: "x"}, {2: 0}, {"stride": 0}]},
        )
        for n in (1, 2, 3)
    ),
    *(
        call(
            *(f"F.adaptive_{kind}_pool{n}d", IMAGES[n], 2),
            takes="shape dtype",
            bad={"rank": {0: LINE}, "value": [{1: -1}, {1: "x"}, {1: (1, 1, 1, 1)}]},
        )
        for kind in ("avg", "max")
        for n in (1, 2, 3)
    ),
    call(
        *("F.pad", IMAGES[1], (1, 1), "reflect"),
        takes="dtype",
        bad={
            "rank": {1: (1, 1, 1, 1, 1, 1, 1, 1)},
            "shape": [{1: (6, 0)}, {1: (1,)}],
            "value": [{1: "x"}, {2: "mirror"}],
        },
    ),
    call(
        "F.pad",
        TABLE,
        (1, 1),
        "constant",
        0.5,
        takes="dtype",
        bad={"rank": {1: (1,) * 6}, "shape": [{1: (-2, -2)}, {1: (1,)}], "value": {3: "x"}},
    ),
    call(
        "F.fold",
        floats(2, 8, 9),
        (4, 4),
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": [{0: floats(2, 8, 8)}, {0: floats(2, 7, 9)}], "value": [{2: 0}, {1: "x"}]},
    ),
    call(
        "F.unfold",
        IMAGES[2],
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {1: 9}, "value": [{1: 0}, {1: "x"}, {"stride": 0}]},
    ),
    call(
        *("F.interpolate", IMAGES[2]),
        scale_factor=2,
        takes="shape dtype",
        bad={
            "rank": {0: LINE},
            "value": [{"scale_factor": None}, {"scale_factor": 0}, {"size": 4}, {"mode": "cubist"}, {"mode": "linear"}],
        },
    ),
    call(
        "F.channel_shuffle",
        IMAGES[2],
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {1: 3}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        "F.pixel_shuffle",
        IMAGES[2],
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {1: 3}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        "F.pixel_unshuffle",
        IMAGES[2],
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {1: 4}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        *("F.scaled_dot_product_attention", BLOCK, BLOCK, BLOCK),
        dropout_p=0.5,
        bad={
            "rank": {0: LINE},
            "shape": [{1: floats(2, 3, 5)}, {2: floats(2, 5, 4)}, {"attn_mask": floats(2, 2)}],
            "dtype": [{0: BLOCK.astype(np.float64)}, {"attn_mask": integers(3, 3)}],
            "value": [{"dropout_p": 1.5}, {"attn_mask": SQUARE, "is_causal": True}, {"scale": "x"}],
        },
    ),
    call(
        *("F.affine_grid", floats(2, 2, 3), (2, 4, 5, 6)),
        takes="dtype",
        bad={"rank": [{0: LINE}, {1: (2, 4, 5)}], "shape": {0: floats(2, 3, 3)}, "value": {1: "x"}},
    ),
    call(
        *("F.grid_sample", IMAGES[2], floats(2, 3, 3, 2)),
        takes="dtype",
        bad={
            "rank": {0: LINE},
            "shape": [{1: floats(2, 3, 3, 3)}, {1: floats(3, 3, 3, 2)}],
            "value": [{"mode": "cubist"}, {"padding_mode": "mirror"}],
        },
    ),
]
