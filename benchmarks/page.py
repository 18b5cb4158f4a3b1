"""What `compare.py` measured, as tables in a page: they replace what stands between two lines of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import machine
import report
from report import LUCID, PEERS, Row
from workloads import TARGET_THREADS

BEGIN, END = "<!-- written by compare.py from here -->", "<!-- to here -->"


def put(result: dict[str, Any], page: Path) -> None:
    """Replace what stands between the two lines."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} does not mark where tables go, by the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{tables(result)}\n\n{END}{after}")


def tables(result: dict[str, Any]) -> str:
    """All tables, each behind a line that says what it is."""
    rows, roofs = result["rows"], machine.best(result["roofs"])
    steps = [row for row in rows if row["kind"] not in report.SINGLE and report.speed(row)]
    quiet = [row for row in steps if row["condition"] == "quiet"]
    blocks = [_summary(quiet, rows, roofs), _slower_products(rows, roofs), _workloads(quiet), _setting(result)]
    blocks += [_steps(quiet, rows, roofs), *_threads(quiet), *_busy(steps), _first_calls(quiet)]
    blocks += [*_convolutions(rows, roofs), _imports(result["imports"]) if steps else ""]
    return "\n\n".join(filter(None, blocks))


def _summary(chosen: list[Row], rows: list[Row], roofs: dict[str, Any]) -> str:
    """How many rows are ahead of the fastest peer and by how much, and which ones miss their targets."""
    lines = [*_ahead(chosen), *_verdicts(chosen, rows, roofs), *_products(rows, roofs)]
    return "\n".join(["In short:", "", *(f"- {line}" for line in lines)]) if lines else ""


def _ahead(chosen: list[Row]) -> Iterator[str]:
    if not chosen:
        return
    ordered = sorted(chosen, key=lambda row: report.speed(row) or 0.0)
    speeds = [report.speed(row) or 0.0 for row in ordered]
    behind = ", ".join(_where(row) for row, ratio in zip(ordered, speeds, strict=True) if ratio < 1)
    yield (
        f"Of {len(ordered)} rows of steps Lucid is ahead of the fastest peer in {sum(ratio >= 1 for ratio in speeds)}; "
        f"times as fast as it: {speeds[0]:.2f} ({_where(ordered[0])}) to {speeds[-1]:.2f} ({_where(ordered[-1])}), "
        f"{statistics.median(speeds):.2f} in the median; behind in {behind or 'none'}."
    )


def _where(row: Row) -> str:
    return f"{row['name']} {_on(row['threads'])}"


def _workloads(chosen: list[Row]) -> str:
    """What each row computes, but for those that are another without Dropout."""
    names = {row["name"] for row in chosen}
    once = {row["name"]: row for row in chosen if row["name"].removesuffix("-off") not in names - {row["name"]}}
    lines = [(name, row["title"], _amount(row["flops"]), _amount(row["bytes"])) for name, row in once.items()]
    heading = ("step", "what it is", "FLOPs", "bytes that move at least")
    return f"The steps; `-off` is the same without Dropout:\n\n{_table(heading, lines)}" if lines else ""


def _amount(number: float) -> str:
    for unit, scale in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if number >= scale:
            return f"{number / scale:.3g}{unit}"
    return f"{number:.3g}"


def _setting(result: dict[str, Any]) -> str:
    """The versions of what was compared, and the roofs of the machine."""
    versions = {name.partition(" ")[0].partition(".")[0]: version for name, version in result["versions"].items()}
    measured = ", ".join(f"{name} {version}" for name, version in versions.items())
    where = f"{result['setting']['processor']}, Python {result['setting']['python']}"
    lines = (f"- {_on(threads)}: {report.roof(values)}." for threads, values in sorted(result["roofs"].items()))
    return "\n".join([f"Measured with {measured}, on {where}. Roofs of the machine in this run:", "", *lines])


