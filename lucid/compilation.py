"""From a traced graph to executables: through the passes and the target, or out of the disk cache.

The key of an entry in the cache is the traced graph, and everything that decides what becomes of it. So what is found
there runs without a pass, and the stages are made when somebody wants to read them.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lucid.codegen import cache
from lucid.codegen.target import Code, Executable, Target
from lucid.codegen.threads import under_run_lock
from lucid.ir.graph import Graph
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.passes.pipeline import PIPELINE, Pass, Stages, run_pipeline
from lucid.ir.text import print_graph
from lucid.logs import FUSION

PLANNED = "planned"  # the stage behind the passes

_USERS_OP = re.compile(r" = [a-z]\w*\.")  # the name of an op with a namespace, in a text without names of values


@dataclass(frozen=True)
class Parts:
    """What a graph is compiled as: the stages of each executable, and notes for the one who uses them, as JSON has
    them."""

    stages: tuple[Stages, ...]
    notes: Any = None


@dataclass(frozen=True)
class Compiled:
    """An executable, and the stages that lead to it. They are made when first asked for where it was on disk."""

    executable: Executable
    stages: Callable[[], Stages]


def compile_graph(graph: Graph, target: Target, pipeline: tuple[Pass, ...] = PIPELINE) -> Compiled:
    """Compile a traced graph as a whole. Raises CompileError where the target does not support an op."""
    (compiled,), _ = compile_parts(graph, target, "whole", lambda: Parts((run_pipeline(graph, pipeline),)), pipeline)
    return compiled


def compile_parts(
    graph: Graph,
    target: Target,
    kind: str,
    make: Callable[[], Parts],
    pipeline: tuple[Pass, ...] = PIPELINE,
) -> tuple[tuple[Compiled, ...], Any]:
    """Compile what `make` makes of a graph; the result depends on the graph, `kind` and the pipeline alone. Also its
    notes."""
    parts = functools.cache(make)
    key = _key(graph, target, kind, parts, pipeline)
    # Whoever asks for a dump of the stages, or for what the passes log, wants them to run.
    passes_run = key is None or os.environ.get("LUCID_DUMP") or FUSION.isEnabledFor(logging.DEBUG)
    entry = None if key is None or passes_run else cache.fetch(key)
    executables: list[Executable]
    if entry is None:
        with _no_collections(), target.ahead():
            target.expect(graph)
            executables, notes = [target.compile(stages.final) for stages in parts().stages], parts().notes
        codes = [executable.code for executable in executables]
        data = {"plans": [code.plan for code in codes], "notes": notes}
        if key is not None:
            cache.store(key, cache.Entry(data, tuple(code.machine_code for code in codes)))
    else:
        codes = [Code(*pair) for pair in zip(entry.data["plans"], entry.blobs, strict=True)]
        executables = [target.load(code, _final_graph(parts, number)) for number, code in enumerate(codes)]
        notes = entry.data["notes"]
    return tuple(Compiled(executable, _stages(parts, i, executable)) for i, executable in enumerate(executables)), notes


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Keep Python's collector of cycles from running: compiling makes many objects and drops few, so a tenth of the
    time would go into searching them again and again."""
    runs = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if runs:
            gc.enable()


def _key(graph: Graph, target: Target, kind: str, parts: Callable[[], Parts], pipeline: tuple[Pass, ...]) -> str | None:
    """The key of what becomes of a graph, None where it can't be kept.

    Ops and passes of the user's are known by what they do. So where there are any, the passes run, and the graphs that
    they end with are the key, beside what the ops in them mean: whatever decides that is in there.
    """
    identity = target.identity()
    if identity is None:
        return None
    passes = " ".join(f"{step.stage}={step.run.__qualname__}" for step in PIPELINE)
    texts = [print_graph(graph, locations=False, names=False), kind, passes, identity]
    if pipeline != PIPELINE or _USERS_OP.search(texts[0]):
        made = parts()
        finals = [stages.final for stages in made.stages]
        texts += [print_graph(final, locations=False, names=False) for final in finals]
        texts += sorted({text for final in finals for text in _meanings(final)})
        texts.append(json.dumps(made.notes))
    return cache.key_of(texts)


def _meanings(graph: Graph) -> Iterator[str]:
    """What each op of the user's in a graph does."""
    for node in graph.nodes:
        if is_declared_by_user(type(node.op)):
            yield meaning(node.op, [value.type for value in node.inputs])
        for region in node.op.regions():
            yield from _meanings(region)


def _stages(parts: Callable[[], Parts], number: int, executable: Executable) -> Callable[[], Stages]:
    """The stages of an executable: those of the passes, then the memory plan of the target."""

    @under_run_lock
    def made() -> Stages:
        passes = parts().stages[number]
        return Stages({**passes.graphs, PLANNED: executable.graph}, passes.milliseconds)

    return functools.cache(made)


def _final_graph(parts: Callable[[], Parts], number: int) -> Callable[[], Graph]:
    return lambda: parts().stages[number].final
