"""`lucid info`: what Lucid runs on, for a bug report."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from argparse import ArgumentParser, Namespace
from typing import Any

from lucid.cli.command import DONE, Command, add_json, print_json
from lucid.codegen import cache
from lucid.codegen.cpu.machine import llvm_version, machine
from lucid.codegen.threads import available_processors, get_num_threads

EXAMPLES = """\
  lucid info
  lucid info --json"""

PACKAGES = ("lucid-compiler", "numpy", "llvmlite", "networkx")
VARIABLES = "LUCID_"  # what every environment variable of ours begins with


def configure(parser: ArgumentParser) -> None:
    add_json(parser)


def run(options: Namespace) -> int:
    facts = gathered()
    if options.json:
        print_json(facts)
    else:
        for title, values in facts.items():
            print(title if values else f"{title}: none is set")
            width = max(15, *map(len, values)) if values else 0
            for name, value in values.items():
                print(f"  {name:<{width}} {_shown(value)}")
    return DONE


def gathered() -> dict[str, dict[str, Any]]:
    """The facts, by title and name."""
    target = machine()
    folder = cache.directory()
    files, size = cache.usage()
    return {
        "versions": {
            **{name: _version(name) for name in PACKAGES},
            "LLVM": llvm_version(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "system": platform.platform(),
        },
        "processor": {
            "name": target.cpu,
            "vector bytes": target.vector_bytes,
            "features": [feature[1:] for feature in target.features.split(",") if feature.startswith("+")],
            "processors": available_processors(),
            "threads": get_num_threads(),
        },
        "cache": {"folder": None if folder is None else str(folder), "programs": files, "bytes": size},
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "none"
    return "none" if value is None else str(value)


COMMAND = Command("info", "say what Lucid runs on: versions, processor, threads, cache", EXAMPLES, configure, run)
