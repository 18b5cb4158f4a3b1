"""In which order a kernel walks its parallel axes.

The last axis is that of neighbouring results, and a vector's lanes stand along it. Where an operand is read crosswise,
as in a transpose, each lane reads another cache line, and the next line of results needs the same ones: so the axis
along which that operand's neighbours lie comes last, inside the vectors, and the lines are still in the nearest cache.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from lucid.codegen.kernel import Kernel, Load
from lucid.ir.index import Axis, Index, of

# An operand of fewer bytes is in the nearest cache whatever the order; and so few lanes read few lines.
NEAR, FEW = 2**15, 8
BLOCK, SHORT = 64, 32  # of them at a time: as many, if it can be, and no block has fewer


def walked(kernel: Kernel) -> Kernel:
    """A kernel with its parallel axes in the order in which they should be walked. That is a map's to choose: the steps
    of a reduction have their order."""
    if len(kernel.axes) < 2 or len(kernel.stages) != 1 or kernel.stages[0].axes:
        return kernel
    lanes = kernel.axes[-1]
    if lanes.extent < FEW:
        return kernel
    for value in kernel.values:
        if isinstance(value, Load) and value.buffer.type.nbytes >= NEAR and _is_apart(value, lanes):
            for axis in kernel.axes[:-1]:
                if value.position.coefficient(axis) == 1:
                    return _with_last(kernel, axis)
    return kernel


def _with_last(kernel: Kernel, axis: Axis) -> Kernel:
    """A kernel with an axis behind the others, or where it divides into blocks, with its blocks where it was and only
    what is in a block behind: so many rows of results at a time, and not all of them, have a page of memory in use."""
    block = math.gcd(axis.extent, BLOCK)
    if block < SHORT or block == axis.extent:
        return replace(kernel, axes=(*(other for other in kernel.axes if other is not axis), axis))
    outer = Axis(axis.number, axis.extent // block)
    inner = Axis(1 + max(other.number for other in kernel.axes), block)
    parts = {axis: of(outer) * block + of(inner)}
    kernel = kernel.map_indices(partial(Index.substitute, values=parts))
    return replace(kernel, axes=(*(outer if other is axis else other for other in kernel.axes), inner))


def lane_axis(kernel: Kernel) -> Axis:
    """The parallel axis along which neighbouring results lie: the last one but where `walked` put another behind it."""
    for axis in reversed(kernel.axes):
        if any(store.position.coefficient(axis) == 1 for stage in kernel.stages for store in stage.stores):
            return axis
    return kernel.axes[-1]


def _is_apart(load: Load, lanes: Axis) -> bool:
    """Whether neighbouring lanes read elements that are apart."""
    stride = load.position.coefficient(lanes)
    return stride is not None and abs(stride) * load.dtype.itemsize >= 64
