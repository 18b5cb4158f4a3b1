"""lucid.custom_vjp: a function with a derivative of its own."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

import lucid.eager as eager
import lucid.operations as ops
from lucid.autograd import leaves_behind
from lucid.bodies import EagerTracer, symbol_in
from lucid.core import TensorCore
from lucid.errors import ArgumentError, ArgumentTypeError, GradientError, TraceError
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.elementwise import Detach
from lucid.ir.passes.differentiate import differentiate
from lucid.modes import current_tracer, is_grad_enabled, modes
from lucid.pytree import flatten
from lucid.tensor import Tensor
from lucid.tracing import Tracer, tracing

F = TypeVar("F", bound=Callable[..., Any])


def custom_vjp(vjp: Callable[..., Any]) -> Callable[[F], F]:
    """Give a function a derivative: a decorator, whose argument is the function that passes gradients back.

    `vjp(g, y, *x)` gets the gradient g of the result, the result y and the arguments, and returns a tuple with a
    gradient for each argument, of its shape and dtype, or None where there is none: as the `vjp` of an op does. Where
    the function returns a tuple of tensors, g and y are tuples. It is called once, with symbols, in eager code too;
    what it computes can be differentiated again, with respect to g, y and the arguments: any other tensor that it reads
    is a constant to it, and has no gradient. What the function itself computes is never differentiated: its arguments
    have gradients, and a tensor from outside that requires one raises GradientError, unless it is detached; so do a
    leaf that the function makes, and a tensor inside a list or a dict.

    `x` are all arguments of a call in the order of the function's parameters, defaults among them; those that are
    neither tensors nor arrays are passed as they are. Raises ArgumentError for a function with parameters that can only
    be given by name, ArgumentTypeError where it returns something else, or where the derivative does not take so many
    arguments, GradientError where gradients do not fit the arguments, and TraceError where the derivative reads
    elements, prints, or draws random numbers.

    >>> import lucid
    >>> @lucid.custom_vjp(lambda g, y, x: (g,))
    ... def rounded(x):
    ...     return lucid.round(x)
    >>> x = lucid.Tensor([0.4, 1.6], requires_grad=True)
    >>> rounded(x).sum().backward()
    >>> print(rounded(x).detach(), x.grad)
    [0.0, 2.0] [1.0, 1.0]
    """

    if not callable(vjp):
        raise ArgumentTypeError(
            f"custom_vjp takes the function that passes gradients back, got {reprlib.repr(vjp)}.",
            hint="write `@lucid.custom_vjp(vjp)` above the function itself.",
        )

    def decorate(function: F) -> F:
        if not callable(function):
            raise ArgumentTypeError(
                f"custom_vjp is given a derivative, and then the function that has it, got {reprlib.repr(function)}.",
                hint="write `@lucid.custom_vjp(vjp)` above the function itself.",
            )
        name, signature = getattr(function, "__name__", "function"), _signature(function)
        by_name = [p.name for p in signature.parameters.values() if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
        if by_name:
            raise ArgumentError(
                f"custom_vjp takes a function whose arguments can be given by position, got {name} with {by_name[0]}.",
                hint="without the * before it, it can be given by position and by name.",
            )

        @functools.wraps(function)
        def call(*arguments: Any, **keywords: Any) -> Any:
            try:
                bound = signature.bind(*arguments, **keywords)
            except TypeError as error:
                raise ArgumentTypeError(f"{name}{signature}: {error}.") from None
            bound.apply_defaults()
            given = [ops.as_tensor(x) if isinstance(x, Tensor | np.ndarray) else x for x in bound.args]
            result, leaves = _noting_leaves(function, [x.detach() if isinstance(x, Tensor) else x for x in given])
            if is_grad_enabled():
                _expect_no_gradient(name, given, result, leaves)
            return _with_derivative(vjp, name, given, result)

        return call  # type: ignore[return-value]  # it takes and gives what the function does

    return decorate


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function; some built-in ones have none that Python knows."""
    try:
        return inspect.signature(function)
    except ValueError:
        raise ArgumentTypeError(
            f"custom_vjp takes functions whose parameters Python knows, got {reprlib.repr(function)}.",
            hint="write a function of your own that calls it.",
        ) from None


def _noting_leaves(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, list[TensorCore]]:
    """What a function returns, and the tensors of which it has said that they require a gradient."""
    made: list[TensorCore] = []
    outer, modes.leaves_made = modes.leaves_made, made
    try:
        return function(*arguments), made
    finally:
        modes.leaves_made = outer


def _expect_no_gradient(name: str, arguments: Sequence[Any], result: Any, made: Sequence[TensorCore]) -> None:
    """Raise where a function whose arguments need no gradient has a result that does. It reads something else, or a
    tensor in a list, or a leaf that it has made."""
    results = result if isinstance(result, tuple) else (result,)
    flowing = [y for y in results if isinstance(y, Tensor) and y.requires_grad]
    if not flowing:
        return
    ends = set(map(id, leaves_behind(flowing)))
    if any(id(leaf) in ends for leaf in made):
        raise GradientError(
            f"{name} has a custom_vjp, and its result depends on a tensor that it makes with requires_grad=True: there "
            f"the gradient would end.",
            hint="make it without; a weight is an argument.",
        )
    for number, argument in enumerate(arguments):
        inside = [] if isinstance(argument, Tensor) else flatten(argument)[0]
        if any(isinstance(x, Tensor) and x.requires_grad for x in inside):
            raise GradientError(
                f"{name} has a custom_vjp, and reads a tensor that requires a gradient inside its argument {number}, a "
                f"{type(argument).__name__}: only what is an argument by itself has a gradient.",
                hint=f"pass each tensor by itself, as to `def {name}(*tensors)`, or detach it.",
            )
    raise GradientError(
        f"{name} has a custom_vjp, and reads a tensor that requires a gradient and is not one of its arguments: "
        f"there the gradient would end.",
        hint="make it an argument, or read `w.detach()`.",
    )


