"""Every function of the table with bools, bytes or int32 among its operands, beside PyTorch, eagerly and compiled."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
from tests.parity.test_table import (
    all_of,
    assert_same_results,
    expect_outcome,
    expect_promoted,
    ours_of,
    outcome,
    pair,
    theirs_of,
    tried,
)
from tests.table import corners, functions
from tests.table.row import KINDS, Inputs, Row, cast

# Where both give results that differ, and why: by function, the operands, first of all of them by kind.
FLOAT_FACTORS = {"uint8 all": "beta and alpha are floats, so the result is", "int32 all": "as uint8"}
APART: dict[str, dict[str, str]] = {
    "add": {"bool all": "alpha is an integer, so the result is"},
    "any": {"uint8 0": "PyTorch gives uint8, for the sake of old programs"},
    "all": {"uint8 0": "PyTorch gives uint8, for the sake of old programs"},
    "atan2": {"uint8 0": "PyTorch's gradient has the negative of a byte, which wraps around"},
    "trapezoid": {"uint8 0": "PyTorch's distances of bytes wrap around"},
    "cumulative_trapezoid": {"uint8 0": "PyTorch's distances of bytes wrap around"},
    "addcmul": FLOAT_FACTORS,
    "addmm": FLOAT_FACTORS,
    "addmv": FLOAT_FACTORS,
    "baddbmm": FLOAT_FACTORS,
    "addbmm": FLOAT_FACTORS,
    "ldexp": {"int32 1": "PyTorch's gradient has a power of 2 that is an integer"},
    "Tensor.type_as": {"uint8 1": "negative numbers become the byte 0, and in PyTorch any"},
    "nn.functional.bilinear": {"uint8 all": "sums of integers are int64", "int32 all": "sums of integers are int64"},
    **{f"nn.functional.lp_pool{n}d": {"bool 0": "PyTorch's windows are averages of integers"} for n in (1, 2, 3)},
}
# Where Lucid takes no bools.
NO_BOOLS = {
    **dict.fromkeys(("scatter_add", "index_add", "index_put"), "bool all"),  # of bools, PyTorch's sum is `or`
    "nn.functional.fold": "bool 0",
    "sign": "bool 0",  # as in NumPy
}


def of_kinds(inputs: Inputs) -> dict[str, Inputs]:
    """The inputs as float32, but one of them, or all, of another kind."""
    narrow, found = cast(inputs, "float32"), {}
    floats = [number for number, x in enumerate(inputs) if x.dtype.kind == "f"]
    for kind in KINDS[1:]:
        whole = [np.abs(x) if kind == "uint8" else x for x in inputs]
        whole = [x.round().astype(kind) if x.dtype.kind == "f" else x for x in whole]
        for number in floats:
            found[f"{kind} {number}"] = (*narrow[:number], whole[number], *narrow[number + 1 :])
        if len(floats) > 1:
            found[f"{kind} all"] = tuple(whole)
    return found


ROWS = [row for row in functions.ROWS if row not in corners.ROWS and any(x.dtype.kind == "f" for x in row.inputs)]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_kinds(row: Row) -> None:
    ours, theirs = pair(row)
    sets = of_kinds(row.inputs)
    expected = {}
    for name, inputs in sets.items():
        found, their = tried(ours_of, row, ours, name, inputs), tried(theirs_of, row, theirs, name, inputs)
        if NO_BOOLS.get(row.name) == name:
            assert outcome(found, their) == "theirs"
        elif name in APART.get(row.name, ()):
            assert outcome(found, their) == "same"
            with pytest.raises(AssertionError):
                assert_same_results(found, their)
        else:
            expect_outcome(row, name, found, their)
        if row.outcomes.get(name) == "promoted":
            expect_promoted(row, theirs, name, inputs, found)
        if not found.error:
            expected[name] = found
    compiled = all_of(row, ours, {name: sets[name] for name in expected}, lucid.compile)
    for name, found in expected.items():
        assert_same_results(compiled[name], found)
