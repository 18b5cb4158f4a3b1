"""Arrays of other libraries on a GPU, which these have just computed on a stream of their own."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

SPIN = """extern "C" __global__ void spin(long long cycles) {
    for (const long long start = clock64(); clock64() - start < cycles;);
}"""


def keep_busy(cupy: Any) -> None:
    """Give the current stream work for some hundredths of a second, so that whoever does not wait for it comes too
    early. The imitation of CuPy needs none: it insists on the order by itself."""
    if isinstance(cupy, ModuleType):
        cupy.RawKernel(SPIN, "spin")((1,), (1,), (np.int64(50_000_000),))


class Foreign:
    """An array of another library."""

    def __init__(self, cupy: Any, values: Any, order: Any = "C") -> None:
        self.stream = cupy.cuda.Stream(non_blocking=True)
        cupy.cuda.runtime.deviceSynchronize()  # whatever was done before is done
        with self.stream:
            keep_busy(cupy)
            self.memory = self.made(cupy, values, order)

    def made(self, cupy: Any, values: Any, order: Any) -> Any:
        return cupy.asarray(values, order=order)


class WithInterface(Foreign):
    """One that has CUDA's array interface alone."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.memory.__cuda_array_interface__, "stream": self.stream.ptr}


class WithDLPack(Foreign):
    """One that has DLPack alone."""

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self.memory.__dlpack_device__()
        return kind, number

    def __dlpack__(self, *, stream: int, **_: Any) -> Any:
        with self.stream:
            return self.memory.__dlpack__(stream=stream)


class Managed(WithDLPack):
    """One in memory that the GPU shares with the CPU."""

    def made(self, cupy: Any, values: Any, order: Any) -> Any:
        with cupy.cuda.using_allocator(cupy.cuda.malloc_managed):
            return super().made(cupy, values, order)


class WithBoth(WithDLPack):
    """One like PyTorch's: its interface does not name the stream that computes it."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.memory.__cuda_array_interface__, "stream": None}


KINDS = (WithInterface, WithDLPack, Managed, WithBoth)
