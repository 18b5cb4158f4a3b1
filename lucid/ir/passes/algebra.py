"""Algebra on elements: identities that hold for every bit pattern, NaN payloads aside.

Floats have fewer than numbers do: x + 0.0 is not x where x is -0.0, x * 0.0 is not 0.0 where x is infinite, and
sums may not be associated anew. What is written for floats below is exact; the rest is for integers and bools.
"""

from __future__ import annotations

import math

from lucid.ir.build import Number
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops import elementwise as ew
from lucid.ir.passes.rewrite import Context, Rules, rewrite
from lucid.ir.types import DType, bool_


def algebra(graph: Graph) -> Graph:
    """Drop and shorten what arithmetic makes idle.

    >>> from lucid.ir.text import parse
    >>> print(algebra(parse("graph(%x: f32[4]) { %1: f32[4] = const value=1.0; %2 = mul %x, %1; return %2 }")).outputs)
    (%x: f32[4],)
    """
    return rewrite(graph, ALGEBRA)


def multiply_by_one(node: Node, context: Context) -> Value | None:
    # x * 1 -> x
    for x, y in (node.inputs, node.inputs[::-1]):
        if context.constant(y) == 1:
            return x
    return None


def multiply_by_zero(node: Node, context: Context) -> Value | None:
    # x * 0 -> 0, for integers
    if node.output.type.dtype.is_integer and any(context.constant(value) == 0 for value in node.inputs):
        return context.number(0, node.output.type)
    return None


def divide_by_power_of_two(node: Node, context: Context) -> Value | None:
    # x / 1 -> x;  x / c -> x * (1 / c), for c and 1 / c powers of two in the range of normal numbers
    x, y = node.inputs
    divisor = context.constant(y)
    if divisor == 1:
        return x
    if divisor is None or not _is_power_of_two(float(divisor), x.type.dtype):
        return None
    return context.build(ew.Mul(), x, context.number(1.0 / divisor, y.type))


def add_nothing(node: Node, context: Context) -> Value | None:
    # x + -0.0 -> x;  x + 0 -> x for integers
    for x, y in (node.inputs, node.inputs[::-1]):
        if _is_nothing(context.constant(y), sign=-1.0):
            return x
    return None


def subtract_nothing(node: Node, context: Context) -> Value | None:
    # x - 0 -> x
    x, y = node.inputs
    return x if _is_nothing(context.constant(y), sign=1.0) else None


def subtract_itself(node: Node, context: Context) -> Value | None:
    # x - x -> 0, for integers
    x, y = node.inputs
    return context.number(0, x.type) if x is y and x.type.dtype.is_integer else None


def add_negated(node: Node, context: Context) -> Value | None:
    # x + -y -> x - y;  -y + x -> x - y
    for x, y in (node.inputs, node.inputs[::-1]):
        if negation := context.producer(y, ew.Neg):
            return context.build(ew.Sub(), x, *negation.inputs)
    return None


def subtract_negated(node: Node, context: Context) -> Value | None:
    # x - -y -> x + y
    x, y = node.inputs
    negation = context.producer(y, ew.Neg)
    return context.build(ew.Add(), x, *negation.inputs) if negation else None


def negate_twice(node: Node, context: Context) -> Value | None:
    # --x -> x
    inner = context.producer(node.inputs[0], ew.Neg)
    return inner.inputs[0] if inner else None


def absolute_of_absolute(node: Node, context: Context) -> Value | None:
    # ||x|| -> |x|;  |-x| -> |x|
    if context.producer(node.inputs[0], ew.Abs):
        return node.inputs[0]
    negation = context.producer(node.inputs[0], ew.Neg)
    return context.build(ew.Abs(), *negation.inputs) if negation else None


def small_powers(node: Node, context: Context) -> Value | None:
    # x ** 1 -> x;  x ** 2 -> x * x, the correctly rounded square
    x, y = node.inputs
    match context.constant(y):
        case 1.0:
            return x
        case 2.0:
            return context.build(ew.Mul(), x, x)
    return None


def extreme_of_itself(node: Node, context: Context) -> Value | None:
    # max(x, x) -> x;  min(x, x) -> x;  x & x -> x;  x | x -> x
    x, y = node.inputs
    return x if x is y else None


def select_known(node: Node, context: Context) -> Value | None:
    # where(true, x, y) -> x;  where(false, x, y) -> y;  where(c, x, x) -> x
    condition, x, y = node.inputs
    chosen = context.constant(condition)
    if x is y or chosen is True:
        return x
    return y if chosen is False else None


