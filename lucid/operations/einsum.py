"""Sums of products by index letters, in Einstein's notation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.types import promote
from lucid.operations.arrangement import diagonal
from lucid.operations.contraction import matmul
from lucid.operations.elementwise import multiply
from lucid.operations.movement import permute, reshape
from lucid.operations.operands import Operand, as_tensor, broadcast_to
from lucid.operations.reduction import sum

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def einsum(equation: str, *operands: Operand) -> Tensor:
    """The sum of products that an equation names: `einsum("bij,bjk->bik", x, y)` is a batch of matrix products.

    The equation has a term for each operand, with a letter for each of its axes. Axes of one letter have one extent (or
    1, which broadcasts); a letter twice in a term takes the diagonal. What follows `->` are the axes of the result, in
    order: products are summed over the letters that it leaves out. Without it, the result has the letters that occur
    once, sorted. `...` stands for any number of axes, which broadcast.

    Operands, which have one dtype, are combined two by two, in the order that `numpy.einsum_path(optimize="greedy")`
    finds. The result has their dtype; sums of integers wrap around, and bools have none.
    Raises ArgumentError for an equation that does not fit itself or the number of operands, ShapeError where it does
    not fit their shapes, and DTypeError where they differ in dtype.

    >>> print(einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]))
    [21.0, 43.0]
    >>> print(einsum("ii", [[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    tensors = [as_tensor(x) for x in operands]
    terms, result = _parse(equation, tensors)
    extents = _extents(equation, terms, tensors)
    parts = [_once(_Labelled(x, term), extents) for x, term in zip(tensors, terms, strict=True)]
    for group in _steps(parts, result):
        chosen = [parts[place] for place in group]
        parts = [part for place, part in enumerate(parts) if place not in group]
        while len(chosen) > 1:
            a, b, *chosen = chosen
            needed = {*result, *(label for other in (*parts, *chosen) for label in other.labels)}
            chosen.insert(0, _product(_summed(a, [*needed, *b.labels]), _summed(b, [*needed, *a.labels]), needed))
        parts += chosen
    total = _summed(parts[0], result)
    missing = [label for label in result if label not in total.labels]  # axes of extent 1 everywhere
    x = reshape(total.tensor, (*total.tensor.shape, *(1 for _ in missing)))
    labels = [*total.labels, *missing]
    return permute(x, [labels.index(label) for label in result])


Label = str | int  # a letter, or the place from the right of an axis that `...` stands for


@dataclass(frozen=True)
class _Labelled:
    """A tensor with a label for each axis."""

    tensor: Tensor
    labels: tuple[Label, ...]


def _parse(equation: str, tensors: Sequence[Tensor]) -> tuple[list[tuple[Label, ...]], tuple[Label, ...]]:
    """The labels of each operand's axes and of the result's."""
    text = equation.replace(" ", "") if isinstance(equation, str) else "?"
    if not re.fullmatch(r"[A-Za-z.,]*(->[A-Za-z.]*)?", text) or "." in text.replace("...", ""):
        raise ArgumentError(f"einsum takes an equation of letters and `...`, such as 'ij,jk->ik', got {equation!r}.")
    left, arrow, right = text.partition("->")
    written = left.split(",")
    if len(written) != len(tensors):
        raise ArgumentError(f"einsum {equation!r} names {len(written)} operands, got {len(tensors)}.")
    if any(term.count("...") > 1 for term in (*written, right)):
        raise ArgumentError(f"einsum takes `...` once in a term, got {equation!r}.")
    terms = [_axes(equation, term, x) for term, x in zip(written, tensors, strict=True)]
    free = sorted({label for term in terms for label in term if isinstance(label, int)}, reverse=True)
    letters = left.replace("...", "").replace(",", "")
    if not arrow:
        return terms, (*free, *sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    before, dots, after = right.partition("...")
    for letter in before + after:
        if letter not in letters or (before + after).count(letter) > 1:
            raise ArgumentError(f"einsum takes each axis of the result once, from an operand, got {equation!r}.")
    return terms, (*before, *(free if dots else ()), *after)


def _axes(equation: str, term: str, x: Tensor) -> tuple[Label, ...]:
    before, dots, after = term.partition("...")
    free = x.ndim - len(before) - len(after)
    if free < 0 or (free and not dots):
        raise ShapeError(f"einsum {equation!r} has the term {term!r} for an operand of shape {x.shape}.")
    return (*before, *reversed(range(free)), *after)


def _extents(equation: str, terms: Sequence[tuple[Label, ...]], tensors: Sequence[Tensor]) -> dict[Label, int]:
    """The extent of each label, which axes of extent 1 broadcast to."""
    dtype = tensors[0].dtype
    for x in tensors[1:]:
        if x.dtype != dtype:
            hint = f'cast one of them: x.astype("{promote(dtype, x.dtype)}")'
            raise DTypeError(f"einsum takes operands of one dtype, got {dtype} and {x.dtype}.", hint=hint)
    extents: dict[Label, int] = {}
    for term, x in zip(terms, tensors, strict=True):
        for label, extent in zip(term, x.shape, strict=True):
            known = extents.setdefault(label, extent)
            if known == 1:
                extents[label] = extent
            elif extent not in (1, known):
                where = f"axis {label!r}" if isinstance(label, str) else "an axis of `...`"
                raise ShapeError(f"einsum {equation!r} has extents {known} and {extent} for {where}.")
    return extents


def _once(part: _Labelled, extents: dict[Label, int]) -> _Labelled:
    """A part in which no label stands twice, without the axes of extent 1 that broadcast."""
    x, labels = part.tensor, list(part.labels)
    for label in dict.fromkeys(part.labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            extent = max(x.shape[first], x.shape[second])
            x = broadcast_to(x, [extent if axis in (first, second) else e for axis, e in enumerate(x.shape)])
            x = diagonal(x, 0, first, second)
            labels = [other for axis, other in enumerate(labels) if axis not in (first, second)] + [label]
    kept = [axis for axis, label in enumerate(labels) if x.shape[axis] == extents[label] != 1]
    return _Labelled(reshape(x, [x.shape[axis] for axis in kept]), tuple(labels[axis] for axis in kept))


def _steps(parts: Sequence[_Labelled], result: Sequence[Label]) -> list[Sequence[int]]:
    """The places of the parts that are combined in each step, from left to right; their product goes to the end."""
    if len(parts) <= 2:
        return [range(len(parts))]
    labels = dict.fromkeys(label for part in parts for label in part.labels)
    number = {label: n for n, label in enumerate(labels)}
    given: list[Any] = []
    for part in parts:
        given += [np.broadcast_to(0.0, part.tensor.shape), [number[label] for label in part.labels]]
    path, _ = np.einsum_path(*given, [number[label] for label in result if label in number], optimize="greedy")
    return [sorted(group) for group in path[1:]]


def _summed(part: _Labelled, needed: Sequence[Label]) -> _Labelled:
    """A part without the labels that nothing else needs."""
    axes = [axis for axis, label in enumerate(part.labels) if label not in needed]
    if not axes:
        return part
    return _Labelled(
        sum(part.tensor, axes, dtype=part.tensor.dtype), tuple(label for label in part.labels if label in needed)
    )


def _product(a: _Labelled, b: _Labelled, needed: set[Label]) -> _Labelled:
    """The product of two parts, summed over the labels of both that nothing later needs."""
    both = [label for label in a.labels if label in b.labels]
    batch, inner = [x for x in both if x in needed], [x for x in both if x not in needed]
    left = [label for label in a.labels if label not in both]
    right = [label for label in b.labels if label not in both]
    labels = (*batch, *left, *right)
    if not inner:
        return _Labelled(multiply(_spread(a, labels), _spread(b, labels)), labels)
    extent = dict(zip((*a.labels, *b.labels), (*a.tensor.shape, *b.tensor.shape), strict=True))

    def joined(part: _Labelled, *groups: Sequence[Label]) -> Tensor:
        """A part with an axis for each group of labels."""
        x = permute(part.tensor, [part.labels.index(label) for group in groups for label in group])
        return reshape(x, [math.prod(extent[label] for label in group) for group in groups])

    if batch:
        product = matmul(joined(a, batch, left, inner), joined(b, batch, inner, right))
    else:
        product = matmul(joined(a, left, inner), joined(b, inner, right))
    return _Labelled(reshape(product, [extent[label] for label in labels]), labels)


def _spread(part: _Labelled, labels: Sequence[Label]) -> Tensor:
    """A part with an axis for each of the labels, of extent 1 where it has none."""
    own = [label for label in labels if label in part.labels]
    x = permute(part.tensor, [part.labels.index(label) for label in own])
    extent = dict(zip(own, x.shape, strict=True))
    return reshape(x, [extent.get(label, 1) for label in labels])
