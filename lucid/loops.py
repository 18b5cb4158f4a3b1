"""lucid.scan: a loop over the leading axis of tensors, whose code does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import lucid.eager as eager
import lucid.operations as ops
from lucid.bodies import EagerTracer, symbol_in
from lucid.code_guards import CodeObserver, is_ours
from lucid.debug.lines import write_lines
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError, argument_error
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.elementwise import Add, Mul, Sub
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Broadcast
from lucid.ir.ops.structure import Const, Iota
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.types import TensorType, uint64
from lucid.modes import current_tracer, is_grad_enabled
from lucid.operations.arguments import as_flag
from lucid.pytree import Spec, flatten, leaf_names, unflatten
from lucid.scopes import Scope
from lucid.side_effects import IN_A_BODY
from lucid.tensor import Tensor
from lucid.trace import Loop
from lucid.tracing import Tracer, tracing


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `carry, y = f(carry, x)` for each element x along the leading axis of xs: the last carry, and the ys stacked.

    It computes what this does, with trees of tensors (dicts, lists, tuples, None) in place of single ones:

        carry, ys = init, []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, stack(ys)

    but f is called once, with symbols, in eager code too: the code that runs is the same for any length. Tensors that f
    uses from outside may change from call to call, as in a compiled function. Every part of the carry keeps its shape
    and dtype. Without xs, `length` says how often to run, and f gets None. With `reverse`, runs go from the last
    element to the first, and each y stands where its x does. Gradients of any order flow through carries, xs and what
    f uses. Random operations take the draws that they would in the loop.

    Raises ShapeError where the elements of xs do not share a length, ArgumentError where the carry changes its
    structure, shape or dtype, and TraceError where f does what cannot be repeated, such as assigning to a tensor from
    outside, or to a variable around it, or appending to a list.

    >>> import lucid
    >>> total, partial = lucid.scan(lambda total, x: (total + x, total), 0.0, lucid.Tensor([1.0, 2.0, 3.0]))
    >>> print(total, partial)
    6.0 [0.0, 1.0, 3.0]
    """
    if not callable(f):
        raise ArgumentTypeError(f"scan takes a function of a carry and an element, got {f!r}.", hint=_ORDER)
    start, elements = _Tree.of(init, "init"), _Tree.of(xs, "xs")
    count = _length(elements, length)
    tracer = current_tracer()
    if tracer is not None:
        body = _Body(tracer, f, start, elements)
        return body.unflatten(_recorded(tracer, body, start.tensors, elements.tensors, count, reverse))
    now = EagerTracer("scan", "the body of a scan")
    with tracing(now):
        body = _Body(now, f, start, elements)
    if now.refused is not None:  # the body caught it, and went on with a guess
        raise now.refused
    return body.unflatten(_run(now, body, start.tensors, elements.tensors, count, reverse))


_ORDER = "it is lucid.scan(function, first_carry, elements)."


@dataclass(frozen=True)
class _Tree:
    """A tree of tensors, in which None stands for itself."""

    spec: Spec
    names: tuple[str, ...]
    leaves: tuple[Tensor | None, ...]

    @staticmethod
    def of(tree: Any, name: str) -> _Tree:
        leaves, spec = flatten(tree)
        tensors = tuple(None if leaf is None else ops.as_tensor(leaf) for leaf in leaves)
        return _Tree(spec, tuple(leaf_names(spec, name)), tensors)

    @property
    def tensors(self) -> list[Tensor]:
        return [leaf for leaf in self.leaves if leaf is not None]

    def unflatten(self, tensors: Sequence[Tensor]) -> Any:
        """The tree with other tensors in place of its own."""
        given = iter(tensors)
        return unflatten(self.spec, [None if leaf is None else next(given) for leaf in self.leaves])


def _length(xs: _Tree, length: int | None) -> int:
    """The number of runs."""
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 0):
        raise argument_error(length, int, f"scan takes a length that is an integer from 0 on, got {length!r}.")
    extents = {x.shape[0] for x in xs.tensors if x.shape}
    if any(not x.shape for x in xs.tensors) or len(extents) > 1:
        shapes = ", ".join(str(x.shape) for x in xs.tensors)
        is_list = xs.spec is not None and xs.spec[0] is list
        raise ShapeError(
            f"scan takes xs that share a leading axis, got shapes {shapes}.",
            hint="a list is a tree of arrays: make one array of it, lucid.Tensor(xs)." if is_list else _ORDER,
        )
    if length is None and not extents:
        raise ArgumentError("scan takes xs or a length, got neither.")
    if length is not None and extents and extents != {length}:
        raise ShapeError(f"scan takes xs of the length that is given, {length}, got {extents.pop()}.")
    return extents.pop() if length is None else length


