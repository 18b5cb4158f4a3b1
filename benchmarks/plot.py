"""What `compare.py` measured, as a picture: times relative to Lucid's, and Lucid's rows under the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import machine
import report
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = {
    report.LUCID: "#d1495b",
    "JAX": "#2e6f95",
    "torch": "#8d6a9f",
    "torch.compile": "#c5a3d6",
    "NumPy": "#8a8a8a",
}


def draw(result: dict[str, Any], file: Path) -> None:
    """Write the picture; the format follows from the name of the file."""
    rows = [row for row in result["rows"] if row["condition"] == "quiet" and report.speed(row)]
    steps = [row for row in rows if row["kind"] != "product"]
    figure = Figure(figsize=(15, 1.5 + 0.55 * max(10, len(steps))), layout="constrained")
    bars, roofline = figure.subplots(1, 2)
    _bars(bars, steps)
    _roofline(roofline, rows, machine.best(result["roofs"]))
    figure.savefig(file, dpi=110)


def _bars(axes: Axes, rows: list[report.Row]) -> None:
    """A bar for each peer: its time divided by Lucid's, from the line of equal times."""
    peers = [peer for peer in COLORS if any(report.fastest(row, report.PEERS.get(peer, ())) for row in rows)]
    height = 0.85 / len(peers) if peers else 0
    for index, peer in enumerate(peers):
        places, lengths = [], []
        for position, row in enumerate(rows):
            if name := report.fastest(row, report.PEERS[peer]):
                places.append(position + (index - (len(peers) - 1) / 2) * height)
                lengths.append(row["results"][name]["median"] / row["results"][report.LUCID]["median"] - 1)
        axes.barh(places, lengths, height, left=1, color=COLORS[peer], label=peer)
    axes.axvline(1, color=COLORS[report.LUCID], linewidth=2, label="Lucid")
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [report.label(row) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("time relative to Lucid's (to the right: slower than Lucid)")
    axes.legend(loc="lower right")


def _roofline(axes: Axes, rows: list[report.Row], roofs: dict[str, Any]) -> None:
    """FLOP/s over FLOPs a byte: the roofs of the machine, and where Lucid's rows and the fastest peer's lie."""
    rows = [row for row in rows if row["flops"]]
    intensities = [row["flops"] / row["bytes"] for row in rows] or [1.0]
    left, right = min(intensities) / 2, max(intensities) * 2
    for threads, roof in roofs.items():
        ridge = roof["flops_per_second"] / roof["bytes_per_second"]
        corners = sorted({left, min(max(ridge, left), right), right})
        heights = [min(roof["flops_per_second"], x * roof["bytes_per_second"]) / 1e9 for x in corners]
        axes.plot(
            corners, heights, color="black", linewidth=1 if threads == "1" else 2, label=f"roof, threads {threads}"
        )
    markers = {"training": "o", "product": "x"}
    for kind, marker in markers.items():
        for name in (report.LUCID, "peer"):
            chosen = [row for row in rows if row["kind"] == kind]
            medians = [
                row["results"][report.LUCID if name == report.LUCID else report.fastest_peer(row)]["median"]
                for row in chosen
            ]
            axes.scatter(
                [row["flops"] / row["bytes"] for row in chosen],
                [row["flops"] / median / 1e9 for row, median in zip(chosen, medians, strict=True)],
                color=COLORS.get(name, "#2e6f95"),
                marker=marker,
                label=f"{'Lucid' if name == report.LUCID else 'fastest peer'}, {kind}",
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FLOPs a byte that has to move")
    axes.set_ylabel("GFLOP/s")
    axes.legend(loc="lower right")
