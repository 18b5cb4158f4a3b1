"""What `compare.py` measured, as text: first the rows in which Lucid is slower than a peer, then the others.

Targets were set for two threads. A row with another count is held against the same one, which is shown in brackets.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import machine
from singles import CUBE, CUBE_SHARE
from workloads import SHARE_OF_FLOOR, TARGET_THREADS

Row = dict[str, Any]
LUCID = "lucid"
SINGLE = ("product", "convolution")  # kinds of rows that are no steps
IDLE_LOAD = 0.5  # processes that ran before the benchmark did; with several threads, one more slows all down
HEADINGS = {
    "lost": "LOST: slower than the fastest peer that ran ({peers})",
    "behind": "FASTER than every peer that ran ({peers}), but short of the target",
    "met": "FASTER than every peer that ran ({peers}), and no target missed",
    "missing": "NOT COMPARED: only Lucid was measured, or only others",
}


# The columns of peers: of ways to run one that differ in a generator, a layout or a mode alone, the fastest counts.
PEERS = {
    "torch": ("torch", "torch nhwc"),
    "torch.compile": ("torch.compile", "torch.compile nhwc", "torch.compile tuned"),
    "JAX": ("jax", "jax rbg", "jax unsafe_rbg"),
    "NumPy": ("numpy",),
}


def floor(row: Row, roofs: dict[str, Any]) -> float:
    """Seconds: the larger of FLOPs over the FMA peak and bytes over the copy bandwidth."""
    roof = roofs[str(row["threads"])]
    seconds: float = max(row["flops"] / roof["flops_per_second"], row["bytes"] / roof["bytes_per_second"])
    return seconds


def fastest(row: Row, names: Iterable[str]) -> str | None:
    """Which of these has the smallest median, of those that ran."""
    times = {name: row["results"][name]["median"] for name in names if name in row["results"]}
    return min(times, key=lambda name: times[name]) if times else None


def peers(rows: Iterable[Row]) -> list[str]:
    """The peers that ran in any of these rows."""
    ran = {name for row in rows for name in row["results"]}
    return [peer for peer, names in PEERS.items() if ran.intersection(names)]


def fastest_peer(row: Row) -> str | None:
    """The peer with the smallest median."""
    return fastest(row, [name for name in row["results"] if name != LUCID])


def speed(row: Row, names: Iterable[str] | None = None) -> float | None:
    """How many times faster Lucid is than the fastest of these, by default of all peers."""
    peer = fastest(row, names) if names else fastest_peer(row)
    if peer is None or LUCID not in row["results"]:
        return None
    return float(row["results"][peer]["median"] / row["results"][LUCID]["median"])


def speed_at_best(row: Row) -> float | None:
    """The same ratio between the fastest samples: what other work on the machine disturbs least."""
    peers = [result["fastest"] for name, result in row["results"].items() if name != LUCID]
    if not peers or LUCID not in row["results"]:
        return None
    return float(min(peers) / row["results"][LUCID]["fastest"])


def toward_target(row: Row, rows: list[Row]) -> float | None:
    """The ratio that the target of a row is about: how many times faster Lucid is, in one of many updates than the
    fastest peer in a call for one."""
    if row["updates"] == 1:
        return speed(row)
    single = [r for r in rows if r["name"] + "-repeat" == row["name"] and r["threads"] == row["threads"]]
    if LUCID not in row["results"] or not single or (peer := fastest_peer(single[0])) is None:
        return None
    return float(single[0]["results"][peer]["median"] / row["results"][LUCID]["median"])


def near_floor(row: Row, roofs: dict[str, Any]) -> bool:
    """Whether a row reaches the share of its floor that is enough."""
    return bool(floor(row, roofs) / row["results"][LUCID]["median"] >= SHARE_OF_FLOOR)


def verdict(row: Row, rows: list[Row], roofs: dict[str, Any]) -> str:
    """Under which heading a row belongs. A target is met by the ratio that it names, or near enough to the floor."""
    ratio = speed(row)
    if ratio is None:
        return "missing"
    if ratio < 1:
        return "lost"
    if row["target"] is None or near_floor(row, roofs) or (toward_target(row, rows) or 0.0) >= row["target"]:
        return "met"
    return "behind"


def target(row: Row, rows: list[Row]) -> str:
    """The target of a row, in brackets where it was set for another count of threads."""
    if row["target"] is None:
        return ""
    shown = f"{row['target']:g}" if row["threads"] == TARGET_THREADS else f"({row['target']:g})"
    if row["updates"] == 1:
        return shown
    ratio = toward_target(row, rows)
    return f"{ratio:.1f} times a single call, of {shown}" if ratio else f"{shown} times a single call"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def label(row: Row) -> str:
    busy = ", a core busy" if row["condition"] == "busy" else ""
    return f"{row['name']} x{row['threads']}{busy}"


def text(result: dict[str, Any]) -> str:
    """The whole report."""
    roofs, rows = machine.best(result["roofs"]), result["rows"]
    blocks = [_setting(result)]
    doubts = "; ".join(in_doubt(result))
    for kind, heading in HEADINGS.items():
        chosen = [row for row in rows if verdict(row, rows, roofs) == kind]
        if chosen:
            shown = heading.format(peers=", ".join(peers(chosen)))
            doubt = f" (in doubt: {doubts})" if doubts and kind != "missing" else ""
            blocks.append(f"{shown}{doubt}\n\n" + _summary(chosen, rows, roofs))
    if result.get("skipped"):
        blocks.append("NOT MEASURED: none of the chosen frameworks runs " + ", ".join(result["skipped"]))
    steps = [row for row in rows if row["kind"] not in SINGLE]
    blocks += [_details(row, roofs) for row in steps]
    blocks += [*_singles(rows, roofs), *filter(None, [_threads(steps), _busy(steps), _cold(steps)])]
    imports = (f"{name} {duration(one['median'])}" for name, one in result["imports"].items())
    blocks.append("import: " + ", ".join(imports))
    if result["failures"]:
        blocks.append("FAILED\n" + "\n".join(result["failures"]))
    return "\n\n".join(blocks)


def table(lines: Iterable[Iterable[str]]) -> str:
    """Columns as wide as their longest entry; all but the first to the right."""
    rows = [list(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (
        [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(r, widths, strict=True))
        ]
        for r in rows
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _setting(result: dict[str, Any]) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in result["setting"].items())]
    lines += [f"{name}: {version}" for name, version in result["versions"].items()]
    lines += [f"threads {threads}: {roof(values)}" for threads, values in result["roofs"].items()]
    return "\n".join(lines)


def in_doubt(result: dict[str, Any]) -> list[str]:
    """Why nobody should trust these figures before they were measured again."""
    load = result["setting"]["load"]
    busy = [f"the machine was busy before the run, load {load:.1f}"] if load > IDLE_LOAD else []
    return busy + (["--quick takes two short turns and waits for no core"] if result.get("quick") else [])


def roof(measured: dict[str, list[float]]) -> str:
    """What the machine did at most, and how far measurements of a copy were apart: other machines share its memory."""
    operations, moved = (measured[kind] for kind in ("flops_per_second", "bytes_per_second"))
    of_them = f"best of {len(moved)} measurements from {min(moved) / 1e9:.1f} on"
    return f"FMA peak {max(operations) / 1e9:.0f} GFLOP/s, copy {max(moved) / 1e9:.1f} GB/s ({of_them})"


def _summary(chosen: list[Row], rows: list[Row], roofs: dict[str, Any]) -> str:
    lines = [("row", "lucid", "quartiles", "fastest peer", "", "ratio", "at best", "target", "of floor")]
    for row in sorted(chosen, key=lambda row: speed(row) or 0):
        lucid, peer, ratio = row["results"].get(LUCID), fastest_peer(row), speed(row)
        lines.append(
            (
                label(row),
                duration(lucid["median"]) if lucid else "none",
                " - ".join(map(duration, lucid["quartiles"])) if lucid else "",
                duration(row["results"][peer]["median"]) if peer else "",
                peer or "",
                f"{ratio:.2f}" if ratio else "",
                f"{speed_at_best(row):.2f}" if ratio else "",
                target(row, rows),
                f"{floor(row, roofs) / lucid['median']:.0%}" if lucid else "",
            )
        )
    return table(lines)


def _details(row: Row, roofs: dict[str, Any]) -> str:
    lowest = floor(row, roofs)
    busy = ", another process busy on one core" if row["condition"] == "busy" else ""
    lines = [("", "median", "quartiles", "fastest", "of floor", "first call", "from disk", "peak memory")]
    for name, one in sorted(row["results"].items(), key=lambda item: item[1]["median"]):
        quartiles = " - ".join(map(duration, one["quartiles"]))
        share = f"{lowest / one['median']:.0%}"
        memory = f"{one['peak_bytes'] / 2**20:.0f} MiB"
        first = duration(one["cold"]), duration(one["cached"]) if one["cached"] else ""
        times = duration(one["median"]), quartiles, duration(one["fastest"])
        lines.append((f"  {name}", *times, share, *first, memory))
    missing = "".join(f"\n  {name}: {reason}" for name, reason in row["missing"].items())
    heading = f"{label(row)}: {row['title']}{busy}; floor {duration(lowest)}"
    return f"{heading}\n{table(lines)}{missing}"


def of_kind(rows: list[Row], kind: str, threads: str) -> list[Row]:
    """The rows of a kind that were compared with any peer on so many threads."""
    return [row for row in rows if row["kind"] == kind and str(row["threads"]) == threads and speed(row)]


def products_in_short(chosen: list[Row], roofs: dict[str, Any]) -> str:
    """The geometric mean of some products and the worst of them against each peer, and what a cube reaches of the peak.

    The targets are about NumPy's BLAS.
    """
    parts = []
    for peer in peers(chosen):
        ratios = {row["title"]: ratio for row in chosen if (ratio := speed(row, PEERS[peer]))}
        worst = min(ratios, key=lambda title: ratios[title])
        targets = " (targets 1.0 and 0.95)" if peer == "NumPy" else ""
        mean = f"geometric mean {statistics.geometric_mean(ratios.values()):.2f}, worst {ratios[worst]:.2f}"
        parts.append(f"against {peer}: {mean}{targets}")
    text = "; ".join(parts)
    cubes = [f"{peak_share(row, roofs):.0%}" for row in chosen if row["name"].startswith(CUBE)]
    return f"{text}; of the FMA peak {', '.join(cubes)} at 512x512x512 (target {CUBE_SHARE:.0%})" if cubes else text


def peak_share(row: Row, roofs: dict[str, Any]) -> float:
    """What Lucid reaches of the FMA peak."""
    rate = row["flops"] / row["results"][LUCID]["median"]
    return float(rate / roofs[str(row["threads"])]["flops_per_second"])


def _singles(rows: list[Row], roofs: dict[str, Any]) -> Iterator[str]:
    """Products and convolutions, a table for each count of threads."""
    for kind, threads in itertools.product(SINGLE, roofs):
        chosen = of_kind(rows, kind, threads)
        if not chosen:
            continue
        ran = peers(chosen)
        lines = [(f"{kind}s, threads {threads}; GFLOP/s", "lucid", *ran, "ratio", "at best", "of FMA peak")]
        for row in chosen:
            best = [fastest(row, names) for names in ((LUCID,), *(PEERS[peer] for peer in ran))]
            rates = (f"{row['flops'] / row['results'][name]['median'] / 1e9:.1f}" if name else "" for name in best)
            ratios = f"{speed(row):.2f}", f"{speed_at_best(row):.2f}"
            lines.append((f"  {row['title']}", *rates, *ratios, f"{peak_share(row, roofs):.0%}"))
        short = f"\n  {products_in_short(chosen, roofs)}" if kind == "product" else ""
        yield table(lines) + short


def pairs(rows: list[Row], first: dict[str, Any], second: dict[str, Any]) -> list[tuple[Row, Row]]:
    """Rows of one name, the one with these values and the other with those."""

    def having(values: dict[str, Any]) -> dict[str, Row]:
        return {row["name"]: row for row in rows if all(row[name] == value for name, value in values.items())}

    others = having(second)
    return [(row, others[name]) for name, row in having(first).items() if name in others]


def _ratios(first: Row, second: Row) -> str:
    """The median of one row over that of another, for each framework."""
    common = [name for name in first["results"] if name in second["results"]]
    parts = (f"{name} {first['results'][name]['median'] / second['results'][name]['median']:.2f}" for name in common)
    return ", ".join(parts)


def _threads(rows: list[Row]) -> str:
    both = pairs(rows, {"threads": 1, "condition": "quiet"}, {"threads": 2, "condition": "quiet"})
    lines = [f"  {one['name']}: {_ratios(one, two)}" for one, two in both]
    return "\n".join(["two threads, times as fast as one (target 1.75 for mlp-b512)", *lines]) if lines else ""


def _busy(rows: list[Row]) -> str:
    both = [
        pair
        for n in {row["threads"] for row in rows}
        for pair in pairs([row for row in rows if row["threads"] == n], {"condition": "busy"}, {"condition": "quiet"})
    ]
    lines = [f"  {label(quiet)}: {_ratios(busy, quiet)}" for busy, quiet in both]
    return "\n".join(["a core busy, times as slow (target for Lucid: at most 1.6)", *lines]) if lines else ""


def _cold(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        cold = {name: one["cold"] for name, one in row["results"].items()}
        jax = [seconds for name, seconds in cold.items() if name.startswith("jax")]
        if LUCID in cold and jax and row["condition"] == "quiet":
            lines.append(f"  {label(row)}: {duration(cold[LUCID])}, {min(jax) / cold[LUCID]:.2f} times as fast as JAX")
    return "\n".join(["first call, cold (target 3)", *lines]) if lines else ""
