"""The backward of eager execution.

`backward` turns the records that it can reach into a Graph with a grad op and runs the pass `differentiate` on it, the
same that compiled code goes through; then it evaluates the backward nodes with the interpreter.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, overload

import numpy as np

import lucid.operations as ops
from lucid.core import Array, TensorCore, tensor_over
from lucid.eager import Edge, Operand, Record, Saved, apply, record_operation, snapshot
from lucid.errors import ArgumentError, ArgumentTypeError, GradientError, leaked
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.interpret import run
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.types import TensorType, as_dtype
from lucid.missing_names import refuse_names_of
from lucid.modes import current_tracer, enable_grad, modes, no_grad
from lucid.nonfinite import expect_all_finite
from lucid.operations.arguments import PASS_PARAMETERS, as_flag, as_list

if TYPE_CHECKING:
    from lucid.tensor import Tensor


class EagerGraph:
    """The records that a gradient of some tensors gets to, as a Graph whose forward values are known."""

    def __init__(self, roots: Sequence[Tensor]) -> None:
        self.records = _records_behind(roots)
        self.environment: dict[Value, Array] = {}
        self.leaves: dict[int, tuple[Tensor, Value]] = {}
        self._results: dict[tuple[int, int], Value] = {}
        self._changed: dict[Value, Location] = {}  # values whose elements are gone, and who has read them
        self._arguments: list[Value] = []
        self.nodes = [self._node(record) for record in self.records]

    def _node(self, record: Record) -> Node:
        inputs = tuple(self._operand(operand, record.location) for operand in record.operands)
        outputs = tuple(self._known(saved, record.location) for saved in record.results)
        for slot, value in enumerate(outputs):
            self._results[id(record), slot] = value
        return Node(record.op, inputs, outputs, record.location)

    def _operand(self, operand: Operand, location: Location) -> Value:
        made = None if operand.edge is None else self._results.get((id(operand.edge.record), operand.edge.slot))
        if made is not None:
            value = made
        elif operand.leaf is not None and id(operand.leaf) in self.leaves:
            value = self.leaves[id(operand.leaf)][1]
        else:
            value = self._known(operand.saved, location)
            self._arguments.append(value)
            if operand.leaf is not None:
                self.leaves[id(operand.leaf)] = operand.leaf, value
        if operand.saved.changed:
            self._changed[value] = location
        return value

    def _known(self, saved: Saved, location: Location) -> Value:
        value = Value(TensorType(as_dtype(saved.array.dtype), saved.array.shape))
        self.environment[value] = saved.array
        if saved.changed:
            self._changed[value] = location
        return value

    def argument(self, tensor: Tensor) -> Value:
        """Enter a tensor that no record has read."""
        value = self._known(snapshot(tensor), Location())
        self._arguments.append(value)
        return value

    def value(self, tensor: Tensor) -> Value | None:
        """The value of a tensor in this graph, or None where the graph does not have it."""
        if tensor._history is not None:
            return self._results.get((id(tensor._history.record), tensor._history.slot))
        found = self.leaves.get(id(tensor))
        return found[1] if found else None

    def backward_nodes(
        self, outputs: Sequence[Tensor], seeds: Sequence[Tensor], wrt: Sequence[Value]
    ) -> tuple[list[Node], list[Value], list[Value]]:
        """The nodes of the backward sweep, the gradients in order of `wrt`, and the values of the seeds."""
        builder = Builder(self.nodes)
        seed_values = [self.argument(seed) for seed in seeds]
        totals: list[Value] | None = None
        for output, seed in zip(outputs, seed_values, strict=True):
            value = self.value(output)
            assert value is not None
            parts = builder.add(Grad(), value, seed, *wrt)
            if totals is None:
                totals = list(parts)
            else:
                pairs = zip(totals, parts, strict=True)
                totals = [(builder.wrap(total) + builder.wrap(part)).value for total, part in pairs]
        graph = Graph("backward", tuple(self._arguments), (), tuple(builder.nodes), tuple(totals or ()))
        written = differentiate(graph)
        forward = set(self.nodes)
        nodes = [node for node in written.nodes if node not in forward]
        self._check_versions(nodes)
        return nodes, list(written.outputs), seed_values

    def _check_versions(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            for value in node.inputs:
                if value in self._changed:
                    raise GradientError(
                        f"a value that the backward of `{self._changed[value]}` needs has been updated in place since.",
                        hint="call backward() before the update, or compute with a .clone() of the tensor.",
                    )


def leaves_behind(roots: Sequence[Tensor]) -> list[Tensor]:
    """The leaves that gradients of tensors would flow to, each as often as something reads it; in a trace as well."""
    tracer = current_tracer()
    if tracer is not None:
        return [leaf for root in roots for leaf in tracer.gradients.leaves_behind(root)]
    read = [operand.leaf for edge in _edges_behind(roots) for operand in edge.operands]
    return [*(root for root in roots if root._history is None), *(leaf for leaf in read if leaf is not None)]


def _edges_behind(roots: Sequence[Tensor]) -> list[Edge]:
    """The results of operations that a gradient of tensors gets to, those that are tensors of `roots` first."""
    found = [root._history for root in roots if root._history is not None]
    seen = {(id(edge.record), edge.slot) for edge in found}
    for edge in found:  # which grows on the way
        for operand in edge.operands:
            if operand.edge is not None and (key := (id(operand.edge.record), operand.edge.slot)) not in seen:
                seen.add(key)
                found.append(operand.edge)
    return found


def _records_behind(roots: Sequence[Tensor]) -> list[Record]:
    """The records that a gradient of tensors gets to, operands before results."""
    edges = _edges_behind(roots)
    if any(edge.record.freed for edge in edges):
        raise GradientError(
            "the graph of this tensor has been freed by an earlier backward().",
            hint="call the first one with retain_graph=True, or compute the tensor again.",
        )
    reached = {id(edge.record) for edge in edges}
    order: list[Record] = []
    seen: set[int] = set()
    stack: list[tuple[Record, bool]] = [(t._history.record, False) for t in roots if t._history is not None]
    while stack:
        record, expanded = stack.pop()
        if expanded:
            order.append(record)
        elif id(record) in reached and id(record) not in seen:  # what is only read, it does not get to
            seen.add(id(record))
            stack.append((record, True))
            stack.extend((o.edge.record, False) for o in record.operands if o.edge is not None)
    return order


def _expect_alive(tensor: Tensor) -> None:
    """Raise for a tensor of a trace that has ended. A trace that lasts knows its own tensors."""
    if tensor._symbol is not None and current_tracer() is None:
        raise leaked()


def default_seed(output: Tensor, seed: Tensor | None) -> Tensor:
    """The gradient that a backward of `output` starts from, checked against its type: ones where none is given."""
    _expect_alive(output)
    if not output.requires_grad:
        raise GradientError(
            "this tensor does not require a gradient: nothing to go back through.",
            hint="make an input with requires_grad=True, and compute outside lucid.no_grad().",
        )
    if seed is None:
        return ops.constant(1, output.type)
    if seed.shape != output.shape:
        raise GradientError(f"the gradient has the shape of the tensor, {output.shape}, got {seed.shape}.")
    return seed.astype(output.dtype)


def backward(output: Tensor, seed: Tensor | None, retain_graph: bool) -> None:
    """Add the gradient of `output`, weighted by `seed`, to `grad` of every leaf behind it."""
    start = default_seed(output, seed)
    if output._history is None:
        found = [(output, start)]
    else:
        graph = EagerGraph([output])
        reached = set(map(id, leaves_behind([output])))
        leaves = [found for key, found in graph.leaves.items() if key in reached]
        nodes, gradients, _ = graph.backward_nodes([output], [start], [value for _, value in leaves])
        _run(nodes, graph.environment)
        found = [
            (leaf, tensor_over(np.array(graph.environment[gradient], order="C")))
            for (leaf, _), gradient in zip(leaves, gradients, strict=True)
        ]
    with no_grad():
        totals = [gradient if leaf._grad is None else leaf._grad + gradient for leaf, gradient in found]
    for (leaf, _), total in zip(found, totals, strict=True):
        leaf._grad = total
    if output._history is not None and not retain_graph:
        for record in graph.records:
            record.freed = True


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> tuple[Tensor, ...]: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """The gradients of the sum of `outputs` (each weighted by its `grad_outputs`, ones by default) with respect to
    `inputs`, without touching any `.grad`.

    With `create_graph` the result can be differentiated again. An input that has no effect gets zeros, as in JAX and
    with PyTorch's `materialize_grads=True`, and so it does where the gradient of a gradient is taken that is constant.
    Raises GradientError as `Tensor.backward` does.

    >>> import lucid
    >>> x = lucid.Tensor([3.0], requires_grad=True)
    >>> first = lucid.grad(x * x * x, x, create_graph=True)
    >>> print(lucid.grad(first, x))
    [18.0]
    """
    create_graph = as_flag("create_graph", create_graph)
    keep = create_graph if retain_graph is None else as_flag("retain_graph", retain_graph)
    ys = _listed("outputs", outputs)
    xs = _listed("inputs", inputs)
    if not ys:
        raise ArgumentError("lucid.grad takes at least one output, got none.")
    given: Sequence[Tensor | None]
    given = [None] * len(ys) if grad_outputs is None else _listed("grad_outputs", grad_outputs, or_none=True)
    if len(given) != len(ys):
        raise ArgumentError(f"lucid.grad takes a gradient for each of {len(ys)} outputs, got {len(given)}.")
    seeds = [default_seed(y, seed) for y, seed in zip(ys, given, strict=True)]
    for x in xs:
        _expect_alive(x)
        if not x._requires_grad:
            raise GradientError(
                f"lucid.grad takes inputs that are tensors and require a gradient, got {reprlib.repr(x)}.",
                hint="make the input with lucid.Tensor(..., requires_grad=True).",
            )
    tracer = current_tracer()
    compute: Callable[..., list[Tensor]] = _eager_grad if tracer is None else tracer.gradients.grad
    found = compute(ys, seeds, xs, create_graph, keep)
    return found[0] if isinstance(inputs, TensorCore) else tuple(found)


def _listed(name: str, tensors: Any, or_none: bool = False) -> list[Any]:
    """One tensor, or several, as a list, in which there may be None."""
    what = f"lucid.grad takes tensors as {name}"
    if isinstance(tensors, Mapping):
        raise ArgumentTypeError(f"{what}, got a dict.", hint="give its values: list(parameters.values()).")
    if isinstance(tensors, FunctionType):
        raise ArgumentTypeError(
            f"{what}, got a function.",
            hint="give what it returns, computed from inputs that require a gradient: lucid.grad(f(x), x).",
        )
    hint = PASS_PARAMETERS if name == "inputs" else None
    found = [tensors] if isinstance(tensors, TensorCore) else as_list(what, tensors, hint)
    for tensor in found:
        if not isinstance(tensor, TensorCore) and not (or_none and tensor is None):
            raise ArgumentTypeError(f"{what}, got {reprlib.repr(tensor)}.")
    return found


def _eager_grad(
    ys: list[Tensor], seeds: list[Tensor], xs: list[Tensor], create_graph: bool, keep: bool
) -> list[Tensor]:
    graph = EagerGraph([*ys, *(x for x in xs if x._history is not None)])
    for x in (*xs, *ys):  # an input that no record read is a leaf of its own
        if x._history is None and id(x) not in graph.leaves:
            graph.leaves[id(x)] = x, graph.argument(x)
    wrt = [value for x in xs if (value := graph.value(x)) is not None]
    nodes, gradients, seed_values = graph.backward_nodes(ys, seeds, wrt)
    if not create_graph:
        _run(nodes, graph.environment)
        results = [tensor_over(np.array(graph.environment[value], order="C")) for value in gradients]
    else:
        results = _recorded_run(graph, nodes, gradients, dict(zip(seed_values, seeds, strict=True)))
    if not keep:
        for record in graph.records:
            record.freed = True
    return results


def _run(nodes: Sequence[Node], environment: dict[Value, Array]) -> None:
    """Evaluate backward nodes."""
    run(nodes, environment)
    if modes.trap:
        expect_all_finite(nodes, environment)


def _recorded_run(
    graph: EagerGraph, nodes: Sequence[Node], gradients: Sequence[Value], known: dict[Value, Tensor]
) -> list[Tensor]:
    """Evaluate backward nodes as eager operations, so that they are recorded in turn."""
    for tensor, value in graph.leaves.values():
        known[value] = tensor
    for record, node in zip(graph.records, graph.nodes, strict=True):
        for slot, value in enumerate(node.outputs):
            tensor = tensor_over(record.results[slot].array)
            tensor._version = record.results[slot].version
            if tensor.dtype.is_float:
                tensor._requires_grad, tensor._history = True, Edge(record, slot)
            known[value] = tensor
    with enable_grad():
        for node in nodes:
            operands = [
                known[value] if value in known else tensor_over(graph.environment[value]) for value in node.inputs
            ]
            known.update(zip(node.outputs, apply(node.op, operands), strict=True))
    return [_differentiable(known.get(value), graph.environment.get(value)) for value in gradients]


def _differentiable(gradient: Tensor | None, array: Array | None) -> Tensor:
    """A gradient that can be differentiated again, also where it depends on nothing: then its own are zeros."""
    if gradient is not None and gradient.requires_grad:
        return gradient
    result = tensor_over(np.array(array if gradient is None else gradient.numpy(), order="C"))
    record_operation(Detach(), (), (result,))
    return result


if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
