"""Calls of the functions of `lucid` on tensors."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.arrays import (
    BLOCK,
    COUNTS,
    LINE,
    LONG_LINE,
    NUMBER,
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

# Of one tensor, each element by itself.
OF_ELEMENTS = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "exp2", "expm1", "floor"),
    *("frac", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not", "reciprocal", "relu"),
    *("round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc"),
)
# Of two tensors, which broadcast.
OF_PAIRS = (
    *("add", "atan2", "divide", "floor_divide", "fmod", "greater", "greater_equal", "hypot", "isclose", "less"),
    *("less_equal", "logaddexp", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply"),
    *("not_equal", "power", "remainder", "subtract", "xlogy"),
)
OVER_AXES = (
    *("all", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "prod", "std", "std_mean", "sum"),
    *("var", "var_mean"),
)

CALLS: list[Call] = [
    *(call(f"lucid.{name}", TABLE, takes=ANY) for name in OF_ELEMENTS),
    call("lucid.absolute", TABLE, takes="rank shape value", bad={"dtype": {0: TRUTHS}}),
    call("lucid.negative", TABLE, takes="rank shape value", bad={"dtype": {0: TRUTHS}}),
    call("lucid.bitwise_not", COUNTS, takes="rank shape value", bad={"dtype": {0: TABLE}}),
    *(
        call(f"lucid.{name}", TABLE, TABLE, takes="rank dtype value", bad={"shape": {1: LONG_LINE}})
        for name in OF_PAIRS
    ),
    call(
        "lucid.equal",
        TABLE,
        TABLE,
        takes="rank dtype value",
        bad={"shape": unlike({1: LONG_LINE}, "asks for one bool")},
    ),
    *(
        call(
            *(f"lucid.{name}", COUNTS, COUNTS),
            takes="rank value",
            bad={"shape": {1: integers(4)}, "dtype": {0: TABLE}},
        )
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
    ),
    *(
        call(f"lucid.{name}", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: "x"}})
        for name in OVER_AXES
    ),
    *(
        call(
            *(f"lucid.{name}", TABLE, 1),
            takes="dtype",
            bad={"rank": {1: 2}, "shape": {0: floats(2, 0)}, "value": {1: "x"}},
        )
        for name in ("argmax", "argmin", "max", "min")
    ),
    call("lucid.norm", TABLE, 2, 1, takes="shape dtype", bad={"rank": {2: 2}, "value": [{1: "x"}, {2: 0.5}]}),
    call(
        *("lucid.quantile", TABLE, 0.5, 1),
        takes="dtype",
        bad={"rank": {2: 2}, "shape": {0: floats(2, 0)}, "value": [{1: 1.5}, {"interpolation": "cubic"}]},
    ),
    call("lucid.median", TABLE, 1, takes="dtype", bad={"rank": {1: 2}, "shape": {0: floats(2, 0)}, "value": {1: 0.5}}),
    call("lucid.cumsum", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call("lucid.cumprod", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call(
        *("lucid.diff", TABLE, 1, 1),
        takes="dtype",
        bad={"rank": [{0: NUMBER}, {2: 2}], "shape": {"prepend": floats(3, 1)}, "value": [{1: -1}, {1: 0.5}]},
    ),
    call(*("lucid.addcmul", TABLE, TABLE, TABLE), takes="rank dtype", bad={"shape": {2: LONG_LINE}, "value": {3: "x"}}),
    call(*("lucid.addcdiv", TABLE, TABLE, TABLE), takes="rank dtype", bad={"shape": {2: LONG_LINE}, "value": {3: "x"}}),
    call("lucid.lerp", TABLE, TABLE, TABLE, takes="rank dtype value", bad={"shape": {1: LONG_LINE}}),
    call("lucid.clip", TABLE, 0.2, 0.8, takes="rank dtype", bad={"shape": {1: LONG_LINE}, "value": {1: None, 2: None}}),
    call("lucid.nan_to_num", TABLE, 0.0, takes="rank shape dtype", bad={"value": {1: "x"}}),
    call("lucid.logit", TABLE, 0.1, takes="rank shape dtype", bad={"value": {1: "x"}}),
    call(
        *("lucid.where", TRUTHS, TABLE, TABLE),
        takes="rank value",
        bad={"shape": [{0: np.array([True, False])}, {1: LONG_LINE}], "dtype": {0: TABLE}},
    ),
    call(
        "lucid.broadcast_to",
        TABLE,
        (4, 2, 3),
        takes="dtype",
        bad={"rank": {1: (3,)}, "shape": {1: (2, 4)}, "value": {1: "x"}},
    ),
    call("lucid.chunk", TABLE, 2, 1, takes="shape dtype", bad={"rank": {2: 2}, "value": [{1: 0}, {1: 0.5}]}),
    call(
        *("lucid.concatenate", [TABLE, TABLE], 0),
        takes="dtype",
        bad={"rank": [{0: [TABLE, LINE]}, {1: 2}], "shape": {0: [TABLE, TURNED]}, "value": [{0: []}, {1: 0.5}]},
    ),
    call(
        *("lucid.stack", [TABLE, TABLE], 0),
        takes="dtype",
        bad={"rank": [{0: [TABLE, LINE]}, {1: 3}], "shape": {0: [TABLE, TURNED]}, "value": [{0: []}, {1: 0.5}]},
    ),
    call("lucid.diag", LINE, takes="shape dtype", bad={"rank": {0: BLOCK}, "value": {1: 0.5}}),
    call("lucid.diag_embed", LINE, takes="shape dtype", bad={"rank": {0: NUMBER}, "value": {1: 0.5}}),
    call(
        "lucid.diagonal",
        TABLE,
        takes="dtype",
        bad={"rank": [{0: LINE}, {"axis1": 2}], "shape": {"axis1": 1}, "value": {1: 0.5}},
    ),
    call("lucid.expand_dims", TABLE, 1, takes="shape dtype", bad={"rank": {1: 4}, "value": {1: 0.5}}),
    call("lucid.unsqueeze", TABLE, 1, takes="shape dtype", bad={"rank": {1: 4}, "value": {1: 0.5}}),
    call("lucid.flatten", BLOCK, 1, 2, takes="shape dtype", bad={"rank": [{2: 3}, {1: 2, 2: 1}], "value": {1: 0.5}}),
    call("lucid.flip", TABLE, (1,), takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call("lucid.meshgrid", LINE, LONG_LINE, takes="shape dtype", bad={"rank": {0: TABLE}, "value": {"indexing": "yx"}}),
    call(
        "lucid.moveaxis",
        TABLE,
        0,
        1,
        takes="dtype",
        bad={"rank": {1: 2}, "shape": {1: (0, 0), 2: (0, 1)}, "value": [{1: 0.5}, {1: (0, 1)}]},
    ),
    call(
        "lucid.permute",
        TABLE,
        (1, 0),
        takes="dtype",
        bad={"rank": {1: (0, 1, 2)}, "shape": {1: (0, 0)}, "value": {1: "x"}},
    ),
    call(
        "lucid.reshape",
        TABLE,
        (3, 2),
        takes="rank dtype",
        bad={"shape": [{1: (4, 2)}, {1: (-1, -1)}], "value": {1: "x"}},
    ),
    call(
        "lucid.roll", TABLE, 1, 1, takes="shape dtype", bad={"rank": {2: 2}, "value": [{1: 0.5}, {1: (1, 2), 2: (0,)}]}
    ),
    call(
        "lucid.rot90", TABLE, 1, (0, 1), takes="shape dtype", bad={"rank": [{0: LINE}, {2: (0, 0)}], "value": {1: 0.5}}
    ),
    call(
        *("lucid.split", TABLE, 1, 1),
        takes="dtype",
        bad={"rank": {2: 2}, "shape": {1: [1, 1]}, "value": [{1: 0}, {1: 0.5}]},
    ),
    call(
        "lucid.squeeze",
        floats(2, 1),
        1,
        takes="dtype",
        bad={"rank": {1: 2}, "shape": unlike({1: 0}, "leaves it"), "value": {1: 0.5}},
    ),
    call("lucid.tile", TABLE, (2, 1), takes="rank shape dtype", bad={"value": [{1: "x"}, {1: (-1, 1)}]}),
    call("lucid.transpose", TABLE, 0, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call("lucid.tril", TABLE, takes="shape dtype", bad={"rank": {0: LINE}, "value": {1: 0.5}}),
    call("lucid.triu", TABLE, takes="shape dtype", bad={"rank": {0: LINE}, "value": {1: 0.5}}),
    call("lucid.trace", TABLE, takes="shape dtype value", bad={"rank": {0: LINE}}),
    call("lucid.unbind", TABLE, 1, takes="shape dtype", bad={"rank": {1: 2}, "value": {1: 0.5}}),
    call(
        "lucid.unflatten",
        TABLE,
        1,
        (3, 1),
        takes="dtype",
        bad={"rank": {1: 2}, "shape": {2: (2, 2)}, "value": {2: "x"}},
    ),
    # Products.
    call(
        "lucid.matmul",
        TABLE,
        TURNED,
        takes="value",
        bad={"rank": {0: NUMBER}, "shape": {1: TABLE}, "dtype": {1: WIDE.T}},
    ),
    call(
        "lucid.bmm",
        BLOCK,
        floats(2, 4, 3),
        takes="value",
        bad={"rank": {0: TABLE}, "shape": {1: BLOCK}, "dtype": {0: BLOCK.astype(np.float64)}},
    ),
    call(
        "lucid.mv", TABLE, LINE, takes="value", bad={"rank": {1: TURNED}, "shape": {1: LONG_LINE}, "dtype": {0: WIDE}}
    ),
    call(
        "lucid.dot",
        LINE,
        LINE,
        takes="value",
        bad={"rank": {1: TURNED}, "shape": {1: LONG_LINE}, "dtype": {0: LINE.astype(np.float64)}},
    ),
    call("lucid.inner", TABLE, LINE, takes="rank value", bad={"shape": {1: LONG_LINE}, "dtype": {0: WIDE}}),
    call("lucid.outer", LINE, LONG_LINE, takes="shape dtype value", bad={"rank": {0: TABLE}}),
    call("lucid.kron", TABLE, LINE, takes="rank shape dtype value"),
    call(
        "lucid.cross",
        TABLE,
        TABLE,
        1,
        takes="dtype",
        bad={"rank": {2: 2}, "shape": [{0: TURNED, 1: TURNED}, {1: TURNED}], "value": {2: 0.5}},
    ),
    call(
        "lucid.cdist",
        TABLE,
        SQUARE,
        takes="dtype",
        bad={"rank": {0: LINE}, "shape": {1: TURNED}, "value": [{2: "x"}, {2: -1.0}]},
    ),
    call(
        *("lucid.tensordot", TABLE, TURNED, 1),
        bad={"rank": {2: 3}, "shape": {1: TABLE}, "dtype": {0: WIDE}, "value": [{2: "x"}, {2: -1}]},
    ),
    call(
        *("lucid.einsum", "ij,jk->ik", TABLE, TURNED),
        bad={
            "rank": {1: LINE},
            "shape": {2: TABLE},
            "dtype": {1: WIDE},
            "value": [{0: "ij,jk->iz"}, {0: "ij->i"}, {0: "i?,jk"}],
        },
    ),
    call(
        *("lucid.addmm", TABLE, TURNED.T, SQUARE),
        bad={"rank": {1: LINE}, "shape": [{2: TABLE}, {0: LONG_LINE}], "dtype": {1: WIDE}, "value": {"beta": "x"}},
    ),
    call(
        *("lucid.addmv", floats(2), TABLE, LINE),
        bad={"rank": {1: LINE}, "shape": [{2: LONG_LINE}, {0: LONG_LINE}], "dtype": {1: WIDE}, "value": {"beta": "x"}},
    ),
    call(
        *("lucid.baddbmm", floats(2, 3, 3), BLOCK, floats(2, 4, 3)),
        bad={
            "rank": {1: TABLE},
            "shape": [{2: BLOCK}, {0: LONG_LINE}],
            "dtype": {1: BLOCK.astype(np.float64)},
            "value": {"alpha": "x"},
        },
    ),
    # By positions.
]
