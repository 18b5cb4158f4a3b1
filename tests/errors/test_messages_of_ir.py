"""Each message of an op's type rule and of the parser, in full: `%x: f32[4, 3], %i: i64[4], %b: bool[4],
%w: f32[2, 3, 4], %s: u64[]`."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    ParseError,
    ShapeError,
)
from lucid.ir.interpret import interpret
from lucid.ir.text import parse
from tests.errors.messages import Case, expect_message, ir

ADDED = parse("graph(%x: f32[3], %w: f32[3]) { %y = add %x, %w; return %y }")
ONES = np.ones(3, np.float32)

CASES: list[Case] = [
    (
        lambda: interpret("graph() { return }", []),  # type: ignore[arg-type]
        ArgumentTypeError,
        "interpret takes a graph, got str.",
        'program.graph("traced") is one of a program, and lucid.ir.text.parse(text) reads one.',
    ),
    (
        lambda: interpret(ADDED, np.ones((2, 3), np.float32)),  # type: ignore[arg-type]  # not its two rows
        ArgumentTypeError,
        "interpret takes a list with an array for each input of the graph, got ndarray.",
        "write interpret(graph, [x, weight]), also for one array.",
    ),
    (
        lambda: interpret(ADDED, [ONES]),
        ArgumentError,
        "interpret takes an array for each input of the graph, 2, got 1.",
        "graph.inputs are its arguments, then the states and hyperparameters that it captures.",
    ),
    (
        lambda: interpret(ADDED, [ONES, np.ones(1, np.float32)]),
        ShapeError,
        "interpret takes an array of f32[3] as %w, got float32[1].",
        None,
    ),
    (
        lambda: interpret(ADDED, [np.ones(3), ONES]),
        DTypeError,
        "interpret takes an array of f32[3] as %x, got float64[3].",
        None,
    ),
    (
        lambda: interpret(ADDED, [ONES, lucid.ones(3)]),  # type: ignore[list-item]
        ArgumentTypeError,
        "interpret takes an array of f32[3] as %w, got Tensor.",
        "x.numpy() is the array of a Tensor.",
    ),
    (
        lambda: interpret(ADDED, [ONES, [1.0, 1.0, 1.0]]),  # type: ignore[list-item]
        ArgumentTypeError,
        "interpret takes an array of f32[3] as %w, got list.",
        'numpy.array(x, "float32") makes one of numbers, in lists or not.',
    ),
    (lambda: ir("%y = matmul %x"), ParseError, "matmul takes 2 operands, got 1.", None),
    (
        lambda: ir("%y = matmul %x, %x"),
        ParseError,
        "matmul takes operands that share the summed axis, got f32[4, 3] and f32[4, 3] (3 and 4).",
        None,
    ),
    (
        lambda: ir("%y = matmul %b, %b"),
        ParseError,
        "matmul takes numbers of one dtype, got bool[4] and bool[4].",
        None,
    ),
    (
        lambda: ir("%y = matmul %x, %i"),
        ParseError,
        "matmul takes numbers of one dtype, got f32[4, 3] and i64[4].",
        None,
    ),
    (
        lambda: ir("%y = custom_vjp %x, results=1, targets=() @back(%g: f32[4, 3]) { return }"),
        ParseError,
        "custom_vjp takes a body of f32[4, 3], f32[4, 3]: gradients of its results, then its operands; "
        "got one of f32[4, 3].",
        None,
    ),
    (
        lambda: ir("%y = custom_vjp %x, results=1, targets=(0,) @back(%g: f32[4, 3], %y: f32[4, 3]) { return }"),
        ParseError,
        "custom_vjp takes a body that returns gradients of the operands (0,), expected f32[4, 3], got none.",
        None,
    ),
    (
        lambda: ir("%y = first_max %x, axes=(0,), stride=(1,), dilation=(1,), low=(1,)"),
        ParseError,
        "first_max takes windows over its last axes, (0,), got f32[4, 3].",
        None,
    ),
    (
        lambda: ir("%m: f32[2, 4, 3] = broadcast %x; %y = matmul %m, %x"),
        ParseError,
        "matmul takes operands of equal leading axes and two more, got f32[2, 4, 3] and f32[4, 3].",
        None,
    ),
    (lambda: ir("%y: f32[5] = reshape %x"), ParseError, "reshape takes a shape of 12 elements, got (5,).", None),
    (
        lambda: ir("%y = transpose %x, permutation=(0, 0)"),
        ParseError,
        "transpose takes a permutation of the axes of f32[4, 3], got (0, 0).",
        None,
    ),
    (
        lambda: ir("%y: f32[5, 5] = broadcast %x"),
        ParseError,
        "broadcast takes a shape that f32[4, 3] stretches to, got (5, 5).",
        None,
    ),
    (
        lambda: ir("%y: f32[9, 9] = slice %x, start=(0, 0), step=(1, 1)"),
        ParseError,
        "slice takes a part of f32[4, 3], got start (0, 0), step (1, 1), (9, 9).",
        None,
    ),
    (
        lambda: ir("%y: f32[2, 2] = scatter_slice %x, start=(0, 0), step=(1, 1)"),
        ParseError,
        "scatter_slice takes a shape that holds f32[4, 3], got start (0, 0), step (1, 1), (2, 2).",
        None,
    ),
    (lambda: ir("%y = concatenate axis=0"), ParseError, "concatenate takes at least one operand, got none.", None),
    (lambda: ir("%y = concatenate %x, axis=5"), ParseError, "concatenate takes an axis of f32[4, 3], got 5.", None),
    (
        lambda: ir("%y = concatenate %x, %i, axis=0"),
        ParseError,
        "concatenate takes operands of one dtype, got f32[4, 3], i64[4].",
        None,
    ),
    (
        lambda: ir("%t: f32[3, 4] = transpose %x, permutation=(1, 0); %y = concatenate %x, %t, axis=0"),
        ParseError,
        "concatenate takes shapes equal but for axis 0, got f32[4, 3], f32[3, 4].",
        None,
    ),
    (
        lambda: ir("%y = gather %x, %i, axis=5"),
        ParseError,
        "gather takes integers that fit f32[4, 3] but for axis 5, got i64[4].",
        None,
    ),
    (
        lambda: ir("%y = gather %x, %b, axis=0"),
        ParseError,
        "gather takes integers that fit f32[4, 3] but for axis 0, got bool[4].",
        None,
    ),
    (lambda: ir("%y = sum %b, axes=(0,)"), ParseError, "sum takes numbers, got bool.", None),
    (lambda: ir("%y = prod %b, axes=(0,)"), ParseError, "prod takes numbers, got bool.", None),
    (lambda: ir("%y = max %b, axes=(0,)"), ParseError, "max takes numbers, got bool.", None),
    (lambda: ir("%y = any %i, axes=(0,)"), ParseError, "any takes bools, got int64.", None),
    (
        lambda: ir("%y = first_false %b, axes=(0,), dtype=f32"),
        ParseError,
        "first_false gives positions of an integer dtype, not of float32.",
        None,
    ),
    (
        lambda: parse("graph(%x: bool[2, 256]) { %y = first_false %x, axes=(1,), dtype=u8; return %y }"),
        ParseError,
        "first_false in uint8 takes no 256 elements along axes (1,).",
        None,
    ),
    (lambda: ir("%y = first_false %i, axes=(0,)"), ParseError, "first_false takes bools, got int64.", None),
    (lambda: ir("%y = sum %x, axes=(5,)"), ParseError, "sum takes ascending axes of f32[4, 3], got (5,).", None),
    (
        lambda: ir("%y = sum %x, axes=(0,), lanes=3"),
        ParseError,
        "sum takes 0 lanes or a power of two up to 64, got 3.",
        None,
    ),
    (lambda: ir("%y = add %x, %i"), ParseError, "add takes operands of one shape, got f32[4, 3], i64[4].", None),
    (lambda: ir("%y = add %x"), ParseError, "add takes 2 operands, got 1.", None),
    (lambda: ir("%y = exp %i"), ParseError, "exp takes floats, got int64.", None),
    (lambda: ir("%y = add %b, %b"), ParseError, "add takes numbers, got bool.", None),
    (lambda: ir("%y = less %x, %i"), ParseError, "less takes operands of one shape, got f32[4, 3], i64[4].", None),
    (
        lambda: ir("%y = and %x, %x"),
        ParseError,
        "'and' takes bools, or integers of one dtype, got float32 and float32.",
        None,
    ),
    (
        lambda: ir("%y = where %x, %x, %x"),
        ParseError,
        "where takes a bool and two operands of one dtype, got float32, float32, float32.",
        None,
    ),
    (lambda: ir("%y = left_shift %x, %x"), ParseError, "left_shift takes integers, got float32.", None),
    (
        lambda: ir("%y: i64[4] = iota axis=3"),
        ParseError,
        "iota takes an axis of an integer type, got 3 and i64[4].",
        None,
    ),
    (
        lambda: ir("%y = grad %x, %i, %x"),
        ParseError,
        "grad takes y, a seed of its type, then x..., got f32[4, 3], i64[4], f32[4, 3].",
        None,
    ),
    (lambda: ir("%y = grad %i, %i, %i"), ParseError, "grad takes floats, got i64[4], i64[4], i64[4].", None),
    (
        lambda: ir('check %x, %i, message="m"; %y = neg %x'),
        ParseError,
        "check takes i64[] and integers, got f32[4, 3] and i64[4].",
        None,
    ),
    (
        lambda: ir("%y: f32[4] = random_keep %x, draw=0"),
        ParseError,
        "random_keep takes u64[], u64[], f64[], got f32[4, 3].",
        None,
    ),
    (
        lambda: ir("%y: i64[4] = random_normal %i, %i, draw=0"),
        ParseError,
        "random_normal takes u64[], u64[], got i64[4], i64[4].",
        None,
    ),
    (lambda: ir("%y: i32[] = const value=0.5"), ParseError, "const takes a value of int32, got 0.5.", None),
    (
        lambda: ir("%y = fused %i @f(%a: f32[4]) { return %a }"),
        ParseError,
        "fused takes the arguments of its body, got i64[4].",
        None,
    ),
    (lambda: ir("%y: f32[4] @ arena+1.5 = neg %x"), ParseError, "expected an offset in bytes, got `1.5`.", None),
    (lambda: ir("%y = neg %x, a=1"), ParseError, "expected no attribute, got `a`.", None),
    (lambda: ir("%y = cast %x, dtype=1"), ParseError, "expected DType as attribute dtype, got 1.", None),
    (lambda: ir("%y = sum %x, axes=(0,), axes=(0,)"), ParseError, "expected attribute axes once, got it again.", None),
    (
        lambda: ir("%y: f32[3, 4] = neg %x"),
        ParseError,
        "expected `%y` of type f32[4, 3], as neg gives, got f32[3, 4].",
        None,
    ),
    (
        lambda: ir("%y = reshape %x, shape=(1, 1, 1, 1, 1, )"),
        ParseError,
        "reshape takes a shape of 12 elements, got (1, 1, 1, 1, 1).",
        None,
    ),
    (
        lambda: parse("graph() { %y: f32[] = const value=" + "1" * 50 + "; return %y }"),
        ParseError,
        "expected a number of at most 40 characters, got 50.",
        None,
    ),
    (
        lambda: parse("graph() { %y: f32[] = const value=1e999; return %y }"),
        ParseError,
        "expected a number within the range of float64, or inf, got `1e999`.",
        None,
    ),
    (
        lambda: parse("graph(" + "%x: f32[" + "1, " * 40 + "1]) { return %x }"),
        ParseError,
        "expected a type of at most 32 axes, got 41.",
        None,
    ),
    (
        lambda: parse("graph(%x: f32[4]) { %y = sum %x, axes=" + "(" * 40 + "; return %y }"),
        ParseError,
        "expected at most 32 tuples inside each other.",
        None,
    ),
    (
        lambda: parse("graph(%x: f32[4]) { %y = sum %x, axes=(" + "0, " * 5000 + "); return %y }"),
        ParseError,
        "expected at most 4096 elements in a tuple.",
        None,
    ),
    (
        lambda: parse("graph() { " + "%y = fused @f() { " * 40),
        ParseError,
        "expected at most 32 graphs inside each other.",
        None,
    ),
    (
        lambda: lucid.ir.types.tensor_type("f32"),
        DTypeError,
        "`f32` is not a tensor type; expected something like f32[64, 128].",
        None,
    ),
    (
        lambda: ir("%y = scatter_add %x, %b, axis=0, extent=4"),
        ParseError,
        "scatter_add takes updates and integers that fit them, got f32[4, 3] and bool[4].",
        None,
    ),
    (
        lambda: ir("%y = scatter_add %x, %b, axis=9, extent=4"),
        ParseError,
        "scatter_add takes updates and integers that fit them, got f32[4, 3] and bool[4].",
        None,
    ),
    (lambda: ir("%y = scatter_add %b, %i, axis=0, extent=4"), ParseError, "scatter_add takes numbers, got bool.", None),
    (
        lambda: ir("%y = scatter_add %i, %i, axis=0, extent=0"),
        ParseError,
        "scatter_add takes an extent that has room for i64[4], got 0.",
        None,
    ),
    (
        lambda: ir("%y = window %x, kernel=(2,), positions=(2,), stride=(0,), dilation=(1,), low=(0,)"),
        ParseError,
        "window takes positive strides and dilations for axes of the operand, got f32[4, 3].",
        None,
    ),
    (
        lambda: ir("%y = window %x, kernel=(2,), positions=(2,), stride=(1,), dilation=(1,), low=(0,)"),
        ParseError,
        "window takes an operand that ends in the layers of its kernel, got f32[4, 3].",
        None,
    ),
    (
        lambda: ir("%y = unwindow %x, spatial=(2, 2), stride=(1,), dilation=(1,), low=(0,)"),
        ParseError,
        "unwindow takes as many extents as strides, got (2, 2) and (1,).",
        None,
    ),
    (
        lambda: ir("%y = convolution %w, %w, stride=(0,), dilation=(1,), low=(0,), high=(0,), groups=1, chunk=0"),
        ParseError,
        (
            "convolution takes positive strides, dilations, groups and extents, got "
            "Convolution(stride=(0,), dilation=(1,), low=(0,), high=(0,), groups=1, chunk=0) of f32[2, 3,"
            " 4]."
        ),
        None,
    ),
    (
        lambda: ir("%y = convolution %w, %w, stride=(1,), dilation=(1,), low=(0,), high=(0,), groups=2, chunk=0"),
        ParseError,
        (
            "convolution takes channels that fit in 2 groups, got x f32[2, 3, 4], weight f32[2, 3, 4] and"
            " result f32[2, 2, 1]."
        ),
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
