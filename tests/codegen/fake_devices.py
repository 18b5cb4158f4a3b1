"""GPUs of the imitation of CuPy, and the functions of CUDA's runtime."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from tests.codegen.fake_streams import Calls, Stream


class Device:
    """A GPU by its number, or that which is current."""

    compute_capability = "80"
    current = 0  # the number of the one that is current
    streams: ClassVar[dict[int, Stream]] = {}  # that were current on others

    def __init__(self, device: int | None = None) -> None:
        self.id = Device.current if device is None else device
        self.before: list[int] = []

    def __enter__(self) -> Device:
        self.before.append(Device.current)
        self.use()
        return self

    def __exit__(self, *_: object) -> None:
        Device(self.before.pop()).use()

    def use(self) -> None:
        """Make it current. Each GPU has a current stream of its own."""
        if self.id != Device.current:
            self.streams[Device.current] = Stream.current
            Device.current = self.id
            Stream.current = self.streams.get(self.id) or Stream()


class runtime:  # noqa: N801  # a module of CuPy
    """CUDA's own functions, under its names."""

    memoryTypeHost = 1  # noqa: N815
    gpu_of: ClassVar[dict[int, int]] = {}  # the number of the GPU, by the addresses of arrays there
    allocator: Any = None  # of new arrays, where it is not the pool
    is_managed: ClassVar[dict[int, bool]] = {}  # whether arrays, by their addresses, are shared with the CPU
    pinned: ClassVar[dict[int, Any]] = {}  # memory of the CPU that a GPU reads by itself, by its address
    contexts: ClassVar[set[tuple[int, int]]] = set()  # threads, and the numbers of GPUs that they have one on

    @staticmethod
    def deviceSynchronize() -> None:  # noqa: N802
        for stream in Stream.all.values():
            stream.follows = Calls.current.works

    @staticmethod
    def has_context() -> bool:
        """Whether this thread has a context on the GPU that is current, which the driver expects."""
        return (threading.get_ident(), Device.current) in runtime.contexts

    @staticmethod
    def memGetInfo() -> tuple[int, int]:  # noqa: N802
        runtime.contexts.add((threading.get_ident(), Device.current))
        return 2**40, 2**40

    @staticmethod
    def getDevice() -> int:  # noqa: N802
        return Device.current

    @staticmethod
    def pointerGetAttributes(ptr: int) -> Any:  # noqa: N802
        kind = runtime.memoryTypeHost if ptr in runtime.pinned else 0
        return SimpleNamespace(type=kind, device=runtime.gpu_of.get(ptr, Device.current))

    @staticmethod
    def getDeviceProperties(device: int) -> dict[str, Any]:  # noqa: N802
        return {"name": b"an imitation", "multiProcessorCount": 2, "clockRate": 1_000_000}


def alloc_pinned_memory(size: int) -> Any:
    memory = (ctypes.c_char * size)()
    runtime.pinned[ctypes.addressof(memory)] = memory
    return memory


def malloc_managed(size: int) -> Any:
    raise AssertionError("the imitation only looks whether it is this function")


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    with mock.patch.object(runtime, "allocator", allocator):
        yield
