"""Lines of text with values in them: `str.format` in two steps, of which the second knows the values."""

from __future__ import annotations

import string
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import lucid.operations as ops
from lucid.errors import ArgumentError
from lucid.scalars import Scalar
from lucid.tensor import Tensor
from lucid.trace import Line, Loop

Array = npt.NDArray[Any]
_formatter = string.Formatter()


def prepare(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, list[Tensor]]:
    """A text with everything filled in but tensors and arrays, and those: for each, in order, it has `{}` or `{:spec}`.

    Raises ArgumentError where the text and the values do not fit each other.
    """
    try:
        return _Preparation(args, kwargs).prepared(text)
    except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise _mismatch(text, f"{type(error).__name__}: {error}") from None


def _mismatch(text: str, problem: str) -> ArgumentError:
    return ArgumentError(
        f"debug.print can't format {text!r}: {problem}.",
        hint='write `lucid.debug.print("loss {:.3f} after {}", loss, step)`, as for str.format.',
    )


class _Preparation:
    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.values: list[Tensor] = []
        self.used: set[int | str] = set()
        self.automatic = 0

    def prepared(self, text: str) -> tuple[str, list[Tensor]]:
        parts: list[str] = []
        for literal, name, spec, conversion in _formatter.parse(text):
            parts.append(_escaped(literal))
            if name is not None:
                parts.append(self.field(name, spec or "", conversion))
        unused = {*range(len(self.args)), *self.kwargs} - self.used
        if unused:
            raise ValueError(f"a place {{}} is missing for {', '.join(map(str, sorted(unused, key=str)))}")
        return "".join(parts), self.values

    def field(self, name: str, spec: str, conversion: str | None) -> str:
        """The text of a field, or what is left of it where its value is not known yet."""
        if not name or name[0] in ".[":
            name, self.automatic = f"{self.automatic}{name}", self.automatic + 1
        value, key = _formatter.get_field(name, self.args, self.kwargs)
        self.used.add(key)
        inner = _Preparation(self.args, self.kwargs)
        inner.used = self.used
        spec = inner.filled(spec)
        if isinstance(value, np.ndarray) or type(value) is Scalar:  # a Scalar is a float that may change between calls
            value = ops.as_tensor(value)
        if not isinstance(value, Tensor):
            return _escaped(format(_formatter.convert_field(value, conversion), spec))
        if conversion is not None:
            raise ValueError(f"!{conversion} is for values that are known when the function is traced")
        fill(f"{{:{spec}}}", [np.zeros((), value.dtype.numpy)])  # raises where this is not a spec for such numbers
        self.values.append(value)
        return f"{{:{spec}}}" if spec else "{}"

    def filled(self, spec: str) -> str:
        """A spec with the numbers of its own fields, such as `{:{width}}`."""
        parts = []
        for literal, name, _, _ in _formatter.parse(spec):
            parts.append(literal)
            if name is not None:
                value, key = _formatter.get_field(name, self.args, self.kwargs)
                self.used.add(key)
                parts.append(str(value))
        return "".join(parts)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def fill(text: str, arrays: Sequence[Array]) -> str:
    """The line that a prepared text and the elements of its values make.

    A single number has the fewest digits that tell it from others of its dtype, or those that its spec asks for. An
    array is printed as NumPy prints it, long ones in part, each element by the spec.

    >>> fill("loss {:.2f}, rates {}", [np.float32(0.126), np.array([0.1, 0.2], np.float32)])
    'loss 0.13, rates [0.1, 0.2]'
    """
    given = iter(arrays)
    parts = []
    for literal, name, spec, _ in _formatter.parse(text):
        parts.append(literal)
        if name is not None:
            parts.append(_shown(np.asarray(next(given)), spec or ""))
    return "".join(parts)


def write_lines(lines: Iterable[Line | Loop], arrays: Sequence[Array]) -> None:
    """Print lines, with the elements of the values of all of them, in order."""
    for line in _filled(lines, arrays):
        sys.stdout.write(line + "\n")


def _filled(lines: Iterable[Line | Loop], arrays: Sequence[Array]) -> Iterator[str]:
    first = 0
    for line in lines:
        own = arrays[first : first + line.count]
        first += line.count
        if isinstance(line, Line):
            yield fill(line.text, own)
        else:
            for run in reversed(range(line.length)) if line.reverse else range(line.length):
                yield from _filled(line.lines, [array[run] for array in own])


def _shown(array: Array, spec: str) -> str:
    if array.ndim == 0:
        return format(array.item(), spec) if spec else str(array[()])
    if not spec:
        return np.array2string(array, separator=", ")
    shown: Any = {"all": lambda x: format(x.item(), spec)}
    return np.array2string(array, separator=", ", formatter=shown)
