"""Prologues: a map whose result only products read is computed where they fill their tiles, and never stored.

A product reads an element of a factor once for each tile of its result that the element counts in, so the map is
computed as often, and reads its own operands as often. That is worth it where it moves less through memory, as with
images that are bytes until they are scaled, and where its arithmetic is small beside the product's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lucid.codegen.cuda.convolution import convolution_products
from lucid.codegen.cuda.tiles import TILE
from lucid.codegen.cuda.wide_maps import is_narrow
from lucid.codegen.work import work_of
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Product
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import ConvolutionOp
from lucid.ir.ops.random import Random
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.epilogues import inlined
from lucid.ir.passes.loops import in_loops_too
from lucid.ir.passes.outline import isolated, states_last

SHARE = 8  # what is computed again takes at most this part of the operations of the products


@in_loops_too
def join_prologues(graph: Graph) -> Graph:
    """Join each narrow map that products read as a factor, and nothing else reads, with these, as their prologue."""
    producer, users, results = graph.producers(), graph.users(), set(graph.results)
    maps: dict[Value, Node] = {}
    for value, node in producer.items():
        if len(node.outputs) == 1 and value not in results and is_narrow(node) and not _draws(node):
            readers = list(dict.fromkeys(users[value]))
            if readers and all(_multiplies(reader, value) for reader in readers) and _pays(node, readers):
                maps[value] = node
    if not maps:
        return graph
    joined = set(maps.values())
    return states_last(graph.with_nodes([_with_prologues(node, maps) for node in graph.nodes if node not in joined]))


def _draws(node: Node) -> bool:
    """Whether a map draws random numbers, which take long to compute again."""
    return isinstance(node.op, Fused) and any(isinstance(inner.op, Random) for inner in node.op.body.nodes)


def _product(node: Node) -> tuple[Node, Sequence[Value]] | None:
    """The product that a node is or has, and the values of the graph that are its factors."""
    if isinstance(node.op, Product):
        return node, node.inputs
    if not isinstance(node.op, Fused) or node.op.product is None:
        return None
    given = dict(zip(node.op.body.arguments, node.inputs, strict=True))
    return node.op.product, [given[factor] for factor in node.op.product.inputs]


def _multiplies(node: Node, value: Value) -> bool:
    """Whether a node reads a value as a factor of its product, and not otherwise."""
    found = _product(node)
    if found is None or value not in found[1]:
        return False
    assert isinstance(found[0].op, Product)
    if not found[0].op.is_tiled:
        return False
    if node is found[0]:
        return True
    assert isinstance(node.op, Fused)
    inside = {a for a, given in zip(node.op.body.arguments, node.inputs, strict=True) if given is value}
    return all(inner is found[0] or inside.isdisjoint(inner.inputs) for inner in node.op.body.nodes)


def _pays(node: Node, readers: Sequence[Node]) -> bool:
    """Whether the products move less through memory if they compute a factor, and compute little more."""
    work, size, nbytes = work_of(node), node.output.type.size, node.output.type.nbytes
    times, operations = 0.0, 0
    for reader in readers:
        found = _product(reader)
        assert found is not None
        product, factors = found
        operations += 2 * product.op.products([factor.type for factor in product.inputs])
        for number, factor in enumerate(factors):
            times += _loads(product, number) / max(size, 1) if factor is node.output else 0
    apart = work.read + nbytes + nbytes * times
    return work.read * times < apart and work.operations * (times - 1) * SHARE <= operations


def _loads(product: Node, number: int) -> int:
    """How many elements of a factor the tiles of a product take."""
    first, second = (factor.type for factor in product.inputs)
    if isinstance(product.op, ConvolutionOp):
        sums = 0
        for part in convolution_products(product.op, first, second):
            lines, others = (part.columns, part.rows) if number == 0 else (part.rows, part.columns)
            depth = part.outer.extent * part.inner.extent
            sums += part.matrices.extent * lines.extent * depth * math.ceil(others.extent / TILE)
        return sums
    assert isinstance(product.op, Matmul)
    if number == 0:
        return first.size * math.ceil(second.shape[-2 if product.op.transpose_b else -1] / TILE)
    return second.size * math.ceil(first.shape[-1 if product.op.transpose_a else -2] / TILE)


def _with_prologues(node: Node, maps: dict[Value, Node]) -> Node:
    """A node of the graph; one that multiplies results of some maps, with these in it."""
    prologues = [maps[value] for value in dict.fromkeys(node.inputs) if value in maps]
    if not prologues:
        return node
    body = [part for inner in (*prologues, node) for part in inlined(inner)]
    made = {value for inner in body for value in inner.outputs}
    reads = tuple(dict.fromkeys(value for inner in body for value in inner.inputs if value not in made))
    name = "_".join(part.op.body.name if isinstance(part.op, Fused) else part.op.name for part in (*prologues, node))
    return Node(Fused(isolated(name, reads, body, node.outputs)), reads, node.outputs, node.location, node.backward)
