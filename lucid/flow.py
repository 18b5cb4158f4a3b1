"""How gradients flow through a trace: which values a backward may follow, and which it must not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.errors import GradientError, TraceError
from lucid.ir.graph import Node, Value
from lucid.ir.ops.elementwise import Detach
from lucid.tensor import Tensor


class GradientFlow:
    """Sorts the values of a trace.

    Gradients flow through leaves that require one and through what is recorded from them. A value that is computed
    from such a value without recording (under `no_grad`, or by a backward) must be cut off where it comes back into
    recorded computation. Values from outside that are not leaves end a backward with an error, and so do values whose
    graph an earlier backward has freed.
    """

    def __init__(self) -> None:
        self.leaves: dict[Value, Tensor] = {}
        self._flowing: set[Value] = set()
        self._unrecorded: set[Value] = set()
        self._foreign: dict[Value, Tensor] = {}
        self._entries: set[Value] = set()
        self._freed: set[Value] = set()

    def add_leaf(self, value: Value, tensor: Tensor) -> None:
        """`value` is what a leaf that requires a gradient holds."""
        self.leaves[value] = tensor
        self._flowing.add(value)

    def add_entry(self, value: Value, flows: bool) -> None:
        """`value` is an argument of the body of a loop; `flows` says whether a gradient may leave the body there."""
        self._entries.add(value)
        if flows:
            self._flowing.add(value)

    def add_foreign(self, value: Value, tensor: Tensor) -> None:
        """`value` is that of a tensor computed outside the trace, with a history of its own."""
        self._foreign[value] = tensor
        self._flowing.add(value)

    def add_result(self, value: Value, operands: Sequence[Value], recording: bool) -> None:
        """`value` was computed from operands; `recording` says whether a gradient may go back to them."""
        if recording:
            self._flowing.add(value)
        elif any(operand in self._flowing or operand in self._unrecorded for operand in operands):
            self._unrecorded.add(value)

    def flows(self, value: Value) -> bool:
        return value in self._flowing

    def is_unrecorded(self, value: Value) -> bool:
        return value in self._unrecorded

    @property
    def ends(self) -> dict[Value, Tensor]:
        """The tensors that a gradient leaves the trace at, each under what it held when it was read."""
        return self.leaves | self._foreign

    def behind(self, roots: Sequence[Value], nodes: Sequence[Node], stop: Iterable[Value] = ()) -> set[Value]:
        """The values that a gradient from `roots` reaches; it does not go past those in `stop`."""
        ends = set(stop)
        reached = set(roots)
        swept = {value for node in nodes if node.backward for value in node.outputs}
        for node in reversed(nodes):
            on_the_way = [value for value in node.outputs if value in reached and value not in ends]
            if on_the_way and not isinstance(node.op, Detach):
                reached.update(value for value in node.inputs if value in self._flowing or value in swept)
        return reached

    def is_freed(self, reached: set[Value]) -> bool:
        """Whether a backward through these values would need a graph that is gone."""
        return not reached.isdisjoint(self._freed)

    def check(self, reached: set[Value], stop: Iterable[Value] = ()) -> None:
        """Raise where a backward must not go through these values."""
        if self.is_freed(reached):
            raise GradientError(
                "the graph of this tensor has been freed by an earlier backward().",
                hint="call the first one with retain_graph=True, or compute the tensor again.",
            )
        if not reached.isdisjoint(self._foreign.keys() - set(stop)):
            raise TraceError(
                "backward() in a compiled function reached a tensor that was computed outside it.",
                hint="pass its .detach(), or compute it inside the function.",
            )

    def free(self, reached: set[Value], keep: Iterable[Value] = ()) -> None:
        """A backward has used the graph of these values."""
        ends = self._entries.union(keep, self.leaves)
        self._freed.update(reached - ends)
