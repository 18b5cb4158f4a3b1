"""Rows of the table of modules, functions and operations: what is called, and inputs that are telling for it.

A test of a property runs over all rows, so that the property holds of everything that is public, and a row is all that
a new module or function needs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import lucid

Array = npt.NDArray[Any]
Inputs = tuple[Array, ...]
Outcomes = Mapping[str, str]
KINDS = ("integer", "bool", "uint8", "int32")
KEEPS_INTEGERS: Outcomes = dict.fromkeys(
    ("integer 0", "uint8 0", "int32 0"), "promoted"
)  # PyTorch does; in Lucid, what computes with a float gives floats
FLOATS_ONLY: Outcomes = {f"{kind} 0": "theirs" for kind in KINDS}
ALSO_EMPTY: Outcomes = {"none": "ours"}


def plainly(function: Any, *inputs: Any) -> Any:
    """A call with the inputs in order."""
    return function(*inputs)


@dataclass(frozen=True, eq=False)
class Row:
    """A module or a function under a dotted name, how it is made and called, and its inputs.

    `make` gives a module or function of the library that it is handed, which `call` applies to the inputs. Floats are
    float64, and cast to the dtype that a test is about. `along` has for each input the axis on which it may be cut to
    one element and to none, or None. `others` are inputs of other shapes. `outcomes` says what is expected of a
    variation where it is not that both libraries give the same: "refused" by both, "ours" where PyTorch refuses,
    "theirs" where Lucid does, "promoted" where PyTorch gives the narrower dtype. Without
    `differences`, derivatives are not compared with finite ones: there are none, or what is computed is rounded.
    """

    name: str
    make: Callable[[Any], Any]
    inputs: Inputs
    along: tuple[int | None, ...]
    call: Callable[..., Any] = plainly
    others: Mapping[str, Inputs] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=dict)
    differences: bool = True

    def variations(self) -> dict[str, Inputs]:
        """The inputs, cut to one element and to none along the axes that may have any number, and of other shapes."""
        found = {"plain": self.inputs, **self.others}
        if any(axis is not None for axis in self.along):
            found |= {"one": self._cut(1), "none": self._cut(0)}
        return found

    def _cut(self, extent: int) -> Inputs:
        return tuple(
            x if axis is None else x[(slice(None),) * axis + (slice(extent),)]
            for x, axis in zip(self.inputs, self.along, strict=True)
        )


def named(name: str, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
    """What makes a module of this name, with arguments."""
    return lambda library: operator.attrgetter(name)(library)(*arguments, **options)


def function(
    name: str,
    inputs: Inputs,
    *others: Inputs,
    theirs: Callable[[Any], Any] | None = None,
    along: Any = 0,
    call: Callable[..., Any] = plainly,
    outcomes: Outcomes | None = None,
    differences: bool = True,
) -> Row:
    """The row of a function, whose inputs share the axis that may have any extent.

    PyTorch's has the same name, or is what `theirs` gives for the library."""

    def make(library: Any) -> Any:
        return operator.attrgetter(name)(library) if theirs is None or library is lucid else theirs(library)

    return Row(
        name,
        make,
        inputs,
        along if isinstance(along, tuple) else (along,) * len(inputs),
        call,
        {f"shape {number}": other for number, other in enumerate(others)},
        outcomes or {},
        differences,
    )


def cast(inputs: Inputs, dtype: str) -> Inputs:
    """The inputs with floats of a dtype."""
    return tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs)


def leaves(result: Any) -> list[Any]:
    """The tensors of a result, which may be nested tuples or lists with None among them."""
    if result is None:
        return []
    return [leaf for part in result for leaf in leaves(part)] if isinstance(result, tuple | list) else [result]


def numbers(*shape: int, seed: int = 0) -> Array:
    """Reproducible floats of both signs, none of them near 0, 1 or -1, where many functions have a corner."""
    generator = np.random.default_rng(seed)
    return np.asarray(generator.uniform(0.1, 0.9, shape) * generator.choice([-2.5, -1.0, 1.0, 2.5], shape))


def chances(*shape: int, seed: int = 0) -> Array:
    """Reproducible floats between 0 and 1."""
    return np.asarray(np.random.default_rng(seed).uniform(0.1, 0.9, shape))


def positive(*shape: int, seed: int = 0) -> Array:
    """Reproducible floats above 0."""
    return np.asarray(np.random.default_rng(seed).uniform(0.3, 3.0, shape))


def above_one(*shape: int, seed: int = 0) -> Array:
    """Reproducible floats above 1."""
    return positive(*shape, seed=seed) + 1.0


def bools(*shape: int, seed: int = 0) -> Array:
    """Reproducible bools."""
    return places(2, *shape, seed=seed).astype("bool")


def signs(*shape: int, seed: int = 0) -> Array:
    """Reproducible integers 1 and -1."""
    return np.asarray(np.random.default_rng(seed).choice([-1, 1], shape))


def places(extent: int, *shape: int, seed: int = 0) -> Array:
    """Reproducible integers below an extent."""
    return np.asarray(np.random.default_rng(seed).integers(0, extent, shape))
