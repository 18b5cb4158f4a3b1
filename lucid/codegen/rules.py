"""Rules on kernels: a user's functions from a kernel to a kernel, which a target applies to what it has lowered.

A rule may change how a kernel runs and must not change what it computes. What can be checked is checked: which
elements are read and written, that each element is written once, and that reductions add up in the order they had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from lucid.codegen.kernel import Apply, Expression, Kernel, Load, OnAxis, Placement, Store, indices, operands
from lucid.errors import ArgumentError, CompileError, LucidError
from lucid.ir.index import Axis, Index, Known, of

KernelRule = Callable[[Kernel], Kernel]

EXACT_UP_TO = 2**20  # elements of a buffer whose positions are looked at one by one


def split_axis(kernel: Kernel, axis: Axis, extent: int) -> tuple[Kernel, Axis, Axis]:
    """The kernel with a parallel axis walked in pieces of `extent` steps: also the axis over the pieces, and the one
    inside of a piece. Both stand where the axis stood; to tile several axes, put `kernel.axes` into another order.

    Raises ArgumentError where the axis is not a parallel axis of the kernel, or `extent` does not divide its own.
    """
    if axis not in kernel.axes or extent < 1 or axis.extent % extent:
        raise ArgumentError(f"split_axis takes a parallel axis and a divisor of its extent, got {axis} and {extent}.")
    free = 1 + max(other.number for other in (*kernel.axes, *(a for stage in kernel.stages for a in stage.axes)))
    outer, inner = Axis(free, axis.extent // extent), Axis(free + 1, extent)
    place = kernel.axes.index(axis)
    axes = (*kernel.axes[:place], outer, inner, *kernel.axes[place + 1 :])
    values = {axis: of(outer) * extent + of(inner)}
    return replace(kernel.map_indices(partial(Index.substitute, values=values)), axes=axes), outer, inner


def ruled(kernel: Kernel, rules: Iterable[KernelRule]) -> Kernel:
    """The kernel after some rules, one after the other. Raises CompileError for what no rule may do."""
    for rule in rules:
        changed = rule(kernel)
        if changed is not kernel:
            _Check(kernel, changed, getattr(rule, "__name__", repr(rule))).all()
            kernel = changed
    return kernel


class _Check:
    """Compares the kernel before and after a rule."""

    def __init__(self, before: Kernel, after: Kernel, rule: str) -> None:
        self.before = before
        self.after = after
        self.rule = rule

    def fail(self, what: str) -> CompileError:
        return CompileError(f"the kernel rule {self.rule} {what}.", hint="a rule changes how a kernel runs, no result.")

    def all(self) -> None:
        before, after = self.before, self.after
        if not isinstance(after, Kernel):
            raise self.fail(f"gave {type(after).__name__} instead of a Kernel")
        if (after.buffers, after.inputs) != (before.buffers, before.inputs):
            raise self.fail("changed the buffers of a kernel")
        if _orders(after) != _orders(before):
            raise self.fail("changed the order of a reduction")
        self.values()
        self.axes()
        for number, stage in enumerate(after.stages):
            for reduction in stage.reductions:
                self.computed(reduction.operand, Placement(number, len(stage.axes)))
            for store in stage.stores:
                self.computed(store.value, Placement(number, len(stage.axes)))
                if after.values[store.value].dtype != store.buffer.dtype:
                    raise self.fail(f"stores {after.values[store.value].dtype.name} in {store.buffer.type}")
        self.stores()

    def axes(self) -> None:
        """Each stage sees its own axes and the parallel ones; each axis has a number of its own there."""
        everywhere = [*self.after.axes, *(axis for stage in self.after.stages for axis in stage.axes)]
        if len({axis.number for axis in everywhere}) != len(everywhere):
            raise self.fail("gave two axes one number")
        if any(axis.extent < 0 for axis in self.after.axes) or any(
            axis.extent < 1 for stage in self.after.stages for axis in stage.axes
        ):
            raise self.fail("made an axis of no extent")
        unknown = {axis for index in self.after.indices() for axis in index.axes()}.difference(everywhere)
        if unknown:
            raise self.fail(f"reads along axes that the kernel does not have: {unknown}")

    def values(self) -> None:
        """Values come after their operands, have the dtypes that their ops say, and read inside of buffers."""
        kernel = self.after
        known = {(value.position, value.bounds) for value in self.before.values if isinstance(value, Load)}
        for number, value in enumerate(kernel.values):
            if not isinstance(value, Expression):
                raise self.fail(f"made {value!r} a value")
            if any(not 0 <= operand < number for operand in operands(value)):
                raise self.fail(f"made value {number} of a value that comes later")
            for leaf in (leaf for index in indices(value) for leaf in index.leaves()):
                found = kernel.values[leaf.number] if isinstance(leaf, Known) and 0 <= leaf.number < number else None
                if isinstance(leaf, Known) and not (isinstance(found, OnAxis) and found.extent == leaf.extent):
                    raise self.fail(f"looks up a position of value {leaf.number}, which is none of that axis")
            if isinstance(value, Apply):
                try:
                    result = value.op.result(*(kernel.values[operand].dtype for operand in value.args))
                except LucidError as error:
                    raise self.fail(f"applied an op to what it does not take: {error.sentence}") from None
                if len(value.args) != value.op.arity or result != value.dtype:
                    raise self.fail(f"applied {value.op.name} with wrong operands or a wrong dtype")
            elif isinstance(value, Load):
                if value.buffer not in kernel.buffers[: kernel.inputs]:
                    raise self.fail("reads a buffer that is not an input")
                if (value.position, value.bounds) not in known and not _inside(value.position, value.buffer.type.size):
                    raise self.fail(f"may read outside of {value.buffer.type}")

    def computed(self, number: int, place: Placement) -> None:
        """A value is there when a stage needs it."""
        if not 0 <= number < len(self.after.values) or self.after.placements()[number] > place:
            raise self.fail(f"uses value {number} before it is computed")

    def stores(self) -> None:
        """Each element of each output is written, and once."""
        before, after = _stores(self.before), _stores(self.after)
        if sorted(store.buffer.number for store, _ in before) != sorted(store.buffer.number for store, _ in after):
            raise self.fail("changed which buffers are written")
        for store, axes in after:
            if not _covers(store.position, axes, store.buffer.type.size):
                raise self.fail(f"does not write each element of {store.buffer.type} once")


def _orders(kernel: Kernel) -> list[object]:
    """All that the results of reductions depend on but their operands."""
    return [
        (stage.axes, [(reduction.op, reduction.position) for reduction in stage.reductions])
        for stage in kernel.stages
        if stage.reductions
    ]


def _stores(kernel: Kernel) -> list[tuple[Store, Sequence[Axis]]]:
    """The stores, each with the axes that it is executed along."""
    return [(store, (*kernel.axes, *stage.axes)) for stage in kernel.stages for store in stage.stores]


def _inside(position: Index, size: int) -> bool:
    low, high = position.bounds
    return low >= 0 and high < size


def _covers(position: Index, axes: Sequence[Axis], size: int) -> bool:
    """Whether a position takes each value from 0 to size - 1 once as the axes run."""
    if math.prod(axis.extent for axis in axes) != size or any(isinstance(leaf, Known) for leaf in position.leaves()):
        return False
    walked = [axis for axis in axes if axis.extent > 1]
    steps = sorted((coefficient, axis.extent) for axis in walked if (coefficient := position.coefficient(axis)))
    if len(steps) == len(walked) and not position.constant and len(position.terms) == len(walked):
        expected = 1
        for coefficient, extent in steps:
            if coefficient != expected:
                break
            expected *= extent
        else:
            return True
    if size > EXACT_UP_TO:
        return False
    places: dict[Axis | Known, Any] = dict(zip(axes, np.indices([axis.extent for axis in axes]), strict=True))
    found = np.broadcast_to(position.evaluate(places), [axis.extent for axis in axes])
    return bool(np.array_equal(np.sort(found.reshape(-1)), np.arange(size)))
