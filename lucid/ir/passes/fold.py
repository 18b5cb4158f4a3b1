"""Constant folding."""

from __future__ import annotations

import math

import numpy as np

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops import extremum as ex, movement as mv, reduction as rd
from lucid.ir.ops.base import Array, Elementwise
from lucid.ir.ops.random import RandomKeep
from lucid.ir.passes.rewrite import Context, Rules, rewrite
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType


def fold(graph: Graph) -> Graph:
    """Evaluate what depends on constants alone, where every target would get the same bits.

    >>> from lucid.ir.text import parse
    >>> print(fold(parse("graph() { %a: f32[4] = const value=1.0; %b = add %a, %a; return %b }")).nodes[-1].op.value)
    2.0
    """
    return rewrite(graph, FOLDING)


def evaluate(node: Node, context: Context) -> Value | None:
    # op(constants) -> constant, for ops of one rounding, or none, that NumPy computes as every target does
    assert isinstance(node.op, Elementwise)
    if node.op.ulp > 0.5:
        return None
    numbers = [context.constant(value) for value in node.inputs]
    if any(number is None for number in numbers):
        return None
    one_element = [
        np.full((1,), number, value.type.dtype.numpy) for number, value in zip(numbers, node.inputs, strict=True)
    ]
    (result,) = node.op.evaluate(one_element)
    return context.number(result.item(), node.output.type)


def move(node: Node, context: Context) -> Value | None:
    # move(constant) -> constant
    numbers = {repr(context.constant(value)): context.constant(value) for value in node.inputs}
    ((_, number), *others) = numbers.items()
    return None if others or number is None else context.number(number, node.output.type)


def pad(node: Node, context: Context) -> Value | None:
    # scatter_slice(0) -> 0
    return move(node, context) if repr(context.constant(node.inputs[0])) in ("0", "0.0", "False") else None


def add_up(node: Node, context: Context) -> Value | None:
    # sum(constant) -> constant * count, where no order of adding rounds
    assert isinstance(node.op, rd.Sum)
    (x,) = node.inputs
    number, dtype = context.constant(x), x.type.dtype
    count = math.prod(x.type.shape[axis] for axis in node.op.axes)
    if number is None or not _sums_exactly(number, count, dtype):
        return None
    total = number * count + 0.0 if dtype.is_float else _wrapped(int(number) * count, dtype)  # a sum is never -0.0
    return context.number(total, node.output.type)


def select_one(node: Node, context: Context) -> Value | None:
    # max(constant) -> constant, and so for min, any, all
    number = context.constant(node.inputs[0])
    is_empty = node.inputs[0].type.size == 0
    return None if number is None or is_empty else context.number(number, node.output.type)


def keep_all(node: Node, context: Context) -> Value | None:
    # random_keep, p = 0 -> true;  random_keep, p = 1 -> false: no word decides otherwise
    assert isinstance(node.op, RandomKeep)
    p = context.constant(node.inputs[-1])
    if p is None:
        return None
    ends: Array = np.array([0, 2**32 - 1], np.uint32)
    least, most = node.op.scalar(NumpyScalars(), ends, np.asarray(p, np.float64))
    return context.number(bool(least), node.output.type) if least == most else None


def _sums_exactly(number: float, count: int, dtype: DType) -> bool:
    """Whether every multiple of a number up to count times it is a number of the dtype."""
    if not dtype.is_float or number == 0.0:
        return True
    if not math.isfinite(number):
        return False
    numerator, _ = float(number).as_integer_ratio()
    odd = abs(numerator) // (numerator & -numerator)
    info = np.finfo(dtype.numpy)
    return odd * count < 2 ** (info.nmant + 1) and abs(number) * count <= float(info.max)


def _wrapped(total: int, dtype: DType) -> int:
    """An integer modulo 2 ** bits, in the dtype's range."""
    total %= 1 << dtype.bits
    return total - (1 << dtype.bits) if dtype.signed and total >> (dtype.bits - 1) else total


FOLDING: Rules = {
    Elementwise: (evaluate,),
    **dict.fromkeys((mv.Reshape, mv.Transpose, mv.Broadcast, mv.Slice, mv.Concatenate), (move,)),
    mv.ScatterSlice: (pad,),
    rd.Sum: (add_up,),
    **dict.fromkeys((ex.Max, ex.Min, rd.Any, rd.All), (select_one,)),
    RandomKeep: (keep_all,),
}
