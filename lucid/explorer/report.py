"""What the explorer shows, as plain data: everything that a page needs, and nothing that runs.

    {"version": "0.1.0",
     "files": [{"name": "train.py", "text": "..."}],
     "programs": [{"name": "step", "signature": "f32[64, 2]", "parts": [part, ...]}]}

A program has one part, or two where its backward runs by itself. A part has its stages (see `lucid.explorer.stages`),
its kernels and their texts (`lucid.explorer.kernels`), and its memory plan (`lucid.explorer.memory`). Stages name a
file by its number in the list; of folders only as much is told as it takes to tell files apart.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lucid.explorer.kernels import calls
from lucid.explorer.memory import memory
from lucid.explorer.stages import Stages
from lucid.ir.graph import Graph
from lucid.stages import Readable

if TYPE_CHECKING:
    from lucid.program import Program

Json = dict[str, Any]


@dataclass(frozen=True)
class Exhibit:
    """What is shown as one program: its parts by a title, one, or a forward and the backward that goes with it."""

    name: str
    signature: str
    parts: Mapping[str, Readable]

    @classmethod
    def of(cls, program: Program) -> Exhibit:
        """What there is to see of a program."""
        parts: dict[str, Readable] = {"program": program}
        if program.backward is not None:
            parts = {"forward": program, "backward": program.backward}
        return cls(program.name, program.signature, parts)


def report(exhibits: Sequence[Exhibit]) -> Json:
    """All there is to see of some programs. The passes run for those that came out of the disk cache."""
    from lucid import __version__

    files = Files([part for exhibit in exhibits for part in exhibit.parts.values()])
    return {
        "version": __version__,
        "files": files.shown(),
        "programs": [
            {
                "name": exhibit.name,
                "signature": exhibit.signature,
                "parts": [_part(title, part, files) for title, part in exhibit.parts.items()],
            }
            for exhibit in exhibits
        ],
    }


class Files:
    """The user's source files, numbered."""

    def __init__(self, parts: Sequence[Readable]) -> None:
        graphs = (part.graph(stage) for part in parts for stage in part.stages[:1])
        self.paths = list(dict.fromkeys(_paths(graphs)))

    def number(self, path: str) -> int:
        """The number of a file, -1 for none."""
        return self.paths.index(path) if path in self.paths else -1

    def shown(self) -> list[Json]:
        """Their names and texts; no text where a file cannot be read."""
        return [{"name": self._name(path), "text": "".join(linecache.getlines(path))} for path in self.paths]

    def _name(self, path: str) -> str:
        parts = Path(path).parts
        same = [Path(other).parts for other in self.paths if Path(other).name == Path(path).name]
        length = next((n for n in range(1, len(parts)) if sum(other[-n:] == parts[-n:] for other in same) == 1), 1)
        return "/".join(parts[-length:])


def _paths(graphs: Iterator[Graph]) -> Iterator[str]:
    for graph in graphs:
        for node in graph.all_nodes():
            if node.location is not None and node.location.file:
                yield node.location.file


def _part(title: str, part: Readable, files: Files) -> Json:
    stages = Stages(files)
    shown = [stages.enter(name, part.graph(name), part.milliseconds.get(name)) for name in part.stages]
    planned = part.graph()
    return {
        "title": title,
        "stages": shown,
        "calls": calls(planned, part, stages),
        "memory": memory(planned, stages),
    }
