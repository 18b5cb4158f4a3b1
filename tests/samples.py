"""Samples of every op: an op with its attributes, and operands that are telling for it.

Float operands stand where derivatives exist, and clear of the ends of domains, so that finite differences are good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops import (
    REGISTRY,
    Op,
    contraction as ct,
    convolution as cv,
    derivative as dv,
    elementwise as ew,
    extremum as ex,
    functions as fn,
    indexing as ix,
    movement as mv,
    reduction as rd,
    special as sp,
    stepwise as st,
    structure as sr,
    windows as wn,
)
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.printing import Print
from lucid.ir.ops.random import RandomKeep, RandomNormal, RandomWord
from lucid.ir.text import parse
from lucid.ir.types import TensorType, as_dtype, float64, int64, uint8

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """An op and arrays for its operands."""

    op: Op
    operands: tuple[Array, ...]

    def graph(self) -> Graph:
        """The graph of the op alone."""
        inputs = tuple(Value(TensorType(as_dtype(x.dtype), x.shape)) for x in self.operands)
        outputs = tuple(Value(type) for type in self.op.infer([value.type for value in inputs]))
        return Graph("sample", inputs, (), (Node(self.op, inputs, outputs),), outputs)


ANY = np.array([[-2.3, -0.7, -0.31], [0.2, 0.9, 1.7]])
OTHER = np.array([[0.6, -1.3, 2.2], [-0.4, 1.1, -3.1]])
POSITIVE = np.array([[0.2, 0.7, 1.3], [2.1, 3.7, 11.0]])
INSIDE = np.array([[-0.8, -0.5, -0.1], [0.2, 0.6, 0.9]])  # (-1, 1)
WITH_ZEROS = np.array([[0.0, 0.7, -1.3], [2.1, 0.0, 0.0], [1.5, -0.5, 2.0]])
NUMBERS = np.array([[-7, -2, -1], [0, 3, 9]])
COUNTS = np.array([[0, 1, 63], [64, -1, 5]])
PLACES = np.array([[2, 0, -1, 1], [0, -3, 1, 9]], np.int32)  # the last is out of range
TRUTH = np.array([[True, False, True], [False, False, True]])
SCALAR, SEED = np.float64(0.3), np.uint64(7)

# The shares of a run in the gradients of its constants: a product, a sum, and one that is added up in a carry.
RECURRENT = """graph @step(%h: f64[2, 3], %x: f64[2, 3], %w: f64[3, 3], %b: f64[3], %s: f64[2, 3]) {
  %p = matmul %h, %w, transpose_b=true; %q = add %p, %x; %r: f64[2, 3] = broadcast %b; %t = add %q, %r
  %u = tanh %t; %v = mul %u, %s; return %v
}"""
MAP = (
    """graph @map(%x: f64[2, 3], %w: f64[3, 3]) { %y = matmul %w, %x, transpose_b=true; %z = mul %y, %y; return %z }"""
)
STRAIGHT_THROUGH = "graph @back(%g: f64[2, 3], %y: f64[2, 3], %x: f64[2, 3]) { %d = mul %g, %x; return %d }"
STACK = np.linspace(-1.5, 2.0, 18).reshape(3, 2, 3)
SQUARE, ROW = np.array([[0.3, -0.8, 0.5], [1.1, 0.2, -0.4], [-0.6, 0.7, 0.9]]), np.array([0.1, -0.5, 0.4])

EVERYWHERE = (
    *(ew.Neg, ew.Abs, ew.Exp, ew.Tanh, ew.Sigmoid, ew.Erf, ew.Sin, ew.Cos, ew.Floor, ew.Detach),
    *(fn.Exp2, fn.Expm1, fn.Sinh, fn.Cosh, fn.Tan, fn.Atan, fn.Asinh, st.Sign, st.Ceil, st.Round, st.Trunc, sp.Erfc),
)
ABOVE_ZERO = (ew.Log, ew.Sqrt, fn.Log2, fn.Log10)
GAMMAS = (sp.Lgamma, sp.Digamma, sp.Polygamma)
NEAR_ZERO = (fn.Asin, fn.Acos, fn.Atanh, fn.Log1p, sp.Erfinv)


def _spread(*shape: int) -> Array:
    """Numbers of both signs, in no order."""
    return np.sin(np.arange(1.0, 1.0 + np.prod(shape)) * 2.3).reshape(shape)


def _all() -> list[Sample]:
    samples = []

    def add(op: Op, *operands: Any) -> None:
        samples.append(Sample(op, tuple(map(np.asarray, operands))))

    for points, unary in ((ANY, EVERYWHERE), (POSITIVE, ABOVE_ZERO), (INSIDE, NEAR_ZERO)):
        for op in unary:
            add(op(), points)
    for binary in (
        ew.Add,
        ew.Sub,
        ew.Mul,
        ew.Div,
        ew.Maximum,
        ew.Minimum,
        fn.Atan2,
        st.FloorDivide,
        st.Remainder,
        st.Fmod,
    ):
        add(binary(), ANY, OTHER)
    add(fn.Acosh(), POSITIVE + 1.0)
    add(fn.Logit(), 0.5 + 0.5 * INSIDE)
    for gamma in GAMMAS:
        add(gamma(), POSITIVE + 0.5)
        add(gamma(), ANY)
    add(sp.Polygamma(3), POSITIVE + 0.5)
    add(ew.Pow(), POSITIVE, OTHER)
    for comparison in (ew.Equal, ew.NotEqual, ew.Less, ew.LessEqual):
        add(comparison(), NUMBERS, NUMBERS[:, ::-1])
    for logical in (ew.And, ew.Or, ew.Xor):
        add(logical(), TRUTH, TRUTH[:, ::-1])
    add(ew.Not(), NUMBERS)
    for shift in (st.LeftShift, st.RightShift):
        add(shift(), NUMBERS, COUNTS)
    add(ew.Where(), TRUTH, ANY, OTHER)
    add(ew.Cast(float64), ANY)
    add(ew.Cast(int64), ANY)

    for axes in ((), (0,), (1,), (0, 1)):
        add(rd.Sum(axes), ANY)
        add(rd.Prod(axes), WITH_ZEROS)
        for ordered in (ex.Max, ex.Min, ex.Argmax, ex.Argmin):
            add(ordered(axes), OTHER)
        for logic in (rd.Any, rd.All, rd.FirstFalse):
            add(logic(axes), TRUTH)
        add(rd.FirstFalse(axes, dtype=uint8), TRUTH)
    add(rd.Prod((1,)), np.ones((2, 0)))
    add(rd.Sum((0,)), np.ones((0, 3)))
    add(rd.Prod((0, 2)), np.linspace(-1.5, 2.0, 24).reshape(2, 3, 4))

    add(Print("loss {:.3f}", 0), ANY)
    add(mv.Reshape((3, 2)), ANY)
    add(mv.Transpose((1, 0)), ANY)
    add(mv.Broadcast((4, 2, 3)), ANY)
    add(mv.Slice((1, 2), (1, -1), (1, 2)), ANY)
    add(mv.ScatterSlice((1, 0), (1, 2), (4, 5)), ANY)
    add(mv.Concatenate(1), ANY, OTHER, ANY)
    for indices, axis in ((PLACES, 1), (PLACES[:1], 1), (PLACES[:, :1], 1), (PLACES[:, :3], 0), (PLACES[:, :1], 0)):
        add(ix.Gather(axis), ANY, indices)
        add(ix.ScatterAdd(axis, 5), ix.Gather(axis).evaluate((ANY, indices))[0], indices)
    add(ix.Gather(0), np.ones((0, 3)), np.ones((0, 1), np.uint8))
    add(ix.ScatterAdd(0, 4), np.ones((0, 3)), np.ones((0, 3), np.int32))
    for descending in (False, True):
        add(ix.Argsort(descending), WITH_ZEROS)
        add(ix.Argsort(descending), TRUTH)
    add(ix.Argsort(), np.ones((3, 0)))
    add(ix.ScatterAdd(1, 3), np.ones((2, 40)), np.arange(40, dtype=np.uint64)[None])
    add(ct.Matmul(), ANY, OTHER.T)
    add(ct.Matmul(transpose_a=True, transpose_b=True), ANY, OTHER.T)
    for taps, geometry, channels, spatial in (
        ((2,), ((2,), (2,), (1,), (2,), 2), 4, (6,)),
        ((2, 3), ((1, 2), (1, 1), (1, 0), (0, 1), 1), 2, (3, 4)),
        ((1, 2, 2), ((1, 1, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0), 1), 1, (2, 2, 3)),
    ):
        image, weight = _spread(2, channels, *spatial), _spread(2, channels // geometry[-1], *taps)
        (result,) = cv.Convolution(*geometry).evaluate([image, weight])
        add(cv.Convolution(*geometry), image, weight)
        add(cv.ConvolutionInput(*geometry, spatial), _spread(*result.shape), weight)
        add(cv.ConvolutionWeight(*geometry, taps), image, _spread(*result.shape))
    add(ex.FirstMax((0, 2)), _spread(3, 4, 2))
    add(ex.FirstMax((2,), 0, (2,), (1,), (1,)), _spread(2, 3, 2))
    for taps, positions, stride, dilation, low in (
        ((2,), (3,), (2,), (1,), (0,)),
        ((3,), (3,), (2,), (1,), (1,)),
        ((3, 2), (3, 2), (1, 3), (2, 1), (2, 0)),
    ):
        depth, spatial = wn.layers(taps, stride, dilation), (6, 5)[: len(taps)]
        add(wn.Window(taps, positions, stride, dilation, low), _spread(2, *spatial, *depth))
        add(wn.Unwindow(spatial, stride, dilation, low), _spread(2, *positions, *taps))
    add(wn.Window((2,), (3,), (2,), (1,), (1,), fill=-1.5), _spread(5, 1))
    add(RandomKeep(3, (4, 4)), SEED, np.uint64(2), SCALAR)
    add(RandomWord(1, (5, 3)), SEED, np.uint64(2))
    add(fn.NormalNumber(), np.uint64(0x9E3779B97F4A7C15) * np.arange(63, dtype=np.uint64).reshape(7, 9))
    add(RandomNormal(0, (7, 9)), SEED, np.uint64(2))
    add(RandomNormal(0, (7, 9), 2**31, 2**31 + 2**29), SEED, np.uint64(2))
    add(sr.Const(0.5, TensorType(float64, (2, 3))))
    add(sr.Iota(1, TensorType(int64, (4, 3))))
    add(sr.Grad(), ANY, OTHER, ANY)
    add(dv.CustomVjp(parse(STRAIGHT_THROUGH), 1, (1,)), ANY, OTHER)
    add(sr.Check("element {position} is {value}"), np.int64(-1), NUMBERS)
    add(sr.Fused(parse("graph @body(%x: f64[2, 3], %y: f64[2, 3]) { %0 = add %x, %y; return %0 }")), ANY, OTHER)
    add(Scan(parse(RECURRENT), length=3, carries=1, sequences=1), ANY, STACK, SQUARE, ROW, OTHER)
    add(Scan(parse(MAP), length=3, carries=0, sequences=1, reverse=True), STACK, SQUARE)
    return samples


SAMPLES: dict[str, tuple[Sample, ...]] = {}
for _sample in _all():
    SAMPLES[_sample.op.name] = (*SAMPLES.get(_sample.op.name, ()), _sample)
MISSING = sorted(set(REGISTRY) - set(SAMPLES))
