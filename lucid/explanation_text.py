"""Explanations as tables for people to read: whole, or cut to a number of rows and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar

from lucid.codegen.work import Work, total
from lucid.ir.passes.fuse import Obstacle
from lucid.tables import cut, table, with_unit

if TYPE_CHECKING:
    from lucid.explanation import Apart, Explanation, Kept, Measurement, Row

T = TypeVar("T")

AMOUNTS, TIMES = ("read", "written", "FLOPs", "a byte"), ("time", "share", "GB/s", "GFLOP/s")
AROUND = "around the kernels"  # the call, and what is between them
WHAT, LINES = 20, 14  # columns of a table that is cut: the least for what a kernel computes, the most for its lines


def lines_of(explanation: Explanation, most: int | None = None, width: int | None = None) -> Iterator[str]:
    """The lines of all tables, each of at most so many rows and columns, where these are given."""
    file = _main_file(explanation.rows)
    yield f"{explanation.title}, lines of {file}" if file else explanation.title
    yield from _kernels(explanation, _largest(explanation.rows, _weight, most), width)
    if explanation.measurement:
        yield from ("", *_measured(explanation.measurement, explanation.work))
    if explanation.apart:
        pairs = _pairs(explanation.apart, most)
        yield from ("", "not fused", *(cut(line, width) if width else line for line in pairs))
    for title, values in (("saved for the backward", explanation.saved), ("computed again", explanation.recomputed)):
        if values:
            yield from ("", f"{title}: {with_unit(sum(kept.bytes for kept in values), 'B')}")
            yield from table(_kept(values, most))
    if explanation.backward:
        yield from ("", *lines_of(explanation.backward, most, width))


def _main_file(rows: Sequence[Row]) -> str:
    """The name of the file that most lines are of, which their cells need not repeat."""
    files = Counter(line.rpartition(":")[0] for row in rows for line in row.lines)
    return max(files, key=lambda file: files[file], default="")


def _kernels(explanation: Explanation, shown: Sequence[Row], width: int | None) -> Iterator[str]:
    """The table of kernels, and below it their sums. Of one that is cut, times take the place of amounts; modules and
    lines have no column where there are none."""
    measurement = explanation.measurement
    times = TIMES if measurement else ()
    titles = (*times, "a byte") if times and width else (*AMOUNTS, *times)
    cells = [_amounts(row.work) | _times(row.work, row.nanoseconds, measurement) for row in shown]
    sums = {}
    if len(shown) < len(explanation.rows):
        others = [row for row in explanation.rows if row not in shown]
        work = total([row.work for row in others])
        sums[f"{len(others)} more: see full()"] = _amounts(work) | _times(work, _duration(others), measurement)
    if measurement:
        rest = max(measurement.nanoseconds - _duration(explanation.rows), 0.0)  # medians do not add up exactly
        sums[AROUND] = {title: _times(Work(0, 0, 0), rest, measurement)[title] for title in TIMES[:2]}
    sums["all"] = _amounts(explanation.work)
    cells += sums.values()

    prefix = f"{_main_file(explanation.rows)}:"
    lines = [[line.removeprefix(prefix) for line in row.lines] for row in shown]
    names = {
        "kernel": [_number(row) for row in shown],
        "what": [*map(_name, shown), *sums],
        "module": [", ".join(row.modules) for row in shown],
        "line": [_first(_shortened(each), width and LINES) for each in lines],
    }
    names = {title: column for title, column in names.items() if any(column)}
    numbers = {title: [cell.get(title, "") for cell in cells] for title in titles}
    if width:
        fixed = [[title, *column] for title, column in (names | numbers).items() if title not in ("what", "module")]
        room = width - sum(2 + max(map(len, column)) for column in fixed)
        names |= _fitted(shown, names["what"], list(sums), room - 2 if "module" in names else room)
    rows = zip_longest(*([title, *column] for title, column in (names | numbers).items()), fillvalue="")
    yield from table(list(rows), right_from=len(names))


def _fitted(shown: Sequence[Row], what: Sequence[str], sums: Sequence[str], room: int) -> dict[str, list[str]]:
    """The columns of what kernels compute and of their modules, where there are any, in so much room for both."""
    one = max([len(list(_shortened(row.modules))[-1]) for row in shown if row.modules], default=0)
    width = min(max(map(len, what)), max(WHAT, *map(len, sums), room - one))
    fitted = {"what": [cut(name, width) for name in what]}
    if one:
        fitted["module"] = [_first(_modules(row.modules), room - width) for row in shown]
    return fitted


def _number(row: Row) -> str:
    """The number of a kernel, and the backward that it is part of."""
    return f"{row.number} back{f' {row.backward}' if row.backward > 1 else ''}" if row.backward else str(row.number)


def _name(row: Row) -> str:
    return f"{row.name} x {row.runs}" if row.runs > 1 else row.name


def _first(texts: Iterable[str], room: int | None) -> str:
    """The first text that there is room for; where there is for none, the end of the last."""
    text = ""
    for text in texts:
        if room is None or len(text) <= room:
            return text
    return f"...{text[3 - room :]}" if room and text else text


def _shortened(texts: Sequence[str]) -> Iterator[str]:
    """Texts in one line, then fewer and fewer of them, and how many more there are."""
    for count in range(len(texts), 0, -1):
        yield ", ".join(texts[:count]) + (f", {len(texts) - count} more" if count < len(texts) else "")


def _modules(modules: Sequence[str]) -> Iterator[str]:
    """Modules in one line, ever shorter: at last without their classes."""
    yield from _shortened(modules)
    yield from _shortened([module.partition(":")[0] for module in modules])


def _pairs(apart: Sequence[Apart], most: int | None) -> Iterator[str]:
    """Why kernels are not one, pair by pair, or where these are too many, reason by reason."""
    told = [x for x in apart if not x.reason.endswith(_NO_LOOPS)]
    if told and (most is None or len(told) <= most):
        yield from table([[f"{x.first} and {x.second}", f"%{x.value}", x.reason] for x in told])
    elif told:
        counts = Counter(x.reason.partition(":")[0] for x in told)
        yield from table([[_pairs_of(count), reason] for reason, count in counts.most_common()])
    if len(told) < len(apart):
        yield _with_kernels_of_their_own([x for x in apart if x not in told])


def _largest(items: Sequence[T], size: Callable[[T], float], most: int | None) -> list[T]:
    """The largest items, at most so many, in the order in which they are given."""
    order = sorted(range(len(items)), key=lambda number: size(items[number]), reverse=True)
    return [items[number] for number in sorted(order[:most])]


def _kept(values: Sequence[Kept], most: int | None) -> list[list[str]]:
    """The lines of values that are kept; where they are too many, of all that have a type and are computed alike."""
    if most is None or len(values) <= most:
        return [[f"%{x.value}", x.type, with_unit(x.bytes, "B"), x.op] for x in values]
    alike: dict[tuple[str, str], list[Kept]] = {}
    for value in values:
        alike.setdefault((value.type, value.op), []).append(value)
    size = {kind: sum(value.bytes for value in group) for kind, group in alike.items()}
    largest = sorted(alike, key=lambda kind: size[kind], reverse=True)[:most]
    lines = [[f"{len(alike[kind])} of", kind[0], with_unit(size[kind], "B"), kind[1]] for kind in largest]
    others = len(values) - sum(len(alike[kind]) for kind in largest)
    return [*lines, *([[f"{others} smaller ones: see full()", "", "", ""]] if others else [])]


def _weight(row: Row) -> float:
    """The time of a kernel, or what stands for it where that is not measured: as if an operation took as long as a
    tenth of a byte."""
    if row.nanoseconds is not None:
        return row.nanoseconds
    return row.work.read + row.work.written + row.work.operations / 10.0


def _pairs_of(count: int) -> str:
    return f"{count} pair{'s' if count > 1 else ''}"


_NO_LOOPS = Obstacle.NO_LOOPS.value.format("")


def _with_kernels_of_their_own(pairs: Sequence[Apart]) -> str:
    """A line for all the pairs of which one is not a loop nest."""
    ops = ", ".join(dict.fromkeys(pair.reason.removesuffix(_NO_LOOPS) for pair in pairs))
    return f"{_pairs_of(len(pairs))} with {ops}: what is not a loop nest has a kernel of its own"


def _amounts(work: Work) -> dict[str, str]:
    """The cells of what is moved and computed, by the titles of their columns."""
    cells = (with_unit(work.read, "B"), with_unit(work.written, "B"), with_unit(work.operations))
    return dict(zip(AMOUNTS, (*cells, f"{work.intensity:.2f}"), strict=True))


def _duration(rows: Iterable[Row]) -> float:
    """The nanoseconds of some kernels together."""
    return sum(row.nanoseconds or 0.0 for row in rows)


def _times(work: Work, nanoseconds: float | None, measurement: Measurement | None) -> dict[str, str]:
    """The cells of what is measured, by the titles of their columns."""
    if nanoseconds is None or measurement is None:
        return {}
    seconds = max(nanoseconds, 1.0) * 1e-9  # the clock's resolution
    cells = (with_unit(seconds, "s"), f"{nanoseconds / measurement.nanoseconds:.0%}")
    rates = (work.read + work.written, work.operations)
    return dict(zip(TIMES, (*cells, *(f"{amount / seconds / 1e9:.1f}" for amount in rates)), strict=True))


def _measured(measurement: Measurement, work: Work) -> Iterator[str]:
    seconds = measurement.nanoseconds * 1e-9
    threads = f"{measurement.threads} thread{'s' * (measurement.threads != 1)}"
    yield (
        f"{with_unit(seconds, 's')} a run, the median of {measurement.runs} on {threads}: "
        f"{(work.read + work.written) / seconds / 1e9:.1f} GB/s, {work.operations / seconds / 1e9:.1f} GFLOP/s"
    )
    yield (
        f"this machine just then: {measurement.peak_operations / 1e9:.1f} GFLOP/s in fused multiply-adds of float32,"
    )
    yield f"{measurement.peak_bytes / 1e9:.1f} GB/s in a copy of more than its caches hold; data in a cache move faster"
