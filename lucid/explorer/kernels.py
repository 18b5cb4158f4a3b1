"""What a program runs, call by call, and the text of each kernel in every form that it has.

    [{"name": "kernel_3", "node": 17, "ops": "add relu", "bytes": 98304, "kernel": 3 or -1, "depth": 0}]
    [{"name": "kernel_3", "loops": "...", "llvm": "...", "assembly": "...", "cuda": "..."}]    # kernels

Calls come in order, those in the body of a loop behind it and one deeper. Equal nodes share one kernel. A call without
a kernel, such as a matrix product, is made by hand for each target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Const, Iota

if TYPE_CHECKING:
    from lucid.codegen.kernel import Kernel
    from lucid.explorer.stages import Stages
    from lucid.stages import Readable


def calls(planned: Graph, part: Readable, stages: Stages) -> dict[str, Any]:
    """The calls and the kernels of a planned graph, whose nodes are numbered as in its stage."""
    kernels: dict[Kernel, int] = {}
    nodes: dict[Kernel, Node] = {}
    made: list[dict[str, Any]] = []
    for graph, node, depth in _in_order(planned):
        kernel = part.kernel(node) if _is_loop_nest(graph, node) else None
        number = -1
        if kernel is not None:
            if kernel.is_empty:
                continue
            number = kernels.setdefault(kernel, len(kernels))
            nodes.setdefault(kernel, node)
        elif isinstance(node.op, Reshape):
            continue
        made.append(
            {
                "name": f"kernel_{number}" if kernel is not None else node.op.name,
                "node": stages.nodes[node],
                "ops": _ops(node),
                "bytes": sum(value.type.nbytes for value in dict.fromkeys((*node.inputs, *node.outputs))),
                "kernel": number,
                "depth": depth,
            }
        )
    llvm, assembly = _functions(part.llvm_ir, _LLVM), _functions(part.assembly, _ASSEMBLY)
    texts = [
        {
            "name": f"kernel_{number}",
            "loops": str(kernel),
            "llvm": llvm.get(f"kernel_{number}", ""),
            "assembly": assembly.get(f"kernel_{number}", ""),
            "cuda": _cuda(kernel, f"kernel_{number}", nodes[kernel]),
        }
        for kernel, number in kernels.items()
    ]
    return {"calls": made, "kernels": texts, "entry": llvm.get("entry", "")}


def _in_order(graph: Graph, depth: int = 0) -> Iterator[tuple[Graph, Node, int]]:
    """The nodes as they run, those in the body of a loop behind it, with the graph and the number of loops that they
    are in."""
    for node in graph.nodes:
        yield graph, node, depth
        if isinstance(node.op, Scan):
            yield from _in_order(node.op.body, depth + 1)


def _is_loop_nest(graph: Graph, node: Node) -> bool:
    """Whether a node runs a kernel. A view of its operand runs nothing."""
    from lucid.codegen.lowering import is_lowered
    from lucid.codegen.memory import home

    is_view = isinstance(node.op, Reshape) and home(graph, node.output) is home(graph, node.inputs[0])
    return is_lowered(node.op) and not is_view


def _ops(node: Node) -> str:
    """The ops of a node, those of its regions in order, each once in a row."""
    inner = [part for region in node.op.regions() for part in region.nodes]
    names = [part.op.name for part in inner if not isinstance(part.op, Const | Iota)] or [node.op.name]
    return " ".join(name for number, name in enumerate(names) if number == 0 or names[number - 1] != name)


def _cuda(kernel: Kernel, name: str, node: Node) -> str:
    from lucid.codegen.cuda.nest import print_kernel
    from lucid.codegen.lowering import where

    try:
        return print_kernel(kernel, name, where=where(node))
    except CompileError as error:
        return f"// {error.sentence}"


# A function in a text: its name, and all of it.
_LLVM = re.compile(r'^define [^@\n]*@"?(?P<name>[\w.]+)"?\(.*?^}$', re.MULTILINE | re.DOTALL)
_ASSEMBLY = re.compile(
    r"^(?P<name>[A-Za-z]\w*):.*?(?=^\.?L?func_end\d*:|^\.Lfunc_end\d+:|\Z)", re.MULTILINE | re.DOTALL
)


def _functions(text: Callable[[], str], pattern: re.Pattern[str]) -> dict[str, str]:
    """The text of each function by its name; of none where the target has no such text."""
    try:
        whole = text()
    except CompileError:
        return {}
    return {match["name"]: match[0].strip() for match in pattern.finditer(whole)}
