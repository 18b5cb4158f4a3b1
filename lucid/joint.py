"""Backward programs: what makes `y = fast(x); y.backward()` run compiled code both ways.

The traced graph and a grad op on its differentiable results make a joint graph. It is differentiated and simplified
as one, then split by a minimum cut: the forward program also returns the values that the backward program reads. To
eager code a call is one op, and its derivative another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import lucid.eager as eager
from lucid.codegen.target import Executable, Target
from lucid.codegen.threads import RUN_LOCK
from lucid.compilation import Compiled, Parts, compile_parts
from lucid.core import tensor_over
from lucid.errors import GradientError
from lucid.frames import native
from lucid.ir.build import Builder, Expr
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.base import Array, Op
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.partition import partition
from lucid.ir.passes.pipeline import PARTITIONED, PIPELINE, TRACED, Pass, Stages, cut, run_pipeline
from lucid.ir.types import TensorType
from lucid.modes import modes
from lucid.nonfinite import Watch
from lucid.stages import Readable
from lucid.tensor import Tensor
from lucid.trace import Trace, TracedOutput


def differentiable_results(trace: Trace) -> list[TracedOutput]:
    """The results that a later backward() may go through."""
    return [result for result in trace.outputs if result.differentiable]


def split(trace: Trace, target: Target, pipeline: tuple[Pass, ...] = PIPELINE) -> tuple[Compiled, Backward]:
    """Compile a trace with differentiable results: its forward, and the backward that goes with it."""
    results, traced = differentiable_results(trace), trace.graph
    outputs = len(traced.outputs)
    shared, later = cut(pipeline)
    joint, seeds, wrt = _joint_graph(traced, results)

    def make() -> Parts:
        together = run_pipeline(joint, shared)
        parts = partition(together.final, outputs, seeds)
        forward, backward = run_pipeline(parts.forward, later), run_pipeline(parts.backward, later)
        stages = {TRACED: traced, **_later(together), PARTITIONED: parts.forward, **_later(forward)}
        milliseconds = {**together.milliseconds, **forward.milliseconds}
        again = [joint.inputs.index(value) for value in parts.again]
        return Parts(
            (
                Stages(stages, milliseconds),
                Stages({PARTITIONED: parts.backward, **_later(backward)}, backward.milliseconds),
            ),
            again,
        )

    kind = f"{outputs} outputs, {len(seeds)} seeds"  # which the joint graph does not tell
    (forward, backward), again = compile_parts(joint, target, kind, make, pipeline)
    saved_types = forward.executable.output_types[outputs:]
    return forward, Backward(backward, [joint.inputs[i] for i in again], wrt, saved_types, results, trace)


def _later(stages: Stages) -> dict[str, Graph]:
    return {name: graph for name, graph in stages.graphs.items() if name != TRACED}


def _joint_graph(graph: Graph, results: Sequence[TracedOutput]) -> tuple[Graph, list[Value], list[Value]]:
    """The traced graph with seeds as arguments and the gradients of what a backward of the results gets to as further
    outputs."""
    reached = {value for result in results for value in result.reached or ()}
    made = [value for node in graph.nodes for value in node.outputs]
    wrt = [value for value in (*graph.inputs, *made) if value in reached]
    builder = Builder(graph.nodes)
    outputs = [result.value for result in results]
    seeds = [Value(value.type, f"seed.{i}" if len(outputs) > 1 else "seed") for i, value in enumerate(outputs)]
    totals: list[Value] = []
    for output, seed in zip(outputs, seeds, strict=True) if wrt else ():  # none where they depend on nothing
        names = [f"{value.name}.grad" if value.name else None for value in wrt]
        parts = builder.add(Grad(), output, seed, *wrt, names=names)
        if totals:
            parts = tuple(
                (builder.wrap(total) + builder.wrap(part)).value for total, part in zip(totals, parts, strict=True)
            )
        totals = list(parts)
    joint = replace(
        graph,
        arguments=(*graph.arguments, *seeds),
        nodes=tuple(builder.nodes),
        outputs=(*graph.outputs, *totals),
    )
    return joint, seeds, wrt


class Backward(Readable):
    """The compiled backward of a program."""

    def __init__(
        self,
        compiled: Compiled,
        again: Sequence[Value],
        wrt: Sequence[Value],
        saved_types: tuple[TensorType, ...],
        results: Sequence[TracedOutput],
        trace: Trace,
    ) -> None:
        super().__init__(compiled)
        self.trap = False  # whether gradients that are not finite are errors at any time
        self.result_types = tuple(result.value.type for result in results)
        self.saved_types = saved_types
        self.gradient_types = tuple(value.type for value in wrt)
        self._inputs = list(dict.fromkeys([*wrt, *again]))  # what the op of a call reads, in order
        self.wrt_positions = tuple(self._inputs.index(value) for value in wrt)
        self.again_positions = tuple(self._inputs.index(value) for value in again)
        self._sources = [_source(trace, value) for value in self._inputs]
        self._behind = [[self._inputs.index(value) for value in result.reached or ()] for result in results]

    def record(
        self,
        leaves: Sequence[Any],
        scalars: Array,
        results: Sequence[Tensor],
        live: Sequence[Tensor],
        saved: Sequence[Tensor],
    ) -> None:
        """Give those results of a call that are `live`, the differentiable ones, their history."""
        operands = [source(leaves, scalars, results) for source in self._sources]
        eager.record_operation(CompiledCall(self), operands, [*live, *saved], [*self._behind, *([] for _ in saved)])

    def _run(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        """The gradients, for the inputs read again, the saved values and the seeds, whose types are not looked at."""
        held = [native(array) for array in operands]
        results = tuple(np.empty(type.shape, type.dtype.numpy) for type in self.gradient_types)
        executable: Executable = self._compiled.executable
        with RUN_LOCK:
            table = executable.new_table()
            table[: len(held) + len(results)] = [array.ctypes.data for array in (*held, *results)]
            executable.run(table.ctypes.data)
        if self.trap or modes.trap:
            problem = Watch(self.graph(PARTITIONED), held).problem(results)
            if problem is not None:
                raise problem
        return results


Source = Callable[[Sequence[Any], Array, Sequence[Tensor]], Tensor]


def _source(trace: Trace, value: Value) -> Source:
    """Where the backward of a call finds an input of the forward, or what gets a gradient, among the leaves of the
    call, its scalars and its results."""
    end = trace.ends.get(value)
    if isinstance(end, int):
        return lambda leaves, scalars, tensors: tensors[end]
    if end is not None:
        return lambda leaves, scalars, tensors: _as_operand(end.in_call(leaves))
    for tracked in trace.inputs:
        if tracked.initial is value:
            tensor, number = tracked.tensor, tracked.argument
            if number is not None:
                return lambda leaves, scalars, tensors: _as_operand(leaves[number])
            if trace.generator is not None and tensor is trace.generator.seed_state:  # a copy: a new seed is no update
                return lambda leaves, scalars, tensors: Tensor(tensor)
            return lambda leaves, scalars, tensors: tensor
    for i, (symbol, _) in enumerate(trace.scalars):
        if symbol is value:
            return lambda leaves, scalars, tensors: Tensor(scalars[i])
    for slot in trace.grads_read:
        if slot.entry is value:
            raise GradientError("a result of a compiled function that depends on a `.grad` can't be differentiated.")
    array = trace.constants[value]
    return lambda leaves, scalars, tensors: tensor_over(array)


def _as_operand(leaf: Any) -> Tensor:
    """A leaf of the call as a tensor; arrays are copied, since nothing tells when they change."""
    return leaf if isinstance(leaf, Tensor) else Tensor(leaf)


class _CallOp(Op):
    """The base of the two ops that eager code sees of a compiled call. They stand in no graph that is compiled."""

    def __init__(self, backward: Backward) -> None:
        self.backward = backward


class CompiledCall(_CallOp):
    """A call of a program: from its inputs to its differentiable results and the values saved for the backward."""

    name = "compiled_call"

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        raise NotImplementedError("a compiled call has been run by its program")

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        return (*self.backward.result_types, *self.backward.saved_types)

    def pullback(
        self, gradients: tuple[Expr | None, ...], results: tuple[Expr, ...], operands: tuple[Expr, ...]
    ) -> tuple[Expr | None, ...]:
        backward, builder = self.backward, results[0].builder
        count = len(backward.result_types)
        seeds = [
            g if g is not None else builder.constant(0, type)
            for g, type in zip(gradients[:count], backward.result_types, strict=True)
        ]
        again = [operands[position] for position in backward.again_positions]
        values = [x.value for x in (*again, *results[count:], *seeds)]
        found: list[Expr | None] = [None] * len(operands)
        computed = builder.add(CompiledBackward(backward), *values)
        for position, value in zip(backward.wrt_positions, computed, strict=True):
            found[position] = builder.wrap(value)
        return tuple(found)


class CompiledBackward(_CallOp):
    """The backward of a call: from the inputs read again, the saved values and the seeds to the gradients."""

    name = "compiled_backward"

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        return self.backward.gradient_types

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return self.backward._run(operands)

    def pullback(
        self, gradients: tuple[Expr | None, ...], results: tuple[Expr, ...], operands: tuple[Expr, ...]
    ) -> tuple[Expr | None, ...]:
        raise GradientError(
            "the backward of a compiled call can't be differentiated again.",
            hint="compute both derivatives inside one compiled function, with lucid.grad(..., create_graph=True).",
        )
