"""Ops that are neither arithmetic nor movement: constants, gradients, checks and fused regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.errors import CheckError, DTypeError, ShapeError
from lucid.ir.ops.base import Array, Op, Product, expect_operands, op
from lucid.ir.types import TensorType, bool_, int64

if TYPE_CHECKING:
    from lucid.ir.graph import Graph, Location, Node, Value


def normalized(value: bool | int | float, type: TensorType) -> bool | int | float:
    """The Python number that a constant of a type holds: rounded to its dtype, so that equal constants are equal."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise DTypeError(f"no dtype holds the integer {value}.", hint="write it as a float.")
    with np.errstate(all="ignore"):
        result: bool | int | float = np.asarray(value).astype(type.dtype.numpy).item()
    return result


@op
class Const(Op):
    """One value in every element of `type`."""

    value: bool | int | float
    type: TensorType
    is_cheap = True

    def __eq__(self, other: object) -> bool:  # by spelling: -0.0 is not 0.0, and nan is nan
        return isinstance(other, Const) and (repr(self.value), self.type) == (repr(other.value), other.type)

    def __hash__(self) -> int:
        return hash((repr(self.value), self.type))

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 0)
        if repr(normalized(self.value, self.type)) != repr(self.value):
            raise DTypeError(f"const takes a value of {self.type.dtype.name}, got {self.value!r}.")
        return (self.type,)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return (np.broadcast_to(np.asarray(self.value, self.type.dtype.numpy), self.type.shape),)


@op
class Iota(Op):
    """The position along an axis, in every element of an integer `type`."""

    axis: int
    type: TensorType
    is_cheap = True

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 0)
        if not self.type.dtype.is_integer or not 0 <= self.axis < self.type.rank:
            raise ShapeError(f"iota takes an axis of an integer type, got {self.axis} and {self.type}.")
        return (self.type,)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        shape = [1] * self.type.rank
        shape[self.axis] = self.type.shape[self.axis]
        result = np.empty(self.type.shape, self.type.dtype.numpy)  # first: there may be no memory for it
        result[...] = np.arange(self.type.shape[self.axis]).astype(result.dtype, copy=False).reshape(shape)
        return (result,)


@op
class Grad(Op):
    """`grad y, seed, x...`: the gradient of sum(y * seed) with respect to each x.

    It stands for the backward graph until the pass `differentiate` writes that out.
    """

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if len(operands) < 2 or operands[0] != operands[1]:
            raise ShapeError(f"grad takes y, a seed of its type, then x..., got {', '.join(map(str, operands))}.")
        if any(not operand.dtype.is_float for operand in operands):
            raise DTypeError(f"grad takes floats, got {', '.join(map(str, operands))}.")
        return tuple(operands[2:])

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        raise NotImplementedError("grad has a meaning only inside its graph: run differentiate first")


@op
class Check(Op):
    """`check position, values`: ends the step with an error, before any state is written, unless position is -1.

    `message` is the sentence of the error; it may contain {position} and {value}, the element of values there.
    """

    message: str
    has_effect = True

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        expect_operands(self, operands, 2)
        position, values = operands
        if position != TensorType(int64, ()) or not (values.dtype.is_integer or values.dtype == bool_):
            raise DTypeError(f"check takes i64[] and integers, got {position} and {values}.")
        return ()

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        position, values = operands
        if position >= 0:
            raise self.error(int(position), values.reshape(-1)[int(position)].item())
        return ()

    def error(self, position: int, value: int | bool, location: Location | None = None) -> CheckError:
        """The error of a check that has failed at a position. What a program has run gives the location of the node:
        its module and line, if it has them, are those that the error shows."""
        sentence = self.message.format(position=position, value=value)
        if location is None:
            return CheckError(sentence)
        where = (location.file, location.line) if location.file else None
        return CheckError(sentence, where=where, module=location.module or None)


@op
class Fused(Op):
    """One kernel: the ops of its body, computed together in one pass over memory.

    One of them may be a product, such as a matmul. Those that follow it are then its *epilogue*: they are computed
    where its elements come out, before these reach memory. Those that it multiplies are its *prologue*: they are
    computed where it reads its factors.
    """

    body: Graph

    @property
    def product(self) -> Node | None:
        """The product in the body, None where there is none."""
        return next((node for node in self.body.nodes if isinstance(node.op, Product)), None)

    @property
    def multiplied(self) -> set[Value]:
        """The arguments that the factors of the product are or are computed of."""
        needed = set() if self.product is None else set(self.product.inputs)
        for node in reversed(self.body.nodes):
            if not needed.isdisjoint(node.outputs):
                needed.update(node.inputs)
        return needed.intersection(self.body.arguments)

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if tuple(operands) != tuple(value.type for value in self.body.arguments):
            raise ShapeError(f"fused takes the arguments of its body, got {', '.join(map(str, operands))}.")
        return tuple(value.type for value in self.body.outputs)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        from lucid.ir.interpret import environment_of

        environment = environment_of(self.body, operands)
        return tuple(environment[value] for value in self.body.outputs)
