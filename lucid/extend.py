"""Extending Lucid without touching it: your own ops, passes on graphs and rules on kernels. See docs/extend.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

import lucid.eager as eager
import lucid.random as random
from lucid.codegen.kernel import Kernel
from lucid.codegen.rules import KernelRule, split_axis
from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.ir.build import Builder, Expr
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.index import Index
from lucid.ir.ops.base import Binary, Comparison, Elementwise, Logical, Movement, Op, Piece, Reduction, Unary
from lucid.ir.ops.declare import check_attributes, declare as op, is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.ops.random import Random
from lucid.ir.passes.pipeline import Pass
from lucid.ir.passes.rewrite import Context, rewrite
from lucid.ir.scalar import Scalars
from lucid.ir.text import parse, print_graph
from lucid.ir.types import DType, TensorType, float64, uint64
from lucid.missing_names import refuse_names_of
from lucid.operations import Operand
from lucid.operations.operands import as_float, as_tensor, cast, common, constant
from lucid.scalars import Scalar
from lucid.tensor import Tensor

__all__ = [
    "Binary",
    "Builder",
    "Comparison",
    "Context",
    "DType",
    "Elementwise",
    "Expr",
    "Graph",
    "Index",
    "Kernel",
    "KernelRule",
    "Logical",
    "Movement",
    "Node",
    "Op",
    "Pass",
    "Piece",
    "Random",
    "Reduction",
    "Scalars",
    "TensorType",
    "Unary",
    "Value",
    "apply",
    "op",
    "parse",
    "print_graph",
    "rewrite",
    "split_axis",
]


def apply(op: Op, *operands: Operand) -> Tensor:
    """The result of an op, eagerly or in a trace.

    Operands are Tensors, arrays and numbers. Those of an elementwise op are promoted to one dtype and broadcast to one
    shape, and integers become float32 where the op takes floats only; other ops take them as they are. A random op gets
    the seed and the next draw of the default stream, and its parameters, as float64, from the operands. Raises
    ShapeError or DTypeError where the op's type rule does.
    """
    if not isinstance(op, Op):
        raise ArgumentTypeError(
            f"apply takes an op, got {op!r}.",
            hint="make an object of the class: lucid.apply(Cube(), x)." if isinstance(op, type) else None,
        )
    if isinstance(op, Random):
        parameters = [_parameter(x) for x in operands]
        _check(op, [*[TensorType(uint64, ())] * 2, *(tensor.type for tensor in parameters)])
        return random.draw(lambda number: replace(op, draw=number), *parameters)  # type: ignore[type-var]
    if isinstance(op, Elementwise):
        if len(operands) != op.arity:
            raise ArgumentError(f"{op.name} takes {op.arity} operands, got {len(operands)}.")
        tensors = common(operands)
        if getattr(op, "floats_only", False):
            tensors = [as_float(tensor) for tensor in tensors]
    else:
        tensors = [as_tensor(operand) for operand in operands]
    _check(op, [tensor.type for tensor in tensors])
    return eager.apply(op, tensors)[0]


def _parameter(x: Operand) -> Tensor:
    """A parameter of a random op."""
    if isinstance(x, Scalar | Tensor | np.ndarray):
        return cast(as_tensor(x), float64)
    return constant(x, TensorType(float64, ()))


def _check(op: Op, operands: Sequence[TensorType]) -> None:
    """Raise where a user's op does not fit what a program can hold: before it runs, in eager code too."""
    if not is_declared_by_user(type(op)):
        return
    check_attributes(op)
    if (op, *operands) not in _checked.get(type(op), ()):
        meaning(op, operands)
        _checked.setdefault(type(op), set()).add((op, *operands))


_checked: WeakKeyDictionary[type[Op], set[object]] = WeakKeyDictionary()  # what has passed, so that it costs once

if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
