"""Rows of the functions that move elements, and of those that read and write at integer tensors."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from tests.table.row import Inputs, Row, function, numbers, places


def movement(name: str, call: Any, *others: Inputs, shape: tuple[int, ...] = (3, 4, 5), **options: Any) -> Row:
    """The row of a function of a tensor of three axes."""
    return function(name, (numbers(*shape),), (places(9, *shape),), *others, call=call, **options)


ROWS: list[Row] = [
    movement("permute", lambda f, x: (f(x, (2, 0, 1)), f(x, (-1, 1, 0)))),
    movement("reshape", lambda f, x: (f(x, (x.shape[0], 20)), f(x, (2, -1, 5)))),
    movement("flatten", lambda f, x: (f(x), f(x, 1), f(x, 0, 1)), (numbers(1, 1),)),
    movement("transpose", lambda f, x: (f(x, 0, 2), f(x, -1, -2)), (numbers(1, 1, 3),)),
    movement("squeeze", lambda f, x: (f(x), f(x, 1), f(x, (1, -1))), shape=(3, 1, 5, 1)),
    movement("unsqueeze", lambda f, x: (f(x, 0), f(x, -1)), (numbers(),)),
    movement("expand_dims", lambda f, x: (f(x, 0), f(x, -1)), (numbers(),), theirs=attrgetter("unsqueeze")),
    movement("split", lambda f, x: (f(x, 3, 1), f(x, [1, 3], 1), f(x, 2, -1))),
    movement("chunk", lambda f, x: (f(x, 2, 1), f(x, 3, -1))),
    movement("unbind", lambda f, x: (f(x, 1), f(x, -1))),
    movement("narrow", lambda f, x: (f(x, 1, 1, 2), f(x, -1, -3, 2), f(x, 1, 0, 0))),
    movement("unflatten", lambda f, x: (f(x, 1, (2, 2)), f(x, -1, (1, 5, 1)))),
    movement("repeat_interleave", lambda f, x: (f(x, 2), f(x, 3, 1), f(x, 1, -1))),
    movement("tile", lambda f, x: (f(x, (2,)), f(x, (2, 1, 2)), f(x, (2, 1, 1, 1))), (numbers(),)),
    movement("flip", lambda f, x: (f(x, (1,)), f(x, (0, -1)))),
    movement("roll", lambda f, x: (f(x, 3), f(x, 1, 1), f(x, (1, -2), (0, 2)))),
    movement("rot90", lambda f, x: (f(x), f(x, 2, (1, 2)), f(x, -1, (2, 0)))),
    movement("moveaxis", lambda f, x: (f(x, 0, 2), f(x, (0, 1), (1, 0)))),
    movement("broadcast_to", lambda f, x: f(x, (2, *x.shape)), (numbers(),)),
    function("broadcast_tensors", (numbers(3, 1), numbers(4)), (numbers(), numbers(2, 0)), (numbers(1), numbers(1))),
    *(
        movement(name, lambda f, x: (f(x), f(x, 1), f(x, -2)), (numbers(1, 1),), (numbers(5, 2),))
        for name in ("tril", "triu")
    ),
    movement("diagonal", lambda f, x: (f(x), f(x, 1), f(x, -1, 1, 2))),
    movement("diag", lambda f, x: (f(x), f(x, 1), f(x, -2)), (numbers(3),), (numbers(1),), shape=(3, 4)),
    movement("diag_embed", lambda f, x: (f(x), f(x, 1), f(x, -1, 0, 2)), (numbers(1, 1),), shape=(3, 2)),
    movement("trace", lambda f, x: f(x), (numbers(1, 1),), shape=(3, 4)),
    function(
        *(
            "concatenate",
            (numbers(3, 4), numbers(3, 2)),
            (numbers(1, 1), numbers(1, 0)),
            (numbers(2, 1), places(5, 2, 3)),
        ),
        call=lambda f, x, y: (f((x, y), 1), f([x, x, x], 0)),
    ),
    function(
        *("stack", (numbers(3, 4), numbers(3, 4)), (numbers(), numbers()), (numbers(3), places(5, 3))),
        call=lambda f, x, y: (f((x, y)), f([x, y, x], -1)),
    ),
    function(
        *("meshgrid", (numbers(3), numbers(4)), (numbers(1), numbers(2))),
        call=lambda f, x, y: (f(x, y, indexing="ij"), f(x, y, indexing="xy")),
    ),
]

CASTS = {"integer 0": "ours"}  # what is written is cast to the dtype of what it is written to
COLUMNS = np.array([2, 0, 2, 3])
ROWS += [
    function(
        *("take", (numbers(3, 4), np.array([[1, -2, 5], [0, 1, 1]]))),
        (numbers(1), np.array(0)),
        (numbers(3, 4), np.zeros((2, 0), "int64")),
        along=(None, 0),
    ),
    function(
        *("take_along_axis", (numbers(3, 4), places(4, 3, 2)), (numbers(1, 1), places(1, 1, 3))),
        (numbers(2, 3), places(3, 1, 2)),
        theirs=attrgetter("take_along_dim"),
        call=lambda f, x, index: f(x, index, 1),
    ),
    function(
        *(
            "gather",
            (numbers(3, 4), places(4, 3, 2)),
            (numbers(3, 4), places(4, 2, 5)),
            (numbers(1, 1), places(1, 1, 3)),
        ),
        call=lambda f, x, index: f(x, 1, index),
    ),
    function(
        *("index_select", (numbers(3, 4), COLUMNS), (numbers(2, 4), COLUMNS[:0]), (numbers(4, 1), np.array([0]))),
        along=(0, None),
        call=lambda f, x, index: f(x, 1, index),
    ),
    function(
        *("scatter", (numbers(3, 4), np.array([[2, 0], [1, 3], [0, 1]]), numbers(3, 2))),
        (numbers(2, 3), np.array([[0], [2]]), numbers(2, 1)),
        (numbers(1, 1), np.array([[0]]), numbers(1, 1)),
        call=lambda f, x, index, source: (f(x, 1, index, source), f(x, 1, index, 2.0)),
        outcomes=CASTS,
    ),
    function(
        *("scatter_add", (numbers(3, 4), places(4, 3, 6), numbers(3, 6))),
        (numbers(1, 1), places(1, 1, 3), numbers(1, 3)),
        call=lambda f, x, index, source: f(x, 1, index, source),
    ),
    function(
        *("scatter_reduce", (numbers(3, 4), places(4, 3, 6), numbers(3, 6))),
        (numbers(1, 1), places(1, 1, 3), numbers(1, 3)),
        call=lambda f, x, index, source: (
            [f(x, 1, index, source, reduce) for reduce in ("sum", "mean", "prod")]
            + [f(x, 1, index, source, reduce, include_self=False) for reduce in ("sum", "mean", "amax", "amin")]
        ),
    ),
    function(
        *("index_add", (numbers(3, 4), COLUMNS, numbers(3, 4)), (numbers(1, 1), np.array([0]), numbers(1, 1))),
        along=(0, None, 0),
        call=lambda f, x, index, source: (f(x, 1, index, source), f(x, 1, index, source, alpha=2)),
    ),
    function(
        *("index_copy", (numbers(3, 4), COLUMNS[1:], numbers(3, 3)), (numbers(1, 1), np.array([0]), numbers(1, 1))),
        along=(0, None, 0),
        call=lambda f, x, index, source: f(x, 1, index, source),
    ),
    function(
        *("index_fill", (numbers(3, 4), COLUMNS), (numbers(1, 1), np.array([0]))),
        along=(0, None),
        call=lambda f, x, index: f(x, 1, index, 2.5),
    ),
    function(
        *("index_put", (numbers(4, 3), COLUMNS[1:], numbers(3, 3)), (numbers(4, 1), np.array([0]), numbers(1))),
        along=(None, 0, 0),
        call=lambda f, x, index, values: (f(x, (index,), values), f(x, (index,), values, accumulate=True)),
        outcomes=CASTS,
    ),
]

ROWS += [
    movement("select", lambda f, x: (f(x, 1, 2), f(x, -1, -2))),
    movement("tensor_split", lambda f, x: (f(x, 3, 1), f(x, (1, 3), 2))),
    *(
        function(name, (numbers(3, 2, 2), numbers(3, 2, 2)), (numbers(3), numbers(3)), call=lambda f, x, y: f((x, y)))
        for name in ("dstack", "hstack", "vstack")
    ),
    function("block_diag", (numbers(3, 2), numbers(2, 4)), (numbers(3), numbers())),
    function("cartesian_prod", (numbers(3), numbers(2))),
]
