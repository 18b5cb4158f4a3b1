"""The passes, in order, and the runner."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lucid.ir.graph import Graph, Node
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.order import order
from lucid.ir.passes.rematerialize import rematerialize
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import print_graph
from lucid.ir.text_print import identifier
from lucid.ir.verify import verify


@dataclass(frozen=True)
class Pass:
    """A function on graphs, and the name of the stage that it leads to."""

    stage: str
    run: Callable[[Graph], Graph]


PIPELINE: tuple[Pass, ...] = (
    # First: every other pass wants to see the backward, and a grad op names values that others would replace.
    Pass("differentiated", differentiate),
    # Before any decision that counts nodes or bytes: derivative rules are written to be read and leave much to drop.
    Pass("simplified", simplify),
    # After simplify, whose sharing would join a recomputed value to the first one again; before fuse, which then finds
    # what is recomputed right beside what reads it.
    Pass("rematerialized", rematerialize),
    # After all that changes shapes of sums, before fuse: the order of a sum must not depend on what it is fused with.
    Pass("ordered", order),
    # Last: it hides ops in regions.
    Pass("fused", fuse),
)

# What every fused program must equal, bit for bit.
UNFUSED: tuple[Pass, ...] = tuple(step for step in PIPELINE if step.run is not fuse)

# A forward and a backward that run at different times are differentiated together, cut in two by `partition`, which
# decides what is rematerialized, and finished each by itself.
JOINT: tuple[Pass, ...] = PIPELINE[:2]
SPLIT: tuple[Pass, ...] = PIPELINE[3:]

TRACED = "traced"
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


def run_pipeline(graph: Graph, pipeline: tuple[Pass, ...] = PIPELINE) -> Stages:
    """Run passes one after the other and verify the graph after each.

    Where the environment variable LUCID_DUMP names a directory, the text of each stage is written there, as
    `0-train_step/00-traced.ir` for the first program of the process; also of the stage that does not verify.
    """
    dump = os.environ.get("LUCID_DUMP")
    folder = Path(dump, f"{next(_programs)}-{identifier(graph.name) or 'graph'}") if dump else None
    graphs: dict[str, Graph] = {}
    milliseconds: dict[str, float] = {}
    sound: set[Node] = set()

    def enter(stage: str, graph: Graph) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{len(graphs):02}-{stage}.ir").write_text(print_graph(graph) + "\n")
        verify(graph, sound)
        graphs[stage] = graph

    enter(TRACED, graph)
    for step in pipeline:
        start = time.perf_counter()
        graph = step.run(graph)
        milliseconds[step.stage] = (time.perf_counter() - start) * 1e3
        enter(step.stage, graph)
    return Stages(graphs, milliseconds)
