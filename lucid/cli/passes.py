"""The passes that commands can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lucid.cli.command import InputError, UsageError
from lucid.cli.files import load
from lucid.codegen.memory import plan
from lucid.errors import LucidError
from lucid.ir.graph import Graph
from lucid.ir.passes.algebra import algebra
from lucid.ir.passes.fold import fold
from lucid.ir.passes.movement import movement
from lucid.ir.passes.pipeline import PIPELINE, Pass
from lucid.ir.passes.prune import prune
from lucid.ir.passes.share import share

_RUNS: tuple[Callable[[Graph], Graph], ...] = (
    *(step.run for step in PIPELINE),
    *(algebra, fold, movement, prune, share),  # the parts of simplify
    plan,
)
PASSES: Mapping[str, Callable[[Graph], Graph]] = {run.__name__: run for run in _RUNS}


def passes(text: str) -> tuple[Pass, ...]:
    """The passes of a list such as `simplify,fuse`. An item may be FILE.py:NAME, a pass of the user's own.

    Raises UsageError for an unknown name, and InputError where the file can't be used.
    """
    return tuple(Pass(item, _pass(item)) for item in text.split(",") if item)


def _pass(name: str) -> Callable[[Graph], Graph]:
    if name in PASSES:
        return PASSES[name]
    if ":" not in name:
        raise UsageError(f"there is no pass {name!r}; expected FILE.py:NAME, or one of {', '.join(PASSES)}.")
    run: Callable[[Graph], Graph] = load(name)
    return run


def applied(step: Pass, graph: Graph) -> Graph:
    """The graph after a pass. Raises InputError where the pass fails."""
    try:
        return step.run(graph)
    except LucidError:
        raise
    except Exception as error:
        raise InputError(f"the pass {step.stage} fails on this graph: {type(error).__name__}: {error}.") from error
