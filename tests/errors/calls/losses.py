"""Calls of losses and distances: of the functions of `lucid.nn.functional`, and of the modules of `lucid.nn`."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import (
    BLOCK,
    CLASSES,
    COUNTS,
    FAR,
    LINE,
    LONG_LINE,
    NUMBER,
    PLACES,
    TABLE,
    TURNED,
    floats,
)
from tests.errors.calls.call import Call, call, unlike
from tests.errors.calls.modules import module, several

REDUCED = {"reduction": "median"}


def of_target(name: str, *more: object, takes: str = "dtype", **bad: object) -> Call:
    """The call of a loss of a prediction, and of a target of its shape."""
    return call(
        *(f"F.{name}", TABLE, TABLE, *more),
        takes=f"rank {takes}",
        bad={"shape": {1: LONG_LINE}, "value": [REDUCED, *bad.pop("value", [])], **bad},
    )


FUNCTIONS: list[Call] = [
    call(
        "F.cosine_similarity",
        TABLE,
        TABLE,
        1,
        takes="dtype",
        bad={"rank": {2: 2}, "shape": {1: LONG_LINE}, "value": {2: 0.5}},
    ),
    call("F.pairwise_distance", TABLE, TABLE, takes="rank dtype", bad={"shape": {1: LONG_LINE}, "value": {2: "x"}}),
    of_target("l1_loss"),
    of_target("mse_loss"),
    of_target("smooth_l1_loss", value=[{"beta": -1.0}, {"beta": "x"}]),
    of_target("huber_loss", value=[{"delta": 0.0}, {"delta": "x"}]),
    of_target("kl_div"),
    of_target("poisson_nll_loss"),
    of_target("hinge_embedding_loss", value=[{"margin": "x"}]),
    of_target("soft_margin_loss"),
    of_target("multilabel_soft_margin_loss"),
    of_target("binary_cross_entropy", data=[{0: TABLE + 1}, {1: TABLE + 1}, {0: TABLE * np.nan}]),
    of_target("binary_cross_entropy_with_logits", value=[{"pos_weight": "x"}]),
    call(
        *("F.gaussian_nll_loss", TABLE, TABLE, TABLE),
        takes="rank dtype",
        bad={
            "shape": [{1: LONG_LINE}, {2: LONG_LINE}],
            "data": {2: -TABLE},
            "value": [REDUCED, unlike({"eps": -1.0}, "takes it")],
        },
    ),
    call(
        *("F.margin_ranking_loss", TABLE, TABLE, TABLE),
        takes="rank dtype",
        bad={"shape": {1: LONG_LINE}, "value": [REDUCED, {"margin": "x"}]},
    ),
    call(
        *("F.cosine_embedding_loss", TABLE, TABLE, floats(2)),
        takes="dtype",
        bad={"rank": {0: BLOCK}, "shape": [{1: TURNED}, {2: LINE}], "value": [REDUCED, {"margin": "x"}]},
    ),
    call(
        *("F.triplet_margin_loss", TABLE, TABLE, TABLE),
        takes="dtype",
        bad={"rank": {2: LINE}, "shape": {1: TURNED}, "value": [REDUCED, {"margin": "x"}, {"margin": -1.0}]},
    ),
    call(
        *("F.triplet_margin_with_distance_loss", TABLE, TABLE, TABLE),
        takes="dtype",
        bad={"rank": {2: LINE}, "shape": {1: TURNED}, "value": [REDUCED, {"margin": -1.0}, {"distance_function": 1}]},
    ),
    call(
        *("F.multi_margin_loss", TABLE, CLASSES),
        bad={
            "rank": {0: BLOCK},
            "shape": {1: PLACES},
            "dtype": {1: floats(2)},
            "data": {1: FAR},
            "value": [REDUCED, {"p": 3}, {"margin": "x"}],
        },
    ),
    call(
        *("F.multilabel_margin_loss", TABLE, COUNTS),
        bad={"rank": {0: BLOCK}, "shape": {1: PLACES}, "dtype": {1: TABLE}, "data": {1: COUNTS + 2}, "value": REDUCED},
    ),
    call(
        *("F.cross_entropy", TABLE, CLASSES),
        takes="dtype",
        weight=LINE,
        bad={
            "rank": {0: NUMBER},
            "shape": [{1: PLACES}, {"weight": LONG_LINE}],
            "data": {1: FAR},
            "value": [REDUCED, {"label_smoothing": 1.5}],
        },
    ),
    call(
        *("F.nll_loss", TABLE, CLASSES),
        weight=LINE,
        bad={
            "rank": {0: NUMBER},
            "shape": [{1: PLACES}, {"weight": LONG_LINE}],
            "dtype": {1: floats(2)},
            "data": {1: FAR},
            "value": REDUCED,
        },
    ),
]

MODULES: list[Call] = several(
    *(
        module(name, (), (TABLE, TABLE), REDUCED, {"shape": {1: LONG_LINE}}, "rank dtype value")
        for name in (
            *("BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss"),
            *("MultiLabelSoftMarginLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss"),
        )
    ),
    *(
        module(
            name,
            (),
            (TABLE, CLASSES),
            REDUCED,
            {"rank": {0: NUMBER}, "shape": {1: PLACES}, "data": {1: FAR}},
            "dtype value",
        )
        for name in ("CrossEntropyLoss", "NLLLoss")
    ),
    module(
        *("MultiMarginLoss", (), (TABLE, CLASSES), [REDUCED, {0: 3}]),
        {"rank": {0: BLOCK}, "shape": {1: PLACES}, "dtype": {1: floats(2)}, "data": {1: FAR}},
    ),
    module(
        *("MultiLabelMarginLoss", (), (TABLE, COUNTS), REDUCED),
        {"rank": {0: BLOCK}, "shape": {1: PLACES}, "dtype": {1: TABLE}, "data": {1: COUNTS + 2}},
    ),
    module(
        "CosineEmbeddingLoss",
        (0.0,),
        (TABLE, TABLE, floats(2)),
        [REDUCED, {0: "x"}],
        {"rank": {0: BLOCK}, "shape": {1: TURNED}},
        "dtype value",
    ),
    module(
        "GaussianNLLLoss",
        (),
        (TABLE, TABLE, TABLE),
        REDUCED,
        {"shape": {1: LONG_LINE}, "data": {2: -TABLE}},
        "rank dtype value",
    ),
    module(
        "MarginRankingLoss",
        (0.0,),
        (TABLE, TABLE, TABLE),
        [REDUCED, {0: "x"}],
        {"shape": {1: LONG_LINE}},
        "rank dtype value",
    ),
    module(
        "TripletMarginLoss",
        (1.0,),
        (TABLE, TABLE, TABLE),
        [REDUCED, {0: "x"}, {0: -1.0}],
        {"rank": {0: LINE}, "shape": {1: TURNED}},
        "dtype value",
    ),
    module(
        "TripletMarginWithDistanceLoss",
        (),
        (TABLE, TABLE, TABLE),
        [REDUCED, {"margin": -1.0}, {"distance_function": 1}],
        {"rank": {0: LINE}, "shape": {1: TURNED}},
        "dtype value",
    ),
    module(
        "CosineSimilarity",
        (1,),
        (TABLE, TABLE),
        {0: 0.5},
        {"rank": {0: LINE, 1: LINE}, "shape": {1: LONG_LINE}},
        "dtype value",
    ),
    module("PairwiseDistance", (), (TABLE, TABLE), {0: "x"}, {"shape": {1: LONG_LINE}}, "rank dtype value"),
)

CALLS: list[Call] = [*FUNCTIONS, *MODULES]
