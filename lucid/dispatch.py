"""The fast path of a call: a function, generated for a program, that takes calls like the ones before.

Building a key, looking it up and going through the steps of a call costs more than a small step computes. For calls
whose arguments are plain (no containers, no keywords), the generated function compares the arguments, has native code
look into the arrays, and puts the results where they belong: a call without a branch that is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lucid.codegen.threads import RUN_LOCK
from lucid.core import elements_text, likeness_text
from lucid.descriptions import Content, parts_of
from lucid.frames import CLAIMING, claiming
from lucid.guards import define
from lucid.modes import epoch, modes
from lucid.program import Program
from lucid.signature import Same, leaf_key
from lucid.tensor import Tensor

UNLIKE = object()  # what a direct call returns where it has done nothing: the call is not like the ones before

# From the positional arguments of a call to its result, or to UNLIKE.
DirectCall = Callable[[tuple[Any, ...]], Any]


class FastPath:
    """The program of the latest calls, and the function that takes another call like them."""

    __slots__ = ("call", "program")

    def __init__(self, program: Program, call: DirectCall) -> None:
        self.program = program
        self.call = call

    @staticmethod
    def after(
        before: FastPath | None, program: Program, args: tuple[Any, ...], leaves: Sequence[Any]
    ) -> FastPath | None:
        """The fast path after a call of a program with positional arguments whose leaves are these: a function is
        generated when the program is called for the second time in a row."""
        if before is None or before.program is not program:
            return FastPath(program, _never)
        if len(args) != len(leaves) or any(x is not y for x, y in zip(args, leaves, strict=True)):
            return before
        if before.call is not _never:
            return before
        return FastPath(program, direct_call(program, leaves) or (lambda args: UNLIKE))


def _never(args: tuple[Any, ...]) -> Any:
    return UNLIKE


def direct_call(program: Program, leaves: Sequence[Any]) -> DirectCall | None:
    """A function that makes calls of a program whose arguments have the signature of `leaves` in the present grad
    mode; None where a leaf is of a kind that only the key of the cache can compare, or where the program takes no
    direct calls."""
    scope, guards = program.scope(), program.guards
    conditions = _signature(leaves, scope)
    parts = None if conditions is None else program.prepare_direct(leaves)
    if conditions is None or parts is None:
        return None
    names = "".join(f"a{number}, " for number in range(len(leaves))) or "()"
    arrays = [
        elements_text(f"a{number}") if type(leaves[number]) is Tensor else f"a{number}" for number in parts.arguments
    ]
    held = [f"x{position}" for position in range(len(arrays))]
    noted = [f"words[{parts.objects + position}] = id({name})" for position, name in enumerate(held)]
    noted[:0] = ["words = record.words"] if held else []
    lines = [
        f"if len(leaves) != {len(leaves)}: return UNLIKE",
        f"{names} = leaves",
        f"if not ({' and '.join(conditions)}): return UNLIKE",
        *(f"{name} = {array}" for name, array in zip(held, arrays, strict=True)),  # alive until the native code returns
        "with lock:",
        "    if program.running or program.irregular or program.epoch != epoch.count: return UNLIKE",
        *(f"    {line}" for line in guards.lines("UNLIKE")),
        "    program.running = True",  # from here on, what a signal handler calls must not touch the frames
        "    try:",
        "        frame = frames[0]",
        "        record = frame.record",
        *(f"        {line}" for line in claiming(parts.frames[0].count)),
        *(f"        {line}" for line in noted),
        *(f"        {line}" for line in program.lines_before(map(guards.in_variables, guards.scalars))),
        "        try:",
        "            outcome = run(record.address)",
        "            if outcome and not ran(outcome): return UNLIKE",
        "        except BaseException:",  # of a signal handler: where the weights are new, let the rest be, too
        "            if executable.is_done: finish(leaves, tensors, drawn_from)",
        "            raise",
        "        frames.reverse()",
        *(f"        {line}" for line in program.lines_after()),
        "    finally: program.running = False",
    ]
    scope |= {
        "UNLIKE": UNLIKE,
        "ndarray": np.ndarray,
        "modes": modes,
        "epoch": epoch,
        "lock": RUN_LOCK,
        "program": program,
        "frames": parts.frames,
        "executable": parts.executable,
        "run": parts.run,
        "ran": parts.ran,
        "finish": program.finish,
        **CLAIMING,
    }
    return define("call(leaves)", lines, scope)


def _signature(leaves: Sequence[Any], scope: dict[str, Any]) -> list[str] | None:
    """The conditions on arguments a0, a1, ... that say what the key of the cache of programs says, but for the dtypes
    and shapes of arrays, which native code looks at. What they name is put into `scope`."""
    conditions = [f"modes.grad_enabled is {modes.grad_enabled}", "not modes.trap"]
    arrays: list[tuple[str, Any]] = []
    for number, leaf in enumerate(leaves):
        name = f"a{number}"
        if type(leaf) is Tensor:
            conditions += [f"type({name}) is Tensor", *likeness_text(name, leaf)]
            arrays.append((name, leaf))
        elif type(leaf) is np.ndarray:
            conditions.append(f"type({name}) is ndarray")
            arrays.append((name, leaf))
        elif type(leaf) is float:
            conditions.append(f"type({name}) is float")
        elif type(leaf) in (int, str, bool, type(None)):
            scope[f"type{number}"] = type(leaf)
            conditions += [f"type({name}) is type{number}", f"{name} == {leaf!r}"]
        elif isinstance(leaf_key(leaf), Same):
            scope[f"leaf{number}"] = leaf
            conditions.append(f"{name} is leaf{number}")
            if parts_of(leaf) is not None:
                scope[f"content{number}"] = Content(leaf)
                conditions.append(f"content{number}.is_in({name})")
        else:
            return None
    pairs = [(x, y) for number, x in enumerate(arrays) for y in arrays[:number]]
    conditions += [f"{x} is {y}" if first is second else f"{x} is not {y}" for (x, first), (y, second) in pairs]
    return conditions
