"""Nested dicts, lists and tuples as arguments and results: flattened to leaves, and put together again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

Spec = Any  # hashable: None for a leaf, else (type, keys, specs)


class Keys(tuple[Any, ...]):
    """The keys of a dict, equal to those that are of the same types and spelled alike: True is not 1, nor -0.0 0.0, in
    tuples neither.

    >>> Keys([1]) == Keys([True]), Keys([0.0]) == Keys([-0.0]), Keys([(1,)]) != Keys([(True,)]), Keys([1]) == Keys([1])
    (False, False, True, True)
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self._spelled() == other._spelled()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._spelled())

    def _spelled(self) -> tuple[object, ...]:
        return tuple(map(_spelled, self))


def _spelled(key: Any) -> object:
    if type(key) in (tuple, frozenset):
        return type(key), type(key)(map(_spelled, key))
    return type(key), repr(key) if isinstance(key, float | complex) else key


def flatten(tree: object) -> tuple[list[Any], Spec]:
    """The leaves of a tree in order, and its structure, which is hashable.

    >>> flatten({"a": 1, "b": (2, [3])})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Spec:
    kind = type(tree)
    if kind is tuple or kind is list:
        return kind, None, tuple([_flatten(item, leaves) for item in tree])
    if kind is dict or kind is OrderedDict:
        keys = tuple(tree) if all(type(key) is str for key in tree) else Keys(tree)
        return kind, keys, tuple([_flatten(item, leaves) for item in tree.values()])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, None, tuple([_flatten(item, leaves) for item in tree])
    leaves.append(tree)
    return None


def unflatten(spec: Spec, leaves: Sequence[Any]) -> Any:
    """The tree of a structure with given leaves.

    >>> leaves, spec = flatten({"a": 1, "b": (2, [3])})
    >>> unflatten(spec, leaves)
    {'a': 1, 'b': (2, [3])}
    """
    return _unflatten(spec, iter(leaves))


def _unflatten(spec: Spec, leaves: Iterator[Any]) -> Any:
    if spec is None:
        return next(leaves)
    kind, keys, specs = spec
    items = [_unflatten(item, leaves) for item in specs]
    if keys is not None:
        return kind(zip(keys, items, strict=True))
    if kind is tuple or kind is list:
        return kind(items)
    return kind(*items)


def leaf_names(spec: Spec, prefix: str = "") -> Iterator[str]:
    """A dotted name for each leaf.

    >>> list(leaf_names(flatten({"x": 1, "pair": (2, 3)})[1]))
    ['x', 'pair.0', 'pair.1']
    """
    if spec is None:
        yield prefix
        return
    kind, keys, specs = spec
    names = keys if keys is not None else getattr(kind, "_fields", range(len(specs)))
    for name, item in zip(names, specs, strict=True):
        yield from leaf_names(item, f"{prefix}.{name}" if prefix else str(name))
