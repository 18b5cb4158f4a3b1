"""Which shared functions a traced graph will call, as far as can be told before its passes run."""

from __future__ import annotations

from collections.abc import Iterator

from lucid.codegen.cpu.library import CONVOLVE_GROUPED, PRODUCT, WEIGH
from lucid.codegen.cpu.machine import Machine
from lucid.ir.graph import Graph
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution
from lucid.ir.ops.structure import Grad


def expected(graph: Graph, machine: Machine) -> list[str]:
    """Their names; those of gradients, too, where the graph has any. None is missed that matters, for what is not
    begun now is begun later."""
    has_gradients = any(isinstance(node.op, Grad) for node in graph.nodes)
    return sorted(set(_names(graph, machine, has_gradients)))


def _names(graph: Graph, machine: Machine, has_gradients: bool) -> Iterator[str]:
    for node in graph.nodes:
        types = [value.type for value in node.inputs]
        if isinstance(node.op, Matmul) and types[0].dtype.is_float:
            yield f"{PRODUCT}{types[0].dtype.short}"
        elif isinstance(node.op, Convolution):
            from lucid.codegen.cpu.convolution_call import convolution_prefix  # for those who have any

            prefix = convolution_prefix(node.op, types[0], types[1], machine)
            yield f"{prefix}{types[0].dtype.short}"
            if has_gradients and prefix != CONVOLVE_GROUPED:
                yield f"{WEIGH}{types[0].dtype.short}"
        for region in node.op.regions():
            yield from _names(region, machine, has_gradients)
