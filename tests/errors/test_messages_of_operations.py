"""Each message of an operation that computes elements, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    LucidError,
    ShapeError,
)
from tests.errors.messages import Case, expect_message

WEIGHT = ones(1).requires_grad_()

CASES: list[Case] = [
    *(
        (
            compare,
            DTypeError,
            "the elements of a tensor are compared with numbers, got None.",
            "write `x is None`, or any(x is y for y in ys) for `in`: == compares elements.",
        )
        for compare in (
            lambda: WEIGHT == None,  # noqa: E711
            lambda: ones(1) != None,  # noqa: E711
            lambda: WEIGHT in [None, WEIGHT],
            lambda: lucid.compile(lambda x: x != None)(ones(1)),  # noqa: E711
            lambda: lucid.equal(ones(1), None),
        )
    ),
    (lambda: Tensor(["a"]), DTypeError, "a tensor takes numbers, or nested lists of numbers, got ['a'].", None),
    (
        lambda: Tensor([1.0], dtype="complex64"),
        DTypeError,
        (
            "dtype complex64 is not supported; expected one of bool, uint8, uint32, uint64, int32, int64, "
            "float32, float64."
        ),
        'convert the data first, for instance with array.astype("float32")',
    ),
    (
        lambda: lucid.full((2,), 2**70),
        DTypeError,
        "a tensor takes numbers, or nested lists of numbers, got 1180591620717411303424.",
        None,
    ),
    (lambda: ones(2) + 2**70, DTypeError, "no dtype holds the integer 1180591620717411303424.", "write it as a float."),
    (lambda: lucid.full((2,), [1.0]), ArgumentTypeError, "full takes a number, got [1.0].", None),
    (lambda: lucid.full((2,), 300, dtype="uint8"), DTypeError, "uint8 does not hold 300.", None),
    (lambda: lucid.full((2,), -1, dtype="uint8"), DTypeError, "uint8 does not hold -1.", None),
    (lambda: lucid.full((2,), float("nan"), dtype="int32"), DTypeError, "int32 does not hold nan.", None),
    (lambda: lucid.full((2,), 2.0**63, dtype="int64"), DTypeError, "int64 does not hold 9.223372036854776e+18.", None),
    (
        lambda: lucid.matmul([True, False], [True, False]),
        DTypeError,
        "matmul takes numbers, got bool.",
        'cast the operands: x.astype("float32")',
    ),
    (lambda: lucid.matmul(1.0, ones(2)), ShapeError, "matmul takes operands with axes, got shapes () and (2,).", None),
    (
        lambda: ones(2, 3) @ ones(2, 3),
        ShapeError,
        "matmul takes operands that share the summed axis, got shapes (2, 3) and (2, 3).",
        "transpose the second one: x @ y.mT.",
    ),
    (
        lambda: ones(2, 3) @ ones(4, 3, 2, 2),
        ShapeError,
        "matmul takes operands that share the summed axis, got shapes (2, 3) and (4, 3, 2, 2).",
        None,
    ),
    (
        lambda: ones(3, 2, 3) @ ones(4, 3, 2),
        ShapeError,
        "the leading axes of (3, 2, 3) and (4, 3, 2) do not broadcast.",
        None,
    ),
    (
        lambda: lucid.tensordot(1.0, ones(2), 1),
        ShapeError,
        "tensordot over 1 axes takes operands of as many, got shapes () and (2,).",
        None,
    ),
    (
        lambda: lucid.tensordot(ones(2), ones(2), "x"),
        ArgumentTypeError,
        "tensordot takes a number of axes, or two lists of them, got 'x'.",
        None,
    ),
    (lambda: lucid.arange(float("inf")), ArgumentError, "arange takes finite numbers, got inf.", None),
    (lambda: lucid.arange(0, 1, 0), ArgumentError, "arange takes a step that is not 0.", None),
    (lambda: lucid.arange("x"), ArgumentTypeError, "arange takes numbers, got 'x'.", None),
    (lambda: lucid.linspace(0, 1, 2.5), ArgumentTypeError, "linspace takes a number of steps, got 2.5.", None),
    (lambda: lucid.linspace(0, 1, -1), ArgumentError, "linspace takes a number of steps from 0 on, got -1.", None),
    (lambda: lucid.norm(ones(2), "x"), ArgumentTypeError, "norm takes a number as its order, got 'x'.", None),
    (lambda: lucid.logit(ones(2), "x"), ArgumentTypeError, "logit takes a number as eps, got 'x'.", None),
    (
        lambda: lucid.einsum(None),
        ArgumentError,
        "einsum takes an equation of letters and `...`, such as 'ij,jk->ik', got None.",
        None,
    ),
    (
        lambda: ones(2).item(),
        ArgumentError,
        ".item() takes a tensor of one element, got shape (2,).",
        "use .tolist() or .numpy().",
    ),
    (lambda: float(ones(2)), ArgumentError, "float() takes a tensor of one element, got shape (2,).", None),
    (lambda: int(Tensor(float("inf"))), ArgumentError, "int() takes a finite number, got inf.", None),
    (
        lambda: Tensor([1, 2]).__array__(np.float32, copy=False),
        ArgumentError,
        "a tensor of int64 has no array of float32 without a copy.",
        None,
    ),
    (lambda: [1, 2][Tensor(1.0)], DTypeError, "only integer tensors can index, got float32.", None),
    (
        lambda: ones(2).astype("complex64"),
        DTypeError,
        (
            "dtype complex64 is not supported; expected one of bool, uint8, uint32, uint64, int32, int64, "
            "float32, float64."
        ),
        'convert the data first, for instance with array.astype("float32")',
    ),
    (
        lambda: lucid.matrix_power(ones(2, 3), 2),
        ShapeError,
        "matrix_power takes square matrices, got shape (2, 3).",
        None,
    ),
    (
        lambda: lucid.matrix_power(ones(2, 2), -1),
        ArgumentError,
        "matrix_power takes an exponent from 0 on, got -1.",
        None,
    ),
    (lambda: lucid.cov(ones(1, 1, 1)), ShapeError, "cov takes a vector or a matrix, got shape (1, 1, 1).", None),
    (
        lambda: lucid.cov(ones(2, 3), aweights=ones(2)),
        ShapeError,
        "cov takes a weight for each observation, got shape (2,) for 3.",
        None,
    ),
    (
        lambda: lucid.renorm(ones(2), 2, 0, 1.0),
        ShapeError,
        "renorm takes a tensor of at least two axes, got shape (2,).",
        None,
    ),
    (
        lambda: lucid.addbmm(ones(2, 2), ones(1, 2, 3), ones(1, 2, 3)),
        ShapeError,
        "addbmm takes batches (b, n, k) and (b, k, m), got (1, 2, 3) and (1, 2, 3).",
        None,
    ),
    (
        lambda: lucid.trapezoid(ones(2, 3), ones(2)),
        ShapeError,
        "trapezoid takes an x of one axis or of the shape of y, got (2,) for (2, 3).",
        None,
    ),
    (
        lambda: lucid.polygamma(13, ones(2)),
        ArgumentError,
        "polygamma takes an order n from 1 to 12, got 13.",
        None,
    ),
    (lambda: lucid.seed("x"), ArgumentTypeError, "seed takes an integer, got 'x'.", None),
    *(
        (
            lambda take=take, seed=seed: take(seed),
            ArgumentError,
            f"seed takes an integer from 0 to 2**64 - 1, got {seed}.",
            "seed % 2**64 makes one of any integer.",
        )
        for take in (
            lucid.seed,
            lambda seed: lucid.set_state((seed, 0)),
            lambda seed: lucid.data.RandomSampler(4, seed),
            lambda seed: lucid.data.random_split([1, 2], [1, 1], seed),
        )
        for seed in (-1, 2**64, np.int32(-5))
    ),
    (
        lambda: lucid.bitwise_and(ones(2), ones(2)),
        DTypeError,
        "'and' takes bools, or integers of one dtype, got float32 and float32.",
        None,
    ),
    (lambda: lucid.left_shift(ones(2), 1), DTypeError, "left_shift takes integers, got float32.", None),
    (lambda: lucid.negative(Tensor([True])), DTypeError, "neg takes numbers, got bool.", None),
    (
        lambda: lucid.add(Tensor([1], dtype="uint64"), Tensor([1], dtype="int64")),
        DTypeError,
        "no integer dtype holds both uint64 and int64.",
        "cast one of the two with .astype(...)",
    ),
    *(
        (
            lambda x=x, y=y: ones(2, dtype=x) @ ones(2, dtype=y),
            DTypeError,
            f"matmul takes operands of one dtype, got {x} and {y}.",
            hint,
        )
        for x, y, hint in (
            ("float32", "int64", 'cast the second one with .astype("float32").'),
            ("int64", "float32", 'cast the first one with .astype("float32").'),
            ("float64", "float32", 'cast the second one with .astype("float64").'),
            ("int32", "int64", 'cast the first one with .astype("int64").'),
            ("int32", "uint32", 'cast both with .astype("int64").'),
        )
    ),
    (lambda: lucid.set_num_threads(0), ArgumentError, "set_num_threads takes an integer from 1 to 256, got 0.", None),
    (
        lambda: lucid.set_num_threads(257),
        ArgumentError,
        "set_num_threads takes an integer from 1 to 256, got 257.",
        None,
    ),
    (
        lambda: lucid.sampling.truncated_normal(9.0, 10.0),
        ArgumentError,
        "no normal numbers lie between 9.0 and 10.0.",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)


def test_a_trace_refuses_what_eager_code_does() -> None:
    x = ones(3)
    for call in (lambda x: x[::0], lambda x: lucid.full((2,), 300, dtype="uint8")):
        with pytest.raises(LucidError) as eager:
            call(x)
        with pytest.raises(LucidError) as traced:
            lucid.compile(call)(x)
        assert eager.value.sentence == traced.value.sentence
