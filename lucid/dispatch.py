"""The fast path of a call: does it look like the one before?

Building a key and looking it up costs more than a small step computes. For calls whose arguments are plain (no
containers, no keywords), a matcher generated for a signature answers in a fraction of a microsecond whether another
call has the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.modes import modes
from lucid.tensor import Tensor

if TYPE_CHECKING:
    from lucid.program import Program

# From the positional arguments of a call to whether it has a known signature.
Matcher = Callable[[tuple[Any, ...]], bool]


class FastPath:
    """The program of the latest calls, and whether another call is like them."""

    __slots__ = ("matches", "program")

    def __init__(self, program: Program, matches: Matcher) -> None:
        self.program = program
        self.matches = matches

    @staticmethod
    def after(
        before: FastPath | None, program: Program, args: tuple[Any, ...], leaves: Sequence[Any]
    ) -> FastPath | None:
        """The fast path after a call of a program with positional arguments whose leaves are these: a matcher is
        generated when the program is called for the second time in a row."""
        if before is None or before.program is not program:
            return FastPath(program, _never)
        if len(args) != len(leaves) or any(x is not y for x, y in zip(args, leaves, strict=True)):
            return before
        return FastPath(program, matcher(leaves) or _never) if before.matches is _never else before


def _never(args: tuple[Any, ...]) -> bool:
    return False


def matcher(leaves: Sequence[Any]) -> Matcher | None:
    """A function that tells whether positional arguments have the signature of `leaves` in the present grad mode, as
    the key of the cache of programs has it; None where a leaf is of a kind that only the key can compare."""
    names = [f"a{number}" for number in range(len(leaves))]
    scope: dict[str, Any] = {"Tensor": Tensor, "ndarray": np.ndarray, "modes": modes}
    conditions = [f"len(args) == {len(leaves)}", f"modes.grad_enabled is {modes.grad_enabled}"]
    arrays: list[tuple[str, Any]] = []
    for number, (name, leaf) in enumerate(zip(names, leaves, strict=True)):
        argument = f"({name} := args[{number}])"
        if type(leaf) is Tensor:
            scope |= {f"shape{number}": leaf.shape, f"dtype{number}": leaf.numpy().dtype}
            conditions += [
                f"type{argument} is Tensor",
                f"({name}_array := {name}._array) is not None",
                f"{name}_array.shape == shape{number}",
                f"{name}_array.dtype == dtype{number}",
                f"{name}._requires_grad is {leaf._requires_grad}",
                f"({name}._history is None) is {leaf._history is None}",
            ]
            arrays.append((name, leaf))
        elif type(leaf) is np.ndarray:
            scope |= {f"shape{number}": leaf.shape, f"dtype{number}": leaf.dtype}
            conditions += [
                f"type{argument} is ndarray",
                f"{name}.shape == shape{number}",
                f"{name}.dtype == dtype{number}",
            ]
            arrays.append((name, leaf))
        elif type(leaf) is float:
            conditions.append(f"type{argument} is float")
        elif type(leaf) in (int, str, bool, type(None)):
            scope |= {f"type{number}": type(leaf)}
            conditions += [f"type{argument} is type{number}", f"{name} == {leaf!r}"]
        else:
            return None
    pairs = [(x, y) for number, x in enumerate(arrays) for y in arrays[:number]]
    conditions += [f"({x} is {y}) is {first is second}" for (x, first), (y, second) in pairs]
    function: Matcher = eval(f"lambda args: {' and '.join(conditions)}", scope)  # our own text
    return function
