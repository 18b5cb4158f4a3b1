"""Calls of what makes tensors, and of what sets and reads the state of Lucid."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import LINE, LONG_LINE, TABLE, floats, integers
from tests.errors.calls.call import Call, call

NO_LIST = "rank shape dtype"

CALLS: list[Call] = [
    *(
        call(
            f"lucid.{name}",
            2,
            3,
            takes="rank",
            bad={"shape": {0: -1}, "dtype": {"dtype": "complex64"}, "value": {0: 0.5}},
        )
        for name in ("zeros", "ones")
    ),
    *(
        call(
            f"lucid.{name}", 2, 3, takes="rank", bad={"shape": {0: -1}, "dtype": {"dtype": "int64"}, "value": {0: 0.5}}
        )
        for name in ("rand", "randn")
    ),
    *(
        call(f"lucid.{name}", TABLE, takes="rank shape value", bad={"dtype": {"dtype": "complex64"}})
        for name in ("zeros_like", "ones_like")
    ),
    *(
        call(f"lucid.{name}", TABLE, takes="rank shape value", bad={"dtype": [{"dtype": "int64"}, {0: integers(3)}]})
        for name in ("rand_like", "randn_like")
    ),
    call(
        "lucid.full",
        (2, 3),
        0.5,
        takes="rank",
        bad={"shape": {0: (-1,)}, "dtype": {"dtype": "complex64"}, "value": [{1: "x"}, {1: LINE}]},
    ),
    call(
        "lucid.full_like",
        TABLE,
        0.5,
        takes="rank shape",
        bad={"dtype": {"dtype": "complex64"}, "value": [{1: "x"}, {1: LINE}]},
    ),
    call(
        "lucid.arange",
        0,
        5,
        2,
        takes="rank shape",
        bad={"dtype": {"dtype": "complex64"}, "value": [{2: 0}, {2: -1}, {0: "x"}, {1: float("inf")}]},
    ),
    call(
        "lucid.linspace",
        0.0,
        1.0,
        3,
        takes="rank shape",
        bad={"dtype": {"dtype": "complex64"}, "value": [{2: -1}, {2: 0.5}, {0: "x"}]},
    ),
    call("lucid.eye", 2, 3, takes="rank", bad={"shape": {0: -1}, "dtype": {"dtype": "complex64"}, "value": {0: 0.5}}),
    call(
        *("lucid.randint", 0, 5, (2, 3)),
        takes="rank",
        bad={"shape": {2: (-1,)}, "dtype": {"dtype": "uint8", 1: 300}, "value": [{0: 5}, {0: 0.5}]},
    ),
    call("lucid.randperm", 4, takes="rank shape", bad={"dtype": {"dtype": "complex64"}, "value": [{0: -1}, {0: 0.5}]}),
    call(
        "lucid.bernoulli",
        TABLE,
        takes="rank dtype",
        bad={"shape": {1: (4,)}, "value": [{0: 1.5}, {0: float("nan")}], "data": [{0: TABLE + 1}, {0: TABLE * np.nan}]},
    ),
    call(
        *("lucid.multinomial", LINE, 2),
        bad={
            "rank": {0: floats(2, 2, 2)},
            "shape": {0: floats(0)},
            "dtype": {0: integers(3)},
            "value": [{1: 0}, {1: 4}, {1: 0.5}],
            "data": [{0: LINE - 0.5}, {0: LINE * np.nan}, {0: LINE * np.inf}, {0: LINE * 0}],
        },
    ),
    call(
        "lucid.normal",
        LINE,
        LINE,
        bad={
            "rank": {"size": ()},
            "shape": {1: LONG_LINE},
            "dtype": {"dtype": "int64"},
            "value": {1: -1.0},
            "data": {1: -LINE},
        },
    ),
    call(
        "lucid.uniform",
        LINE,
        1.0,
        bad={
            "rank": {"size": ()},
            "shape": {1: LONG_LINE},
            "dtype": {"dtype": "int64"},
            "value": {0: 2.0},
            "data": {0: LINE + 2},
        },
    ),
    call(
        "lucid.Tensor",
        [1.0, 2.0],
        takes="rank shape",
        bad={"dtype": [{0: ["x"]}, {"dtype": "complex64"}], "value": [{0: [[1.0], 2.0]}, {0: [[1.0, 2.0], [3.0]]}]},
    ),
    call(
        "lucid.tensor",
        [1.0, 2.0],
        takes="rank shape",
        bad={"dtype": [{0: ["x"]}, {"dtype": "complex64"}], "value": [{0: [[1.0], 2.0]}, {0: [[1.0, 2.0], [3.0]]}]},
    ),
    call(
        "lucid.as_tensor",
        [1.0, 2.0],
        takes="rank shape",
        bad={"dtype": [{0: ["x"]}, {"dtype": "complex64"}], "value": [{0: [[1.0], 2.0]}, {0: [[1.0, 2.0], [3.0]]}]},
    ),
    call("lucid.seed", 0, takes="rank shape dtype", bad={"value": [{0: "x"}, {0: 0.5}]}),
    call("lucid.set_state", (1, 2), takes="rank shape dtype", bad={"value": [{0: 1}, {0: (1,)}, {0: (1, "x")}]}),
    call("lucid.set_num_threads", 2, takes="rank shape dtype", bad={"value": [{0: 0}, {0: "x"}]}),
]
