"""What tests of `fuse` say of a graph: the kernels that it becomes."""

from __future__ import annotations

from lucid.codegen.lowering import is_lowered, lower
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.passes.rewriting import assert_equal_values


def kernels(text: str) -> list[str]:
    """The nodes of a fused graph: a fused node as the names of the ops in it, without those that only move."""
    graph = fuse(parse(text))
    verify(graph)
    moves = ("const", "iota", "reshape", "broadcast", "transpose", "slice")
    found = []
    for node in graph.nodes:
        inside = node.op.body.nodes if isinstance(node.op, Fused) else (node,)
        found.append(" ".join(inner.op.name for inner in inside if len(inside) == 1 or inner.op.name not in moves))
        if is_lowered(node.op):
            lower(node)
    assert_equal_values(parse(text), graph)
    return found