def select_bools(node: Node, context: Context) -> Value | None:
    # where(c, true, false) -> c
    condition, x, y = node.inputs
    return condition if context.constant(x) is True and context.constant(y) is False else None


def select_by_complement(node: Node, context: Context) -> Value | None:
    # where(not c, x, y) -> where(c, y, x)
    condition, x, y = node.inputs
    complement = context.producer(condition, ew.Not)
    return context.build(ew.Where(), complement.inputs[0], y, x) if complement else None


def complement_twice(node: Node, context: Context) -> Value | None:
    # not not x -> x
    inner = context.producer(node.inputs[0], ew.Not)
    return inner.inputs[0] if inner else None


def complement_of_comparison(node: Node, context: Context) -> Value | None:
    # not x == y -> x != y;  not x != y -> x == y.  (not x < y is not y <= x where either is NaN.)
    if equal := context.producer(node.inputs[0], ew.Equal):
        return context.build(ew.NotEqual(), *equal.inputs)
    if unequal := context.producer(node.inputs[0], ew.NotEqual):
        return context.build(ew.Equal(), *unequal.inputs)
    return None


def and_known(node: Node, context: Context) -> Value | None:
    # x & ones -> x;  x & 0 -> 0
    return _absorb(node, context, neutral=_ones(node.output.type.dtype), absorbing=0)


def or_known(node: Node, context: Context) -> Value | None:
    # x | 0 -> x;  x | ones -> ones
    return _absorb(node, context, neutral=0, absorbing=_ones(node.output.type.dtype))


def xor_known(node: Node, context: Context) -> Value | None:
    # x ^ 0 -> x;  x ^ x -> 0
    x, y = node.inputs
    if x is y:
        return context.number(0, x.type)
    return _absorb(node, context, neutral=0, absorbing=None)


def cast_to_itself(node: Node, context: Context) -> Value | None:
    # cast x to its own dtype -> x
    (x,) = node.inputs
    return x if x.type == node.output.type else None


def cast_of_lossless_cast(node: Node, context: Context) -> Value | None:
    # cast (cast x: a to b) to c -> cast x to c, where b holds every a
    inner = context.producer(node.inputs[0], ew.Cast)
    if inner is None or not _holds(inner.output.type.dtype, inner.inputs[0].type.dtype):
        return None
    return context.build(node.op, inner.inputs[0])


def _is_nothing(number: Number | None, sign: float) -> bool:
    """Whether a constant is the integer 0 or the float zero of a sign."""
    if not isinstance(number, float):
        return number == 0
    return number == 0.0 and math.copysign(1.0, number) == sign


def _is_power_of_two(number: float, dtype: DType) -> bool:
    """Whether a number is plus or minus a power of two, and it and its reciprocal are normal."""
    largest = 126 if dtype.bits == 32 else 1022
    fraction, exponent = math.frexp(number)
    return abs(fraction) == 0.5 and abs(exponent - 1) <= largest


def _ones(dtype: DType) -> int:
    """The number with all bits set."""
    return 1 if dtype == bool_ else -1 if dtype.signed else (1 << dtype.bits) - 1


def _absorb(node: Node, context: Context, neutral: int, absorbing: int | None) -> Value | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        number = context.constant(y)
        if number == neutral:
            return x
        if number is not None and number == absorbing:
            return y
    return None


def _holds(outer: DType, inner: DType) -> bool:
    """Whether every number of the inner dtype is one of the outer, so that a cast there loses nothing."""
    if inner in (bool_, outer):
        return True
    if outer == bool_ or (inner.is_float and not outer.is_float):
        return False
    precision = {32: 24, 64: 53}[outer.bits] if outer.is_float and not inner.is_float else outer.bits - outer.signed
    if inner.is_float:
        return outer.bits > inner.bits
    return inner.bits - inner.signed <= precision and (outer.signed or not inner.signed)


ALGEBRA: Rules = {
    ew.Mul: (multiply_by_one, multiply_by_zero),
    ew.Div: (divide_by_power_of_two,),
    ew.Add: (add_nothing, add_negated),
    ew.Sub: (subtract_nothing, subtract_itself, subtract_negated),
    ew.Neg: (negate_twice,),
    ew.Abs: (absolute_of_absolute,),
    ew.Pow: (small_powers,),
    ew.Maximum: (extreme_of_itself,),
    ew.Minimum: (extreme_of_itself,),
    ew.Where: (select_known, select_bools, select_by_complement),
    ew.Not: (complement_twice, complement_of_comparison),
    ew.And: (extreme_of_itself, and_known),
    ew.Or: (extreme_of_itself, or_known),
    ew.Xor: (xor_known,),
    ew.Cast: (cast_to_itself, cast_of_lossless_cast),
}