def _expect_fit(vjp: Callable[..., Any], name: str, arguments: list[Any]) -> None:
    """Raise unless a derivative can be called with a gradient, a result and so many arguments."""
    signature = _signature(vjp)
    try:
        signature.bind(None, None, *arguments)
    except TypeError:
        raise ArgumentTypeError(
            f"the derivative of {name} takes the gradient, the result and {len(arguments)} arguments, "
            f"got a function of {signature}."
        ) from None


def _with_derivative(vjp: Callable[..., Any], name: str, arguments: list[Any], result: Any) -> Any:
    """The result of a function with its history, where it needs one."""
    if not is_grad_enabled() or not any(isinstance(x, Tensor) and x.requires_grad for x in arguments):
        return result
    results = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(y, Tensor) for y in results):
        raise ArgumentTypeError(
            f"{name} has a custom_vjp and returns a tensor, or a tuple of them, got {reprlib.repr(result)}."
        )
    _expect_fit(vjp, name, arguments)
    values = tuple(y.detach() for y in results)
    call = _Call(vjp, name, arguments, values, isinstance(result, tuple))
    tracer = current_tracer()
    if tracer is not None:
        found = call.recorded(tracer)
    else:
        now = EagerTracer(name, f"the derivative of {name}")
        with tracing(now):
            body = call.body(now)
        if now.refused is not None:  # the derivative caught it, and went on with a guess
            raise now.refused
        others = [tensor.detach() for tensor in now.tensors_of(body.captured)]
        found = list(eager.apply(body.op, [*call.results, *call.tensors, *others]))
    return tuple(found) if isinstance(result, tuple) else found[0]


@dataclass(frozen=True)
class _Body:
    """A derivative that has been recorded: its op, and the values from outside that it reads."""

    op: CustomVjp
    captured: Sequence[Value]


@dataclass(frozen=True)
class _Call:
    """A call of a function with a derivative: its arguments and its results."""

    vjp: Callable[..., Any]
    name: str
    arguments: list[Any]
    results: tuple[Tensor, ...]
    is_tuple: bool

    @property
    def tensors(self) -> list[Tensor]:
        return [x for x in self.arguments if isinstance(x, Tensor)]

    def recorded(self, tracer: Tracer) -> list[Tensor]:
        """The results in a trace."""
        body = self.body(tracer)
        others = [tracer.add(Detach(), value)[0] for value in body.captured]
        operands = [*map(tracer.operand, (*self.results, *self.tensors)), *others]
        values = tracer.add(body.op, *operands)
        found = [tracer.tensor_of(value) for value in values]
        for tensor, value in zip(found, values, strict=True):
            tracer.note_result(tensor, value, operands, True)
        return found

    def body(self, tracer: Tracer) -> _Body:
        """The derivative, recorded by calling it once."""
        with tracer.scopes.body() as scope:
            gradients = [
                symbol_in(tracer, scope, y.type, "g", flows=True) if y.dtype.is_float else None for y in self.results
            ]
            values = [symbol_in(tracer, scope, y.type, y.name, flows=True) for y in self.results]
            operands = [symbol_in(tracer, scope, x.type, x.name, flows=True) for x in self.tensors]
            given = iter(operands)
            arguments = [next(given) if isinstance(x, Tensor) else x for x in self.arguments]
            g, y = (tuple(x) if self.is_tuple else x[0] for x in (gradients, values))
            found = self._checked(self.vjp(g, y, *arguments))
            targets = [n for n, gradient in enumerate(found) if gradient is not None]
            outputs = [tracer.operand(gradient) for gradient in found if gradient is not None]
            entries = [tracer.value(x) for x in (*gradients, *values, *operands) if x is not None]
        if scope.draws or scope.lines:
            raise TraceError(f"the derivative of {self.name} draws random numbers or prints, which it can't.")
        graph = Graph(self.name, (*entries, *scope.captured.values()), (), tuple(scope.builder.nodes), tuple(outputs))
        places = tuple(len(self.results) + n for n in targets)
        return _Body(CustomVjp(differentiate(graph), len(self.results), places), tuple(scope.captured))

    def _checked(self, found: Any) -> list[Tensor | None]:
        """The gradient of each argument that is a tensor."""
        if not isinstance(found, tuple) or len(found) != len(self.arguments):
            got = f"{len(found)} of them" if isinstance(found, tuple) else type(found).__name__
            raise GradientError(
                f"the derivative of {self.name} returns a tuple of {len(self.arguments)} gradients, one for each "
                f"argument, got {got}.",
                hint="None stands for no gradient: `return (g * x, None)`.",
            )
        gradients: list[Tensor | None] = []
        for number, (x, gradient) in enumerate(zip(self.arguments, found, strict=True)):
            if not isinstance(x, Tensor):
                if gradient is not None:
                    raise GradientError(f"argument {number} of {self.name} is not a tensor, and has the gradient None.")
                continue
            tensor = None if gradient is None else ops.as_tensor(gradient)
            if tensor is not None and (tensor.type != x.type or not x.dtype.is_float):
                raise GradientError(
                    f"the derivative of {self.name} gives a gradient {tensor.type} for argument {number}, {x.type}."
                )
            gradients.append(tensor)
        return gradients