def _steps(chosen: list[Row], rows: list[Row], roofs: dict[str, Any]) -> str:
    heading = ("step", "threads", "Lucid", *PEERS, "times as fast", "target", "of floor")
    lines = []
    for row in sorted(chosen, key=lambda row: report.speed(row) or 0.0):
        lucid = row["results"][LUCID]
        quartiles = " to ".join(map(report.duration, lucid["quartiles"]))
        lines.append(
            (
                row["name"],
                str(row["threads"]),
                f"{report.duration(lucid['median'])} ({quartiles})",
                *(_peer(row, names) for names in PEERS.values()),
                f"{report.speed(row):.2f}",
                report.target(row, rows),
                f"{report.floor(row, roofs) / lucid['median']:.0%}",
            )
        )
    note = "Medians, Lucid's with their quartiles, the worst row first; the fastest peer is in bold."
    return f"{note}\n\n{_table(heading, lines)}" if lines else ""


def _peer(row: Row, names: tuple[str, ...]) -> str:
    """The best time of some ways to run a peer, in bold if no peer is faster."""
    best = report.fastest(row, names)
    if best is None:
        return ""
    variant = "" if best == names[0] else f" ({best.rpartition(' ')[2]})"
    shown = report.duration(row["results"][best]["median"]) + variant
    return f"**{shown}**" if best == report.fastest_peer(row) else shown


def _verdicts(chosen: list[Row], rows: list[Row], roofs: dict[str, Any]) -> Iterator[str]:
    """Which rows meet their targets, for each count of threads."""
    for threads in sorted({row["threads"] for row in chosen}, reverse=True):
        aimed = [row for row in chosen if row["threads"] == threads and row["target"] is not None]
        missed = [row for row in aimed if report.verdict(row, rows, roofs) != "met"]
        by_ratio = sum((report.toward_target(row, rows) or 0.0) >= row["target"] for row in aimed)
        by_floor = len(aimed) - len(missed) - by_ratio
        names = ", ".join(row["name"] for row in missed) or "none"
        whose = "" if threads == TARGET_THREADS else ", held against the targets for two"
        yield (
            f"{_on(threads).capitalize()}{whose}: of {len(aimed)} rows with a target {by_ratio} reach it, {by_floor} "
            f"others 85% of their floor; missed by {names}."
        )


def _threads(chosen: list[Row]) -> Iterator[str]:
    pairs = report.pairs(chosen, {"threads": 1}, {"threads": 2})
    if pairs:
        yield "Two threads, times as fast as one (target 1.75 for Lucid in mlp-b512):\n\n" + _ratios(pairs)


def _busy(rows: list[Row]) -> Iterator[str]:
    pairs = report.pairs(
        [row for row in rows if row["threads"] == TARGET_THREADS], {"condition": "busy"}, {"condition": "quiet"}
    )
    if pairs:
        yield "Times as slow where another process never leaves one core (target for Lucid 1.6):\n\n" + _ratios(pairs)


def _ratios(pairs: list[tuple[Row, Row]]) -> str:
    """The median of one row over that of another."""
    lines = []
    for both in pairs:
        cells = []
        for names in ((LUCID,), *PEERS.values()):
            best = [report.fastest(row, names) for row in both]
            times = [row["results"][name]["median"] for row, name in zip(both, best, strict=True) if name]
            cells.append(f"{times[0] / times[1]:.2f}" if len(times) == len(both) else "")
        lines.append((both[0]["name"], *cells))
    return _table(("step", "Lucid", *PEERS), lines)


def _products(rows: list[Row], roofs: dict[str, Any]) -> Iterator[str]:
    for threads in sorted(roofs):
        if chosen := report.of_kind(rows, "product", threads):
            lost = sum((report.speed(row) or 0.0) < 1 for row in chosen)
            short = report.products_in_short(chosen, roofs)
            yield (
                f"Products of Linear layers {_on(threads)}, called from Python, {short}; "
                f"{lost} of {len(chosen)} are slower than the fastest peer's."
            )
    if any(row["kind"] == "product" for row in rows):
        yield (
            "`products.py` calls Lucid's and NumPy's in native loops, without what calls from Python cost, with other "
            "figures: [matrix products](performance-notes.md#matrix-products)."
        )


