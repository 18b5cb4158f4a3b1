"""The fast path of a call: a function, generated for a program, that takes calls like the ones before.

Building a key, looking it up and going through the steps of a call costs more than a small step computes. So the
generated function takes the arguments apart, compares them, has native code look into the arrays, and puts the results
where they belong: a call without a branch that is not taken.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from lucid.codegen.threads import RUN_LOCK
from lucid.core import elements_text, likeness_text
from lucid.descriptions import Content, parts_of
from lucid.frames import CLAIMING, claiming
from lucid.guards import define
from lucid.modes import epoch, modes
from lucid.program import Program
from lucid.pytree import Spec, flatten
from lucid.signature import Same, leaf_key
from lucid.tensor import Tensor

# Up to so many leaves are looked at one by one in generated lines, and so many arrays of theirs in pairs.
MOST_LEAVES, MOST_PAIRED = 64, 4

UNLIKE = object()  # what a direct call returns where it has done nothing: the call is not like the ones before

# From the positional and the named arguments of a call to its result, or to UNLIKE.
DirectCall = Callable[[tuple[Any, ...], dict[str, Any]], Any]


class FastPath:
    """The program of the latest calls, and the function that takes another call like them."""

    __slots__ = ("call", "program")

    def __init__(self, program: Program, call: DirectCall) -> None:
        self.program = program
        self.call = call

    @staticmethod
    def after(
        before: FastPath | None, program: Program, args: tuple[Any, ...], named: dict[str, Any], leaves: Sequence[Any]
    ) -> FastPath:
        """The fast path after a call of a program with arguments of which these leaves were made: a function is
        generated when the program is called for the second time in a row."""
        if before is None or before.program is not program:
            return FastPath(program, _never)
        if before.call is not _never:
            return before
        given, spec = flatten((args, named))
        if any(x is not y for x, y in zip(given, leaves, strict=True)):  # arrays of another library, for one
            return before
        return FastPath(program, direct_call(program, leaves, spec) or _refuses)


def _refuses(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return UNLIKE


def _never(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return UNLIKE


def direct_call(program: Program, leaves: Sequence[Any], spec: Spec) -> DirectCall | None:
    """A function that makes calls of a program whose arguments are nested as `spec` says and have the signature of
    `leaves` in the present grad mode; None where a leaf or a key is of a kind that only the key of the cache can
    compare, where leaves are many, or where the program takes no direct calls."""
    scope, guards = program.scope(), program.guards
    if len(leaves) > MOST_LEAVES:
        return None
    taken, conditions = _taken(spec, scope), _signature(leaves, scope)
    parts = None if taken is None or conditions is None else program.prepare_direct(leaves)
    if taken is None or conditions is None or parts is None:
        return None
    arrays = [
        elements_text(f"a{number}") if type(leaves[number]) is Tensor else f"a{number}" for number in parts.arguments
    ]
    held = [f"x{position}" for position in range(len(arrays))]
    noted = [f"words[{parts.objects + position}] = id({name})" for position, name in enumerate(held)]
    noted[:0] = ["words = record.words"] if held else []
    lines = [
        *taken,
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
        "is_": operator.is_,
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
    return define("call(args, named)", lines, scope)


def _taken(spec: Spec, scope: dict[str, Any]) -> list[str] | None:
    """Lines that take `args` and `named`, nested as a spec says, apart: into `leaves`, and each by itself, a0, a1, ...
    They return UNLIKE where others are nested otherwise. What they name is put into `scope`. None for keys that are no
    strings."""
    _, _, ((_, _, of_args), (_, names, of_named)) = spec
    if not of_named and not any(of_args):
        plain = [f"if len(args) != {len(of_args)} or named: return UNLIKE", "leaves = args"]
        return [*plain, f"{_listed(f'a{number}' for number in range(len(of_args)))} = args"] if of_args else plain
    lines: list[str] = []
    numbers, parts = itertools.count(), itertools.count()

    def take(text: str, spec: Spec) -> bool:
        """Take a part apart; whether that can be."""
        kind, keys, specs = spec
        unlike = f"type({text}) is not {_bound(kind, scope)} or len({text}) != {len(specs)}"
        if keys:
            if type(keys) is not tuple:
                return False
            unlike += f" or not all(map(is_, {text}, {_bound(keys, scope)}))"
        items = [f"p{next(parts)}" for _ in specs]
        lines.append(f"if {unlike}: return UNLIKE")
        if items:
            lines.append(f"{_listed(items)} = {text}{'' if keys is None else '.values()'}")
        for item, inner in zip(items, specs, strict=True):
            if inner is None:
                lines.append(f"a{next(numbers)} = {item}")
            elif not take(item, inner):
                return False
        return True

    if not (take("args", (tuple, None, of_args)) and take("named", (dict, names, of_named))):
        return None
    leaves = _listed(f"a{number}" for number in range(next(numbers)))
    return [*lines, f"leaves = {leaves or '()'}"]


def _listed(names: Iterable[str]) -> str:
    return "".join(f"{name}, " for name in names)


def _bound(thing: object, scope: dict[str, Any]) -> str:
    """The name of a thing in a scope."""
    name = f"given{len(scope)}"
    scope[name] = thing
    return name


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
    return [*conditions, *_aliases(arrays)]


def _aliases(arrays: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """The conditions that those of some arrays, each with its name, are one and the same that are."""
    firsts: dict[int, str] = {}
    for name, array in arrays:
        first = firsts.setdefault(id(array), name)
        if first != name:
            yield f"{name} is {first}"
    if len(firsts) <= MOST_PAIRED:
        yield from (f"{x} is not {y}" for x, y in itertools.combinations(firsts.values(), 2))
    else:
        yield f"len({{{', '.join(f'id({name})' for name in firsts.values())}}}) == {len(firsts)}"
