"""As much of CuPy as Lucid uses, without a GPU: memory of its own, streams that only count, kernels on the simulator.

It shows that the launcher does what it should with CuPy's interface. It shows nothing of CuPy, or of a GPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import Module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator.library import Library, build
from lucid.codegen.cuda.simulator.memory import Guarded


class FakeArray:
    """An array in "device" memory: not a NumPy array, and read by `get` only."""

    def __init__(self, host: Any, storage: Any = None) -> None:
        host = np.asarray(host)
        self._storage = storage or Guarded(host.nbytes)
        raw = (ctypes.c_char * host.nbytes).from_address(self._storage.address)
        self._view = np.frombuffer(raw, host.dtype, host.size).reshape(host.shape)
        self._view[...] = host
        self.shape, self.dtype, self.nbytes = host.shape, host.dtype, host.nbytes
        self.data = SimpleNamespace(ptr=self._storage.address)
        self.flags = SimpleNamespace(c_contiguous=True)

    def get(self) -> Any:
        calls.synchronizations += 1
        return self._view.copy()

    def set(self, host: Any) -> None:
        assert isinstance(host, np.ndarray)
        self._view[...] = host

    def copy(self) -> FakeArray:
        return FakeArray(self._view)

    def fill(self, value: int) -> None:
        self._view[...] = value

    def __setitem__(self, key: object, other: FakeArray) -> None:
        assert key is ...
        assert isinstance(other, FakeArray)
        self._view[...] = other._view

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}

    def __dlpack__(self, **_: Any) -> Any:
        return SimpleNamespace(array=self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return devices.CUDA_DEVICE, 0

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


@dataclass
class Calls:
    """What has been asked of the "GPU"."""

    launches: list[tuple[str, Any, Any]] = field(default_factory=list)  # function, blocks, threads
    synchronizations: int = 0
    captures: int = 0
    replays: int = 0
    waits: int = 0


calls = Calls()


class Stream:
    """Runs what is launched at once, or keeps it while it is captured."""

    current: Stream
    captured: list[Any] | None = None

    def __init__(self, non_blocking: bool = False) -> None:
        self.before = self

    def __enter__(self) -> Stream:
        self.before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *_: object) -> None:
        Stream.current = self.before

    def begin_capture(self) -> None:
        self.captured = []

    def end_capture(self) -> Any:
        captured, self.captured = self.captured, None
        assert captured
        calls.captures += 1

        def launch(stream: Stream) -> None:
            assert stream is Stream.current
            calls.replays += 1
            for run in captured:
                run()

        return SimpleNamespace(launch=launch)

    def record(self) -> Stream:
        return self

    def wait_event(self, event: Stream) -> None:
        assert event is not self
        calls.waits += 1


Stream.current = Stream()


class RawModule:
    """A module whose machine code is a library of the simulator."""

    def __init__(self, *, path: str) -> None:
        self.library = Library(Path(path).read_bytes())

    def get_function(self, name: str) -> Any:
        def launch(blocks: tuple[int, int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            pointers = [int(x) for x in arguments if isinstance(x, np.uint64)]
            scalars = tuple(int(x) for x in arguments if isinstance(x, np.int32))
            assert len(pointers) + len(scalars) == len(arguments)
            one = Launch(name, blocks, threads[0], tuple(range(len(pointers))), scalars)

            def run() -> None:
                calls.launches.append((name, blocks, threads))
                self.library.launch(one, pointers)

            run() if Stream.current.captured is None else Stream.current.captured.append(run)

        return launch


def make() -> Any:
    """The module `cupy`."""

    def asarray(array: Any) -> FakeArray:
        return array if isinstance(array, FakeArray) else FakeArray(array)

    return SimpleNamespace(
        ndarray=FakeArray,
        empty=lambda shape, dtype: FakeArray(np.full(shape, -1 if np.dtype(dtype).kind in "if" else 1, dtype)),
        zeros=lambda shape, dtype: FakeArray(np.zeros(shape, dtype)),
        asarray=asarray,
        ascontiguousarray=asarray,
        from_dlpack=lambda array: array.__dlpack__().array,
        is_available=lambda: True,
        RawModule=RawModule,
        cuda=SimpleNamespace(
            Device=lambda: SimpleNamespace(compute_capability="80"),
            Stream=Stream,
            get_current_stream=lambda: Stream.current,
        ),
    )


def assemble(module: Module, architecture: str) -> bytes:
    """What stands for NVRTC: the library of the simulator."""
    assert architecture == "sm_80"
    return build(module.text, module.plan.functions)


@contextmanager
def installed() -> Iterator[Calls]:
    """With this module as CuPy, and an account of what is asked of it."""
    global calls
    calls = Calls()
    device = devices.Device(make())
    with ExitStack() as patches:
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.assemble", assemble))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.CUDATarget.identity", return_value=None))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.architecture", return_value="sm_80"))
        patches.enter_context(mock.patch("lucid.device_program._randoms", {}))
        for module in USERS:
            patches.enter_context(mock.patch(f"{module}.gpu", return_value=device))
        yield calls


USERS = (
    *("lucid.core", "lucid.tensor", "lucid.signature", "lucid.device_program", "lucid.operations.operands"),
    "lucid.codegen.cuda.target",
)
