"""Calls of more functions of `lucid` on tensors: special functions, joins and parts, statistics."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import BLOCK, LINE, LONG_LINE, SQUARE, TABLE, TURNED, floats
from tests.errors.calls.call import Call, call, unlike

ANY = "rank shape dtype value"

CALLS: list[Call] = [
    *(
        call(f"lucid.{name}", TABLE, takes=ANY)
        for name in (
            *("deg2rad", "digamma", "erfc", "erfinv", "isneginf", "isposinf", "lgamma", "rad2deg", "signbit", "sinc"),
        )
    ),
    *(
        call(f"lucid.{name}", TABLE, TABLE, takes="rank dtype value", bad={"shape": {1: LONG_LINE}})
        for name in ("copysign", "float_power", "fmax", "fmin", "heaviside", "ldexp", "logaddexp2")
    ),
    call(
        *("lucid.nanquantile", TABLE, 0.5, 1),
        takes="dtype",
        bad={"rank": {2: 2}, "shape": {0: floats(2, 0)}, "value": [{1: 1.5}, {"interpolation": "cubic"}]},
    ),
    call(
        "lucid.nanmedian", TABLE, 1, takes="dtype", bad={"rank": {1: 2}, "shape": {0: floats(2, 0)}, "value": {1: 0.5}}
    ),
    call("lucid.broadcast_tensors", TABLE, LINE, takes="rank dtype value", bad={"shape": {1: LONG_LINE}}),
    call("lucid.isin", TABLE, LINE, takes=ANY),
    call(
        "lucid.polygamma",
        1,
        TABLE,
        takes="rank shape dtype",
        bad={"value": [{0: -1}, unlike({0: 13}, "goes on"), {0: 0.5}]},
    ),
    call(
        *("lucid.dist", TABLE, TABLE, 2),
        takes="rank dtype",
        bad={"shape": {1: LONG_LINE}, "value": {2: "x"}},
    ),
    *(
        call(f"lucid.{name}", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}})
        for name in ("cummax", "cummin", "logcumsumexp")
    ),
    call(
        *("lucid.aminmax", TABLE),
        takes="dtype",
        bad={"rank": {"dim": 2}, "shape": {0: floats(0)}, "value": {"dim": 0.5}},
    ),
    call(
        *("lucid.kthvalue", TABLE, 2, 1),
        takes="shape dtype",
        bad={"rank": {2: 2}, "value": [{1: 0}, {1: 4}, {1: 0.5}]},
    ),
    call(
        *("lucid.trapezoid", TABLE, LINE),
        takes="dtype",
        bad={"rank": {"dim": 2}, "shape": {1: LONG_LINE}, "value": {"dim": 0.5}},
    ),
    call(
        *("lucid.cumulative_trapezoid", TABLE, LINE),
        takes="dtype",
        bad={"rank": {"dim": 2}, "shape": {1: LONG_LINE}, "value": {"dim": 0.5}},
    ),
    call(
        *("lucid.renorm", TABLE, 2, 0, 1.0),
        takes="shape dtype",
        bad={"rank": [{0: LINE}, {2: 2}], "value": [{1: "x"}, {1: 0}, {3: "x"}, {3: -1.0}]},
    ),
    call(
        *("lucid.cov", TABLE),
        takes="dtype",
        bad={"rank": {0: BLOCK}, "shape": {"aweights": LONG_LINE}, "value": {"correction": "x"}},
    ),
    call("lucid.corrcoef", TABLE, takes="shape dtype value", bad={"rank": {0: BLOCK}}),
    call("lucid.bucketize", TABLE, LINE, takes="shape dtype value", bad={"rank": {1: SQUARE}}),
    # Joins, and parts.
    call("lucid.block_diag", TABLE, LINE, takes="shape dtype value", bad={"rank": {0: BLOCK}}),
    call("lucid.cartesian_prod", LINE, LONG_LINE, takes="shape dtype value", bad={"rank": {0: TABLE}}),
    call("lucid.hstack", [TABLE, TABLE], takes="rank dtype", bad={"shape": {0: [TABLE, TURNED]}, "value": {0: []}}),
    call("lucid.vstack", [TABLE, TABLE], takes="rank dtype", bad={"shape": {0: [TABLE, TURNED]}, "value": {0: []}}),
    call("lucid.dstack", [TABLE, TABLE], takes="rank dtype", bad={"shape": {0: [TABLE, TURNED]}, "value": {0: []}}),
    call("lucid.select", TABLE, 1, 2, takes="shape dtype", bad={"rank": {1: 2}, "data": {2: 3}, "value": {2: 0.5}}),
    call(
        *("lucid.tensor_split", TABLE, 2, 1),
        takes="shape dtype",
        bad={"rank": {2: 2}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        *("Tensor.unfold", TABLE, 1, 2, 1),
        takes="shape dtype",
        bad={"rank": {1: 2}, "value": [{2: 4}, {3: 0}, {2: 0.5}]},
    ),
    *(
        call(
            *(f"lucid.{name}", 2, 3),
            takes="rank",
            bad={"shape": {0: -1}, "dtype": {"dtype": "complex64"}, "value": [{0: 0.5}, {2: 0.5}]},
        )
        for name in ("tril_indices", "triu_indices")
    ),
    call(
        *("lucid.logspace", 0.0, 1.0, 3),
        takes="rank shape",
        bad={"dtype": {"dtype": "complex64"}, "value": [{2: -1}, {2: 0.5}, {0: "x"}, {3: "x"}]},
    ),
    # Products.
    call(
        "lucid.matrix_power",
        SQUARE,
        2,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {0: TABLE}, "value": [unlike({1: -1}, "inverts it"), {1: 0.5}]},
    ),
    call(
        *("lucid.addbmm", SQUARE, BLOCK, floats(2, 4, 3)),
        bad={
            "rank": {1: TABLE},
            "shape": [{2: BLOCK}, {0: LONG_LINE}],
            "dtype": {1: BLOCK.astype(np.float64)},
            "value": {"beta": "x"},
        },
    ),
    call(
        *("lucid.addr", TABLE, floats(2), LINE),
        takes="dtype",
        bad={"rank": {1: SQUARE}, "shape": [{2: LONG_LINE}, {0: LONG_LINE}], "value": {"alpha": "x"}},
    ),
]
