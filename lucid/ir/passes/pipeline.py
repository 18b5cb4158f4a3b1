"""The passes, in order, and the runner."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lucid.errors import ArgumentError, VerificationError
from lucid.ir.graph import Graph, Node
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.order import order
from lucid.ir.passes.rematerialize import rematerialize
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import print_graph
from lucid.ir.text_print import identifier
from lucid.ir.verify import verify
from lucid.logs import TRACE


@dataclass(frozen=True)
class Pass:
    """A function on graphs, and the name of the stage that it leads to. `after` is the stage that a pass follows which
    is added to a pipeline."""

    stage: str
    run: Callable[[Graph], Graph]
    after: str = ""


# Stages that others ask for. A forward and a backward that run at different times are `partitioned` where all other
# programs are `rematerialized`: see `cut`.
TRACED, REMATERIALIZED, PARTITIONED, FUSED = "traced", "rematerialized", "partitioned", "fused"

PIPELINE: tuple[Pass, ...] = (
    # First: every other pass wants to see the backward, and a grad op names values that others would replace.
    Pass("differentiated", differentiate),
    # Before any decision that counts nodes or bytes: derivative rules are written to be read and leave much to drop.
    Pass("simplified", simplify),
    # After simplify, whose sharing would join a recomputed value to the first one again; before fuse, which then finds
    # what is recomputed right beside what reads it.
    Pass(REMATERIALIZED, rematerialize),
    # After all that changes shapes of sums, before fuse: the order of a sum must not depend on what it is fused with.
    Pass("ordered", order),
    # Last: it hides ops in regions.
    Pass(FUSED, fuse),
)

# What every fused program must equal, bit for bit.
UNFUSED: tuple[Pass, ...] = tuple(step for step in PIPELINE if step.run is not fuse)

_programs = itertools.count()  # numbers the folders that LUCID_DUMP asks for


@dataclass(frozen=True)
class Stages:
    """The graph after each pass, by the name of its stage, and the milliseconds that each pass took."""

    graphs: Mapping[str, Graph]
    milliseconds: Mapping[str, float]

    @property
    def final(self) -> Graph:
        """The graph after the last pass."""
        return list(self.graphs.values())[-1]


def extended(passes: Iterable[Pass], pipeline: tuple[Pass, ...] = PIPELINE) -> tuple[Pass, ...]:
    """A pipeline with further passes, each behind the stage that it names: those of one stage in the order given.
    `partitioned` and `rematerialized` are one place.

    Raises ArgumentError for a pass without a stage of its own, or behind a stage that does not exist.
    """
    steps = list(pipeline)
    for added in passes:
        if not isinstance(added, Pass) or not callable(added.run):
            raise ArgumentError(
                f"a pipeline takes passes, got {added!r}.",
                hint='write lucid.extend.Pass("name", function, after="fused").',
            )
        stages = [TRACED, *(step.stage for step in steps)]
        if not re.fullmatch(r"\w+", added.stage) or added.stage in (*stages, PARTITIONED):
            raise ArgumentError(f"a pass leads to a stage with a name of its own, got {added.stage!r}.")
        if added.after == PARTITIONED:
            added = replace(added, after=REMATERIALIZED)
        if added.after not in stages:
            known = ", ".join(stages)
            raise ArgumentError(f"the pass {added.stage} follows {added.after!r}, which is not a stage of {known}.")
        place = stages.index(added.after)
        while place < len(steps) and steps[place].after == added.after:
            place += 1
        steps.insert(place, added)
    return tuple(steps)


def cut(pipeline: tuple[Pass, ...]) -> tuple[tuple[Pass, ...], tuple[Pass, ...]]:
    """The passes before `rematerialize` and those behind it.

    A forward and a backward that run at different times are differentiated together, cut in two by `partition`, which
    decides what is rematerialized, and finished each by itself.
    """
    place = next(number for number, step in enumerate(pipeline) if step.run is rematerialize)
    return pipeline[:place], pipeline[place + 1 :]


def run_pipeline(graph: Graph, pipeline: tuple[Pass, ...] = PIPELINE) -> Stages:
    """Run passes one after the other and verify the graph after each.

    Where the environment variable LUCID_DUMP names a directory, the text of each stage is written there, as
    `0-train_step/00-traced.ir` for the first program of the process; also of the stage that does not verify. Where it
    can't be written, stderr says so once, and the script goes on.
    """
    dump = os.environ.get("LUCID_DUMP")
    folder = Path(dump, f"{next(_programs)}-{identifier(graph.name) or 'graph'}") if dump else None
    graphs: dict[str, Graph] = {}
    milliseconds: dict[str, float] = {}
    sound: set[Node] = set()

    def enter(stage: str, graph: Graph) -> None:
        if folder is not None:
            _write(folder / f"{len(graphs):02}-{stage}.ir", print_graph(graph) + "\n")
        try:
            verify(graph, sound)
        except VerificationError as error:
            if stage == TRACED:
                raise
            shown = str(error).partition("\n")[2]
            raise VerificationError(f"after the pass {stage}: {error.sentence}", excerpt=shown) from None
        graphs[stage] = graph

    enter(TRACED, graph)
    for step in pipeline:
        start = time.perf_counter()
        before, graph = graph, step.run(graph)
        milliseconds[step.stage] = (time.perf_counter() - start) * 1e3
        _expect_same_interface(step, before, graph)
        TRACE.debug("%s: %.1f ms, %d nodes", step.stage, milliseconds[step.stage], len(graph.nodes))
        enter(step.stage, graph)
    return Stages(graphs, milliseconds)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        _say_once(f"lucid: could not write {file.parents[1]}: {type(error).__name__}: {error.strerror}")


@functools.cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)


def _expect_same_interface(step: Pass, before: Graph, after: Graph) -> None:
    """Raise where the graph of a pass could not stand in the place of the one before."""
    if not isinstance(after, Graph):
        raise VerificationError(f"the pass {step.stage} gave {type(after).__name__} instead of a Graph.")
    same_inputs = (before.arguments, before.states) == (after.arguments, after.states)
    same_outputs = [value.type for value in before.outputs] == [value.type for value in after.outputs]
    same_updates = [state for state, _ in before.updates] == [state for state, _ in after.updates]
    if not (same_inputs and same_outputs and same_updates):
        what = "inputs" if not same_inputs else "outputs" if not same_outputs else "updates of states"
        raise VerificationError(
            f"the pass {step.stage} changed the {what} of the graph.",
            hint="build the new graph by dataclasses.replace(graph, nodes=...), or with lucid.extend.rewrite.",
        )
