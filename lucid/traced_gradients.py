"""The gradients of a trace: what each `grad` is now, and the grad ops that `backward` and `lucid.grad` record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import lucid.autograd as autograd
from lucid.core import tensor_of_symbol
from lucid.errors import TraceError
from lucid.flow import GradientFlow
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.differentiate import differentiate
from lucid.modes import no_grad
from lucid.tensor import Tensor
from lucid.trace import GradSlot

if TYPE_CHECKING:
    from lucid.recorder import Recorder


class TracedGradients:
    """Stands in for `Tensor.grad`, `Tensor.backward` and `lucid.grad` while a function is traced."""

    def __init__(self, tracer: Recorder) -> None:
        self.flow = GradientFlow()
        self.slots: dict[int, GradSlot] = {}
        self._tracer = tracer

    def _slot(self, tensor: Tensor) -> GradSlot:
        slot = self.slots.get(id(tensor))
        if slot is None:
            slot = GradSlot(tensor, None, tensor._grad if tensor._symbol is not None else None)
            self.slots[id(tensor)] = slot
        return slot

    def read(self, tensor: Tensor) -> Tensor | None:
        """What `tensor.grad` is now."""
        self._expect_no_loop(".grad can't be read")
        slot = self._slot(tensor)
        if not slot.written and not slot.was_read and tensor._symbol is None:
            slot.was_read, slot.name = True, self._tracer.name_of(tensor)
            if tensor._grad is not None:
                slot.entry = self._tracer.input_value(tensor._grad.type, f"{slot.name}.grad")
                slot.now = tensor_of_symbol(slot.entry)
        return slot.now

    def write(self, tensor: Tensor, grad: Tensor | None) -> None:
        """Set what `tensor.grad` is from here on."""
        self._expect_no_loop(".grad can't be set")
        slot = self._slot(tensor)
        slot.now, slot.written = grad, True

    def backward(self, output: Tensor, seed: Tensor | None, retain_graph: bool) -> None:
        """Record one grad op for all leaves behind `output`, and add its results to their grads."""
        self._expect_no_loop("backward() can't be called")
        start = autograd.default_seed(output, seed)
        value = self._tracer.operand(output)
        reached = self.behind(value)
        self.flow.check(reached)
        leaves = [leaf for leaf in self.flow.leaves if leaf in reached]
        gradients = self._grad_op(value, start, leaves) if leaves else ()  # none where it depends on nothing
        if not retain_graph:
            self.flow.free(reached)
        with no_grad():
            for leaf, gradient in zip(leaves, gradients, strict=True):
                self.flow.add_result(gradient, [value], recording=False)
                tensor, found = self.flow.leaves[leaf], tensor_of_symbol(gradient)
                before = self.read(tensor)
                self.write(tensor, found if before is None else before + found)

    def _expect_no_loop(self, what: str) -> None:
        if self._tracer.scopes.in_loop:
            raise TraceError(
                f"{what} in the body of a scan.", hint="compute gradients there with lucid.grad, or after the scan."
            )

    def leaves_behind(self, tensor: Tensor) -> list[Tensor]:
        """The leaves that a gradient of a tensor would flow to."""
        reached = self.behind(self._tracer.value(tensor))
        return [leaf for value, leaf in self.flow.leaves.items() if value in reached]

    def behind(self, value: Value) -> set[Value]:
        """The values that a gradient from `value` reaches. Where it goes back through a gradient, that is written out
        first: a bias, for one, has no effect on the slope of a layer."""
        nodes: Sequence[Node] = self._tracer.builder.nodes
        if any(isinstance(node.op, Grad) and self.flow.flows(node.outputs[0]) for node in nodes if node.outputs):
            written = differentiate(Graph(self._tracer.name, (), (), tuple(nodes), (value,)))
            nodes, (value,) = written.nodes, written.outputs
        return self.flow.behind([value], nodes)

    def grad(
        self, ys: list[Tensor], seeds: list[Tensor], xs: list[Tensor], create_graph: bool, keep: bool
    ) -> list[Tensor]:
        """The gradients of `lucid.grad`, recorded as one grad op for each output."""
        outputs, inputs = [self._tracer.operand(y) for y in ys], [self._tracer.operand(x) for x in xs]
        reached = self.flow.behind(outputs, self._tracer.builder.nodes, stop=inputs)
        self.flow.check(reached, stop=inputs)
        totals: list[Tensor] = []
        for output, seed in zip(outputs, seeds, strict=True):
            parts = []
            for gradient in self._grad_op(output, seed, inputs):
                part = tensor_of_symbol(gradient)
                self._tracer.note_result(part, gradient, [output], create_graph)
                parts.append(part)
            totals = [a + b for a, b in zip(totals, parts, strict=True)] if totals else parts
        if not keep:
            self.flow.free(reached, keep=inputs)
        return totals

    def _grad_op(self, output: Value, seed: Tensor, wrt: Sequence[Value]) -> tuple[Value, ...]:
        names = [f"{x.name or 'x'}.grad" for x in wrt]
        return self._tracer.add(Grad(), output, self._tracer.value(seed), *wrt, names=names)
