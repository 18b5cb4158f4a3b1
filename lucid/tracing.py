"""Tracing: run Python once with symbols instead of numbers, and record a Graph.

A trace writes to an overlay. Tensors that exist outside it keep their elements; what they would hold is tracked here,
and so is every `grad`. When the function returns, the overlay becomes the graph's inputs, outputs and updates; where
it raises, the overlay is dropped and nothing has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lucid.autograd as autograd
from lucid.context import calling_modules, module_path, user_frame
from lucid.errors import GradientError, TraceError
from lucid.guards import GuardRecorder, describe
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Location, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.elementwise import Add, Detach
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Const, Grad, normalized
from lucid.ir.types import TensorType, float64, uint64
from lucid.modes import is_grad_enabled, modes, no_grad
from lucid.random import DrawSource, Generator, LatestDraw
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

# The history of a tensor that a trace computed: what follows it is the graph.
TRACED = autograd.Edge(autograd.Record(Detach(), (), (), Location()), 0)


@dataclass(eq=False)
class Tracked:
    """A tensor from outside that a trace has touched: the graph input it came in by, and what it holds now."""

    tensor: Tensor
    initial: Value
    value: Value
    argument: int | None  # its number among the call's tensors, or None where it is captured
    updates: int = 0


@dataclass(eq=False)
class GradSlot:
    """The `grad` of a tensor during a trace: at entry, and now."""

    tensor: Tensor
    entry: Value | None  # the graph input, where there was one
    now: Tensor | None
    was_read: bool = False  # before it was written: then the trace depends on what it was at entry
    written: bool = False


@dataclass(eq=False)
class TracedOutput:
    """A tensor among the results: a value of the graph, or a tensor from outside that passes through."""

    value: Value
    passed: Tracked | None
    requires_grad: bool
    differentiable: bool  # a later backward() may go through it


@dataclass(eq=False)
class Trace:
    """What a trace has recorded: the graph, and how its inputs and outputs tie to Python."""

    graph: Graph
    inputs: list[Tracked]  # in order of graph.arguments, then graph.states, without scalars and grads
    scalars: list[tuple[Value, str]]  # float64 arguments, and the expressions that give them
    grads_read: list[GradSlot]
    grads_written: list[GradSlot]
    results: list[object]  # leaves of the result: TracedOutputs, or objects returned as they are
    draws: int
    generator: Generator | None
    latest: LatestDraw
    leaves: dict[Value, Tensor]  # graph inputs that are leaves and require gradients
    guards: GuardRecorder
    scalar_guards: list[str]
    constants: dict[Value, Array] = field(default_factory=dict)


class Tracer:
    """Records the operations of one trace. `apply` is its centre."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.builder = Builder()
        self.guards = GuardRecorder()
        self._known: set[Value] = set()
        self._tracked: dict[int, Tracked] = {}
        self._arguments: list[Value] = []
        self._states: list[Tracked] = []
        self._constants: dict[Value, Array] = {}
        self._created: dict[int, object] = {}  # tensors and modules made during the trace, kept alive
        self._arrays: dict[int, tuple[Array, Tensor]] = {}
        self._views: dict[int, tuple[Tensor, Value, int]] = {}
        self._grads: dict[int, GradSlot] = {}
        self._scalars: dict[str, Scalar] = {}
        self.scalar_guards: list[str] = []
        self._names: dict[int, str] = {}
        self._named_roots: set[int] = set()
        self._draws = 0
        self._generator: Generator | None = None
        self._latest = LatestDraw()
        # How gradients flow: leaves and what is recorded from them; values computed from those without recording,
        # which must be cut off where they come back; values whose graph a backward has freed.
        self._leaf_values: dict[Value, Tensor] = {}
        self._flowing: set[Value] = set()
        self._foreign: set[Value] = set()
        self._unrecorded: set[Value] = set()
        self._freed: set[Value] = set()
        self._cut: dict[Value, Value] = {}

    # Entering tensors.

    def enter_argument(self, tensor: Tensor, number: int, name: str) -> None:
        """Make a tensor of the call an argument of the graph."""
        if id(tensor) not in self._tracked:
            self._track(tensor, Value(tensor.type, name), number)

    def _track(self, tensor: Tensor, initial: Value, argument: int | None) -> Tracked:
        tracked = Tracked(tensor, initial, initial, argument)
        self._tracked[id(tensor)] = tracked
        self._known.add(initial)
        if tensor._requires_grad:
            if tensor._history is None:
                self._leaf_values[initial] = tensor
            else:
                self._foreign.add(initial)
            self._flowing.add(initial)
        return tracked

    def _capture(self, tensor: Tensor) -> Tracked:
        found = self._tracked.get(id(tensor))
        if found is not None:
            return found
        tracked = self._track(tensor, Value(tensor.type, self._name_of(tensor)), None)
        if id(tensor) in self._created:
            self._constants[tracked.initial] = tensor._array.copy()  # type: ignore[union-attr]  # concrete
        else:
            self._states.append(tracked)
        return tracked

    def _name_of(self, tensor: Tensor) -> str:
        root = calling_modules()[0] if calling_modules() else None
        if root is not None and id(root) not in self._named_roots:
            self._named_roots.add(id(root))
            for name, known in root.named_tensors():
                self._names.setdefault(id(known), name)
        return self._names.get(id(tensor)) or tensor.name or "captured"

    def capture_array(self, array: Array) -> Tensor:
        """The tensor that stands for a NumPy array used in the trace: its elements are read at each call."""
        if id(array) not in self._arrays:
            tensor = Tensor._wrap(array)
            self._created.pop(id(tensor), None)
            self._arrays[id(array)] = array, tensor
        return self._arrays[id(array)][1]

    def note_created(self, thing: object) -> None:
        """Note a tensor, module or optimizer made during the trace: it belongs to the trace."""
        self._created[id(thing)] = thing

    def is_new(self, thing: object) -> bool:
        return id(thing) in self._created

    def value(self, tensor: Tensor) -> Value:
        """The value that a tensor holds now."""
        if tensor._alias is not None:
            return self._view_value(tensor)
        if tensor._symbol is None:
            return self._capture(tensor).value
        if tensor._symbol not in self._known:
            raise TraceError(
                "a tensor of an earlier trace was used.",
                hint="return it from the compiled function, or keep it in a registered buffer.",
            )
        return tensor._symbol

    def _view_value(self, view: Tensor) -> Value:
        """The value of a view: computed again where the tensor it views has been updated since."""
        base, op = view._alias  # type: ignore[misc]  # the caller has looked
        updates = self._updates(base)
        memo = self._views.get(id(view))
        if memo is not None and memo[2] == updates:
            return memo[1]
        (value,) = self._add(op, self.value(base))
        if view._history is not None and view._symbol is None:
            self._foreign.add(value)
            self._flowing.add(value)
        elif view._requires_grad:
            self._flowing.add(value)
        self._views[id(view)] = view, value, updates
        return value

    def _updates(self, tensor: Tensor) -> int:
        while tensor._alias is not None:
            tensor = tensor._alias[0]
        tracked = self._tracked.get(id(tensor))
        return tracked.updates if tracked is not None else 0

    # Operations.

    def _add(self, op: Op, *values: Value, names: Sequence[str | None] = ()) -> tuple[Value, ...]:
        module = calling_modules()[-1] if calling_modules() else None
        where = module_path()
        kind = type(module).__name__ if module is not None else ""
        self.builder.location = Location(f"{where}: {kind}" if where else kind, *(user_frame() or ("", 0)))
        results = self.builder.add(op, *values, names=names)
        self._known.update(results)
        return results

    def _operand(self, tensor: Tensor) -> Value:
        """The value that an operation reads. Where gradients are recorded, a value that was computed without
        recording is cut off from its past, and an updated leaf starts anew."""
        value = self.value(tensor)
        if not is_grad_enabled():
            return value
        tracked = self._tracked.get(id(tensor))
        restarted = tracked is not None and tracked.updates > 0 and tracked.value is value
        if value in self._unrecorded or (restarted and value in self._flowing):
            if value not in self._cut:
                (self._cut[value],) = self._add(Detach(), value)
            value = self._cut[value]
        if restarted and tensor._requires_grad and value not in self._leaf_values:
            self._leaf_values[value] = tensor
            self._flowing.add(value)
        return value

    def apply(self, op: Op, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Record an op on tensors; the results are symbols."""
        cuts = isinstance(op, Detach)
        values = [self.value(operand) if cuts else self._operand(operand) for operand in operands]
        recording = not cuts and is_grad_enabled() and any(operand._requires_grad for operand in operands)
        results = tuple(Tensor._of_symbol(value) for value in self._add(op, *values))
        for result in results:
            self._note_flow(result, values, recording, cuts)
        if autograd.is_view(op, operands[0]) if operands else False:
            (view,) = results
            view._alias = operands[0], op
            self._views[id(view)] = view, view._symbol, self._updates(view)  # type: ignore[assignment]
        return results

    def _note_flow(self, result: Tensor, inputs: Sequence[Value], recording: bool, cuts: bool) -> None:
        value = result._symbol
        assert value is not None
        if cuts or not value.type.dtype.is_float:
            return
        if recording:
            result._requires_grad, result._history = True, TRACED
            self._flowing.add(value)
        elif any(x in self._flowing or x in self._unrecorded for x in inputs):
            self._unrecorded.add(value)

    def constant(self, value: bool | int | float, type: TensorType) -> Tensor:
        return Tensor._of_symbol(self._add(Const(value, type))[0])

    def tensor_of(self, symbol: Value) -> Tensor:
        """A tensor that stands for a value of this trace."""
        return Tensor._of_symbol(symbol)

    def random(
        self, make: Callable[[int], Random], generator: Generator, *parameters: Tensor
    ) -> tuple[Tensor, DrawSource]:
        """Record a random op on the next draw of a generator."""
        if self._generator not in (None, generator):
            raise TraceError("a compiled function draws from one random generator.")
        self._generator = generator
        state = [self._capture(tensor).initial for tensor in (generator.seed_state, generator.draw_state)]
        (keep,) = self._add(make(self._draws), *state, *(self.value(tensor) for tensor in parameters))
        self._draws += 1
        return Tensor._of_symbol(keep), DrawSource(self._latest, self._draws - 1)

    def assign(self, tensor: Tensor, value: Tensor) -> None:
        """An in-place update: the tensor holds another value from here on."""
        new = self.value(value)
        if tensor._symbol is not None:
            tensor._symbol = new
            return
        tracked = self._capture(tensor)
        tracked.value = new
        tracked.updates += 1

    def set_requires_grad(self, tensor: Tensor) -> None:
        """A tensor of this trace becomes a leaf, or stops being one; tensors from outside keep their flag."""
        if tensor._symbol is None and not self.is_new(tensor):
            raise TraceError("requires_grad of a tensor from outside can't change while a function is traced.")
        if tensor._symbol is not None:
            if tensor._symbol in self._unrecorded or tensor._symbol in self._flowing:
                (tensor._symbol,) = self._add(Detach(), tensor._symbol)
            self._leaf_values[tensor._symbol] = tensor
            self._flowing.add(tensor._symbol)

    def forbid_reading(self, tensor: Tensor, wanted: str) -> None:
        """Raise unless the elements of a concrete tensor are part of the traced code itself."""
        if self.is_new(tensor) and id(tensor) not in self._tracked:
            return
        raise TraceError(
            f"{wanted} needs the value of a tensor that is only known when the compiled step runs.",
            hint="use lucid.where(condition, a, b), or take the decision outside the compiled function.",
        )

    # Gradients.

    def _grad_slot(self, tensor: Tensor) -> GradSlot:
        slot = self._grads.get(id(tensor))
        if slot is None:
            slot = GradSlot(tensor, None, tensor._grad if tensor._symbol is not None else None)
            self._grads[id(tensor)] = slot
        return slot

    def read_grad(self, tensor: Tensor) -> Tensor | None:
        slot = self._grad_slot(tensor)
        if not slot.written and not slot.was_read and tensor._symbol is None:
            slot.was_read = True
            if tensor._grad is not None:
                slot.entry = Value(tensor._grad.type, f"{self._name_of(tensor)}.grad")
                self._known.add(slot.entry)
                slot.now = Tensor._of_symbol(slot.entry)
        return slot.now

    def write_grad(self, tensor: Tensor, grad: Tensor | None) -> None:
        slot = self._grad_slot(tensor)
        slot.now, slot.written = grad, True

    def backward(self, output: Tensor, seed: Tensor | None, retain_graph: bool) -> None:
        """Record one grad op for all leaves behind `output`, and add its results to their grads."""
        start = autograd.default_seed(output, seed)
        value = self._operand(output)
        reached = self._reach([value])
        leaves = [x for x in reached if x in self._leaf_values]
        gradients = self._grad_op(value, start, leaves)
        if not retain_graph:
            self._freed.update(x for x in reached if x not in self._leaf_values)
        with no_grad():
            for leaf, gradient in zip(leaves, gradients, strict=True):
                self._unrecorded.add(gradient)
                tensor = self._leaf_values[leaf]
                before, now = self.read_grad(tensor), Tensor._of_symbol(gradient)
                self.write_grad(tensor, now if before is None else before + now)

    def grad(
        self, ys: list[Tensor], seeds: list[Tensor], xs: list[Tensor], create_graph: bool, keep: bool
    ) -> list[Tensor]:
        """The gradients of `lucid.grad`, recorded as one grad op for each output."""
        outputs, inputs = [self._operand(y) for y in ys], [self._operand(x) for x in xs]
        reached = self._reach(outputs, stop=inputs)
        totals: list[Tensor] = []
        for output, seed in zip(outputs, seeds, strict=True):
            parts = []
            for gradient in self._grad_op(output, seed, inputs):
                part = Tensor._of_symbol(gradient)
                self._note_flow(part, [output], create_graph, cuts=False)
                parts.append(part)
            totals = [a + b for a, b in zip(totals, parts, strict=True)] if totals else parts
        if not keep:
            self._freed.update(x for x in reached if x not in self._leaf_values and x not in inputs)
        return totals

    def _grad_op(self, output: Value, seed: Tensor, wrt: Sequence[Value]) -> tuple[Value, ...]:
        return self._add(Grad(), output, self.value(seed), *wrt, names=[f"{x.name or 'x'}.grad" for x in wrt])

    def _reach(self, roots: Sequence[Value], stop: Sequence[Value] = ()) -> list[Value]:
        """The values that a gradient from `roots` reaches, in order of definition."""
        needed = set(roots)
        for node in reversed(self.builder.nodes):
            if isinstance(node.op, Detach) or needed.isdisjoint(node.outputs):
                continue
            if all(x in stop for x in node.outputs if x in needed):
                continue
            needed.update(x for x in node.inputs if x in self._flowing)
        if not needed.isdisjoint(self._freed):
            raise GradientError(
                "the graph of this tensor has been freed by an earlier backward().",
                hint="call the first one with retain_graph=True, or compute the tensor again.",
            )
        if not needed.isdisjoint(self._foreign - set(stop)):
            raise TraceError(
                "backward() in a compiled function reached a tensor that was computed outside it.",
                hint="pass its .detach(), or compute it inside the function.",
            )
        order = {value: i for i, value in enumerate(self._all_values())}
        return sorted(needed, key=lambda value: order[value])

    def _all_values(self) -> Iterator[Value]:
        for tracked in self._tracked.values():
            yield tracked.initial
        for slot in self._grads.values():
            if slot.entry is not None:
                yield slot.entry
        for scalar in self._scalars.values():
            yield scalar.symbol
        for node in self.builder.nodes:
            yield from node.outputs

    # Scalars, and attributes of modules and optimizers.

    def scalar_input(self, name: str, value: float, source: str) -> Scalar:
        """A float64 argument that the expression `source` gives at each call."""
        if source not in self._scalars:
            symbol = Value(TensorType(float64, ()), name)
            self._known.add(symbol)
            self._scalars[source] = Scalar(self, symbol, value, source)
        return self._scalars[source]

    def scalar_symbol(self, number: object) -> Value:
        """The graph value of a Scalar or of a Python number."""
        if isinstance(number, Scalar):
            return number.symbol
        type = TensorType(float64, ())
        return self._add(Const(normalized(float(number), type), type))[0]  # type: ignore[arg-type]  # a number

    def hyperparameter(self, group: dict[str, Any], key: str) -> Any:
        """group[key], or each element of it, as a Scalar that is read again at each call."""
        value = group[key]
        source = f"{self.guards.bind(group)}[{key!r}]"
        if isinstance(value, tuple):
            self.guards.require(f"len({source}) == {len(value)}")
            return tuple(
                self.scalar_input(f"{key}.{i}", float(x), f"{source}[{i}]") for i, x in enumerate(value)
            )
        return self.scalar_input(key, float(value), source)

    def guard_item(self, group: dict[str, Any], key: str) -> None:
        self.guards.guard(f"{self.guards.bind(group)}[{key!r}]", group[key])

    def guard_scalars(self, condition: str) -> None:
        if condition not in self.scalar_guards:
            self.scalar_guards.append(condition)

    def write_attribute(self, owner: object, name: str, value: object) -> None:
        """A write to a module or optimizer from outside: allowed where it changes nothing."""
        before = owner.__dict__.get(name)
        if before is value or (name in owner.__dict__ and describe(before) == describe(value)):
            return
        raise TraceError(
            f"{type(owner).__name__}.{name} was set to {value!r} while a function is traced; it would not be set again "
            "by later calls.",
            hint="keep what changes from step to step in a tensor: self.register_buffer(...), then self.name = ...",
        )

    def delete_attribute(self, owner: object, name: str) -> None:
        raise TraceError(f"{type(owner).__name__}.{name} was deleted while a function is traced.")

    # The end.

    def finish(self, leaves: Sequence[object]) -> Trace:
        """The graph, from the flattened result of the function."""
        results = [self._output(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        updates = [
            (tracked.initial, tracked.value)
            for tracked in self._tracked.values()
            if tracked.value is not tracked.initial and not self.is_new(tracked.tensor)
        ]
        if self._draws and self._generator is not None:
            draw = self._capture(self._generator.draw_state)
            count = self._add(Const(self._draws, TensorType(uint64, ())))[0]
            updates.append((draw.initial, self._add(Add(), draw.initial, count)[0]))
        read = [slot for slot in self._grads.values() if slot.was_read]
        written = [slot for slot in self._grads.values() if slot.written and slot.tensor._symbol is None]
        stored = [self.value(slot.now) for slot in written if slot.now is not None]
        updated = {initial for initial, _ in updates}
        inputs = [t for t in self._tracked.values() if t.argument is not None and t.initial not in updated]
        states = [t for t in self._tracked.values() if t.argument is not None and t.initial in updated] + self._states
        scalars = [(scalar.symbol, source) for source, scalar in self._scalars.items()]
        constants = list(self._constants)
        graph = Graph(
            self.name,
            (
                *(t.initial for t in inputs),
                *(symbol for symbol, _ in scalars),
                *(slot.entry for slot in read if slot.entry is not None),
                *constants,
            ),
            tuple(t.initial for t in states),
            tuple(self.builder.nodes),
            (*(r.value for r in results if isinstance(r, TracedOutput)), *stored),
            tuple(updates),
        )
        return Trace(
            graph,
            inputs + states,
            scalars,
            read,
            written,
            results,
            self._draws,
            self._generator,
            self._latest,
            {t.initial: t.tensor for t in inputs + states if t.initial in self._leaf_values or t.initial in self._foreign},
            self.guards,
            self.scalar_guards,
            self._constants,
        )

    def _output(self, tensor: Tensor) -> TracedOutput:
        tracked = self._tracked.get(id(tensor))
        if tracked is not None and tracked.tensor is not tensor:
            tracked = None
        if tracked is None and tensor._symbol is None and tensor._alias is None:
            tracked = self._capture(tensor)
        if tracked is not None and tracked.initial in self._constants:
            tracked = None
        value = self.value(tensor)
        alive = tensor._requires_grad and tensor._history is not None and value in self._flowing
        if alive and tracked is None:
            reached = self._reachable_or_freed(value)
            alive = reached is not None
        return TracedOutput(value, tracked, tensor._requires_grad, bool(alive) and tracked is None)

    def _reachable_or_freed(self, value: Value) -> list[Value] | None:
        try:
            return self._reach([value], stop=[x for x in self._foreign])
        except GradientError:
            return None


@contextmanager
def tracing(tracer: Tracer) -> Iterator[None]:
    """Have this thread record operations in a tracer."""
    before, modes.tracer = modes.tracer, tracer
    try:
        yield
    finally:
        modes.tracer = before
