"""The trace of one call: a function runs with symbols in the place of what it was given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lucid.code_guards import CodeObserver
from lucid.conversion import in_machine_order
from lucid.core import tensor_over
from lucid.descriptions import is_value, parts_of
from lucid.errors import ArgumentTypeError, TraceError
from lucid.ir.types import as_dtype
from lucid.missing_names import near_name
from lucid.modes import modes
from lucid.nn.module import Module
from lucid.observed import Observed, record_reads
from lucid.pytree import Spec, flatten, unflatten
from lucid.scalars import Scalar
from lucid.signature import argument_names
from lucid.tensor import Tensor
from lucid.trace import Outside, Trace
from lucid.tracing import Tracer, tracing


def trace_call(function: Callable[..., Any], name: str, leaves: Sequence[Any], spec: Spec) -> tuple[Trace, Spec]:
    """Run a function once with symbols for the leaves of a call: the trace, and how its results form what it returns.

    Raises TraceError for Python that a graph cannot represent.
    """
    tracer = Tracer(name)
    names = argument_names(function, spec)
    by_identity = {id(leaf): _entered(leaf) for leaf in leaves}
    entered = [by_identity[id(leaf)] for leaf in leaves]
    with CodeObserver(function) as observer, tracing(tracer):
        symbols: list[Any] = []
        for number, (leaf, argument) in enumerate(zip(entered, names, strict=True)):
            if isinstance(leaf, Tensor):
                tracer.enter_argument(leaf, number, argument, leaves[number])
                symbols.append(leaf)
            elif isinstance(leaf, float):
                symbols.append(tracer.scalars.input(argument, leaf, f"leaves[{number}]"))
            else:
                symbols.append(leaf)
                if parts_of(leaf) is not None and not is_value(leaf):  # the key says which object it is
                    tracer.guards.content(f"leaves[{number}]", leaf)
        args, kwargs = unflatten(spec, symbols)

        def record(owner: Observed, attribute: str, value: object) -> None:
            if modes.tracer is tracer and not tracer.is_new(owner):
                tracer.guards.attribute(owner, attribute, value)

        stop = record_reads(record)
        try:
            result = function(*args, **kwargs)
        except TypeError:
            _expect_to_fit(function, name, args, kwargs)
            raise
        finally:
            stop()
        _expect_unchanged(symbols, spec, (args, kwargs))
        result_leaves, result_spec = flatten(result)
        trace = tracer.finish(result_leaves)
    given = {id(symbol): number for number, symbol in enumerate(symbols) if not isinstance(symbol, Tensor | Scalar)}
    trace.results = [Outside(given[id(leaf)], None) if id(leaf) in given else leaf for leaf in trace.results]
    observer.guard(tracer.guards)
    return trace, result_spec


def _expect_to_fit(function: Callable[..., Any], name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise ArgumentTypeError where a function can't be called with some arguments at all."""
    if isinstance(function, Module) and function._hooks:  # one may change the arguments
        return
    target = function.forward if isinstance(function, Module) else function
    try:
        signature = inspect.signature(target, follow_wrapped=False)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        known = list(signature.parameters)
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
        unknown = next((given for given in kwargs if given not in known and not takes_any), None)
        problem = error if unknown is None else f"got an unexpected keyword argument {unknown!r}"
        hint = None if unknown is None else near_name(unknown, known)
        raise ArgumentTypeError(f"{name} takes ({', '.join(known)}): {problem}.", hint=hint) from None


def _expect_unchanged(leaves: Sequence[Any], spec: Spec, call: tuple[Any, Any]) -> None:
    """Raise where the traced function has changed a list or dict that it was given."""
    now, spec_now = flatten(call)
    if spec_now != spec or any(x is not y for x, y in zip(leaves, now, strict=True)):
        raise TraceError(
            "a compiled function changed a list or dict that is its argument; later calls would not change theirs.",
            hint="return what is new, for instance as {**d, 'key': value}.",
        )


def _entered(leaf: Any) -> Any:
    """The tensor that stands for an array argument in a trace, or for a detached one, which is traced like a tensor
    with storage of its own; other arguments as they are."""
    if isinstance(leaf, np.floating) and not isinstance(leaf, float):
        leaf = np.asarray(leaf)
    if isinstance(leaf, np.ndarray):
        as_dtype(leaf.dtype)
        return tensor_over(in_machine_order(leaf))
    if isinstance(leaf, Tensor) and leaf._viewed() is not None and leaf._owner() is not None:
        tensor = tensor_over(leaf.numpy())
        tensor._requires_grad, tensor._grad = leaf._requires_grad, leaf._grad
        return tensor
    return leaf