def _slower_products(rows: list[Row], roofs: dict[str, Any]) -> str:
    """The products that a peer computes faster, the worst first."""
    chosen = [row for threads in roofs for row in report.of_kind(rows, "product", threads)]
    ran = report.peers(chosen)
    lines = []
    for row in sorted(chosen, key=lambda row: report.speed(row) or 0.0):
        ratio = report.speed(row) or 0.0
        if ratio < 1:
            times = report.duration(row["results"][LUCID]["median"]), *(_peer(row, PEERS[peer]) for peer in ran)
            ratios = f"{ratio:.2f}", f"{report.speed_at_best(row):.2f}"
            lines.append((row["title"], str(row["threads"]), *times, *ratios))
    heading = ("product", "threads", "Lucid", *ran, "times as fast", "at best")
    note = "The products that are slower than the fastest peer's; T marks a factor that is read transposed:"
    return f"{note}\n\n{_table(heading, lines)}" if lines else ""


def _first_calls(chosen: list[Row]) -> str:
    """What compiling takes with nothing on disk, and in a later process."""
    compiling = {"Lucid": (LUCID,), **{peer: PEERS[peer] for peer in ("torch.compile", "JAX")}}
    lines = []
    for row in chosen:
        cells = []
        for names in compiling.values():
            found = [row["results"][name] for name in names if name in row["results"]]
            for kind in ("cold", "cached"):
                times = [one[kind] for one in found if one[kind] is not None]
                cells.append(report.duration(min(times)) if times else "")
        lines.append((row["name"], str(row["threads"]), *cells))
    heading = ("step", "threads", *(cell for name in compiling for cell in (name, "from disk")))
    note = (
        "The first call in a process whose modules are imported: with nothing on disk, and where an earlier process "
        "has left there what it compiled, as JAX does only where it is told to. One process each; of ways to run a "
        "peer, the fastest."
    )
    return f"{note}\n\n{_table(heading, lines)}" if lines else ""


def _convolutions(rows: list[Row], roofs: dict[str, Any]) -> Iterator[str]:
    """A line for each convolution: its forward and both gradients."""
    for threads in roofs:
        lines: dict[str, dict[str, str]] = {}
        for row in report.of_kind(rows, "convolution", threads):
            form, _, convolution = row["title"].partition(", ")
            seconds = row["results"][LUCID]["median"]
            ratios = ", ".join(f"{report.speed(row, [name]):.2f}" for name in PEERS["torch"] if name in row["results"])
            rate = f"{report.duration(seconds)}, {row['flops'] / seconds / 1e9:.0f} ({ratios})"
            lines.setdefault(convolution, {})[form] = rate
        if lines:
            forms = {"forward": "forward", "image": "gradient of the image", "weight": "gradient of the weight"}
            cells = ((name, *(found.get(form, "") for form in forms)) for name, found in lines.items())
            note = (
                f"Single convolutions of 8 images {_on(threads)}: time, GFLOP/s, and in brackets how many times as "
                "fast as PyTorch with channels first, and last:"
            )
            yield f"{note}\n\n{_table(('convolution', *forms.values()), cells)}"


def _imports(imports: dict[str, Any]) -> str:
    times = ", ".join(f"{name} {report.duration(one['median'])}" for name, one in imports.items())
    return f"`import` in a fresh process (target for lucid 0.3 s): {times}."


def _on(threads: int | str) -> str:
    return "on one thread" if int(threads) == 1 else f"on {threads} threads"


def _table(heading: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    heading = list(heading)
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
