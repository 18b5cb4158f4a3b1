"""What a notebook shows of a program: a table of its stages, and a drawing. No script, and no style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lucid.stages import Readable

FUSED = "fused"  # the stage that is drawn: the graph that runs, without the details of the memory plan


def summary(readable: Readable) -> str:
    """HTML for the stages of something compiled."""
    rows = "".join(_row(readable, stage) for stage in readable.stages)
    drawn = FUSED if FUSED in readable.stages else readable.stages[-1]
    head = "".join(f'<th style="text-align: left">{title}</th>' for title in ("stage", "nodes", "milliseconds"))
    return (
        f"<div><code>{escape(repr(readable))}</code><table><tr>{head}</tr>{rows}</table>"
        f'<details open=""><summary>{escape(drawn)}</summary>'
        f'<div style="max-height: 640px; overflow: auto">{readable.graph(drawn).to_svg()}</div></details></div>'
    )


def _row(readable: Readable, stage: str) -> str:
    count = sum(1 for _ in readable.graph(stage).all_nodes())
    time = readable.milliseconds.get(stage)
    cells = (escape(stage), str(count), "" if time is None else f"{time:.1f}")
    return "".join(["<tr>", *(f'<td style="text-align: left">{cell}</td>' for cell in cells), "</tr>"])
