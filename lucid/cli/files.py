"""Files that commands read: IR text, and what a Python file defines."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lucid.cli.command import InputError
from lucid.errors import LucidError
from lucid.ir.graph import Graph
from lucid.ir.text import parse
from lucid.ir.verify import verify

STANDARD_INPUT = "-"


def read_graph(file: str) -> Graph:
    """The graph of an IR file, or of standard input for `-`. Raises InputError, ParseError and VerificationError."""
    if re.search(r"\.py(:|$)", file):
        raise InputError(
            f"expected an .ir file, got {file}.", hint="`lucid show FILE.py:NAME --stage traced -o step.ir` writes one."
        )
    graph = parse(read_text(file))
    verify(graph)
    return graph


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`. Raises InputError."""
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8: {error.reason} at byte {error.start}.") from None


def write_text(file: str, text: str) -> None:
    """Write a file that ends with its last line. Raises InputError."""
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} can't be written: {error.strerror}.") from None


def load(reference: str) -> Any:
    """What `FILE.py:NAME` names: the file runs as a module, not as `__main__`; the name may be dotted.

    Raises InputError. What the file raises is printed with its traceback, and then is an InputError, too.
    """
    file, _, name = reference.rpartition(":")
    if not file or not name:
        path = Path(reference)
        hint = _names_in(run_file(path), "") if path.suffix == ".py" and path.is_file() else None
        raise InputError(f"expected FILE.py:NAME, got {reference!r}.", hint=hint)
    found: Any = run_file(Path(file))
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{file} has no {name}.", hint=_names_in(found, part))
        found = getattr(found, part)
    return found


def run_file(path: Path) -> Any:
    """The module that a Python file is, run now, not as `__main__`. Raises InputError, and LucidErrors of the file."""
    if not path.is_file():
        raise InputError(f"{path} can't be read: there is no such file.")
    module_name = f"lucid_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # where dataclasses look for it
    sys.path.insert(0, str(path.parent.resolve()))  # as for `python FILE.py`
    try:
        spec.loader.exec_module(module)
    except LucidError:
        raise
    except SystemExit:
        raise InputError(
            f"{path} has ended the process.", hint='put what runs the training under `if __name__ == "__main__":`'
        ) from None
    except Exception as error:
        own = error.__traceback__.tb_next if error.__traceback__ else None
        while own is not None and own.tb_frame.f_code.co_filename.startswith("<frozen"):
            own = own.tb_next
        traceback.print_exception(type(error), error, own)
        raise InputError(f"{path} has raised {type(error).__name__}.") from None
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def _names_in(module: Any, wanted: str) -> str | None:
    """A hint: the name that was meant, or all that may have been."""
    names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    if near := get_close_matches(wanted, names, n=1):
        return f"did you mean {near[0]}?"
    return f"it has {', '.join(names)}." if names else None
