"""Tables as text, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))


def table(lines: Sequence[Sequence[str]], right_from: int | None = None) -> Iterator[str]:
    """Lines of cells as lines of text: columns aligned to the left, to the right from one on.

    >>> print("\\n".join(table([["name", "bytes"], ["x", "8"]], right_from=1)))
    name  bytes
    x         8
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = len(widths) if right_from is None else right_from
    for line in lines:
        cells = (
            cell.ljust(width) if number < right else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def cut(text: str, width: int) -> str:
    """A text of at most so many characters: where there are more, dots stand for the last ones.

    >>> cut("broadcast", 9), cut("broadcast", 8)
    ('broadcast', 'broad...')
    """
    return text if len(text) <= width else f"{text[: width - 3]}..."


def with_unit(amount: float, unit: str = "") -> str:
    """A number in three digits, with a prefix of its unit.

    >>> with_unit(12_345, "B"), with_unit(0.5e-6, "s"), with_unit(7), with_unit(0)
    ('12.3 kB', '500 ns', '7', '0')
    """
    scale, prefix = next(((scale, prefix) for scale, prefix in _PREFIXES if amount >= 0.9995 * scale), (1.0, ""))
    return f"{amount / scale:.3g} {prefix}{unit}".rstrip()
