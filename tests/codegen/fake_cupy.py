"""As much of CuPy as Lucid uses, without a GPU: memory of its own, kernels on the simulator, and streams that do at
once what they are given, but insist that they were told to wait for what other streams have been given before.

It shows that the launcher does what it should with CuPy's interface, whose parameters it has (`test_cupy.py` compares
them with the installed release). It shows nothing of what CuPy, or a GPU, does.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from unittest import mock

import numpy as np

from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import Module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator import library
from lucid.codegen.cuda.simulator.library import Library, build
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.codegen.cuda.target import CUDATarget


class FakeArray:
    """An array in "device" memory: not a NumPy array, and read by `get` only."""

    def __init__(self, host: Any, order: Literal["C", "F"] = "C") -> None:
        host = np.asarray(host)
        expect_room(host.nbytes)
        storage = Guarded(host.nbytes)
        strides = np.empty_like(host, order=order).strides
        runtime.gpu_of[storage.address] = Device().id
        runtime.is_managed[storage.address] = runtime.allocator is malloc_managed
        self._lay_over(storage.address, host.shape, host.dtype, strides, storage)
        self._view[...] = host

    @classmethod
    def over(cls, interface: dict[str, Any], owner: Any) -> FakeArray:
        """The array that CUDA's array interface describes."""
        array = cls.__new__(cls)
        address, dtype = interface["data"][0], np.dtype(interface["typestr"])
        array._lay_over(address, interface["shape"], dtype, interface.get("strides"), owner)
        return array

    def _lay_over(self, address: int, shape: Any, dtype: Any, strides: Any, owner: Any) -> None:
        self._owner = owner
        last = sum((n - 1) * abs(by) for n, by in zip(shape, strides, strict=True)) if strides else 0
        self.nbytes = math.prod(shape) * dtype.itemsize
        raw = (ctypes.c_char * (last + dtype.itemsize if strides else self.nbytes)).from_address(address)
        memory, steps = (raw, strides) if self.nbytes else (bytearray(), None)
        self._view = np.ndarray(shape, dtype, memory, strides=steps)
        self.shape, self.dtype = self._view.shape, dtype
        self.data = SimpleNamespace(ptr=address)
        self.flags = SimpleNamespace(c_contiguous=self._view.flags.c_contiguous)
        self.device = Device(runtime.pointerGetAttributes(address).device)

    def get(self, stream: None = None, order: str = "C", out: None = None, blocking: bool = True) -> Any:
        assert (stream, order, out, blocking) == (None, "C", None, True)
        if not self.flags.c_contiguous:  # CuPy makes a contiguous copy first
            expect_room(self.nbytes)
        Stream.current.work()
        calls.synchronizations += 1
        return self._view.copy()

    def set(self, arr: Any, stream: None = None) -> None:
        assert stream is None
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype:
            raise TypeError("only a numpy.ndarray of the same dtype can be set.")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        expect_stable(arr)
        Stream.current.work()
        self._view[...] = arr

    def copy(self, order: str = "C") -> FakeArray:
        assert order == "C"
        Stream.current.work()
        return FakeArray(self._view)

    def fill(self, value: int) -> None:
        Stream.current.work()
        self._view[...] = value

    def __setitem__(self, key: object, other: FakeArray) -> None:
        assert key is ...
        assert isinstance(other, FakeArray)
        Stream.current.work()
        self._view[...] = other._view

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.data.ptr, False),
            "strides": None if self.flags.c_contiguous else self._view.strides,
            "stream": Stream.current.ptr,
            "version": 3,
        }

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """The capsule, here the array, for whoever goes on on a stream."""
        if stream is not None and stream != Stream.current.ptr:
            Stream.all[stream].wait_event(Stream.current.record())
        return SimpleNamespace(array=self)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind = devices.CUDA_MANAGED if runtime.is_managed.get(self.data.ptr) else devices.CUDA_DEVICE
        return kind, self.device.id

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
    works: int = 0  # of all streams


calls = Calls()


class Stream:
    """Runs what is launched at once, or keeps it while it is captured. No stream waits for another by itself."""

    current: Stream
    all: ClassVar[dict[int, Stream]] = {}  # by what CUDA calls their pointers
    captured: list[Any] | None = None

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.before = self
        self.ptr = len(self.all) + 1
        self.all[self.ptr] = self
        self.follows = 0  # what waits for it comes behind so many works: all of them are in one order

    def __enter__(self) -> Stream:
        self.before, Stream.current = Stream.current, self
        return self

    def __exit__(self, *_: object) -> None:
        Stream.current = self.before

    def work(self) -> None:
        """Note that something is done on this stream."""
        assert self.follows == calls.works, "this stream was not told to wait for another that has been used since"
        self.follows = calls.works = calls.works + 1

    def begin_capture(self, mode: int | None = None) -> None:
        assert self is Stream.current, "what is launched on another stream is not captured"
        self.captured = []

    def end_capture(self) -> Any:
        captured, self.captured = self.captured, None
        assert captured
        calls.captures += 1
        return Graph(captured)

    def record(self, event: None = None) -> Event:
        assert event is None
        recorded = Event()
        recorded.record(self)
        return recorded

    def wait_event(self, event: Event) -> None:
        assert event.stream is not self
        self.follows = max(self.follows, event.follows)
        calls.waits += 1


