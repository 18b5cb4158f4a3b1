"""Arrays of the imitation of CuPy, in memory of their own."""

from __future__ import annotations

import ctypes
import math
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.simulator.memory import Guarded
from tests.codegen.fake_devices import Device, malloc_managed, runtime
from tests.codegen.fake_streams import Calls, Stream


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
        Calls.current.synchronizations += 1
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
            Calls.current.synchronizations += 1
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


def copyto(dst: FakeArray, src: FakeArray, casting: str = "same_kind", where: None = None) -> None:
    dst[...] = src
