"""`lucid opt`: passes on IR text."""

from __future__ import annotations

import difflib
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from lucid.cli.command import DONE, Command, painted, painted_ir
from lucid.cli.files import STANDARD_INPUT, read_graph
from lucid.cli.passes import PASSES, applied, passes
from lucid.ir.graph import Graph
from lucid.ir.text import print_graph
from lucid.ir.verify import verify

EXAMPLES = """\
  lucid opt step.ir --passes differentiate,simplify,order,fuse > fused.ir
  lucid opt step.ir --passes simplify --diff
  lucid opt step.ir --passes my_passes.py:reorder,prune --verify-each"""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default=STANDARD_INPUT, help="an .ir file; standard input by default")
    parser.add_argument(
        "--passes",
        metavar="NAMES",
        default="",
        help=f"passes to run, with commas between them: {', '.join(PASSES)}, or FILE.py:NAME for one of your own",
    )
    parser.add_argument("--verify-each", action="store_true", help="verify after each pass, not only at the end")
    parser.add_argument("--print-after-all", action="store_true", help="print the graph after each pass to stderr")
    parser.add_argument("--diff", action="store_true", help="print what each pass changes instead of the graph")


def run(options: Namespace) -> int:
    steps = passes(options.passes)
    graph = read_graph(options.file)
    for step in steps:
        before, graph = graph, applied(step, graph)
        if options.print_after_all:
            print(f"# after {step.stage}\n{print_graph(graph)}", file=sys.stderr)
        if options.verify_each:
            verify(graph)
        if options.diff:
            print("\n".join(_difference(before, graph, step.stage)))
    verify(graph)
    if not options.diff:
        print(painted_ir(print_graph(graph)))
    return DONE


def _difference(before: Graph, after: Graph, name: str) -> Iterator[str]:
    """A unified diff of two graphs, in colours on a terminal."""
    old, new = (print_graph(graph).splitlines() for graph in (before, after))
    found = list(difflib.unified_diff(old, new, f"before {name}", f"after {name}", lineterm=""))
    if not found:
        yield f"# {name} changes nothing"
    for line in found:
        color = {"+": "added", "-": "removed", "@": "dim"}.get(line[:1])
        yield painted(line, color) if color else line


COMMAND = Command("opt", "run passes on IR text", EXAMPLES, configure, run)
