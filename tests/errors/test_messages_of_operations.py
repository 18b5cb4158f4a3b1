"""Each message of an operation on tensors, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
from lucid import Tensor, ones, zeros
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    AxisError,
    CheckError,
    DTypeError,
    GradientError,
    LucidError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

WEIGHT = ones(1).requires_grad_()

CASES: list[Case] = [
    (lambda: Tensor(["a"]), DTypeError, "a tensor takes numbers, or nested lists of numbers, got ['a'].", None),
    (
        lambda: Tensor(3, 4),  # type: ignore[arg-type]
        ArgumentTypeError,
        "Tensor takes the elements, as nested lists, and requires_grad; got 3 and 4.",
        "lucid.zeros(3, 4) makes a tensor of a shape.",
    ),
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
    (lambda: ones(3)[::0], ArgumentError, "a slice takes a step that is not 0.", None),
    (lambda: ones(3)[1.5:], ArgumentTypeError, "a slice is made of integers, got 1.5.", None),
    (lambda: ones(3).__setitem__(slice("a"), 0.0), ArgumentTypeError, "a slice is made of integers, got 'a'.", None),
    (lambda: zeros(-1), ShapeError, "a shape has extents from 0 to 2^63 - 1, got (-1,).", None),
    (lambda: zeros(2.5), ArgumentTypeError, "a shape, or an order of axes, consists of integers, got 2.5.", None),
    (lambda: zeros(2**64), ShapeError, "a shape has extents from 0 to 2^63 - 1, got (18446744073709551616,).", None),
    (lambda: ones(2, 3).reshape(-1, -1), ShapeError, "reshape takes extents with at most one -1, got (-1, -1).", None),
    (lambda: ones(2, 3).reshape(4, -1), ShapeError, "shape (2, 3) does not reshape to (4, -1).", None),
    (
        lambda: ones(2, 3).reshape("x"),
        ArgumentTypeError,
        "a shape, or an order of axes, consists of integers, got 'x'.",
        None,
    ),
    (lambda: ones(2, 3).sum((0, 0)), ShapeError, "an axis is named twice in (0, 0).", None),
    (lambda: ones(2, 3).sum(2), AxisError, "axis 2 is out of range for a tensor of 2 axes.", None),
    (lambda: ones(2, 3).sum("x"), ArgumentTypeError, "an axis is an integer, got 'x'.", None),
    (lambda: ones(2, 3).unsqueeze((0, 1)), ArgumentTypeError, "one axis is an integer, got (0, 1).", None),
    (lambda: ones(2, 3).permute(0, 0), ShapeError, "permute takes each axis of shape (2, 3) once, got (0, 0).", None),
    (lambda: ones(2, 3).squeeze(0), ShapeError, "squeeze takes axes of extent 1, got 0 of shape (2, 3).", None),
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
    (lambda: lucid.where(ones(2), 1.0, 0.0), DTypeError, "where takes a condition of bools, got float32.", None),
    (
        lambda: lucid.where(Tensor([True, False]), ones(3), 0.0),
        ShapeError,
        "a condition of shape (2,) does not broadcast with (3,).",
        None,
    ),
    (lambda: lucid.concatenate([]), ArgumentError, "concatenate takes at least one tensor, got none.", None),
    (lambda: lucid.concatenate(1.0), ArgumentError, "concatenate takes a sequence of tensors, got 1.0.", None),
    (lambda: lucid.stack([]), ArgumentError, "stack takes at least one tensor, got none.", None),
    (
        lambda: lucid.concatenate([ones(0), ones(2, 2)], 1),
        ShapeError,
        "concatenate takes tensors of as many axes, got shapes (0,), (2, 2).",
        "leave out the empty vector: collect the tensors in a list, and concatenate that.",
    ),
    (
        lambda: lucid.concatenate([ones(2), ones(2, 2)]),
        ShapeError,
        "concatenate takes shapes equal but for axis 0, got f32[2], f32[2, 2].",
        None,
    ),
    (
        lambda: lucid.concatenate([ones(2, 3), ones(2, 2)]),
        ShapeError,
        "concatenate takes shapes equal but for axis 0, got f32[2, 3], f32[2, 2].",
        None,
    ),
    (lambda: lucid.arange(float("inf")), ArgumentError, "arange takes finite numbers, got inf.", None),
    (lambda: lucid.arange(0, 1, 0), ArgumentError, "arange takes a step that is not 0.", None),
    (lambda: lucid.arange("x"), ArgumentTypeError, "arange takes numbers, got 'x'.", None),
    (lambda: lucid.linspace(0, 1, 2.5), ArgumentTypeError, "linspace takes a number of steps, got 2.5.", None),
    (lambda: lucid.linspace(0, 1, -1), ArgumentError, "linspace takes a number of steps from 0 on, got -1.", None),
    (
        lambda: lucid.meshgrid(ones(2), indexing="yx"),
        ArgumentError,
        'meshgrid takes indexing="xy" or "ij", got \'yx\'.',
        None,
    ),
    (lambda: ones(2).roll("x"), ArgumentTypeError, "a shift is an integer, got 'x'.", None),
    (lambda: lucid.tile(ones(2, 2), "x"), ArgumentTypeError, "tile takes numbers of repeats, got 'x'.", None),
    (lambda: ones(4).split(0), ArgumentError, "split takes parts of at least one element, got size 0.", None),
    (
        lambda: ones(4).split([1, 2]),
        ShapeError,
        "split takes sizes that sum to the extent 4 of axis 0, got (1, 2).",
        None,
    ),
    (lambda: ones(4).chunk(0), ArgumentError, "chunk takes at least one part, got chunks=0.", None),
    (lambda: ones(4).chunk("x"), ArgumentTypeError, "chunk takes a number of parts, got 'x'.", None),
    (
        lambda: ones(2, 2).diagonal(0.5),
        ArgumentTypeError,
        "diagonal takes an offset that is an integer, got 0.5.",
        None,
    ),
    (lambda: lucid.norm(ones(2), "x"), ArgumentTypeError, "norm takes a number as its order, got 'x'.", None),
    (lambda: lucid.logit(ones(2), "x"), ArgumentTypeError, "logit takes a number as eps, got 'x'.", None),
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
    (lambda: lucid.max(zeros(0)), ShapeError, "max takes at least one element along its axes, got f32[0].", None),
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
        lambda: lucid.custom_vjp(max)(lambda x: x * 2.0)(WEIGHT),
        ArgumentTypeError,
        "custom_vjp takes functions whose parameters Python knows, got <built-in function max>.",
        "write a function of your own that calls it.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(max),
        ArgumentTypeError,
        "custom_vjp takes functions whose parameters Python knows, got <built-in function max>.",
        "write a function of your own that calls it.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(lambda x: x * WEIGHT)(ones(1)),
        GradientError,
        "<lambda> has a custom_vjp, and reads a tensor that requires a gradient and is not one of its arguments: there "
        "the gradient would end.",
        "make it an argument, or read `w.detach()`.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(lambda x: x * Tensor([2.0], requires_grad=True))(ones(1)),
        GradientError,
        "<lambda> has a custom_vjp, and its result depends on a tensor that it makes with requires_grad=True: there "
        "the gradient would end.",
        "make it without; a weight is an argument.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x, ws: (g, None))(lambda x, ws: x * ws[0])(ones(1), [WEIGHT]),
        GradientError,
        "<lambda> has a custom_vjp, and reads a tensor that requires a gradient inside its argument 1, a list: only "
        "what is an argument by itself has a gradient.",
        "pass each tensor by itself, as to `def <lambda>(*tensors)`, or detach it.",
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
        lambda: lucid.custom_vjp(1),
        ArgumentTypeError,
        "custom_vjp takes the function that passes gradients back, got 1.",
        "write `@lucid.custom_vjp(vjp)` above the function itself.",
    ),
    (lambda: lucid.block_diag(ones(1, 1, 1)), ShapeError, "block_diag takes matrices, got shapes (1, 1, 1).", None),
    (lambda: lucid.block_diag(), ArgumentError, "block_diag takes at least one matrix.", None),
    (lambda: lucid.cartesian_prod(), ArgumentError, "cartesian_prod takes at least one vector.", None),
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
    (
        lambda: ones(3).unfold(0, 4, 1),
        ArgumentError,
        "unfold takes a size from 1 to 3 and a step from 1 on, got 4 and 1.",
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
    (lambda: lucid.tensor_split(ones(3), 0), ArgumentError, "tensor_split takes at least one part, got 0.", None),
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
    (
        lambda: lucid.bitwise_and(ones(2), ones(2)),
        DTypeError,
        "and takes bools, or integers of one dtype, got float32 and float32.",
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
    (lambda: lucid.broadcast_to(ones(3), (2,)), ShapeError, "shape (3,) does not broadcast to (2,).", None),
    (lambda: lucid.set_num_threads(0), ArgumentError, "set_num_threads takes an integer from 1 to 256, got 0.", None),
    (
        lambda: lucid.set_num_threads(257),
        ArgumentError,
        "set_num_threads takes an integer from 1 to 256, got 257.",
        None,
    ),
    (
        lambda: lucid.grad(ones(2), ones(2)),
        GradientError,
        "this tensor does not require a gradient: nothing to go back through.",
        "make an input with requires_grad=True, and compute outside lucid.no_grad().",
    ),
    (
        lambda: ones(2).requires_grad_().sum().backward(ones(3)),
        GradientError,
        "the gradient has the shape of the tensor, (), got (3,).",
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
