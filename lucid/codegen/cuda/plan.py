"""The launch plan: what it takes to run the CUDA C module of a graph.

Every array that a launch reads or writes is a *storage*, and storages are numbered: the arguments, states and outputs,
which belong to the caller; then the stretches of the arena; then the elements of other storages that the loops of the
plan stand at; last the status of the device.

The status is STATUS_WORDS 64-bit words: whether a check has failed, then which one, the position, and the value there.
The first check that fails writes it; every function that writes state reads it first, and does nothing from then on.
So a failed step changes nothing, nor does any step that was launched behind it before the host looked.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from lucid.ir.types import TensorType, tensor_type

STATUS_WORDS = 4


@dataclass(frozen=True)
class Launch:
    """A launch of a function: on a grid of `blocks` (x and y) of so many threads, with the storages `buffers` as its
    pointers and, behind them, `scalars` as ints. That of a check has its number as its scalar."""

    function: str
    blocks: tuple[int, int]
    threads: int
    buffers: tuple[int, ...]
    scalars: tuple[int, ...] = ()
    is_check: bool = False


T = TypeVar("T")  # what stands for a launch: a Launch, or what is made of one


@dataclass(frozen=True)
class Loop(Generic[T]):
    """Steps that are taken `length` times, at the places 0, 1, ... of the elements, or from the last one on. The
    storages from number `first` on, as many as there are elements, are those at the place."""

    length: int
    reverse: bool
    first: int
    elements: tuple[Element, ...]
    steps: tuple[Step[T], ...]

    def places(self) -> range:
        """The places, in order."""
        return range(self.length - 1, -1, -1) if self.reverse else range(self.length)


Step: TypeAlias = T | Loop[T]


@dataclass(frozen=True)
class Element:
    """The elements of a storage along its leading axis, of so many bytes each."""

    storage: int
    size: int


@dataclass(frozen=True)
class Stretch:
    """A part of the arena, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class LaunchPlan:
    """The launches of a graph in order, and the storages that they work on."""

    inputs: tuple[str, ...]  # the types of arguments and states
    outputs: tuple[str, ...]
    updated: tuple[int, ...]  # the inputs that are written
    stretches: tuple[Stretch, ...]
    arena: int  # bytes
    checks: tuple[tuple[str, str], ...]  # the message, and the dtype of the values
    functions: tuple[str, ...]  # of the module, each once
    steps: tuple[Step[Launch], ...]
    status: int  # the number of the storage that is the status

    @property
    def slots(self) -> int:
        """The number of storages that belong to the caller."""
        return len(self.inputs) + len(self.outputs)

    def slot_types(self) -> Iterator[TensorType]:
        """The types of the storages that belong to the caller."""
        return map(tensor_type, (*self.inputs, *self.outputs))

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LaunchPlan:
        """The plan from what `to_json` gave, even after a file has made lists of its tuples."""
        return cls(
            tuple(data["inputs"]),
            tuple(data["outputs"]),
            tuple(data["updated"]),
            tuple(Stretch(**stretch) for stretch in data["stretches"]),
            data["arena"],
            tuple((message, dtype) for message, dtype in data["checks"]),
            tuple(data["functions"]),
            tuple(map(_step, data["steps"])),
            data["status"],
        )

    def launches(self, addresses: list[int]) -> Iterator[Launch]:
        """See `walk`."""
        return walk(self.steps, addresses)


def walk(steps: Sequence[Step[T]], addresses: list[int] | ctypes.Array[ctypes.c_uint64]) -> Iterator[T]:
    """Every launch in order; before each, `addresses`, of all storages, has those of the elements it works on."""
    for step in steps:
        if not isinstance(step, Loop):
            yield step
            continue
        for place in step.places():
            for number, element in enumerate(step.elements, step.first):
                addresses[number] = addresses[element.storage] + place * element.size
            yield from walk(step.steps, addresses)


def _step(data: Mapping[str, Any]) -> Step[Launch]:
    if "function" in data:
        x, y = data["blocks"]
        buffers, scalars = tuple(data["buffers"]), tuple(data["scalars"])
        return Launch(data["function"], (x, y), data["threads"], buffers, scalars, data["is_check"])
    elements = tuple(Element(**element) for element in data["elements"])
    return Loop(data["length"], data["reverse"], data["first"], elements, tuple(map(_step, data["steps"])))


# Threads of a block of a loop nest, and the most blocks: enough to fill any GPU of today several times over. What is
# longer goes round in the loops of the kernel. The shape alone decides.
BLOCK = 256
MOST_BLOCKS = 4096
WARP = 32


def line_of_blocks(threads: int) -> tuple[int, int]:
    """The blocks and the threads of each, whole warps, for work that so many threads share.

    >>> line_of_blocks(10), line_of_blocks(1000), line_of_blocks(10**8)
    ((1, 32), (4, 256), (4096, 256))
    """
    if threads < BLOCK:
        return 1, math.ceil(threads / WARP) * WARP
    return min(math.ceil(threads / BLOCK), MOST_BLOCKS), BLOCK
