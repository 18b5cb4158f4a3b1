"""Whether the package `lucid` that Python imports is wholly ours.

Other distributions on the index install a package of this name too. Where one of them and lucid-compiler went into one
folder, files of each have overwritten files of the other, and what fails later fails far from the cause.
"""

from __future__ import annotations

import os
from pathlib import Path

from lucid.errors import InstallationError

_OURS = "lucid_compiler"


def check_installation(package: str = os.path.dirname(__file__)) -> None:
    """Raise InstallationError where another distribution has installed files into the folder `package`.

    It runs at every import of lucid, so it lists one folder (0.1 ms) and reads files only where a name is suspect,
    rather than ask `importlib.metadata`, which alone takes longer to import than the rest of Lucid's check.
    """
    folder = os.path.dirname(package)
    for name in os.listdir(folder):
        if name.startswith("lucid") and name.endswith(".dist-info") and not name.startswith(f"{_OURS}-"):
            record = Path(folder, name, "RECORD")
            if record.is_file() and _lists_package(record.read_text(encoding="utf-8"), os.path.basename(package)):
                foreign, _, version = name.removesuffix(".dist-info").rpartition("-")
                raise InstallationError(
                    f"the package `lucid` in {folder} mixes the files of lucid-compiler with those of another "
                    f"distribution, {foreign} {version}.",
                    hint=f"pip uninstall {foreign} lucid-compiler, then pip install lucid-compiler",
                )


def _lists_package(record: str, package: str) -> bool:
    """Whether a RECORD, a line an installed file, names a file of the package."""
    return any(line.startswith(f"{package}/") for line in record.splitlines())
