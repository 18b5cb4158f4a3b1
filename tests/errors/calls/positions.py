"""Calls of functions of `lucid` that go where integers say, count, or put in order."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import (
    COUNTS,
    LINE,
    LONG_LINE,
    NUMBER,
    PLACES,
    SQUARE,
    TABLE,
    TRUTHS,
    TURNED,
    WIDE,
    floats,
    integers,
)
from tests.errors.calls.call import Call, call, unlike

ANY = "rank shape dtype value"
FAR = np.array([0, 3, 1])  # a position that an axis of three elements has not


CALLS: list[Call] = [
    call(
        *("lucid.masked_fill", TABLE, TRUTHS, 0.5),
        takes="value",
        bad={"rank": {2: LINE}, "shape": {1: np.array([True, False])}, "dtype": {1: TABLE}},
    ),
    # Movement.
    call("lucid.narrow", TABLE, 1, 0, 2, takes="dtype", bad={"rank": {1: 2}, "shape": {3: 4}, "value": {3: 0.5}}),
    call(
        *("lucid.repeat_interleave", TABLE, np.array([1, 2]), 0),
        output_size=3,
        bad={
            "rank": {2: 2},
            "shape": [{1: np.array([1, 1, 1])}, {1: np.array([[1, 2]])}],
            "dtype": {1: LINE[:2]},
            "value": [{1: -1}, {1: 0.5}, {1: 2}, {"output_size": -1}, {"output_size": 0.5}],
            "data": [{1: np.array([-1, 4])}, {"output_size": 4}],  # PyTorch writes beyond its result for [4, -1]
        },
    ),
    call(
        *("lucid.take", LINE, PLACES),
        takes="shape rank",
        bad={"dtype": {1: LINE}, "data": {1: FAR}, "value": {2: 0.5}},
    ),
    call(
        *("lucid.take_along_axis", TABLE, COUNTS, 1),
        bad={
            "rank": [{1: PLACES}, {2: 2}],
            "shape": {1: integers(4, 3)},
            "dtype": {1: TABLE},
            "data": {1: COUNTS * 3},
            "value": {2: 0.5},
        },
    ),
    call(
        *("lucid.gather", TABLE, 1, COUNTS),
        bad={
            "rank": [{2: PLACES}, {1: 2}],
            "shape": {2: integers(4, 3)},
            "dtype": {2: TABLE},
            "data": {2: COUNTS * 3},
            "value": {1: 0.5},
        },
    ),
    call(
        *("lucid.index_select", TABLE, 1, PLACES),
        takes="shape",
        bad={"rank": [{2: COUNTS}, {1: 2}], "dtype": {2: LINE}, "data": {2: FAR}, "value": {1: 0.5}},
    ),
    call(
        *("lucid.index_add", TABLE, 1, PLACES, TABLE),
        bad={
            "rank": [{2: COUNTS}, {1: 2}],
            "shape": {3: TURNED},
            "dtype": [{2: LINE}, {3: WIDE}],
            "data": {2: FAR},
            "value": [{1: 0.5}, {"alpha": "x"}],
        },
    ),
    call(
        *("lucid.index_copy", TABLE, 1, PLACES, TABLE),
        bad={
            "rank": [{2: COUNTS}, {1: 2}],
            "shape": {3: TURNED},
            "dtype": [{2: LINE}, {3: WIDE}],
            "data": {2: FAR},
            "value": {1: 0.5},
        },
    ),
    call(
        *("lucid.index_fill", TABLE, 1, PLACES, 0.5),
        takes="shape",
        bad={
            "rank": [{2: COUNTS}, {1: 2}, {3: LINE}],
            "dtype": {2: LINE},
            "data": {2: FAR},
            "value": [{1: 0.5}, {3: "x"}],
        },
    ),
    call(
        *("lucid.index_put", LINE, (PLACES,), NUMBER),
        bad={
            "rank": unlike({1: (PLACES, PLACES)}, error=IndexError),
            "shape": {2: LONG_LINE},
            "dtype": {1: (LINE,)},
            "data": {1: (FAR,)},
            "value": [{1: PLACES}, {2: "x"}],
        },
    ),
    call(
        *("lucid.scatter", TABLE, 1, COUNTS, TABLE),
        bad={
            "rank": [{2: PLACES}, {1: 2}],
            "shape": {2: integers(4, 3)},
            "dtype": {2: TABLE},
            "data": {2: COUNTS * 3},
            "value": {1: 0.5},
        },
    ),
    call(
        *("lucid.scatter_reduce", TABLE, 1, COUNTS, TABLE, "amax"),
        bad={
            "rank": [{2: PLACES}, {1: 2}],
            "shape": {2: integers(4, 3)},
            "dtype": [{2: TABLE}, {3: WIDE}],
            "data": {2: COUNTS * 3},
            "value": [{1: 0.5}, {4: "median"}],
        },
    ),
    call(
        *("lucid.bincount", PLACES),
        weights=floats(*PLACES.shape),
        bad={
            "rank": {0: COUNTS},
            "shape": {"weights": LONG_LINE},
            "dtype": {0: LINE},
            "data": {0: PLACES - 5},
            "value": [{"minlength": -1}, {"minlength": 0.5}],
        },
    ),
    call(
        *("lucid.histc", TABLE, 4),
        takes="rank shape dtype",
        bad={
            "value": [{1: 0}, {1: 0.5}, {"min": 1.0, "max": 0.0}, {"min": "x"}],
            "data": {0: np.array([1.0, np.nan], np.float32)},
        },
    ),
    call(
        *("lucid.scatter_add", TABLE, 1, COUNTS, TABLE),
        bad={
            "rank": [{2: PLACES}, {1: 2}],
            "shape": {2: integers(4, 3)},
            "dtype": [{2: TABLE}, {3: WIDE}],
            "data": {2: COUNTS * 3},
            "value": {1: 0.5},
        },
    ),
    call(
        "lucid.check_index",
        PLACES,
        2,
        "class",
        takes="rank shape",
        bad={"dtype": {0: LINE}, "data": {0: FAR}, "value": {1: 0.5}},
    ),
    call("lucid.argsort", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call("lucid.sort", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call("lucid.topk", TABLE, 2, 1, takes="shape dtype", bad={"rank": {2: 2}, "value": [{1: -1}, {1: 4}, {1: 0.5}]}),
    call(
        *("lucid.searchsorted", LINE, LINE),
        takes="dtype",
        bad={"rank": {0: NUMBER}, "shape": {0: TABLE, 1: SQUARE}, "value": {"side": "middle"}},
    ),
]
