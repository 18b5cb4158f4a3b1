"""What a call returns, put together by lines of Python: going through how it is nested would take longer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lucid.pytree import Spec
from lucid.scalars import Scalar
from lucid.trace import Outside, TracedOutput


def returning(results: Sequence[Any], spec: Spec, scope: dict[str, Any], repeated: bool = False) -> list[str]:
    """Lines that return what a traced function has returned. They see `leaves`, `tensors`, what guards have bound, and
    what is put into `scope`. A tensor from outside is returned itself, but from a `repeat`, which stacks it, too."""
    lines: list[str] = []
    texts = _texts(results, scope, repeated)

    def part(spec: Spec) -> str:
        if spec is None:
            return next(texts)
        kind, keys, specs = spec
        items = [part(item) for item in specs]
        if keys is not None:
            items = [f"{_bound(key, scope)}: {item}" for key, item in zip(keys, items, strict=True)]
        text = ", ".join(items)
        if kind is list:
            text = f"[{text}]"
        elif kind is tuple:
            text = f"({text}{',' * (len(items) == 1)})"
        elif kind is dict:
            text = f"{{{text}}}"
        else:
            text = f"{_bound(kind, scope)}({text if keys is None else f'{{{text}}}'})"
        lines.append(f"part{len(lines)} = {text}")  # by itself: parentheses may not be nested as deeply as results
        return f"part{len(lines) - 1}"

    returned = part(spec)
    return [*lines, f"return {returned}"]


def _texts(results: Sequence[Any], scope: dict[str, Any], repeated: bool) -> Iterator[str]:
    """An expression for each result."""
    numbers: dict[TracedOutput, int] = {}
    for result in results:
        if isinstance(result, TracedOutput):
            text = f"tensors[{numbers.setdefault(result, len(numbers))}]"
            if result.passed is not None and not repeated:
                passed = _outside(result.passed, scope)
                text = f"{passed} if isinstance({passed}, Tensor) else {text}"
            yield text
        elif isinstance(result, Scalar):
            yield result.source
        elif isinstance(result, Outside):
            yield _outside(result, scope)
        else:
            yield _bound(result, scope)


def _outside(thing: Outside, scope: dict[str, Any]) -> str:
    return _bound(thing.tensor, scope) if thing.argument is None else f"leaves[{thing.argument}]"


def _bound(thing: object, scope: dict[str, Any]) -> str:
    """The name of a thing in a scope."""
    name = f"returned{len(scope)}"
    scope[name] = thing
    return name
