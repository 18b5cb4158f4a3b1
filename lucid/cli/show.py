"""`lucid show`: what becomes of a function, a module or an IR file."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from lucid.cli.command import DONE, Command, UsageError, add_json, painted, painted_ir, print_json
from lucid.cli.files import write_text
from lucid.cli.inputs import input_of
from lucid.cli.subjects import Subject, subject_of
from lucid.stages import Readable

if TYPE_CHECKING:
    from lucid.explanation import Explanation

EXAMPLES = """\
  lucid show train.py:model --input 64x784xf32
  lucid show train.py:model --input 64x784xf32 --train --all
  lucid show train.py:train_step --input x=64x784xf32 --input y=64xi64 --stage fused
  lucid show train.py:model --input 64x784xf32 --stage traced --output model.ir
  lucid show train.py:model --input 64x784xf32 --as kernels --profile
  lucid show step.ir --as asm"""

# What `--as` shows of a program, as text. IR is told apart: it has stages.
FORMATS: Mapping[str, Callable[[Readable], str]] = {
    "llvm": Readable.llvm_ir,
    "asm": Readable.assembly,
    "cuda": Readable.cuda_source,
    "dot": lambda program: program.graph().to_dot(),
    "svg": lambda program: program.graph().to_svg(),
}


def add_subject(parser: ArgumentParser) -> None:
    """Add what names a program: FILE.py:NAME with its inputs, or an IR file."""
    parser.add_argument(
        "subject", help="FILE.py:NAME, where NAME is a function or a module, or an .ir file (- for stdin)"
    )
    parser.add_argument(
        "--input",
        metavar="NAME=TYPE",
        dest="inputs",
        action="append",
        default=[],
        type=input_of,
        help="an argument: a type such as x=64x784xf32, x=FILE.npy, or a Python value; without NAME=, the next one",
    )
    parser.add_argument(
        "--train",
        action="store_true",
        help="show a module in training mode, with the backward of the sum of its results (else: as in evaluation)",
    )


KERNELS = "kernels"


def configure(parser: ArgumentParser) -> None:
    add_subject(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--stage", help="the stage to show: traced, differentiated, ... (the last one by default)")
    which.add_argument("--all", action="store_true", help="show all stages, one after the other, or all kernels")
    parser.add_argument(
        "--as",
        dest="form",
        choices=("ir", KERNELS, *FORMATS),
        default="ir",
        help="what to show; ir by default; kernels is a table of what each does, and why there are not fewer",
    )
    parser.add_argument(
        "--profile", action="store_true", help="with --as kernels: time each, and compare with what the machine can do"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    add_json(parser)


def run(options: Namespace) -> int:
    if options.form != "ir" and (options.stage or (options.all and options.form != KERNELS)):
        raise UsageError(f"--stage and --all choose among IR; --as {options.form} is of the last stage.")
    if options.profile and options.form != KERNELS:
        raise UsageError("--profile goes with --as kernels.")
    subject = subject_of(options.subject, options.inputs, options.train)
    if options.form == KERNELS:
        return _explained(subject, options)
    named = {title: program for title, program in subject.parts.items() if options.stage in program.stages}
    shown = {title: _shown(program, options) for title, program in (named or subject.parts).items()}
    if options.output is not None:
        write_text(options.output, json.dumps(shown, indent=2) if options.json else "\n".join(_lines(shown, options)))
    elif options.json:
        print_json(shown)
    else:
        for line in _lines(shown, options):
            print(painted(line, "bold") if line.startswith("# ") else painted_ir(line))
    return DONE


def _explained(subject: Subject, options: Namespace) -> int:
    explanation = next(iter(subject.parts.values())).explain(options.profile)  # that of a forward has its backward's
    text = _text_of(explanation, options)
    if options.output is not None:
        write_text(options.output, text)
    else:
        print(text)
    return DONE


def _text_of(explanation: Explanation, options: Namespace) -> str:
    if options.json:
        return json.dumps(explanation.as_dict(), indent=2)
    return explanation.full() if options.all else str(explanation)


def _lines(shown: Mapping[str, Mapping[str, str]], options: Namespace) -> Iterator[str]:
    """The texts, each under a title unless there is one only."""
    for title, texts in shown.items():
        for name, text in texts.items():
            if len(shown) > 1:
                yield f"# {title}: {name}"
            elif options.all:
                yield f"# {name}"
            yield text


def _shown(program: Readable, options: Namespace) -> dict[str, str]:
    """The texts to show of a program, by the name of a stage or of a format."""
    if options.form != "ir":
        return {options.form: FORMATS[options.form](program)}
    names = program.stages if options.all else (options.stage or program.stages[-1],)
    return {name: program.ir(name) for name in names}


COMMAND = Command("show", "show what becomes of a function, a module or an .ir file", EXAMPLES, configure, run)
