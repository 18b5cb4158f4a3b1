"""The memory plan of a program as data: what lies where in the arena, and when.

    {"arena": 65536, "steps": 32, "sum": 262144, "inputs": 4096, "states": 131072, "outputs": 4,
     "blocks": [{"value": 12, "node": 7, "offset": 4096, "size": 2048, "first": 3, "last": 9, "shared": [13, 14]}]}

A block is in use from the step that makes its value to the last that reads it, both included, or to the end, `steps`,
for a new state that is copied then. `shared` are the values that live in its storage later; `sum` is what all of them
would take with storage of their own. The temporaries of a loop are one block, of the value -1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lucid.codegen.memory import arena_size, home
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.loop import Scan

if TYPE_CHECKING:
    from lucid.explorer.stages import Stages


def memory(planned: Graph, stages: Stages) -> dict[str, Any]:
    """The memory plan of a planned graph, whose values are numbered as in its stage."""
    blocks: dict[Value, dict[str, Any]] = {}
    workspaces: list[dict[str, Any]] = []  # the temporaries of loops
    for step, node in enumerate(planned.nodes):
        for value in node.inputs:
            owner = home(planned, value)
            if owner in blocks:
                blocks[owner]["last"] = step
        for value in node.outputs:
            owner = home(planned, value)
            if owner in blocks:
                blocks[owner]["shared"].append(stages.values[value])
                blocks[owner]["last"] = max(blocks[owner]["last"], step)
            elif owner is value and value in planned.places:
                blocks[value] = {
                    "value": stages.values[value],
                    "node": stages.nodes[node],
                    "offset": planned.places[value].offset,
                    "size": value.type.nbytes,
                    "first": step,
                    "last": step,
                    "shared": [],
                }
        if isinstance(node.op, Scan) and (inside := list(_offsets(node.op.body))):
            start = min(offset for offset, _ in inside)
            workspaces.append(
                {
                    "value": -1,
                    "node": stages.nodes[node],
                    "offset": start,
                    "size": max(end for _, end in inside) - start,
                    "first": step,
                    "last": step,
                    "shared": [],
                }
            )
    for _, new in planned.updates:
        owner = home(planned, new)
        if owner in blocks:
            blocks[owner]["last"] = len(planned.nodes)
    return {
        "arena": arena_size(planned),
        "steps": len(planned.nodes),
        "sum": sum(value.type.nbytes for value in planned.places if home(planned, value) in blocks),
        "inputs": _bytes(planned.arguments),
        "states": _bytes(planned.states),
        "outputs": _bytes(planned.outputs),
        "blocks": [*blocks.values(), *workspaces],
    }


def _offsets(body: Graph) -> Iterator[tuple[int, int]]:
    """Where the temporaries of a loop begin and end, those of the loops in it included."""
    for value, place in body.places.items():
        if place.offset is not None:
            yield place.offset, place.offset + value.type.nbytes
    for node in body.nodes:
        if isinstance(node.op, Scan):
            yield from _offsets(node.op.body)


def _bytes(values: tuple[Value, ...]) -> int:
    return sum(value.type.nbytes for value in values)
