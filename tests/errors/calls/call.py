"""Calls that succeed, of everything that is public, and the ways in which each goes wrong.

Tests replace arguments of such a call: by what its line says is wrong for it, and by what is wrong anywhere. So a line
is all that a new function or module needs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.errors import ArgumentError, CheckError, DTypeError, GradientError, ShapeError, StateDictError

Array = npt.NDArray[Any]
Replaced = Mapping[int | str, Any]  # arguments, by position or by name

KINDS: Mapping[str, type[Exception]] = {
    "rank": ShapeError,
    "shape": ShapeError,
    "dtype": DTypeError,
    "value": ArgumentError,
    "type": TypeError,  # of an argument that is not a tensor
    "data": CheckError,  # elements of a tensor
    "state": StateDictError,
    "gradient": GradientError,
}
APPLY_ANYWHERE = ("rank", "shape", "dtype", "value")

# Where PyTorch has what a name of Lucid begins with.
PLACES = {
    "lucid": "",
    "F": "nn.functional.",
    "init": "nn.init.",
    "utils": "nn.utils.",
    "lr_scheduler": "optim.lr_scheduler.",
    "swa_utils": "optim.swa_utils.",
}


TEXT, HALF = "x", 0.5  # where a number, or an integer, is taken


def _has_a_wrong_type(value: Any) -> bool:
    return type(value) in (str, float) and value in (TEXT, HALF)


@dataclass(frozen=True)
class Of:
    """An argument that is made anew for each call, with a library."""

    make: Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Fault:
    """Arguments that make a call fail. PyTorch raises too, but for what `they` take or do not have: that says why."""

    kind: str
    replaced: Replaced
    they: str = ""
    error: type[Exception] | None = None

    @property
    def expected(self) -> type[Exception]:
        if self.error is not None:
            return self.error
        return TypeError if any(map(_has_a_wrong_type, self.replaced.values())) else KINDS[self.kind]


@dataclass(frozen=True, eq=False)
class Call:
    """A call that succeeds: what is called, given a library, and its arguments, in which arrays stand for tensors.

    `takes` are the kinds of faults that this call has not: all ranks, shapes, dtypes or values are fine. What the call
    of a module's class makes is called in its turn, with `inputs`: a fault of an argument may show only there.
    """

    name: str
    target: Callable[[Any], Callable[..., Any]]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    faults: tuple[Fault, ...]
    takes: frozenset[str]
    inputs: tuple[Any, ...] | None = None

    def bound(self, library: Any, replaced: Replaced | None = None) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, made anew, some of them replaced."""
        changed = replaced or {}
        given = dict(enumerate(self.arguments)) | {n: value for n, value in changed.items() if isinstance(n, int)}
        named = dict(self.options) | {name: value for name, value in changed.items() if isinstance(name, str)}
        return (
            [of_library(library, given[n]) for n in sorted(given)],
            {name: of_library(library, value) for name, value in named.items()},
        )

    def run(self, library: Any, replaced: Replaced | None = None) -> Any:
        return [step() for step in self.steps(library, replaced)][-1]

    def steps(
        self, library: Any, replaced: Replaced | None = None, given: list[Any] | None = None
    ) -> Iterator[Callable[[], Any]]:
        """What is called, one after the other, when all else is made; tensors among the arguments go into `given`."""
        function, (arguments, options) = self.target(library), self.bound(library, replaced)
        if given is not None:
            given += [value for value in (*arguments, *options.values()) if isinstance(value, library.Tensor)]
        made: list[Any] = []
        yield lambda: made.append(function(*arguments, **options)) or made[0]
        if self.inputs is not None:
            yield lambda: made[0](*of_library(library, self.inputs))


def of_library(library: Any, value: Any) -> Any:
    """An argument as a library takes it: arrays as tensors."""
    if isinstance(value, Of):
        return value.make(library)
    if isinstance(value, np.ndarray):
        return library.tensor(value)
    if isinstance(value, tuple | list):
        return type(value)(of_library(library, item) for item in value)
    if isinstance(value, dict):
        return {key: of_library(library, item) for key, item in value.items()}
    return value


def find(library: Any, name: str) -> Any:
    """What a name such as `F.relu` means in a library."""
    place, _, rest = name.partition(".")
    inside = "utils." if place == "data" and library.__name__ == "torch" else ""
    where = PLACES.get(place, f"{inside}{place}.")
    return operator.attrgetter(where + rest)(library)


def unlike(replaced: Replaced, they: str = "", error: type[Exception] | None = None) -> Fault:
    """A fault that PyTorch takes, and why, or whose error is not that of its kind."""
    return Fault("", replaced, they, error)


Faults = Replaced | Fault | Sequence[Replaced | Fault]


def call(
    name: str,
    *arguments: Any,
    takes: str = "",
    target: Callable[[Any], Callable[..., Any]] | None = None,
    bad: Mapping[str, Faults] | None = None,
    **options: Any,
) -> Call:
    """The call of a name, and its faults by their kind; `takes` are the kinds that it has not, in one text."""
    faults = tuple(
        replace(fault, kind=kind) if isinstance(fault, Fault) else Fault(kind, fault)
        for kind, given in (bad or {}).items()
        for fault in (given if isinstance(given, list) else [given])
    )
    return Call(
        name,
        target or (lambda library: find(library, name)),
        arguments,
        options,
        faults,
        frozenset(takes.split()),
    )