class Event:
    """A place on a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream: Stream | None = None
        self.follows = 0

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or Stream.current
        self.follows = self.stream.follows

    def synchronize(self) -> None:
        assert self.stream is not None
        calls.synchronizations += 1


@dataclass
class Graph:
    """What has been captured."""

    captured: list[Any]

    def launch(self, stream: Stream | None = None) -> None:
        assert stream in (None, Stream.current)
        Stream.current.work()
        calls.replays += 1
        for run in self.captured:
            run()


Stream.current = Stream()


class RawModule:
    """A module whose machine code is a library of the simulator."""

    def __init__(
        self,
        code: None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: None = None,
        jitify: None = None,
    ) -> None:
        assert code is None
        assert path is not None
        self.library = Library(Path(path).read_bytes())

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.library, name)


class RawKernel:
    """A function of such a module."""

    def __init__(self, library: Library, name: str) -> None:
        self.library = library
        self.name = name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], **kwargs: Any) -> None:
        assert not kwargs
        pointers = [int(x) for x in args if isinstance(x, np.uint64)]
        scalars = tuple(int(x) for x in args if isinstance(x, np.int32))
        assert len(pointers) + len(scalars) == len(args)
        x, y = grid
        one = Launch(self.name, (x, y), block[0], tuple(range(len(pointers))), scalars)

        def run() -> None:
            calls.launches.append((self.name, grid, block))
            self.library.launch(one, pointers)

        if Stream.current.captured is not None:
            Stream.current.captured.append(run)
            return
        Stream.current.work()
        run()


def empty(shape: Any, dtype: Any = float, order: str = "C") -> FakeArray:
    assert order == "C"
    expect_room(math.prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize)
    return FakeArray(np.full(shape, -1 if np.dtype(dtype).kind in "if" else 1, dtype))


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> FakeArray:
    assert order == "C"
    Stream.current.work()
    return FakeArray(np.zeros(shape, dtype))


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> FakeArray:
    assert (dtype, copy, blocking) == (None, None, False)
    if isinstance(a, FakeArray):
        return a
    if hasattr(a, "__cuda_array_interface__"):
        interface = a.__cuda_array_interface__
        if (pointer := interface.get("stream")) is not None:  # CuPy waits for it
            calls.synchronizations += 1
            Stream.current.follows = max(Stream.current.follows, Stream.all[pointer].follows)
        return FakeArray.over(interface, a)
    Stream.current.work()
    a = np.asarray(a)
    expect_stable(a)
    return FakeArray(a, order or ("C" if a.flags.c_contiguous or not a.flags.f_contiguous else "F"))


class OutOfMemoryError(MemoryError):
    """There is no memory left on the "GPU"."""


def expect_room(size: int) -> None:
    if not has_room(size):
        raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")


def has_room(size: int) -> bool:
    """Whether the "GPU" has memory for an array of so many bytes: it has a terabyte for each."""
    return size <= 2**40


def expect_stable(array: np.ndarray[Any, Any]) -> None:
    assert array.ctypes.data not in runtime.pinned, "its owner may write it before the GPU reads it"


def from_dlpack(array: Any, *, device: Any = None, copy: Any = None) -> FakeArray:
    kind, number = array.__dlpack_device__()
    assert kind in (devices.CUDA_DEVICE, devices.CUDA_MANAGED)
    with Device(number):
        found = array.__dlpack__(stream=Stream.current.ptr, max_version=(1, 0), copy=None).array
    return FakeArray.over(found.__cuda_array_interface__, found)


def is_available() -> bool:
    return True


def get_current_stream(device_id: int = -1) -> Stream:
    return Stream.current


def copyto(dst: FakeArray, src: FakeArray, casting: str = "same_kind", where: None = None) -> None:
    dst[...] = src


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    assert start_event.stream is end_event.stream is not None
    return 0.5


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

    @staticmethod
    def deviceSynchronize() -> None:  # noqa: N802
        for stream in Stream.all.values():
            stream.follows = calls.works

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


def make() -> Any:
    """The module `cupy`."""
    return SimpleNamespace(
        ndarray=FakeArray,
        empty=empty,
        zeros=zeros,
        asarray=asarray,
        from_dlpack=from_dlpack,
        is_available=is_available,
        copyto=copyto,
        RawModule=RawModule,
        RawKernel=RawKernel,
        cuda=SimpleNamespace(
            Device=Device,
            Event=Event,
            Stream=Stream,
            get_current_stream=get_current_stream,
            get_elapsed_time=get_elapsed_time,
            alloc_pinned_memory=alloc_pinned_memory,
            malloc_managed=malloc_managed,
            using_allocator=using_allocator,
            graph=SimpleNamespace(Graph=Graph),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            runtime=runtime,
        ),
    )


def assemble(module: Module, architecture: str) -> bytes:
    """What stands for NVRTC: the library of the simulator."""
    assert architecture == "sm_80"
    return build(module.text, module.plan.functions)


def identity(target: CUDATarget) -> str:
    """What such a library depends on."""
    return f"imitation of {library.identity()}"


@contextmanager
def installed() -> Iterator[Calls]:
    """With this module as CuPy, and an account of what is asked of it; inside of another, with a GPU of its own."""
    global calls
    outer = calls, Stream.current
    calls, Stream.current = Calls(), Stream()
    device = devices.Device(make())
    with ExitStack() as patches:
        patches.callback(_go_on, *outer)
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.assemble", assemble))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.CUDATarget.identity", identity))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.architecture", return_value="sm_80"))
        patches.enter_context(mock.patch("lucid.device_program._randoms", {}))
        patches.enter_context(mock.patch.object(runtime, "pinned", {}))
        for module in USERS:
            patches.enter_context(mock.patch(f"{module}.gpu", return_value=device))
        yield calls


def _go_on(outer: Calls, stream: Stream) -> None:
    global calls
    calls, Stream.current = outer, stream


USERS = (
    *("lucid.core", "lucid.tensor", "lucid.signature", "lucid.device_program", "lucid.operations.operands"),
    "lucid.codegen.cuda.target",
)
