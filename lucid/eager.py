"""Eager execution: evaluate an op now, and leave a record where a backward may need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lucid.context import user_frame
from lucid.core import Array, Version, elements_of, tensor_over
from lucid.errors import AllocationError, ArgumentError, leaked
from lucid.ir.graph import Location
from lucid.ir.ops.base import Op
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.movement import Broadcast, Reshape, Slice, Transpose
from lucid.ir.types import TensorType
from lucid.modes import current_tracer, is_grad_enabled, modes
from lucid.nonfinite import expect_finite

if TYPE_CHECKING:
    from lucid.tensor import Tensor

# Ops whose result shares the operand's storage, so that it reads later in-place updates of it.
VIEWS = (Detach, Reshape, Transpose, Slice, Broadcast)


@dataclass(slots=True, frozen=True, eq=False)
class Saved:
    """Elements that a backward may need, and the version of their storage when they were read."""

    array: Array
    version: Version
    count: int

    @property
    def changed(self) -> bool:
        return self.version.count != self.count


@dataclass(slots=True, frozen=True, eq=False)
class Operand:
    """What a recorded operation read, and where that came from."""

    saved: Saved
    leaf: Tensor | None  # the tensor itself, where it is a leaf that requires a gradient
    edge: Edge | None  # the operation that made it


@dataclass(slots=True, eq=False)
class Record:
    """One eager operation that a backward may follow. `freed` once a backward has used it."""

    op: Op
    operands: tuple[Operand, ...]
    results: tuple[Saved, ...]
    location: Location
    freed: bool = False
    behind: Sequence[Sequence[int]] | None = None  # which operands a gradient of each result gets to, if not to all


@dataclass(slots=True, frozen=True)
class Edge:
    """Result `slot` of a record."""

    record: Record
    slot: int

    @property
    def operands(self) -> Sequence[Operand]:
        """The operands that a gradient of the result gets to."""
        operands, behind = self.record.operands, self.record.behind
        return operands if behind is None else [operands[position] for position in behind[self.slot]]


FREED = Edge(Record(Detach(), (), (), Location(), freed=True), 0)  # the history of results whose graph is gone


def is_view(op: Op, base: Tensor) -> bool:
    """Whether `op` of `base` shares its storage. A reshape does so where it only adds or drops axes of extent 1, and
    where the elements lie in order: its operand is not a transposed, sliced or broadcast view."""
    if not isinstance(op, VIEWS):
        return False
    if isinstance(op, Reshape) and [e for e in op.shape if e != 1] != [e for e in base.shape if e != 1]:
        while (viewed := base._viewed()) is not None:
            base, inner = viewed
            if not isinstance(inner, Detach | Reshape):
                return False
    return True


def apply(op: Op, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Apply an op to tensors: record it where a function is being traced, otherwise evaluate it now."""
    tracer = current_tracer()
    if tracer is not None:
        return tracer.apply(op, operands)
    types = op.infer([operand.type for operand in operands])
    arrays = [_array(operand) for operand in operands]
    viewing = isinstance(op, VIEWS)  # what is not a view lies in row-major order
    try:
        found = [np.asarray(array, order="K" if viewing else "C") for array in op.evaluate(arrays)]
    except MemoryError as error:
        raise too_large(types) from error
    results = tuple(map(tensor_over, found))
    if modes.trap:
        expect_finite(op, arrays, [_array(result) for result in results], _location())
    if viewing:
        (base,), (view,) = operands, results
        if is_view(op, base):
            view._alias, view._version = (base, op), base._version
        elif np.may_share_memory(arrays[0], _array(view)):
            view._array = _array(view).copy()
    if is_grad_enabled() and not isinstance(op, Detach) and any(operand._requires_grad for operand in operands):
        record_operation(op, operands, results)
    return results


def too_large(types: Sequence[TensorType]) -> AllocationError:
    """The error of results that there is no memory for."""
    return AllocationError(f"a tensor of type {' or '.join(map(str, types))} takes more memory than there is.")


def record_operation(
    op: Op, operands: Sequence[Tensor], results: Sequence[Tensor], behind: Sequence[Sequence[int]] | None = None
) -> None:
    """Give the float results of an op a history. `behind` says to which operands the gradient of each gets, if not to
    all."""
    record = Record(op, tuple(map(_operand, operands)), tuple(map(snapshot, results)), _location(), behind=behind)
    for slot, tensor in enumerate(results):
        if tensor.dtype.is_float:
            tensor._requires_grad = True
            tensor._history = Edge(record, slot)


def _location() -> Location:
    return Location("", *(user_frame() or ("", 0)))


def _array(tensor: Tensor) -> Array:
    array = elements_of(tensor)
    if array is None:
        raise leaked()
    if not isinstance(array, np.ndarray):
        raise ArgumentError(
            "eager operations run on the CPU, and a tensor on the GPU was passed to one.",
            hint="compile the function with target='cuda', or bring the tensor here: "
            'x.to("cpu"), model.to("cpu"), optimizer.to("cpu")',
        )
    return array


def _operand(tensor: Tensor) -> Operand:
    leaf = tensor if tensor._requires_grad and tensor._history is None else None
    return Operand(snapshot(tensor), leaf, tensor._history)


def snapshot(tensor: Tensor) -> Saved:
    """The elements of a tensor as they are now."""
    return Saved(_array(tensor), tensor._version, tensor._version.count)
