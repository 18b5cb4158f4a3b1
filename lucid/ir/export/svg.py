"""A drawing as SVG: one element without style sheets or scripts, for pages, notebooks and files.

Colours are attributes of the shapes, since a style sheet in a notebook would reach all of its page.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from lucid.ir.export.drawing import ARGUMENT, BACKWARD, FORWARD, RESULT, STATE, UPDATE, Arrow, Item, draw
from lucid.ir.export.layout import Point
from lucid.ir.graph import Graph

MARGIN = 16.0
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"

# The fill and the line of each group.
COLOURS = {
    FORWARD: ("#e3f0fb", "#2f7dc0"),
    BACKWARD: ("#fdeadb", "#cf6a17"),
    UPDATE: ("#ece5f8", "#7a53b8"),
    ARGUMENT: ("#f4f5f7", "#7b8494"),
    STATE: ("#e4f4e9", "#38915a"),
    RESULT: ("#ffffff", "#3c4454"),
}


def to_svg(graph: Graph) -> str:
    """The drawing of a graph as SVG text."""
    drawing = draw(graph)
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" font-size="11" role="img">'
    )
    title = f"<title>{_text(graph.name or 'graph')}</title>"
    paper = f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>'
    body = "\n".join(_group(drawing.items, drawing.arrows, MARGIN, MARGIN))
    return f"{head}\n{title}\n{paper}\n{body}\n</svg>\n"


def curve(route: tuple[Point, ...]) -> str:
    """The path through points: each piece leaves and arrives upright, or level where it goes across lanes."""
    (x, y), *rest = route
    across = len(route) == 2 and abs(rest[0][0] - x) > abs(rest[0][1] - y)
    pieces = [f"M{x:.1f} {y:.1f}"]
    for u, v in rest:
        if across:
            pieces.append(f"C{(x + u) / 2:.1f} {y:.1f} {(x + u) / 2:.1f} {v:.1f} {u:.1f} {v:.1f}")
        else:
            pieces.append(f"C{x:.1f} {(y + v) / 2:.1f} {u:.1f} {(y + v) / 2:.1f} {u:.1f} {v:.1f}")
        x, y = u, v
    return "".join(pieces)


def _group(items: tuple[Item, ...], arrows: tuple[Arrow, ...], x: float, y: float) -> Iterator[str]:
    """The arrows and the boxes of a drawing whose corner is here."""
    yield f'<g transform="translate({x:.1f} {y:.1f})">'
    for arrow in arrows:
        yield (
            f'<path d="{curve(arrow.route)}" fill="none" stroke="#8a93a3" stroke-opacity="0.55">'
            f"<title>{_text(str(arrow.value))}</title></path>"
        )
    for item in items:
        yield from _box(item)
    yield "</g>"


def _box(item: Item) -> Iterator[str]:
    fill, line = COLOURS[item.group]
    dashed = ' stroke-dasharray="4 3"' if item.items else ""
    yield f'<g transform="translate({item.x:.1f} {item.y:.1f})">'
    if item.node is not None and item.node.location is not None:
        yield f"<title>{_text(str(item.node.location))}</title>"
    yield (
        f'<rect width="{item.width:.1f}" height="{item.height:.1f}" rx="5" fill="{fill}" '
        f'fill-opacity="{0.45 if item.items else 1}" stroke="{line}"{dashed}/>'
    )
    for number, text in enumerate(item.lines):
        weight = ' font-weight="600"' if number == 0 else ' fill="#5b6372"'
        yield (
            f'<text x="{item.width / 2:.1f}" y="{15 + 15 * number}" text-anchor="middle"{weight}>{_text(text)}</text>'
        )
    if item.items:
        yield from _group(item.items, item.arrows, 0, 0)
    yield "</g>"


def _text(text: str) -> str:
    """Text for SVG: escaped, and without the control characters that XML has no place for."""
    return escape("".join(character if character.isprintable() else " " for character in text))
