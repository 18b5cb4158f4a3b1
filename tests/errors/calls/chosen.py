"""Calls of what chooses: bags of rows, unpools, pools of random windows, losses of sequences and of many classes."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import BLOCK, CLASSES, FAR, IMAGES, LINE, PLACES, SQUARE, TABLE, TURNED, floats, integers
from tests.errors.calls.call import Call, call, unlike
from tests.errors.calls.losses import REDUCED
from tests.errors.calls.modules import counts, module, several, sizes

MODE = {"mode": "median"}
STARTS = np.array([0, 1])
LABELS = integers(2, 2) + 1
SEQUENCES = floats(6, 2, 4), LABELS, np.array([6, 5]), np.array([2, 1])
SHORT = {n: (floats(2, 4, *(2,) * n), integers(2, 4, *(2,) * n)) for n in (1, 2, 3)}
OF_SEQUENCES = {
    "rank": {0: LINE},
    "shape": [{1: integers(3, 2) + 1}, {2: PLACES}],
    "dtype": [unlike({n: floats(*shape)}, "takes floats") for n, shape in ((1, (2, 2)), (3, (2,)))],
    "data": [unlike({1: LABELS + 9}, "reads past the end"), {2: np.array([7, 5])}, {3: np.array([3, 1])}],
}

CALLS: list[Call] = [
    call(
        *("F.embedding_bag", integers(2, 3), TABLE),
        takes="shape",
        bad={
            "rank": [{0: integers(1, 2, 2)}, {1: LINE}],
            "dtype": {0: floats(2, 3)},
            "data": {0: integers(2, 3) + 5},
            "value": [MODE, {"padding_idx": 2}],
        },
    ),
    call(
        *("F.embedding_bag", PLACES, TABLE, STARTS),
        takes="shape",
        bad={
            "rank": {2: integers(1, 2)},
            "dtype": {2: floats(2)},
            "data": [{2: np.array([1, 2])}, {2: np.array([0, 4])}],
            "value": [MODE, {"per_sample_weights": LINE}],
        },
    ),
    call("F.ctc_loss", *SEQUENCES, bad={**OF_SEQUENCES, "value": [REDUCED, {"blank": 4}]}),
    call(
        *("F.linear_cross_entropy", TABLE, SQUARE, CLASSES),
        takes="dtype",
        bad={
            "rank": {1: LINE},
            "shape": [{0: TURNED}, {2: PLACES}],
            "data": {2: FAR},
            "value": [REDUCED, {"label_smoothing": 1.5}],
        },
    ),
    call("F.pdist", TABLE, takes="shape dtype", bad={"rank": {0: LINE}, "value": [{1: -1.0}, {1: "x"}]}),
    *(
        call(
            *(f"F.max_unpool{n}d", *SHORT[n], 2),
            bad={
                "rank": {0: TABLE},
                "shape": {1: integers(2, 4)},
                "dtype": {1: SHORT[n][0]},
                "data": {1: SHORT[n][1] + 999},
                "value": [unlike({2: 0}, "takes windows of nothing"), {2: 0.5}, {"output_size": (9,) * n}],
            },
        )
        for n in (1, 2, 3)
    ),
    *(
        call(
            *(f"F.fractional_max_pool{n}d", IMAGES[n], 2, 2),
            takes="dtype",
            bad={
                "rank": {0: TABLE},
                "shape": {2: 9},
                "value": [
                    unlike({1: 0}, "takes windows of nothing"),
                    {1: 0.5},
                    unlike({"output_ratio": 0.25}, "takes both, and one counts"),
                ],
            },
        )
        for n in (2, 3)
    ),
    *several(
        module(
            *("EmbeddingBag", (2, 3), (integers(2, 3),), [*sizes(0, 1), MODE, {"padding_idx": 2}]),
            {"rank": {0: integers(1, 2, 2)}, "dtype": {0: floats(2, 3)}, "data": {0: integers(2, 3) + 5}},
            "shape value",
        ),
        module("CTCLoss", (), SEQUENCES, REDUCED, OF_SEQUENCES),
        module(
            *("LinearCrossEntropyLoss", (3, 3), (TABLE, CLASSES), [REDUCED, *sizes(0), *counts(1)]),
            {"rank": {0: BLOCK}, "shape": [{0: TURNED}, {1: PLACES}], "data": {1: FAR}},
            "dtype value",
        ),
        module(
            *("AdaptiveLogSoftmaxWithLoss", (8, 9, [3, 6], 2.0), (floats(2, 8), CLASSES)),
            [{2: []}, {2: [6, 3]}, {2: [9]}],
            {"rank": {0: BLOCK}, "shape": {1: PLACES}, "dtype": {1: floats(2)}, "data": {1: CLASSES + 9}},
        ),
        *(
            module(
                *(f"MaxUnpool{n}d", (2,), SHORT[n], counts(0)),
                {
                    "rank": {0: TABLE},
                    "shape": {1: integers(2, 4)},
                    "dtype": {1: SHORT[n][0]},
                    "data": {1: SHORT[n][1] + 999},
                },
            )
            for n in (1, 2, 3)
        ),
        *(
            module(
                *(f"FractionalMaxPool{n}d", (2, 2), (IMAGES[n],), [*counts(0), {1: None}, {"output_ratio": 0.25}]),
                {"rank": {0: TABLE}, "shape": {0: IMAGES[n][..., :2]}},
                "dtype value",
            )
            for n in (2, 3)
        ),
    ),
]  # fmt: skip
