"""Tracing: run Python once with symbols instead of numbers, and record a Graph.

When the function returns, what has been recorded becomes the graph's inputs, outputs and updates; where it raises, all
of that is dropped and nothing has happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lucid.errors import TraceError, element_of_array
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.elementwise import Add
from lucid.ir.ops.structure import Const
from lucid.ir.types import TensorType, uint64
from lucid.modes import modes
from lucid.recorder import Recorder
from lucid.tensor import Tensor
from lucid.trace import (
    UNKNOWN,
    Outside,
    Trace,
    TracedOutput,
    check_arrays,
    check_result,
)


class Tracer(Recorder):
    """Records one trace, and says in the end what it is."""

    def finish(self, leaves: Sequence[object]) -> Trace:
        """What the trace has recorded, from the flattened result of the function."""
        if self.refused is not None:  # the function caught it, and went on with a guess
            raise self.refused
        check_arrays(self._sums)
        for leaf in leaves:
            check_result(leaf)
        returned = {id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor)}
        number = {key: number for number, key in enumerate(returned)}
        ends = self._ends(number)
        outputs = {key: self._result(tensor, ends) for key, tensor in returned.items()}
        read = [slot for slot in self.gradients.slots.values() if slot.was_read and not self.is_new(slot.tensor)]
        for slot in self.gradients.slots.values():
            is_outside = self._is_outside(slot.tensor)
            slot.owner = self._outside(slot.tensor) if is_outside else number.get(id(slot.tensor), UNKNOWN)
        written = [slot for slot in self.gradients.slots.values() if slot.has_changed and slot.owner != UNKNOWN]
        stored = [self.value(slot.now) for slot in written if slot.now is not None]
        outside = [tracked for tracked in self._tracked.values() if not self.is_new(tracked.tensor)]
        updates = [(t.initial, t.value) for t in outside if t.value is not t.initial]
        draws = self.scopes.whole.draws
        if draws and self._generator is not None:
            draw = self._capture(self._generator.draw_state)
            reads = [node for node in self.builder.nodes if draw.initial in node.inputs]
            self.builder.location = reads[-1].location  # the generator is moved behind the last draw
            (count,) = self.builder.add(Const(draws, TensorType(uint64, ())))
            (following,) = self.builder.add(Add(), draw.initial, count)
            updates.append((draw.initial, following))
        written_to = {initial for initial, _ in updates}
        arguments = [t for t in outside if t.argument is not None and t.initial not in written_to]
        states = [t for t in outside if t.argument is not None and t.initial in written_to]
        states += [t for t in outside if t.argument is None]
        graph = Graph(
            self.name,
            (
                *(tracked.initial for tracked in arguments),
                *(scalar.symbol for scalar in self.scalars.inputs.values()),
                *(slot.entry for slot in read if slot.entry is not None),
                *self._constants,
            ),
            tuple(tracked.initial for tracked in states),
            tuple(self.builder.nodes),
            (
                *(output.value for output in outputs.values()),
                *stored,
                *self.scopes.whole.shown,
            ),
            tuple(updates),
        )
        inputs = arguments + states
        flags = [*self._flags.values(), *filter(self._is_outside, self._views)]
        return Trace(
            graph=graph,
            inputs=inputs,
            flags=[(self.name_of(x), x) for x in flags if self._outside(x).argument is None],
            scalars=[(scalar.symbol, source) for source, scalar in self.scalars.inputs.items()],
            grads_read=read,
            constants=self._constants,
            results=[outputs.get(id(leaf), leaf) for leaf in leaves],
            outputs=list(outputs.values()),
            grads_written=written,
            lines=tuple(self.scopes.whole.lines),
            draws=draws,
            generator=self._generator,
            latest=self.latest,
            ends=ends,
            guards=self.guards,
            scalar_guards=self.scalars.conditions,
        )

    def _outside(self, tensor: Tensor) -> Outside:
        """How a later call finds a tensor that the trace has met: an argument, or captured, itself or as a view."""
        tracked = self._tracked.get(id(tensor))
        return Outside(None, tensor) if tracked is None else Outside.of(tracked)

    def _ends(self, returned: Mapping[int, int]) -> dict[Value, Outside | int]:
        """What a later backward() gets to. A leaf that the function has made is known to nobody else, unless it is
        `returned`, which has the numbers of the results by the ids of their tensors."""
        ends: dict[Value, Outside | int] = {}
        for value, tensor in self._flow.ends.items():
            if self._is_outside(tensor):
                ends[value] = self._outside(tensor)
            elif id(tensor) in returned:
                ends[value] = returned[id(tensor)]
        return ends

    def _result(self, tensor: Tensor, ends: Collection[Value]) -> TracedOutput:
        """A tensor that the function returns."""
        value = self.value(tensor)
        passed = self._outside(tensor) if self._is_outside(tensor) else None
        reached: tuple[Value, ...] | None = None
        if passed is None and tensor._requires_grad and tensor._history is not None:
            behind = self._flow.behind([value], self.builder.nodes, stop=self._flow.ends)
            if not self._flow.is_freed(behind):
                flows_to = self.gradients.behind(value)
                reached = tuple(end for end in ends if end in flows_to)
        return TracedOutput(value, passed, tensor._requires_grad, tensor._history is None, reached)


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    """Have this thread record operations in a tracer."""
    before, modes.tracer = modes.tracer, tracer
    try:
        yield
    except ValueError as error:
        if isinstance(error.__cause__, TraceError) and "setting an array element" in str(error):
            raise element_of_array(error) from None
        raise
    finally:
        modes.tracer = before
