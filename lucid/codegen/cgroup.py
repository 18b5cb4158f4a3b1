"""The share of the processors that a process's control groups leave it, as containers and batch systems set it on
Linux."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Files of a group: version 2 has quota and period in one, version 1 has them apart. There is no quota where it says
# `max`, or -1. See `man 7 cgroups`, and "CPU bandwidth control" of the kernel's documentation.
_BOTH = ("cpu.max",)
_APART = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


def quota(root: Path = Path("/")) -> float:
    """How many processors' time the groups of this process have, and all groups above them: the smallest quota, or
    infinity where there is none. Files are found below `root`."""
    return min(map(_of_group, _groups(root)), default=float("inf"))


def _groups(root: Path) -> Iterator[Path]:
    """The folder of each group that this process is in, of all hierarchies that share out processors, with those above
    it."""
    for mounted, path in _hierarchies(root):
        group = root / mounted.relative_to("/")
        yield group
        for name in path.parts:
            group /= name
            yield group


def _hierarchies(root: Path) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Where a hierarchy is mounted, and the path of this process's group from there."""
    try:
        memberships, mounts = (_lines(root / f"proc/self/{name}") for name in ("cgroup", "mountinfo"))
    except OSError:  # not Linux
        return
    groups = [line.split(":", 2)[1:] for line in memberships if line.count(":") >= 2]
    for line in mounts:
        # ... the mounted folder of the hierarchy, where, options, ... - type, source, options of the hierarchy
        first, _, last = (part.split(" ") for part in line.partition(" - "))
        if len(first) < 5 or len(last) < 3:
            continue
        kind, options = last[0], last[2].split(",")
        for controllers, path in groups:
            version_2 = kind == "cgroup2" and controllers == ""
            version_1 = kind == "cgroup" and "cpu" in options and "cpu" in controllers.split(",")
            if version_1 or version_2:
                yield PurePosixPath(_unescaped(first[4])), _below(path, _unescaped(first[3]))


def _lines(path: Path) -> list[str]:
    """The lines of a file that names other files, in whatever bytes their names are."""
    return os.fsdecode(path.read_bytes()).split("\n")


def _unescaped(path: str) -> str:
    r"""A path of a table of mounts, where a space is `\040`: what would end a word or a line is in octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), path)


def _below(path: str, folder: str) -> PurePosixPath:
    """A path from a folder on; the folder itself where it leads elsewhere, as in a container that knows the names of
    its host's groups but sees its own alone."""
    relative = os.path.relpath(path, folder)
    return PurePosixPath("." if relative.startswith("..") else relative)


def _of_group(group: Path) -> float:
    """The processors' time of one group."""
    for names in (_BOTH, _APART):
        try:
            quota, period = (int(word) for name in names for word in (group / name).read_text().split())
        except (OSError, ValueError):  # there is no such file, or no quota
            continue
        if quota > 0 < period:
            return quota / period
    return float("inf")
