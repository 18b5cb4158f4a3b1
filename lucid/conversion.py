"""Between what users write and NumPy arrays: nested lists in, text out."""

from __future__ import annotations

import array
import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.device import is_on_gpu
from lucid.core import TensorCore
from lucid.errors import TUPLE_AS_TENSOR, ArgumentError, DTypeError, GradientError, reading, tuple_of_tensors
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import as_dtype
from lucid.modes import is_grad_enabled

Array = npt.NDArray[Any]

# What DLPack calls memory of the CPU: its own, and such that a GPU of NVIDIA's or AMD's reads by itself.
_CPU_DEVICES = (1, 3, 11)


def is_foreign_array(data: object) -> bool:
    """Whether data is an array of another library, such as a tensor of PyTorch, or a buffer of Python's."""
    if isinstance(data, TensorCore | np.ndarray):
        return False
    if isinstance(data, memoryview | array.array):
        return True
    return hasattr(type(data), "__dlpack__") or hasattr(type(data), "__cuda_array_interface__")


def in_machine_order(array: Array) -> Array:
    """The array, or a copy of one whose bytes are in the other order than the machine's: their bits mean something else
    to it."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def to_array(data: Any, narrow: bool = True) -> Array:
    """The array that `Tensor(data)` copies: Python floats as float32, everything else as NumPy has it. Without `narrow`
    Python floats keep all of their digits. Raises GradientError where gradients of tensors in a list would end."""
    if isinstance(data, TensorCore):
        return data._concrete("Tensor(...)")
    if isinstance(data, np.ndarray | np.generic | memoryview | array.array):
        found = np.asarray(data)
    elif is_on_gpu(data):
        raise ArgumentError(
            "an array on a GPU was given where one of the CPU is copied.",
            hint="lucid.as_tensor(x) takes it where it is.",
        )
    elif hasattr(data, "__array__"):
        with reading("NumPy", data):
            found = np.asarray(data)
    elif hasattr(data, "__dlpack__"):
        if (kind := data.__dlpack_device__()[0]) not in _CPU_DEVICES:
            raise ArgumentError(
                f"an array is on a device of DLPack's kind {kind}, which is neither the CPU nor NVIDIA's.",
                hint="copy it to the CPU.",
            )
        with reading("NumPy", data):
            found = np.from_dlpack(data)
    else:
        given = data
        if isinstance(data, list | tuple):
            data = _without_tensors(data, is_tuple=isinstance(data, tuple))
        try:
            found = np.array(data)
        except ValueError:
            if isinstance(given, tuple) and _holds_tensor(given):
                raise tuple_of_tensors(ArgumentError) from None
            raise ArgumentError(
                f"a tensor takes nested sequences of equal lengths, got {reprlib.repr(data)}.",
                hint="pad the shorter ones.",
            ) from None
        if found.dtype.kind not in "biuf":
            raise DTypeError(
                f"a tensor takes numbers, or nested lists of numbers, got {reprlib.repr(data)}.",
                hint="call it: what a function or a module returns is the tensor." if callable(data) else None,
            )
        is_float64 = found.dtype == np.float64
        if narrow and is_float64 and (found.size == 0 or not _holds_float64(data)):
            found = found.astype(np.float32)
    as_dtype(found.dtype)
    return found


def copied(data: object, dtype: object = None) -> Array:
    """A copy of `to_array(data)` in row-major order, of another dtype if one is given, as a cast of it would be."""
    array = to_array(data, narrow=dtype is None)
    chosen = as_dtype(array.dtype if dtype is None else dtype)
    if chosen.is_integer and array.dtype.kind == "f":  # NumPy leaves open what becomes of what is out of range
        array = NumpyScalars().cast(array, chosen)
    return np.array(array, dtype=chosen.numpy, order="C")


def _without_tensors(data: Any, is_tuple: bool) -> Any:
    """Nested sequences, the outermost of which is a tuple or a list, with tensors replaced by their arrays."""
    if isinstance(data, TensorCore):
        array = data._concrete(TUPLE_AS_TENSOR if is_tuple else "Tensor(...)")
        if data._requires_grad and is_grad_enabled():
            if is_tuple:
                raise tuple_of_tensors(GradientError)
            raise GradientError(
                "gradients would end in the array that is made of a list of tensors here.",
                hint="lucid.stack([x, y]) makes one tensor of a list; x.detach() or lucid.no_grad() leaves them out.",
            )
        return array
    return [_without_tensors(item, is_tuple) for item in data] if isinstance(data, list | tuple) else data


def _holds_tensor(data: Any) -> bool:
    """Whether nested sequences contain a tensor."""
    return any(map(_holds_tensor, data)) if isinstance(data, list | tuple) else isinstance(data, TensorCore)


def _holds_float64(data: Any) -> bool:
    """Whether nested sequences contain NumPy float64 values, which keep their dtype."""
    if isinstance(data, list | tuple):
        return any(_holds_float64(item) for item in data)
    return isinstance(data, np.ndarray) and data.dtype == np.float64


# Characters of a line; elements that stand on one line where they fit; elements from which on axes are shortened.
WIDTH, FEW, MANY = 100, 12, 1000


def format_array(array: Array, indent: int = 0) -> str:
    """Nested lists, each number in the fewest digits that give it back; long axes are shortened.

    Rows of more than a few elements in all, and what does not fit one line, are written as NumPy writes arrays, with a
    line a row; `indent` characters stand before the first one.
    """
    if array.size <= FEW or array.ndim == 1:
        text = _on_one_line(array)
        if len(text) <= WIDTH:
            return text
    return np.array2string(
        array,
        max_line_width=WIDTH + indent,
        threshold=MANY,
        edgeitems=3,
        separator=", ",
        prefix=" " * indent,
        floatmode="unique",
        suppress_small=False,
        sign="-",
    )


def _on_one_line(array: Array) -> str:
    if array.ndim == 0:
        return str(array[()])
    if array.size > MANY:
        rows = [*map(_on_one_line, array[:3]), "...", *map(_on_one_line, array[-3:])]
    else:
        rows = [_on_one_line(row) for row in array]
    return f"[{', '.join(rows)}]"
