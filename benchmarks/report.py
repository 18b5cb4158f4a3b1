"""What `compare.py` measured, as text: first the rows in which Lucid is slower than a peer, then the others."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from workloads import SHARE_OF_FLOOR

Row = dict[str, Any]
LUCID = "lucid"
IDLE_LOAD = 0.5  # processes that ran before the benchmark did; with several threads, one more slows all down
HEADINGS = {
    "lost": "LOST: slower than the fastest peer",
    "behind": "FASTER than every peer, but short of the target",
    "met": "FASTER than every peer, and no target missed",
    "missing": "NOT MEASURED: Lucid does not run them, or has no peer",
}


def floor(row: Row, roofs: dict[str, Any]) -> float:
    """Seconds: the larger of FLOPs over the FMA peak and bytes over the copy bandwidth."""
    roof = roofs[str(row["threads"])]
    seconds: float = max(row["flops"] / roof["flops_per_second"], row["bytes"] / roof["bytes_per_second"])
    return seconds


def fastest_peer(row: Row) -> str | None:
    """The peer with the smallest median."""
    peers = {name: result["median"] for name, result in row["results"].items() if name != LUCID}
    return min(peers, key=lambda name: peers[name]) if peers else None


def speed(row: Row) -> float | None:
    """How many times faster Lucid is than the fastest peer."""
    peer = fastest_peer(row)
    if peer is None or LUCID not in row["results"]:
        return None
    return float(row["results"][peer]["median"] / row["results"][LUCID]["median"])


def speed_at_best(row: Row) -> float | None:
    """The same ratio between the fastest samples: what other work on the machine disturbs least."""
    peers = [result["fastest"] for name, result in row["results"].items() if name != LUCID]
    if not peers or LUCID not in row["results"]:
        return None
    return float(min(peers) / row["results"][LUCID]["fastest"])


def verdict(row: Row, roofs: dict[str, Any]) -> str:
    """Under which heading a row belongs. A target is met by the ratio that it names, or near enough to the floor."""
    ratio = speed(row)
    if ratio is None:
        return "missing"
    if ratio < 1:
        return "lost"
    near = floor(row, roofs) / row["results"][LUCID]["median"] >= SHARE_OF_FLOOR
    return "met" if row["target"] is None or ratio >= row["target"] or near else "behind"


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
    roofs = result["roofs"]
    rows = result["rows"]
    blocks = [_setting(result)]
    for kind, heading in HEADINGS.items():
        chosen = [row for row in rows if verdict(row, roofs) == kind]
        if chosen:
            blocks.append(f"{heading}\n\n" + _summary(chosen, roofs))
    blocks += [_details(row, roofs) for row in rows if row["kind"] != "product"]
    blocks += filter(None, [_products(rows, roofs), _threads(rows), _busy(rows), _repeats(rows), _cold(rows)])
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
    for threads, roof in result["roofs"].items():
        peak, copy = roof["flops_per_second"] / 1e9, roof["bytes_per_second"] / 1e9
        lines.append(f"threads {threads}: FMA peak {peak:.0f} GFLOP/s, copy {copy:.1f} GB/s")
    load = result["setting"]["load"]
    if load > IDLE_LOAD:
        lines.append(f"The machine was busy before the run (load {load:.1f}): repeat it before you trust a figure.")
    return "\n".join(lines)


def _summary(rows: list[Row], roofs: dict[str, Any]) -> str:
    lines = [("row", "lucid", "quartiles", "fastest peer", "", "ratio", "at best", "target", "of floor")]
    for row in sorted(rows, key=lambda row: speed(row) or 0):
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
                f"{row['target']:g}" if row["target"] else "",
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


def _products(rows: list[Row], roofs: dict[str, Any]) -> str:
    """The products against the BLAS, with the geometric mean and the worst ratio for each count of threads."""
    blocks = []
    for threads in roofs:
        chosen = [r for r in rows if r["kind"] == "product" and str(r["threads"]) == threads and speed(r)]
        if not chosen:
            continue
        lines = [(f"products, threads {threads}", "lucid", "numpy", "ratio", "at best", "of FMA peak")]
        for row in chosen:
            lucid, numpy = (row["flops"] / row["results"][name]["median"] for name in (LUCID, "numpy"))
            share = lucid / roofs[threads]["flops_per_second"]
            rates = (f"{lucid / 1e9:.1f} GFLOP/s", f"{numpy / 1e9:.1f} GFLOP/s")
            lines.append(
                (f"  {row['title']}", *rates, f"{speed(row):.2f}", f"{speed_at_best(row):.2f}", f"{share:.0%}")
            )
        means = []
        for measure in (speed, speed_at_best):
            ratios = [measure(row) or 0.0 for row in chosen]
            means.append(f"{statistics.geometric_mean(ratios):.2f}, worst {min(ratios):.2f}")
        blocks.append(f"{table(lines)}\n  geometric mean {means[0]} (targets 1.0 and 0.95); at best {means[1]}")
    return "\n\n".join(blocks)


def _pairs(rows: list[Row], first: dict[str, Any], second: dict[str, Any]) -> list[tuple[Row, Row]]:
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
    quiet = [row for row in rows if row["kind"] != "product"]
    pairs = _pairs(quiet, {"threads": 1, "condition": "quiet"}, {"threads": 2, "condition": "quiet"})
    lines = [f"  {one['name']}: {_ratios(one, two)}" for one, two in pairs]
    return "\n".join(["two threads, times as fast as one (target 1.75 for mlp-b512)", *lines]) if lines else ""


def _busy(rows: list[Row]) -> str:
    pairs = [
        pair
        for n in {row["threads"] for row in rows}
        for pair in _pairs([row for row in rows if row["threads"] == n], {"condition": "busy"}, {"condition": "quiet"})
    ]
    lines = [f"  {label(quiet)}: {_ratios(busy, quiet)}" for busy, quiet in pairs]
    return "\n".join(["a core busy, times as slow (target for Lucid: at most 1.6)", *lines]) if lines else ""


def _repeats(rows: list[Row]) -> str:
    """An update among many in one call against the fastest peer's single call."""
    lines = []
    for row in rows:
        single = [r for r in rows if r["name"] + "-repeat" == row["name"] and r["threads"] == row["threads"]]
        if LUCID in row["results"] and single and (peer := fastest_peer(single[0])):
            ratio = single[0]["results"][peer]["median"] / row["results"][LUCID]["median"]
            lines.append(f"  {label(row)}: {ratio:.1f} times as fast as a call of {peer}")
    return "\n".join(["repeat (target 20)", *lines]) if lines else ""


def _cold(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        cold = {name: one["cold"] for name, one in row["results"].items()}
        jax = [seconds for name, seconds in cold.items() if name.startswith("jax")]
        if LUCID in cold and jax and row["condition"] == "quiet":
            lines.append(f"  {label(row)}: {duration(cold[LUCID])}, {min(jax) / cold[LUCID]:.2f} times as fast as JAX")
    return "\n".join(["first call, cold (target 3)", *lines]) if lines else ""
