"""`lucid check`: does the compiler compute what the interpreter does?"""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lucid.cli.command import (
    DIFFERENT,
    DONE,
    UNCOMPARED,
    Command,
    InputError,
    UsageError,
    add_json,
    painted,
    print_json,
)
from lucid.cli.files import STANDARD_INPUT, read_graph
from lucid.cli.inputs import Input, input_of
from lucid.cli.passes import passes
from lucid.faults import Fault, failing_check, find_fault, random_arrays
from lucid.ir.graph import Graph
from lucid.ir.ops.base import Array
from lucid.ir.passes.pipeline import PIPELINE
from lucid.ir.shrink import Case, shrink
from lucid.ir.text import print_graph
from lucid.ir.text_print import value_names
from lucid.tables import with_unit
from lucid.targets import load_target

EXAMPLES = """\
  lucid check step.ir
  lucid check step.ir --input x=images.npy --input y=labels.npy
  lucid check step.ir --passes differentiate,simplify,my_passes.py:reorder,order,fuse --output small.ir"""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", help="an .ir file (- for standard input)")
    parser.add_argument(
        "--input",
        metavar="NAME=FILE.npy",
        dest="inputs",
        action="append",
        default=[],
        type=input_of,
        help="the array of an argument or a state; without, it is random, as docs/cli.md says",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random arrays; 0 by default")
    parser.add_argument("--passes", metavar="NAMES", help="the passes to check; those of the compiler by default")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="where to write the shrunk graph: FILE.shrunk.ir beside the file by default",
    )
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="the most that shrinking may take; 30 by default, 0 for not at all"
    )
    add_json(parser)


def run(options: Namespace) -> int:
    steps = PIPELINE if options.passes is None else passes(options.passes)
    graph = read_graph(options.file)
    if graph.places:
        if options.passes is not None:
            raise UsageError("--passes is for graphs without a memory plan, and this one has one.")
        steps = ()
    _expect_to_fit(graph)
    case = Case(graph, _arrays(graph, options.inputs, options.seed))
    target = load_target("cpu")

    fault = find_fault(case.graph, case.arrays, target, steps)
    if fault is None:
        return _report_agreement(options, [step.stage for step in steps], failing_check(graph, case.arrays))

    def fault_of(smaller: Case) -> Fault | None:
        return find_fault(smaller.graph, smaller.arrays, target, steps, last=fault.step)

    def shows(smaller: Case) -> bool:
        found = fault_of(smaller)
        return found is not None and (found.step, found.kind) == (fault.step, fault.kind)

    small = shrink(case, shows, options.seconds)
    path = _output(options)
    again = _written(small, path, given=not shows(Case(small.graph, random_arrays(small.graph, options.seed))))
    problem = (fault_of(small) or fault).sentence
    if options.json:
        shrunk = {"file": str(path), "nodes": len(small.graph.nodes), "problem": problem}
        print_json(
            {
                "agrees": False,
                "at_fault": fault.step,
                "problem": fault.sentence,
                "nodes": len(graph.nodes),
                "shrunk": shrunk,
                "again": [*again, *_how(options)],
            }
        )
    else:
        print(f"{painted(fault.step, 'wrong')} is the first step at fault.")
        print(f"  {fault.sentence}")
        print(f"{path} shows it with {len(small.graph.nodes)} of {len(graph.nodes)} nodes:")
        print(f"  {problem}")
        print(f"  again: {shlex.join([*again, *_how(options)])}")
    return DIFFERENT


def _expect_to_fit(graph: Graph) -> None:
    """Raise InputError where the values of a graph, of which the interpreter holds all at once, take more than half of
    the memory there is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = sum(value.type.nbytes for value in graph.values())
    if needed > memory // 2:
        raise InputError(
            f"evaluating the graph takes {with_unit(needed, 'B')}, and there are {with_unit(memory, 'B')} of memory.",
            hint="check it with smaller shapes.",
        )


def _how(options: Namespace) -> list[str]:
    """The options that decide what is checked, as a command line has them."""
    seed = ["--seed", str(options.seed)] if options.seed else []
    return seed if options.passes is None else [*seed, "--passes", options.passes]


def _report_agreement(options: Namespace, steps: Sequence[str], failing: str | None) -> int:
    """Tell that no step differs; or, where a check ends all of them, that nothing behind it was compared."""
    if options.json:
        print_json({"agrees": True if failing is None else None, "steps": steps, "failing_check": failing})
    elif failing is None:
        print(f"{options.file}: interpreted, after each pass, compiled unfused and compiled, all agree.")
    else:
        print(f"{options.file}: a check that fails ends all alike, so that nothing behind it was compared.")
        print(f"  {failing}")
        print("  hint: give arrays that pass it, with --input.")
    return DONE if failing is None else UNCOMPARED


def _arrays(graph: Graph, inputs: Sequence[Input], seed: int) -> tuple[Array, ...]:
    """An array for each input of a graph, given or random. Raises InputError where one does not fit."""
    names = {name: value for value, name in value_names(graph).items() if value in set(graph.inputs)}
    arrays = dict(zip(graph.inputs, random_arrays(graph, seed), strict=True))
    for given in inputs:
        if given.name not in names:
            raise UsageError(f"--input {given.name or given.text}: the graph has the inputs {', '.join(names)}.")
        if not given.text.endswith(".npy"):
            raise UsageError(f"--input {given.name} takes an .npy file here, got {given.text}.")
        value, array = names[given.name], given.array()
        if (array.shape, array.dtype) != (value.type.shape, value.type.dtype.numpy):
            raise InputError(
                f"expected {value.type} in {given.text} for %{given.name}, got {array.dtype}{list(array.shape)}."
            )
        arrays[value] = array
    return tuple(arrays.values())


def _output(options: Namespace) -> Path:
    if options.output is not None:
        return Path(options.output)
    return Path("stdin.shrunk.ir") if options.file == STANDARD_INPUT else Path(options.file).with_suffix(".shrunk.ir")


def _written(case: Case, path: Path, given: bool) -> list[str]:
    """Write a graph, and if they are to be `given` its arrays; the command that checks it again."""
    command = ["lucid", "check", str(path)]
    names = value_names(case.graph)
    try:
        path.write_text(print_graph(case.graph) + "\n", encoding="utf-8")
        for value, array in zip(case.graph.inputs, case.arrays, strict=True) if given else ():
            file = path.with_suffix(f".{names[value]}.npy")
            np.save(file, array)
            command += ["--input", f"{names[value]}={file}"]
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}.") from None
    return command


COMMAND = Command(
    "check", "compare compiled code with the interpreter, and shrink what differs", EXAMPLES, configure, run
)
