"""lucid.debug.print: lines from inside a step."""

from __future__ import annotations

from typing import Any

from lucid.debug.lines import prepare, write_lines
from lucid.errors import ArgumentTypeError
from lucid.modes import current_tracer
from lucid.trace import Line


def print(text: str, *values: Any, **named: Any) -> None:
    """Print a line, with values in the places that `str.format` would put them, eager or compiled.

    In a compiled function it prints at every call, when the call has succeeded: all lines of a call in the order of the
    program, with the values that tensors had at that point. `repeat` prints the lines of all its calls, and a `scan`
    those of all its runs, in order. A call that fails prints nothing. What is not a tensor is filled in when the
    function is traced.

    A tensor of one element without axes is formatted as a number, by its spec if it has one (`{:.3f}`); an array as
    NumPy prints it, each element by the spec. Gradients do not notice it, and no result changes by a bit.

    Raises ArgumentError where the text and the values do not fit each other.

    >>> import lucid
    >>> lucid.debug.print("loss {:.2f} of {shape}", lucid.Tensor(0.126), shape=(3,))
    loss 0.13 of (3,)
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(
            f"debug.print takes a text with places for values first, got {type(text).__name__}.",
            hint='write `lucid.debug.print("{}", x)`.',
        )
    line, tensors = prepare(text, values, named)
    tracer = current_tracer()
    if tracer is not None:
        tracer.print(line, tensors)
    else:
        write_lines([Line(line, len(tensors))], [x.numpy() for x in tensors])
