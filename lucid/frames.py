"""Storage for the results of calls: new to whoever gets it, but taken from earlier calls where nobody holds those.

Allocating an array, wrapping it and asking for its address costs more than a small step computes, and fresh memory
costs a page fault every 4 KiB. So a program keeps two frames of results and uses them in turn: a tensor that only its
frame refers to any more becomes the result of another call. Reference counts say so exactly.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Sequence
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

import numpy as np
import numpy.typing as npt

from lucid.codegen.target import ALIGNMENT, Record
from lucid.core import renewal_text, tensor_over
from lucid.eager import too_large
from lucid.guards import define
from lucid.ir.types import Shape, TensorType, as_dtype
from lucid.tensor import Array, Tensor

# The reference counts, as `sys.getrefcount` sees them in `claiming`, of what a frame alone holds: a tensor by its
# list and the call, an array by its tensor, too.
_FREE_TENSOR, _FREE_ARRAY = 2, 3

# Up to so many results are looked at one by one in generated lines, more in a loop, which takes twice as long.
MOST_UNROLLED = 4

ALIGNED = 2**20  # bytes of a result from which on it is aligned

# Where the interpreter's lock is off, counts of other threads' references are not exact.
_EXACT = getattr(sys, "_is_gil_enabled", lambda: True)()

_NONE = np.empty(0)  # what stands for an array that is not there

_DATA_OFFSET = object.__basicsize__  # an ndarray object begins with the object header, then the address of its data


def address(array: Array) -> int:
    """The address of an array's elements: what `array.ctypes.data` gives, ten times as fast."""
    return _read_word(id(array) + _DATA_OFFSET).value


def _slow_address(array: Array) -> int:
    return array.ctypes.data


_read_word = ctypes.c_uint64.from_address
_sample = np.zeros(3)
if not (sys.implementation.name == "cpython" and address(_sample) == _sample.ctypes.data):
    address = _slow_address  # another layout of objects


def is_native(array: Array) -> bool:
    """Whether native code can read the elements of an array where they lie."""
    flags = array.flags
    return bool(flags.c_contiguous and flags.aligned and array.dtype.isnative)


def native(array: Array) -> Array:
    """The array, or a copy of it, as native code reads it: contiguous, aligned, in the machine's byte order."""
    return array if is_native(array) else np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


def new_array(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array for a result. A large one is aligned, as NumPy's need not be: see `lucid.codegen.cpu.streamed`. Raises
    AllocationError where there is no memory for it."""
    size = math.prod(shape) * dtype.itemsize
    if size < ALIGNED:
        return np.empty(shape, dtype)
    try:
        memory = np.empty(size + ALIGNMENT, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than any array may have
        raise too_large([TensorType(as_dtype(dtype), shape)]) from error
    # A view of an array that is a view has the first one for its base, and would be no reference to the array itself.
    block = (ctypes.c_char * size).from_buffer(memory.data, -address(memory) % ALIGNMENT)
    return np.ndarray(shape, dtype, block)  # type: ignore[arg-type]  # it has a buffer


class Frame:
    """The results of one call, and the table of addresses that has the program write there."""

    __slots__ = ("_first", "_types", "arrays", "count", "numbers", "record", "table", "table_address", "tensors")

    def __init__(self, types: Sequence[TensorType], table: npt.NDArray[np.uint64], first: int) -> None:
        self.table = table
        self.table_address = table.ctypes.data
        self.record: Record | None = None  # for runs that look into arrays by themselves
        self._first = first  # the slot of the first result
        self._types = [(type.shape, type.dtype.numpy) for type in types]
        self.arrays: list[Array] = [_NONE] * len(types)
        self.tensors: list[Tensor] = [Tensor.__new__(Tensor)] * len(types)
        self.count = len(types)
        self.numbers = range(self.count)
        for number in self.numbers:
            self.renew(number)

    def renew(self, number: int) -> None:
        shape, dtype = self._types[number]
        self.arrays[number] = _NONE  # never free: an interrupt in between leaves a result to be renewed again
        array = new_array(shape, dtype)
        self.table[self._first + number] = address(array)
        self.tensors[number] = tensor_over(array)
        self.arrays[number] = array

    def claim(self) -> list[Tensor]:
        """The tensors for the results of a call, as new: what somebody still holds is replaced."""
        tensors: list[Tensor] = _claim(self)
        return tensors


def claiming(count: int) -> list[str]:
    """Lines that do what `Frame.claim` does with so many tensors, for a generated function that has a `frame`, and then
    `tensors`. They see what `CLAIMING` names."""
    lines = ["tensors, arrays = frame.tensors, frame.arrays"]
    if count > MOST_UNROLLED:
        return [*lines, "for number in frame.numbers:", *(f"    {line}" for line in _claiming_one("number"))]
    return [*lines, *(line for number in range(count) for line in _claiming_one(str(number)))]


def _claiming_one(number: str) -> list[str]:
    held = [f"getrefcount(tensors[{number}]) != {_FREE_TENSOR}", f"getrefcount(arrays[{number}]) != {_FREE_ARRAY}"]
    held += [f"getweakrefcount(tensors[{number}])"]
    return [
        f"if {' or '.join(held) if _EXACT else True}: frame.renew({number})",
        "else:",
        f"    tensor = tensors[{number}]",
        f"    {renewal_text('tensor')}",
    ]


CLAIMING = {"getrefcount": getrefcount, "getweakrefcount": getweakrefcount}
_claim = define("claim(frame)", [*claiming(MOST_UNROLLED + 1), "return tensors"], dict(CLAIMING))
