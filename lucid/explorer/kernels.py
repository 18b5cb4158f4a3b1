"""What a program runs, call by call, and the text of each kernel in every form that it has.

    {"calls": [{"name": "kernel_3", "number": 7, "node": 17, "ops": "add relu", "kernel": 3 or -1, "depth": 0,
                "read": 65536, "written": 32768, "operations": 16384,      # bytes; as `explain` counts them
                "apart": [[5, "8", "a matmul has a kernel of its own"]]}],  # neighbours, and why they are not one
     "kernels": [{"name": "kernel_3", "loops": "...", "llvm": "...", "assembly": "...", "cuda": "..."}]}

Calls come in order, those in the body of a loop behind it and one deeper. A number is that of the row of `explain`, -1
where that has none, as for a check. Equal nodes share one kernel. A call without a kernel, such as a matrix product, is
made by hand for each target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lucid.codegen.cuda.module import kernel_functions
from lucid.codegen.lowering import is_lowered, where
from lucid.codegen.memory import is_view
from lucid.codegen.work import work_of
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Check, Const, Iota
from lucid.stages import Readable

if TYPE_CHECKING:
    from lucid.codegen.kernel import Kernel
    from lucid.explorer.stages import Stages


def calls(planned: Graph, part: Readable, stages: Stages) -> dict[str, Any]:
    """The calls and the kernels of a planned graph, whose nodes are numbered as in its stage."""
    kernels: dict[Kernel, int] = {}
    nodes: dict[Kernel, Node] = {}
    made: list[dict[str, Any]] = []
    explained = Readable.explain(part)  # of this part alone
    rows, row_of = iter(explained.rows), dict[int, int]()
    for graph, node, depth in _in_order(planned):
        if is_view(graph, node):
            continue
        row = None if isinstance(node.op, Scan | Check) else next(rows)
        kernel = part.kernel(node) if is_lowered(node.op) else None
        if kernel is not None:
            if kernel.is_empty:
                continue
            kernels.setdefault(kernel, len(kernels))
            nodes.setdefault(kernel, node)
        if row is not None:
            row_of[row.number] = len(made)
        work = row.work if row is not None else work_of(node)
        made.append(
            {
                "name": f"kernel_{kernels[kernel]}" if kernel is not None else node.op.name,
                "number": row.number if row is not None else -1,
                "node": stages.nodes[node],
                "ops": _ops(node),
                "kernel": kernels[kernel] if kernel is not None else -1,
                "depth": depth,
                "read": work.read,
                "written": work.written,
                "operations": work.operations,
                "apart": [],
            }
        )
    for pair in explained.apart:
        if pair.first in row_of and pair.second in row_of:
            first, second = row_of[pair.first], row_of[pair.second]
            made[first]["apart"].append([second, pair.value, pair.reason])
            made[second]["apart"].append([first, pair.value, pair.reason])
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
    return {"calls": made, "kernels": texts}


def _in_order(graph: Graph, depth: int = 0) -> Iterator[tuple[Graph, Node, int]]:
    """The nodes as they run, those in the body of a loop behind it, with the graph and the number of loops that they
    are in."""
    for node in graph.nodes:
        yield graph, node, depth
        if isinstance(node.op, Scan):
            yield from _in_order(node.op.body, depth + 1)


def _ops(node: Node) -> str:
    """The ops of a node, those of its regions in order, each once in a row."""
    inner = [part for region in node.op.regions() for part in region.nodes]
    names = [part.op.name for part in inner if not isinstance(part.op, Const | Iota)] or [node.op.name]
    return " ".join(name for number, name in enumerate(names) if number == 0 or names[number - 1] != name)


def _cuda(kernel: Kernel, name: str, node: Node) -> str:
    try:
        functions = kernel_functions(node, kernel)
        return "\n".join(function.text(name, guarded=False, where=where(node)) for function in functions)
    except CompileError as error:
        return f"// {error.sentence}"


# A function in a text: its name, and all of it.
_LLVM = re.compile(r"^define [^@\n]*@(?P<name>[\w.]+)\(.*?^}$", re.MULTILINE | re.DOTALL)
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
