"""Arrays that end where readable memory ends: an access behind them stops the process."""

from __future__ import annotations

import ctypes
import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_NO_ACCESS = 0
_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def guarded(shape: tuple[int, ...], dtype: np.dtype[Any], fill: int = 0) -> Array:
    """A contiguous array with a forbidden page right behind it, all its bytes equal to `fill`."""
    count = math.prod(shape)
    pages = -(-count * dtype.itemsize // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    whole[: pages * mmap.PAGESIZE] = fill
    if _mprotect(whole.ctypes.data + pages * mmap.PAGESIZE, mmap.PAGESIZE, _NO_ACCESS):
        raise OSError(ctypes.get_errno(), "mprotect failed")
    if count == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(memory, dtype, count, pages * mmap.PAGESIZE - count * dtype.itemsize).reshape(shape)


def guarded_copy(array: Array, dtype: np.dtype[Any]) -> Array:
    """The values of an array, in memory that ends with them."""
    copy = guarded(array.shape, dtype)
    copy[...] = array
    return copy
