"""The entry of all shell commands: `lucid COMMAND ...` and `python -m lucid COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lucid.cli import check, demo, explore, info, opt, show
from lucid.cli.command import DONE, EXIT_CODES, INTERRUPTED, UNUSABLE, Command, UsageError, painted
from lucid.cli.files import run_file
from lucid.errors import LucidError

# In the order in which the help lists them.
COMMANDS: tuple[Command, ...] = (
    demo.COMMAND,
    show.COMMAND,
    explore.COMMAND,
    opt.COMMAND,
    check.COMMAND,
    info.COMMAND,
)

EXAMPLES = "\n".join(command.examples.split("\n")[0] for command in COMMANDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default, and return its exit code.

    Errors in the command line raise SystemExit, as argparse has it.
    """
    parser, parsers = _parsers()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return DONE
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except UsageError as error:
        parsers[options.command.name].error(str(error))
    except LucidError as error:
        print(f"{painted('error', 'wrong', sys.stderr)}: {error}", file=sys.stderr)
        return UNUSABLE
    except (MemoryError, RecursionError) as error:
        what = "more memory than there is" if isinstance(error, MemoryError) else "too deep a chain of operations"
        print(f"{painted('error', 'wrong', sys.stderr)}: this takes {what}.", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    command: Command = options.command
    for file in options.imports:
        run_file(Path(file))
    try:
        code = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # by `| head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and that of each command by its name."""
    codes = "\n".join(f"  {code:<5}{meaning}" for code, meaning in EXIT_CODES.items())
    parser = argparse.ArgumentParser(
        prog="lucid",
        description="Read, replay and question what Lucid compiles.",
        epilog=f"examples:\n{EXAMPLES}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    parsers = {}
    for command in COMMANDS:
        own = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.summary,
            epilog=f"examples:\n{command.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(own)
        own.add_argument(
            "--import",
            dest="imports",
            metavar="FILE.py",
            action="append",
            default=[],
            help="run a Python file first, such as one that declares ops of your own",
        )
        own.set_defaults(command=command)
        parsers[command.name] = own
    return parser, parsers
