"""Collapsing: neighbouring axes of a kernel become one wherever every index allows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lucid.codegen.kernel import Kernel, Stage
from lucid.ir.index import Axis, Index, of


def collapse(kernel: Kernel) -> Kernel:
    """Merge adjacent axes whose every use stays linear, so that a kernel over contiguous arrays is one loop.

    Merging walks the same elements in the same order. The last axis of a stage with lanes also says which lane an
    element goes to: another axis joins it only where the number of lanes divides its extent.
    """
    if kernel.is_empty:
        return kernel
    kernel = _merge_neighbours(kernel, kernel.axes, lambda k, axes: replace(k, axes=axes), _always)
    for number, stage in enumerate(kernel.stages):

        def with_axes(kernel: Kernel, axes: tuple[Axis, ...], number: int = number) -> Kernel:
            stages = list(kernel.stages)
            stages[number] = replace(stages[number], axes=axes)
            return replace(kernel, stages=tuple(stages))

        kernel = _merge_neighbours(kernel, stage.axes, with_axes, _keeps_lanes(stage))
    return kernel


def _merge_neighbours(
    kernel: Kernel,
    axes: tuple[Axis, ...],
    with_axes: Callable[[Kernel, tuple[Axis, ...]], Kernel],
    allowed: Callable[[tuple[Axis, ...], int], bool],
) -> Kernel:
    position = len(axes) - 2
    while position >= 0:
        outer, inner = axes[position : position + 2]
        merged = Axis(outer.number, outer.extent * inner.extent)
        whole = of(merged)
        parts = {outer: whole // inner.extent, inner: whole % inner.extent}
        if allowed(axes, position) and _stays_linear(kernel, outer, inner, merged, parts):
            axes = (*axes[:position], merged, *axes[position + 2 :])
            kernel = with_axes(kernel.map_indices(partial(Index.substitute, values=parts)), axes)
            position = min(position, len(axes) - 2)
        else:
            position -= 1
    return kernel


def _stays_linear(kernel: Kernel, outer: Axis, inner: Axis, merged: Axis, parts: dict[Axis, Index]) -> bool:
    for index in dict.fromkeys(kernel.indices()):
        if not index.axes().isdisjoint((outer, inner)) and index.substitute(parts).coefficient(merged) is None:
            return False
    return True


def _always(axes: tuple[Axis, ...], position: int) -> bool:
    return True


def _keeps_lanes(stage: Stage) -> Callable[[tuple[Axis, ...], int], bool]:
    lanes = max((reduction.op.lanes for reduction in stage.reductions), default=0)

    def allowed(axes: tuple[Axis, ...], position: int) -> bool:
        return position < len(axes) - 2 or lanes <= 1 or axes[-1].extent % lanes == 0

    return allowed
