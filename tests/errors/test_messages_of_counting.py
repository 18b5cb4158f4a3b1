"""Each message of an operation that counts, sorts, or goes where integers say, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    AxisError,
    CheckError,
    DTypeError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

WEIGHT = ones(1).requires_grad_()

CASES: list[Case] = [
    (lambda: lucid.randint("x"), ArgumentTypeError, "randint takes integers as bounds, got 'x'.", None),
    (lambda: lucid.check_index(ones(2), 3, "class"), DTypeError, "only integer tensors can index, got float32.", None),
    (
        lambda: lucid.check_index([5], 3, "class"),
        CheckError,
        "class 5 at position 0 is out of range: expected 0 to 2.",
        None,
    ),
    (
        lambda: lucid.check_index([1], "x", "class"),
        ArgumentTypeError,
        "check_index takes an integer as extent, got 'x'.",
        None,
    ),
    (
        lambda: lucid.compile(lucid.repeat_interleave)(ones(2), Tensor([1, 2])),
        TraceError,
        "repeat_interleave gives as many elements as the repeats sum to, which is only known when the compiled step "
        "runs.",
        "give output_size.",
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), Tensor([1, 2, 3])),
        ShapeError,
        "repeat_interleave takes one number of repeats, or one for each of 2 elements of axis 0, got shape (3,).",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2, 2)),
        ShapeError,
        "repeat_interleave takes repeats as a tensor of one axis, got shape (2, 2).",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), ones(2)),
        DTypeError,
        "repeat_interleave takes repeats that are integers, got float32.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), [1, 2]),  # type: ignore[arg-type]
        ArgumentTypeError,
        "repeat_interleave takes a number of repeats, or a tensor of them, got [1, 2].",
        "numpy.array(repeats) is such a tensor.",
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), "x"),
        ArgumentTypeError,
        "repeat_interleave takes a number of repeats, or a tensor of them, got 'x'.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), 2, output_size="x"),
        ArgumentTypeError,
        "repeat_interleave takes an integer as output_size, got 'x'.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), 2, output_size=3),
        ArgumentError,
        "repeat_interleave gives 4 elements along axis 0, got output_size=3.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), Tensor([1, 2]), output_size=-1),
        ArgumentError,
        "repeat_interleave takes an output_size from 0 on, got -1.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), Tensor([1, 2]), output_size=4),
        CheckError,
        "repeat_interleave takes repeats that sum to output_size=4, which is not so.",
        None,
    ),
    (
        lambda: lucid.repeat_interleave(ones(2), Tensor([1, -2])),
        CheckError,
        "repeat_interleave takes numbers of repeats from 0 on, which is not so at position 1.",
        None,
    ),
    (
        lambda: lucid.scatter_reduce(ones(2), 0, np.array([0]), ones(1), "max"),
        ArgumentError,
        'scatter_reduce takes reduce="sum", "mean", "prod", "amax" or "amin", got \'max\'.',
        None,
    ),
    (
        lambda: lucid.scatter_reduce(ones(2), 0, np.array([0, 1]), ones(1), "sum"),
        ShapeError,
        "scatter_reduce takes an index that is no longer than src, got shapes (2,) and (1,).",
        None,
    ),
    (
        lambda: lucid.scatter_reduce(ones(2), 0, np.array([0]), Tensor([1]), "sum"),
        DTypeError,
        "scatter_reduce takes numbers of one dtype, got float32 and int64.",
        None,
    ),
    (lambda: lucid.bincount(Tensor([[1]])), ShapeError, "bincount takes a tensor of one axis, got shape (1, 1).", None),
    (lambda: lucid.bincount(ones(2)), DTypeError, "bincount takes integers, got float32.", None),
    (
        lambda: lucid.bincount(Tensor([1]), minlength=0.5),
        ArgumentTypeError,
        "bincount takes an integer as minlength, got 0.5.",
        None,
    ),
    (
        lambda: lucid.bincount(Tensor([1]), minlength=-1),
        ArgumentError,
        "bincount takes a minlength from 0 on, got -1.",
        None,
    ),
    (
        lambda: lucid.bincount(Tensor([1]), ones(2)),
        ShapeError,
        "bincount takes a weight for each of 1 elements, got shape (2,).",
        None,
    ),
    (
        lambda: lucid.bincount(Tensor([-1])),
        CheckError,
        "element -1 at position 0 is out of range: expected 0 to 0.",
        None,
    ),
    (
        lambda: lucid.compile(lucid.bincount)(Tensor([1, 9]), minlength=5),
        CheckError,
        "element 9 at position 1 is out of range: expected 0 to 4.",
        None,
    ),
    (
        lambda: lucid.compile(lucid.bincount)(Tensor([1])),
        TraceError,
        "bincount finds in the data how many counts there are, which is only known when the compiled step runs.",
        "give minlength.",
    ),
    (lambda: lucid.histc(ones(2), 0), ArgumentError, "histc takes a number of bins from 1 on, got 0.", None),
    (lambda: lucid.histc(ones(2), "x"), ArgumentTypeError, "histc takes a number of bins, got 'x'.", None),
    (
        lambda: lucid.histc(ones(2), 2, "x"),
        ArgumentTypeError,
        "histc takes numbers as min and max, got 'x'.",
        None,
    ),
    (
        lambda: lucid.histc(ones(2), 2, 1.0, 0.0),
        ArgumentError,
        "histc takes a min and a max that is no less, both finite, got 1.0 and 0.0.",
        None,
    ),
    (
        lambda: lucid.histc(Tensor([1.0, float("nan")])),
        CheckError,
        "histc takes finite elements where it finds their range, which is not so.",
        None,
    ),
    (
        lambda: lucid.bucketize(1.0, ones(2, 2)),
        ShapeError,
        "bucketize takes boundaries of one axis, got shape (2, 2).",
        None,
    ),
    (
        lambda: lucid.kthvalue(ones(3), 0),
        ArgumentError,
        "kthvalue takes a k from 1 to 3, the extent of axis 0, got 0.",
        None,
    ),
    (lambda: lucid.topk(1.0, 0), ArgumentError, "topk takes a k from 1 to 1, the extent of axis 0, got 0.", None),
    (lambda: lucid.sort(1.0, 1), AxisError, "axis 1 is out of range for a tensor of 0 axes.", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
