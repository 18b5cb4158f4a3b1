"""Functions that are recorded once, as graphs of their own: the bodies of loops, and derivatives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from lucid.conditions import instead_of_condition
from lucid.core import TensorCore
from lucid.errors import TUPLE_AS_TENSOR, TraceError
from lucid.ir.graph import Value
from lucid.ir.types import TensorType
from lucid.modes import is_grad_enabled
from lucid.recorder import TRACED
from lucid.scopes import Scope
from lucid.tensor import Tensor
from lucid.tracing import Tracer


def symbol_in(tracer: Tracer, scope: Scope, type: TensorType, name: str | None, flows: bool) -> Tensor:
    """A tensor that stands for an argument of a body. Where it is not known before the body is whether gradients flow
    through it, they may."""
    flows = flows and type.dtype.is_float and is_grad_enabled()
    tensor = tracer.tensor_of(scope.argument(type, name))
    tracer.gradients.flow.add_entry(tracer.value(tensor), flows)
    if flows:
        tensor._requires_grad, tensor._history = True, TRACED
    return tensor


class EagerTracer(Tracer):
    """Records a body in eager code, which runs at once. All that is not in the body is a tensor with elements."""

    runs_now: ClassVar[bool] = True

    def __init__(self, name: str, body: str) -> None:
        super().__init__(name)
        self._body = body  # what it is, for errors

    def _value(self, tensor: Tensor) -> Value:
        return self._capture(tensor).initial if tensor._symbol is None else super()._value(tensor)

    def _operand(self, tensor: Tensor) -> Value:
        return self._value(tensor) if tensor._symbol is None else super()._operand(tensor)

    def name_of(self, tensor: Tensor) -> str:
        return tensor.name or "captured"  # nobody reads this graph

    def tensors_of(self, values: Iterable[Value]) -> list[Tensor]:
        """The tensors behind values that the body has captured."""
        tensors = {tracked.initial: tracked.tensor for tracked in self._tracked.values()}
        if self._generator is not None:  # a copy: a new seed does not change what was drawn
            seed = self._generator.seed_state
            tensors[self._capture(seed).initial] = Tensor(seed)
        return [tensors[value] for value in values]

    def take_draws(self, body: Scope, length: int, reverse: bool) -> Tensor:
        """The number of the first draw of each run, stacked; the generator moves on when they have been used."""
        assert self._generator is not None
        run = np.arange(length, dtype=np.uint64)
        _, first = self._generator.get_state()
        self.scopes.whole.take_draws(body, length)
        numbers = np.uint64(first) + (run[::-1] if reverse else run) * np.uint64(body.draws)
        return Tensor(numbers)

    def advance(self) -> None:
        """Move the generator on, and note that its draws are those of the latest call."""
        if self._generator is not None:
            seed, draw = self._generator.get_state()
            self.latest.set((seed, draw))
            self._generator.set_state((seed, draw + self.scopes.whole.draws))

    def forbid_reading(self, tensor: TensorCore, wanted: str) -> None:
        """Raise unless the elements of a concrete tensor are part of the body itself."""
        if tensor._symbol is None and self.is_new(tensor) and id(tensor) not in self._tracked:
            return
        hint = "use lucid.where(condition, a, b), or read tensors before."
        if wanted == "bool()":
            hint = instead_of_condition(hint, hint)
        elif wanted in ("Tensor(...)", TUPLE_AS_TENSOR):
            hint = "a list in the carry or in xs is a list here: make it one tensor before, or lucid.stack(list) here."
        self.refused = TraceError(
            f"{wanted} needs the value of a tensor in {self._body}, which is traced once for all runs.", hint=hint
        )
        raise self.refused
