"""The CUDA C module of a graph: a function for each distinct kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lucid.codegen.cuda.nest import print_kernel
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower, where
from lucid.codegen.memory import home
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.ops.base import Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Check, Fused, Grad

# What is printed nothing for, and why. Every other op is a loop nest.
UNSUPPORTED: Mapping[type[Op], str] = {
    Matmul: "it needs a tiled kernel of its own",
    Check: "it needs an error flag on the device",
    Scan: "it needs a loop of launches",
    Grad: "the pass `differentiate` must have written it out",
}


def print_module(graph: Graph) -> str:
    """The CUDA C functions of a graph, planned or not, in the order of its nodes: kernel_0, kernel_1, ...

    Nodes with equal kernels share one. Raises CompileError for an op that has no CUDA kernel.
    """
    nodes_of: dict[Kernel, list[Node]] = {}
    for node in graph.nodes:
        kernel = kernel_of(graph, node)
        if kernel is not None:
            nodes_of.setdefault(kernel, []).append(node)
    head = f"// {_printable(graph.name)}: compile with {' '.join(NVRTC_OPTIONS)}\n"
    functions = (
        "".join(f"// {line}\n" for line in _origins(nodes)) + print_kernel(kernel, f"kernel_{number}", where(nodes[0]))
        for number, (kernel, nodes) in enumerate(nodes_of.items())
    )
    return "\n".join([head, *functions])


def kernel_of(graph: Graph, node: Node) -> Kernel | None:
    """The kernel that a node of a graph runs, None where it needs none, or a CompileError."""
    if type(node.op) in UNSUPPORTED:
        reason = UNSUPPORTED[type(node.op)]
        raise CompileError(f"the CUDA target does not support {node.op.name}: {reason}.", where=where(node))
    if isinstance(node.op, Reshape) and home(graph, node.output) is home(graph, node.inputs[0]):
        return None
    kernel = lower(node)
    return None if kernel.is_empty else kernel


def _origins(nodes: list[Node]) -> Iterator[str]:
    """The module and the user's line behind each op of some nodes, each once."""
    inner = (part for node in nodes for part in (node.op.body.nodes if isinstance(node.op, Fused) else (node,)))
    found = dict.fromkeys(_printable(str(part.location)) for part in inner if part.location is not None)
    return (line for line in found if line)


def _printable(text: str) -> str:
    """A text that stays in its // comment: one line, which a backslash at its end would continue."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip("\\ ")
