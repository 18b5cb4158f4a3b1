"""Views in a trace: each is computed again where the tensor that it views has been updated since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lucid.errors import TraceError
from lucid.ir.graph import Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.elementwise import Detach
from lucid.tensor import Tensor

if TYPE_CHECKING:
    from lucid.recorder import Recorder


class TracedViews:
    """The values of views while a function is traced."""

    def __init__(self, tracer: Recorder) -> None:
        self._tracer = tracer
        self._values: dict[int, tuple[Tensor, Value, int]] = {}  # each with the updates that it has seen
        self._stood_for: set[int] = set()

    def __iter__(self) -> Iterator[Tensor]:
        return (view for view, _, _ in self._values.values())

    def note_stand_in(self, given: object) -> None:
        """Note that another tensor stands for this argument, which has a history or views something."""
        self._stood_for.add(id(given))

    def note(self, view: Tensor, value: Value) -> None:
        """Note what a view holds now."""
        self._values[id(view)] = view, value, self._tracer.updates_of(view)

    def note_again(self, view: Tensor, value: Value) -> None:
        """Note what a tensor holds now, if it is a view."""
        if id(view) in self._values:
            self.note(view, value)

    def value(self, view: Tensor, base: Tensor, op: Op) -> Value:
        """The value of a view, by an op, of another tensor."""
        known = self._values.get(id(view))
        if known is not None and known[2] == self._tracer.updates_of(base):
            return known[1]
        is_leaf = view._requires_grad and view._history is None
        if is_leaf and id(view) in self._stood_for:
            raise TraceError(
                "a compiled function was given a detached tensor that requires a gradient, and captures it, too: its "
                "gradient would have two parts.",
                hint="read the argument alone, or pass its .detach().",
            )
        value = self._computed(view, base, op, is_leaf)
        self.note(view, value)
        return value

    def _computed(self, view: Tensor, base: Tensor, op: Op, is_leaf: bool) -> Value:
        tracer, flow = self._tracer, self._tracer.gradients.flow
        cuts = isinstance(op, Detach)
        recording = view._requires_grad and not is_leaf and not cuts
        operand = tracer.recorded(base) if recording else tracer.value(base)
        (value,) = tracer.add(op, operand)
        if view._history is not None and view._symbol is None:
            (value,) = tracer.add(Detach(), value)  # a gradient goes on through that history
            flow.add_foreign(value, view)
            return value
        if not cuts:
            flow.add_result(value, [operand], recording)
        return tracer.begun(value, view) if is_leaf else value
