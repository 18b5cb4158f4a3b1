"""Recording: what Python computes with symbols instead of numbers becomes the nodes of a Graph.

A trace writes to an overlay. Tensors that exist outside it keep their elements; what they would hold is tracked here,
and so is every `grad`. `lucid.tracing` makes inputs, outputs and updates of the overlay when the function returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import lucid.eager as eager
from lucid.context import calling_modules, module_path, running_line, user_frame
from lucid.core import TensorCore, tensor_of_symbol, tensor_over
from lucid.errors import TraceError, unknown_value
from lucid.guards import GuardRecorder
from lucid.ir.build import Builder
from lucid.ir.graph import Location, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.printing import Print
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Check, Const
from lucid.ir.types import TensorType
from lucid.modes import is_grad_enabled, unwatched
from lucid.random import DrawSource, Generator, LatestDraw
from lucid.scalar_inputs import ScalarInputs
from lucid.scopes import Scope, Scopes
from lucid.side_effects import expect_no_write, refuse_deletion
from lucid.tensor import Array, Tensor
from lucid.trace import (
    Line,
    Loop,
    Tracked,
    checksum,
    may_change,
)
from lucid.traced_gradients import TracedGradients
from lucid.traced_views import TracedViews
from lucid.variables import Names

# The history of a tensor that a trace computed: what follows it is the graph.
TRACED = eager.Edge(eager.Record(Detach(), (), (), Location()), 0)


class Recorder:
    """Records the operations of one trace. `apply` is its centre."""

    runs_now: ClassVar[bool] = False  # whether what is recorded runs at once, and never again

    def __init__(self, name: str) -> None:
        self.name = name
        self.guards = GuardRecorder()
        self.scalars = ScalarInputs(self)
        self.refused: TraceError | None = None
        self.gradients = TracedGradients(self)
        self._flow = self.gradients.flow
        self.scopes = Scopes(self._flow)
        self._cut: dict[Value, Value] = {}  # unrecorded values, detached
        self._tracked: dict[int, Tracked] = {}
        self._constants: dict[Value, Array] = {}
        self._created: dict[int, object] = {}  # tensors and modules made during the trace, kept alive
        self._arrays: dict[int, tuple[Array, Tensor]] = {}
        self._sums: list[tuple[Array, int]] = []  # the checksums of these arrays, of when the trace met them
        self._views = TracedViews(self)
        self._flags: dict[int, Tensor] = {}  # tensors from outside whose requires_grad was read
        self._names = Names()
        self._generator: Generator | None = None
        self.latest = LatestDraw()

    @property
    def builder(self) -> Builder:
        """Of the graph that is being recorded: the whole, or the body of a loop."""
        return self.scopes.current.builder

    # Entering tensors.

    def enter_argument(self, tensor: Tensor, number: int, name: str, given: object) -> None:
        """Make a tensor of the call, or one that stands for what is `given`, an argument of the graph."""
        if tensor is not given:
            self._views.note_stand_in(given)
        if id(tensor) not in self._tracked:
            self._track(tensor, name, number)

    def _track(self, tensor: Tensor, name: str, argument: int | None) -> Tracked:
        initial = self.input_value(tensor.type, name)
        tracked = Tracked(tensor, initial, initial, argument)
        self._tracked[id(tensor)] = tracked
        if tensor._history is not None:
            self._flow.add_foreign(initial, tensor)
        elif tensor._requires_grad:
            self._flow.add_leaf(initial, tensor)
        return tracked

    def input_value(self, type: TensorType, name: str) -> Value:
        """A new input of the graph."""
        return self.scopes.whole.argument(type, name)

    def _capture(self, tensor: Tensor) -> Tracked:
        """The record of a concrete tensor; one that the trace meets for the first time is captured."""
        found = self._tracked.get(id(tensor))
        if found is not None:
            return found
        tracked = self._track(tensor, self.name_of(tensor), None)
        tracked.is_array = any(tensor is other for _, other in self._arrays.values())
        if self.is_new(tensor):
            self._constants[tracked.initial] = tensor._array.copy()  # type: ignore[union-attr]  # concrete
        return tracked

    def name_of(self, tensor: Tensor) -> str:
        """The name of a captured tensor in the graph."""
        return self._names.of(tensor) or "captured"

    def capture_array(self, array: Array) -> Tensor:
        """The tensor that stands for a NumPy array used in the trace: its elements are read at each call, so that they
        are to be the same when the trace ends."""
        if id(array) not in self._arrays:
            tensor = tensor_over(array)
            self._created.pop(id(tensor), None)
            tensor.name = self._names.of(tensor, array)
            self._arrays[id(array)] = array, tensor
            if may_change(array):
                self._sums.append((array, checksum(array)))
        return self._arrays[id(array)][1]

    def note_created(self, thing: object) -> None:
        """Note a tensor, module or optimizer made during the trace: it belongs to the trace."""
        self._created[id(thing)] = thing

    def note_flag(self, tensor: Tensor) -> None:
        """Note that the function reads the requires_grad of a tensor."""
        if self._is_outside(tensor):
            self._flags[id(tensor)] = tensor

    def _is_outside(self, tensor: Tensor) -> bool:
        return tensor._symbol is None and not self.is_new(tensor)

    def is_new(self, thing: object) -> bool:
        """Whether a tensor, module or optimizer was made during the trace."""
        return id(thing) in self._created

    def value(self, tensor: Tensor) -> Value:
        """The value that a tensor holds now. A view that is an argument has its own."""
        return self._from_its_scope(tensor, self._value)

    def operand(self, tensor: Tensor) -> Value:
        """The value that an operation reads. Where gradients are recorded, a value that was computed without
        recording is cut off from its past, and an updated leaf starts anew."""
        return self._from_its_scope(tensor, self._operand)

    def recorded(self, tensor: Tensor) -> Value:
        """The `operand` where gradients are recorded, as they are when a view was made."""
        return self._from_its_scope(tensor, self._recorded)

    def _from_its_scope(self, tensor: Tensor, find: Callable[[Tensor], Value]) -> Value:
        """What `find` says of a tensor in the graph that it belongs to, as a value of the graph at hand."""
        if not self.scopes.in_loop:
            return find(tensor)
        number = 0 if tensor._symbol is None else self.scopes.number_of(tensor._symbol)
        return self.scopes.found_in(number, lambda: find(tensor))

    def _value(self, tensor: Tensor) -> Value:
        viewed = tensor._viewed()
        if viewed is not None and id(tensor) not in self._tracked:
            return self._views.value(tensor, *viewed)
        if tensor._symbol is None:
            return self._capture(tensor).value
        self.scopes.number_of(tensor._symbol)
        return tensor._symbol

    def updates_of(self, tensor: Tensor) -> int:
        """How often a tensor, or what it views, has been updated."""
        while (viewed := tensor._viewed()) is not None:
            tensor = viewed[0]
        if tensor._symbol is not None:
            return tensor._version.count
        tracked = self._tracked.get(id(tensor))
        return tracked.updates if tracked is not None else 0

    # Operations.

    def add(self, op: Op, *values: Value, names: Sequence[str | None] = ()) -> tuple[Value, ...]:
        """Append a node that belongs to the module being called and to the user's line, and return its results."""
        module = calling_modules()[-1] if calling_modules() else None
        kind = type(module).__name__ if module is not None else ""
        path = module_path()
        # The line that calls the traced function may be another one when a check fails.
        where = running_line() if isinstance(op, Check) else user_frame()
        self.builder.location = Location(f"{path}: {kind}" if path else kind, *(where or ("", 0)))
        if self.scopes.in_loop:
            values = tuple(map(self.scopes.brought, values))
        results = self.builder.add(op, *values, names=names)
        self.scopes.current.known.update(results)
        return results

    def _operand(self, tensor: Tensor) -> Value:
        return self._recorded(tensor) if is_grad_enabled() else self._value(tensor)

    def _recorded(self, tensor: Tensor) -> Value:
        value = self._value(tensor)
        updated = self._tracked.get(id(tensor)) if tensor._viewed() is None else None
        if updated is not None and not updated.updates:
            updated = None
        if updated is not None and tensor._requires_grad:
            updated.leaf = updated.leaf or self.begun(value, tensor)
            return updated.leaf
        if self._flow.is_unrecorded(value) or (updated is not None and self._flow.flows(value)):
            if value not in self._cut:
                (self._cut[value],) = self.add(Detach(), value)
            value = self._cut[value]
        return value

    def apply(self, op: Op, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Record an op on tensors; the results are symbols."""
        record = self._apply if is_declared_by_user(type(op)) else self._apply_ours
        return record(op, operands)

    def _apply(self, op: Op, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
        cuts = isinstance(op, Detach)
        values = [self.value(operand) if cuts else self.operand(operand) for operand in operands]
        recording = not cuts and is_grad_enabled() and any(operand._requires_grad for operand in operands)
        results = self.add(op, *values)
        tensors = tuple(tensor_of_symbol(value) for value in results)
        if not cuts:
            for tensor, value in zip(tensors, results, strict=True):
                self.note_result(tensor, value, values, recording)
        if operands and eager.is_view(op, operands[0]):
            (view,), (value,) = tensors, results
            view._alias, view._version = (operands[0], op), operands[0]._version
            self._views.note(view, value)
        return tensors

    _apply_ours = unwatched(_apply)

    def note_result(self, tensor: Tensor, value: Value, operands: Sequence[Value], recording: bool) -> None:
        """Say of the result of an op whether a backward may follow it."""
        if value.type.dtype.is_float:
            self._flow.add_result(value, operands, recording)
            if recording:
                tensor._requires_grad, tensor._history = True, TRACED

    def constant(self, value: bool | int | float, type: TensorType) -> Tensor:
        """One value everywhere."""
        return tensor_of_symbol(self.add(Const(value, type))[0])

    def tensor_of(self, symbol: Value) -> Tensor:
        """A tensor that stands for a value of this trace."""
        return tensor_of_symbol(symbol)

    def random(
        self, make: Callable[[int], Random], generator: Generator, *parameters: Tensor
    ) -> tuple[Tensor, DrawSource]:
        """Record a random op on the next draw of a generator."""
        if self._generator not in (None, generator):
            raise TraceError("a compiled function draws from one random generator.")
        self._generator = generator
        seed = self.scopes.brought(self._capture(generator.seed_state).initial, 0)
        scope, first = self.scopes.current, self.first_draw()
        (result,) = self.add(make(scope.draws), seed, first, *(self.value(tensor) for tensor in parameters))
        return tensor_of_symbol(result), DrawSource(self.latest, scope.take_draw())

    def first_draw(self) -> Value:
        """The number of the draw from which the draws of the graph at hand are counted."""
        assert self._generator is not None
        draw = self._capture(self._generator.draw_state).initial
        return self.scopes.current.draw() if self.scopes.in_loop else draw

    def print(self, text: str, tensors: Sequence[Tensor]) -> None:
        """Record a line that each call is to print, with the values of tensors."""
        values = [self.value(tensor) for tensor in tensors]
        shown = [self.add(Print(text, field), value)[0] for field, value in enumerate(values)]
        self.scopes.current.print(Line(text, len(shown)), shown)

    def print_loop(self, body: Scope, length: int, reverse: bool, stacked: Sequence[Value]) -> None:
        """Record that a loop prints the lines of its body at each run. Their values of all runs are stacked."""
        if body.lines:
            self.scopes.current.print(Loop(tuple(body.lines), length, reverse), stacked)

    def replace(self, tensor: Tensor, result: Tensor) -> None:
        """A computed tensor of the trace is another result from here on."""
        self._expect_known(tensor)
        tensor._symbol = self.value(result)

    def assign(self, tensor: Tensor, value: Tensor) -> None:
        """An in-place update: the tensor holds another value from here on."""
        self._expect_known(tensor)
        new = self.value(value)
        if tensor._symbol is not None:
            if tensor._history is not None:
                raise TraceError(
                    "the elements of a computed tensor were updated in place, behind its gradient.",
                    hint="write x = x + (new - x).detach(), which has the new elements and the gradient of x.",
                )
            if tensor._requires_grad:
                new = self.begun(new, tensor)
            elif self._flow.flows(new):
                (new,) = self.add(Detach(), new)
            tensor._symbol = new
            tensor._version.count += 1
            return
        tracked = self._capture(tensor)
        tracked.value, tracked.leaf = new, None
        tracked.updates += 1

    def _expect_known(self, tensor: Tensor) -> None:
        """Raise for an update, in the body of a loop, of a tensor from outside of it."""
        if self.scopes.in_loop and tensor._symbol not in self.scopes.current.known:
            raise TraceError(
                "a tensor from outside was assigned to in the body of a scan.",
                hint="make it a part of the carry: take it as an argument and return what it becomes.",
            )

    def set_requires_grad(self, tensor: Tensor) -> None:
        """A tensor made in this trace becomes a leaf; tensors from outside keep their flag."""
        if tensor._symbol is not None:
            tensor._symbol = self.begun(self.value(tensor), tensor)
            self._views.note_again(tensor, tensor._symbol)
        elif not self.is_new(tensor):
            raise TraceError(
                "requires_grad of a tensor from outside can't change while a function is traced.",
                hint="set it before the call, or take derivatives with respect to x.detach().requires_grad_().",
            )

    def begun(self, value: Value, leaf: Tensor) -> Value:
        """The value of a leaf whose elements are these, whatever they were computed from, and whoever else has them."""
        (begun,) = self.add(Detach(), value)
        self._flow.add_leaf(begun, leaf)
        return begun

    def forbid_reading(self, tensor: TensorCore, wanted: str) -> None:
        """Raise unless the elements of a concrete tensor are part of the traced code itself."""
        if tensor._symbol is None and self.is_new(tensor) and id(tensor) not in self._tracked:
            return
        self.refused = unknown_value(wanted)
        raise self.refused

    # Attributes of modules and optimizers.

    def write_attribute(self, owner: object, name: str, value: object) -> None:
        """A write to a module or optimizer from outside: allowed where it changes nothing."""
        expect_no_write(owner, name, value)

    def delete_attribute(self, owner: object, name: str) -> None:
        """A deletion of an attribute from outside: refused."""
        refuse_deletion(owner, name)
