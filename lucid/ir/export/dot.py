"""A graph as text for Graphviz."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lucid.ir.export.drawing import STATE, Item, draw
from lucid.ir.export.svg import COLOURS
from lucid.ir.graph import Graph


def to_dot(graph: Graph) -> str:
    """The graph in the DOT language: a node for each input, op and result, an edge for each value read. A region is a
    cluster inside the cluster of its op.

    >>> from lucid.ir.text import parse
    >>> print(to_dot(parse("graph @double(%x: f32[4]) { %1 = add %x, %x; return %1 }")))
    digraph "double" {
      node [shape=box, style="rounded,filled", fontname="monospace", fontsize=10];
      edge [fontname="monospace", fontsize=9, color="#8a93a3"];
      n0 [label="%x\\nf32[4]", fillcolor="#f4f5f7", color="#7b8494"];
      n1 [label="add\\nf32[4]", fillcolor="#e3f0fb", color="#2f7dc0"];
      n2 [label="return\\n%0", fillcolor="#ffffff", color="#3c4454"];
      n0 -> n1;
      n1 -> n2;
    }
    """
    drawing = draw(graph)
    lines = [
        f"digraph {_quoted(graph.name or 'graph')} {{",
        '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=10];',
        '  edge [fontname="monospace", fontsize=9, color="#8a93a3"];',
        *(line for n, item in enumerate(drawing.items) for line in _node(item, f"n{n}", "  ")),
        *(f"  n{arrow.source} -> n{arrow.target};" for arrow in drawing.arrows),
        "}",
    ]
    return "\n".join(lines)


def _node(item: Item, name: str, indent: str) -> Iterator[str]:
    fill, line = COLOURS[item.group]
    label = _quoted("\n".join(item.lines))
    if not item.items:
        shape = ", shape=ellipse" if item.group == STATE else ""
        yield f'{indent}{name} [label={label}, fillcolor="{fill}", color="{line}"{shape}];'
        return
    yield f"{indent}subgraph cluster_{name} {{"
    yield f'{indent}  label={label}; color="{line}"; style=dashed; fontname="monospace"; fontsize=10;'
    yield f'{indent}  {name} [label="", shape=point, color="{line}"];'
    for number, inner in enumerate(item.items):
        yield from _node(inner, f"{name}_{number}", f"{indent}  ")
    for arrow in item.arrows:
        yield f"{indent}  {name}_{arrow.source} -> {name}_{arrow.target};"
    yield f"{indent}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
