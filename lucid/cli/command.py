"""What a shell command is, and what all of them share: exit codes, colours, JSON."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from lucid.errors import LucidError

# Exit codes, for scripts. argparse ends with 2 by itself where the command line is wrong.
DONE = 0
DIFFERENT = 1  # `check` has found a difference
USAGE = 2
UNUSABLE = 3  # a file that is not there, text that does not parse, a program that does not compile
UNCOMPARED = 4  # `check` has found no difference, but could not compare all
INTERRUPTED = 130  # by Ctrl-C, as shells report it

EXIT_CODES = {
    DONE: "done",
    DIFFERENT: "`check` found a difference",
    USAGE: "the command line is wrong",
    UNUSABLE: "a file, a text or a program can't be used; the message says why",
    UNCOMPARED: "`check` could not compare all: a check in the program fails",
    INTERRUPTED: "interrupted by Ctrl-C",
}


@dataclass(frozen=True)
class Command:
    """One command: `run` returns its exit code, and may raise UsageError and any LucidError.

    `summary` is its line in `lucid --help`, `examples` end its own help.
    """

    name: str
    summary: str
    examples: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


class UsageError(Exception):
    """Options that do not go together. The message is a sentence."""


class InputError(LucidError, ValueError):
    """A file or a name that a command was given and cannot use."""


def print_json(value: Any) -> None:
    """Print a value for machines to read."""
    print(json.dumps(value, indent=2))


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs to read")


COLORS = {"added": "32", "removed": "31", "dim": "2", "bold": "1", "wrong": "31"}


def painted(text: str, color: str, stream: TextIO | None = None) -> str:
    """A text in a colour of COLORS where the stream, standard output by default, is a terminal.

    NO_COLOR, set to anything, turns colours off (https://no-color.org).
    """
    stream = sys.stdout if stream is None else stream
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m"


def painted_ir(text: str) -> str:
    """IR with its comments dimmed."""

    def line(text: str) -> str:
        code, mark, comment = text.partition("  # ")
        return code + painted(mark + comment, "dim") if mark else text

    return "\n".join(map(line, text.split("\n")))
