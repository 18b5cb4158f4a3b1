"""`lucid explore`: a page for the browser that shows what becomes of a function, a module or an IR file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import lucid.explorer as explorer
from lucid.cli.command import DONE, Command, InputError
from lucid.cli.show import add_subject
from lucid.cli.subjects import subject_of
from lucid.explorer.page import page
from lucid.explorer.report import Exhibit
from lucid.program import Program

EXAMPLES = """\
  lucid explore train.py:train_step --input x=64x784xf32 --input y=64xi64 -o report.html
  lucid explore train.py:model --input 64x784xf32 --train
  lucid explore step.ir"""


def configure(parser: ArgumentParser) -> None:
    add_subject(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="report.html", help="where to write the page; report.html by default"
    )


def run(options: Namespace) -> int:
    subject = subject_of(options.subject, options.inputs, options.train)
    first = next(iter(subject.parts.values()))
    if isinstance(first, Program):
        types = first.signature
    else:
        types = ", ".join(str(value.type) for value in first.graph().arguments)
    name = options.subject.rpartition(":")[2]
    try:
        print(explorer.write(page([Exhibit(name, types, subject.parts)]), options.output))
    except OSError as error:
        raise InputError(f"{options.output} can't be written: {error.strerror}.") from None
    return DONE


COMMAND = Command("explore", "write a page for the browser that shows all of it", EXAMPLES, configure, run)