class _Body:
    """The body of a loop, recorded by calling f once."""

    def __init__(self, tracer: Tracer, f: Callable[[Any, Any], Any], start: _Tree, xs: _Tree) -> None:
        with tracer.scopes.body() as scope:
            carry = [symbol_in(tracer, scope, x.type, x.name, flows=True) for x in start.tensors]
            elements = [
                symbol_in(tracer, scope, x.type.with_shape(x.shape[1:]), x.name, x.requires_grad) for x in xs.tensors
            ]
            arguments = [tracer.value(x) for x in (*carry, *elements)]
            carry_in, element = start.unflatten(carry), xs.unflatten(elements)
            with _watching(f):
                result = f(carry_in, element)
            if not isinstance(result, tuple) or len(result) != 2:
                raise ArgumentError(
                    f"the body of a scan returns a carry and an output, got {_kind(result)}.",
                    hint="return a tuple: carry, output, which is None where there is none.",
                )
            self.carry, self.stacked = _Tree.of(result[0], "carry"), _Tree.of(result[1], "y")
            _expect_same(start, self.carry)
            outputs = [tracer.operand(x) for x in (*self.carry.tensors, *self.stacked.tensors)]
            self.first_shown = len(outputs)
            outputs += scope.shown
        self.scope, self.carries, self.sequences = scope, len(carry), len(elements)
        if scope.first_draw is not None:
            arguments.append(scope.first_draw)
            self.sequences += 1
        name = getattr(f, "__name__", "body").strip("<>")
        self.graph = differentiate(
            Graph(name, (*arguments, *scope.captured.values()), (), tuple(scope.builder.nodes), tuple(outputs))
        )

    def op(self, length: int, reverse: bool) -> Scan:
        return Scan(self.graph, length, self.carries, self.sequences, as_flag("reverse", reverse))

    def unflatten(self, results: Sequence[Tensor]) -> tuple[Any, Any]:
        """What `scan` returns, from the results of the loop."""
        stacked = results[self.carries : self.carries + len(self.stacked.tensors)]
        return self.carry.unflatten(results[: self.carries]), self.stacked.unflatten(stacked)


def _watching(f: Callable[[Any, Any], Any]) -> AbstractContextManager[object]:
    """What raises where the body of a loop changes something around it; Lucid's own bodies don't."""
    return nullcontext() if is_ours(f) else CodeObserver(f, IN_A_BODY)


def _kind(result: object) -> str:
    return f"a tuple of {len(result)}" if isinstance(result, tuple) else f"a {type(result).__name__}"


class _Part:
    """A tensor of a tree, in a message."""

    def __repr__(self) -> str:
        return "tensor"


def _structure(tree: _Tree) -> str:
    """A tree as Python writes it: `{'h': tensor, 'c': [tensor, None]}`."""
    return repr(unflatten(tree.spec, [None if leaf is None else _Part() for leaf in tree.leaves]))


def _expect_same(start: _Tree, new: _Tree) -> None:
    """Raise unless a new carry is like the one that the body was given."""
    if start.spec != new.spec or [x is None for x in start.leaves] != [x is None for x in new.leaves]:
        raise ArgumentError(
            "the body of a scan returns a carry of the structure of init, "
            f"expected {_structure(start)}, got {_structure(new)}."
        )
    for name, before, after in zip(start.names, start.leaves, new.leaves, strict=True):
        if before is not None and after is not None and before.type != after.type:
            raise ArgumentError(
                f"the body of a scan returns a carry of the types of init, expected {before.type} for {name}, "
                f"got {after.type}.",
                hint="start from, or return, a tensor of the other type: .astype(...), .expand(...).",
            )


def _recorded(
    tracer: Tracer, body: _Body, start: list[Tensor], xs: list[Tensor], length: int, reverse: bool
) -> list[Tensor]:
    """The results of a loop in a trace."""
    draws = [_draws_of_runs(tracer, body.scope, length, reverse)] if body.scope.draws else []
    operands = [*map(tracer.operand, (*start, *xs)), *draws, *body.scope.captured]
    recording = is_grad_enabled() and any(map(tracer.gradients.flow.flows, operands))
    results = tracer.add(body.op(length, reverse), *operands)
    tracer.print_loop(body.scope, length, reverse, results[body.first_shown :])
    tensors = [tracer.tensor_of(value) for value in results]
    for tensor, value in zip(tensors, results, strict=True):
        tracer.note_result(tensor, value, operands, recording)
    return tensors


def _draws_of_runs(tracer: Tracer, body: Scope, length: int, reverse: bool) -> Value:
    """The number of the first draw of each run of a loop, stacked. They are taken from the graph at hand."""
    stack = TensorType(uint64, (length,))
    first, start = tracer.first_draw(), tracer.scopes.current.take_draws(body, length)
    (run,) = tracer.add(Iota(0, stack))
    if reverse:
        (run,) = tracer.add(Sub(), *tracer.add(Const(max(length - 1, 0), stack)), run)
    (passed,) = tracer.add(Mul(), run, *tracer.add(Const(body.draws, stack)))
    (offset,) = tracer.add(Add(), passed, *tracer.add(Const(start, stack)))
    return tracer.add(Add(), *tracer.add(Broadcast(stack.shape), first), offset)[0]


def _run(
    tracer: EagerTracer, body: _Body, start: list[Tensor], xs: list[Tensor], length: int, reverse: bool
) -> list[Tensor]:
    """The results of a loop that runs now."""
    draws = [tracer.take_draws(body.scope, length, reverse)] if body.scope.draws else []
    operands = [*start, *xs, *draws, *tracer.tensors_of(body.scope.captured)]
    op = body.op(length, reverse)
    if is_grad_enabled() and any(x.requires_grad for x in operands):
        results = eager.apply(op.recorded(), operands)
    else:
        results = eager.apply(op, operands)
    tracer.advance()
    shown = [x.numpy() for x in results[body.first_shown : len(body.graph.outputs)]]
    write_lines([Loop(tuple(body.scope.lines), length, bool(reverse))], shown)
    return list(results)
