"""Calls of the modules of `lucid.nn`: how they are made, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tests.errors.calls.arrays import (
    BLOCK,
    COUNTS,
    IMAGES,
    LINE,
    NUMBER,
    PLACES,
    TABLE,
    TURNED,
    WIDE,
    floats,
)
from tests.errors.calls.call import Call, Faults, Of, call, find

NO_TENSOR = "rank shape dtype"
MADE_SO = "is made so"
DTYPE = {"dtype": "int64"}
ANY = "rank shape dtype value"


def module(
    name: str,
    made: tuple[Any, ...],
    inputs: tuple[Any, ...] = (),
    bad_value: Faults = (),
    bad: Mapping[str, Faults] | None = None,
    takes: str = "value",
    **options: Any,
) -> list[Call]:
    """How a module is made, with what is wrong with its arguments, and how it is called, with what is wrong there."""

    def instance(library: Any) -> Any:
        made_by = Call("", lambda _: find(library, f"nn.{name}"), made, options, (), frozenset())
        return made_by.run(library)

    makes = call(
        *(f"nn.{name}", *made),
        takes=NO_TENSOR if bad_value else f"{NO_TENSOR} value",
        bad={"value": bad_value} if bad_value else {},
        **options,
    )
    return [replace(makes, inputs=inputs), call(f"nn.{name}()", *inputs, target=instance, takes=takes, bad=bad)]


def several(*calls: list[Call]) -> list[Call]:
    return [each for pair in calls for each in pair]


def counts(*places: int) -> list[dict[int, Any]]:
    """Arguments that are positive integers, replaced by what is none."""
    return [{place: value} for place in places for value in (0, 2.5)]


def sizes(*places: int) -> list[dict[int, Any]]:
    """Arguments that are integers of at least 0, replaced by what is none."""
    return [{place: value} for place in places for value in (-1, 2.5)]


CALLS: list[Call] = several(
    # Of elements.
    *(
        module(name, (), (TABLE,), takes=ANY)
        for name in (
            *("Hardsigmoid", "Hardswish", "Identity", "LogSigmoid", "Mish", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid"),
            *("Softsign", "Tanh", "Tanhshrink"),
        )
    ),
    module("GELU", ("tanh",), (TABLE,), {0: "sin"}, takes=ANY),
    *(
        module(name, (0.5,), (TABLE,), {0: "x"}, takes=ANY)
        for name in ("CELU", "ELU", "Hardshrink", "LeakyReLU", "Softshrink")
    ),
    module("Hardtanh", (-1.0, 1.0), (TABLE,), [{0: "x"}, {0: 2.0}], takes=ANY),
    module("RReLU", (0.1, 0.3), (TABLE,), [{0: "x"}, {0: 0.4}], takes=ANY),
    module("Softplus", (1.0, 20.0), (TABLE,), {0: "x"}, takes=ANY),
    module("Threshold", (0.1, 0.5), (TABLE,), {0: "x"}, takes=ANY),
    module("GLU", (-1,), (floats(3, 4),), {0: 0.5}, {"rank": {0: NUMBER}, "shape": {0: TABLE}}, "dtype value"),
    module("PReLU", (3,), (TABLE,), counts(0), {"rank": {0: NUMBER}, "shape": {0: TURNED}}, "dtype value"),
    *(
        module(name, (1,), (TABLE,), {0: 0.5}, {"rank": {0: LINE}}, "shape dtype value")
        for name in ("LogSoftmax", "Softmax", "Softmin")
    ),
    module("Softmax2d", (), (IMAGES[2],), (), {"rank": {0: TABLE}}, "shape dtype value"),
    # Drops.
    *(
        module(
            name,
            (0.5,),
            (TABLE,),
            [{0: 1.5}, {0: -0.5}, {0: float("nan")}, {0: "x"}],
            {"dtype": {0: COUNTS}},
            "rank shape value",
        )
        for name in ("AlphaDropout", "Dropout")
    ),
    *(
        module(
            *(name, (0.5,), (x,), [{0: 1.5}, {0: "x"}]),
            {"rank": {0: NUMBER}, "dtype": {0: x.astype(np.int64)}},
            "shape value",
        )
        for name, x in (
            ("Dropout1d", IMAGES[1]),
            ("Dropout2d", IMAGES[2]),
            ("Dropout3d", IMAGES[3]),
            ("DropPath", TABLE),
            ("FeatureAlphaDropout", IMAGES[1]),
        )
    ),
    # Layers.
    module("Linear", (3, 2), (TABLE,), sizes(0, 1), {"rank": {0: NUMBER}, "shape": {0: TURNED}, "dtype": {0: WIDE}}),
    module(
        *("Bilinear", (3, 3, 2), (TABLE, TABLE), [*counts(0, 1), *sizes(2)]),
        {"rank": {0: NUMBER}, "shape": {1: TURNED}, "dtype": {0: WIDE}},
    ),
    module("Flatten", (1,), (BLOCK,), {0: 0.5}, {"rank": {0: LINE}}, "shape dtype value"),
    module(
        "Unflatten",
        (1, (3, 1)),
        (TABLE,),
        [{0: 0.5}, {1: "x"}],
        {"rank": {0: LINE}, "shape": {0: TURNED}},
        "dtype value",
    ),
    module(
        *("Embedding", (2, 3), (PLACES,), [*sizes(0, 1), {2: 2}, {2: 0.5}]),
        {"dtype": {0: LINE}, "data": {0: PLACES + 1}},
        "rank shape value",
    ),
    module(
        "LayerNorm",
        (3,),
        (TABLE,),
        [{0: "x"}, {"eps": "x"}, {"eps": -1.0}],
        {"rank": {0: NUMBER}, "shape": {0: TURNED}},
        "dtype value",
    ),
    module(
        "RMSNorm",
        (3,),
        (TABLE,),
        [{0: "x"}, {"eps": "x"}, {"eps": -1.0}],
        {"rank": {0: NUMBER}, "shape": {0: TURNED}},
        "dtype value",
    ),
    module(
        *("GroupNorm", (2, 4), (IMAGES[1],), [*counts(0, 1), {0: 3}, {"eps": "x"}]),
        {"rank": {0: LINE}, "shape": {0: BLOCK}},
        "dtype value",
    ),
    module("LocalResponseNorm", (2,), (IMAGES[1],), counts(0), {"rank": {0: LINE}}, "shape dtype value"),
    *(
        module(
            *(f"BatchNorm{n}d", (4,), (IMAGES[n],), [*counts(0), {"momentum": 1.5}, {"eps": -1.0}, {"eps": "x"}]),
            {"rank": {0: LINE}, "shape": [{0: floats(2, 3, *(4,) * n)}, {0: floats(1, 4, *(1,) * n)}]},
            "dtype value",
        )
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"InstanceNorm{n}d", (4,), (IMAGES[n],), [*counts(0), {"momentum": 1.5}, {"eps": -1.0}, {"eps": "x"}]),
            {"rank": {0: LINE}, "shape": [{0: floats(2, 3, *(4,) * n)}, {0: floats(2, 4, *(1,) * n)}]},
            "dtype value",
            affine=True,
        )
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"Conv{n}d", (4, 6, 3), (IMAGES[n],)),
            [
                *counts(0, 1, 2),
                *({"stride": 0}, {"padding": -1}, {"padding": "some"}, {"dilation": 0}, {"groups": 3}),
                *({"padding_mode": "mirror"}, {2: (1,) * 5}),
            ],
            {
                "rank": {0: TABLE},
                "shape": [{0: floats(2, 3, *(4,) * n)}, {0: floats(2, 4, *(2,) * n)}],
                "dtype": {0: IMAGES[n].astype(np.float64)},
            },
        )
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"ConvTranspose{n}d", (4, 6, 3), (IMAGES[n],)),
            [
                *counts(0, 1, 2),
                *({"stride": 0}, {"padding": -1}, {"dilation": 0}, {"groups": 4}),
                *({"padding_mode": "reflect"}, {2: (1,) * 5}),
            ],
            {"rank": {0: TABLE}, "shape": {0: floats(2, 3, *(4,) * n)}, "dtype": {0: IMAGES[n].astype(np.float64)}},
        )
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"{kind}Pool{n}d", (2,), (IMAGES[n],)),
            [*counts(0), {0: "x"}, {0: (1,) * 5}, {"stride": 0}, {"padding": -1}],
            {"rank": {0: LINE}, "shape": {0: floats(2, 4, *(1,) * n)}},
            "dtype value",
        )
        for kind in ("Avg", "Max")
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"LPPool{n}d", (2.0, 2), (IMAGES[n],), [{0: 0}, {0: "x"}, {1: 0}, {"stride": 0}]),
            {"rank": {0: LINE}, "shape": {0: floats(2, 4, *(1,) * n)}},
            "dtype value",
        )
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"Adaptive{kind}Pool{n}d", (2,), (IMAGES[n],), [{0: -1}, {0: "x"}, {0: (1,) * 5}]),
            {"rank": {0: LINE}},
            "shape dtype value",
        )
        for kind in ("Avg", "Max")
        for n in (1, 2, 3)
    ),
    *(
        module(
            *(f"{kind}Pad{n}d", (1, *more), (IMAGES[n],), [{0: "x"}, {0: (1,)}, *([{1: "x"}] if more else [])]),
            {
                "rank": {0: NUMBER},
                **({} if kind in ("Constant", "Zero", "Replication") else {"shape": {0: floats(2, 4, *(0,) * n)}}),
            },
            "dtype value" if kind in ("Circular", "Reflection") else "dtype value shape",
        )
        for kind, *more in (("Circular",), ("Constant", 0.5), ("Reflection",), ("Replication",), ("Zero",))
        for n in (1, 2, 3)
    ),
    module(
        "Fold",
        ((4, 4), 2),
        (floats(2, 8, 9),),
        [{0: "x"}, {1: 0}],
        {"rank": {0: LINE}, "shape": {0: floats(2, 8, 8)}},
        "dtype value",
    ),
    module(
        "Unfold",
        (2,),
        (IMAGES[2],),
        [{0: 0}, {0: "x"}],
        {"rank": {0: LINE}, "shape": {0: floats(1, 1, 1, 1)}},
        "dtype value",
    ),
    module(
        "ChannelShuffle",
        (2,),
        (IMAGES[2],),
        counts(0),
        {"rank": {0: LINE}, "shape": {0: floats(2, 3, 4)}},
        "dtype value",
    ),
    module(
        "PixelShuffle", (2,), (IMAGES[2],), counts(0), {"rank": {0: LINE}, "shape": {0: floats(2, 3, 4)}}, "dtype value"
    ),
    module(
        "PixelUnshuffle",
        (2,),
        (IMAGES[2],),
        counts(0),
        {"rank": {0: LINE}, "shape": {0: floats(2, 3, 5)}},
        "dtype value",
    ),
    module(
        "Upsample",
        (None, 2),
        (IMAGES[2],),
        [{1: None}, {1: 0}, {0: 4}, {"mode": "cubist"}],
        {"rank": {0: LINE}},
        "shape dtype value",
    ),
    module(
        "UpsamplingBilinear2d",
        (None, 2),
        (IMAGES[2],),
        [{1: None}, {1: 0}, {0: 4}],
        {"rank": {0: LINE}},
        "shape dtype value",
    ),
    module(
        "UpsamplingNearest2d",
        (None, 2),
        (IMAGES[2],),
        [{1: None}, {1: 0}, {0: 4}],
        {"rank": {0: LINE}},
        "shape dtype value",
    ),
    # Attention and recurrence.
    module(
        *("MultiheadAttention", (4, 2), (BLOCK, BLOCK, BLOCK), [*counts(0, 1), {1: 3}, {"dropout": 1.5}]),
        {
            "rank": {0: LINE},
            "shape": [{0: TABLE}, {1: floats(2, 3, 5)}, {"attn_mask": floats(3, 3)}],
            "dtype": {0: BLOCK.astype(np.float64)},
        },
    ),
    module(
        *(
            "TransformerEncoderLayer",
            (4, 2, 6),
            (BLOCK,),
            [*counts(0, 1), *sizes(2), {1: 3}, {"dropout": 1.5}, {"activation": "sin"}],
        ),
        {"rank": {0: LINE}, "shape": {0: TABLE}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    module(
        *("TransformerDecoderLayer", (4, 2, 6), (BLOCK, BLOCK), [*counts(0, 1), *sizes(2), {1: 3}, {"dropout": 1.5}]),
        {"rank": {0: LINE}, "shape": {1: TABLE}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    module(
        *("TransformerEncoder", (Of(lambda library: library.nn.TransformerEncoderLayer(4, 2, 6)), 1), (BLOCK,)),
        [{0: 1}, {1: 0}, {1: 0.5}],
        {"rank": {0: LINE}, "shape": {0: TABLE}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    module(
        *("TransformerDecoder", (Of(lambda library: library.nn.TransformerDecoderLayer(4, 2, 6)), 1), (BLOCK, BLOCK)),
        [{0: 1}, {1: 0}, {1: 0.5}],
        {"rank": {0: LINE}, "shape": {1: TABLE}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    module(
        *("Transformer", (4, 2, 1, 1, 6), (BLOCK, BLOCK), [*counts(0, 1, 2, 3), *sizes(4), {1: 3}, {"dropout": 1.5}]),
        {"rank": {0: LINE}, "shape": {1: TABLE}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    *(
        module(
            *(name, (4, 2), (BLOCK,), [*counts(0, 1), {"num_layers": 0}, {"dropout": 1.5}]),
            {
                "rank": {0: LINE},
                "shape": [{0: floats(2, 3, 5)}, {1: state(floats(1, 4, 2))}],
                "dtype": {0: BLOCK.astype(np.float64)},
            },
        )
        for name, state in (("RNN", lambda x: x), ("GRU", lambda x: x), ("LSTM", lambda x: (x, x)))
    ),
    *(
        module(
            *(name, (3, 2), (TABLE,), counts(0, 1)),
            {
                "rank": {0: BLOCK},
                "shape": [{0: TURNED}, {1: state(floats(5, 2))}],
                "dtype": {0: WIDE},
            },
        )
        for name, state in (("RNNCell", lambda x: x), ("GRUCell", lambda x: x), ("LSTMCell", lambda x: (x, x)))
    ),
)
