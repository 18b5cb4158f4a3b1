"""Element types, shapes and tensor types: the vocabulary of every signature in the IR."""

from __future__ import annotations

import enum
import math
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lucid.errors import DTypeError

# An extent is an integer today. A symbolic leading dimension comes next, so code says Extent where it means one.
Extent = int
Shape = tuple[Extent, ...]


class Kind(enum.IntEnum):
    """The kind of an element type. Promotion between kinds goes to the larger one."""

    BOOL = 0
    INTEGER = 1
    FLOAT = 2


@dataclass(frozen=True)
class DType:
    """An element type, named as in NumPy (`float32`) and, in IR text, by its short form (`f32`).

    It equals what names it, as NumPy's dtypes do: a name, a type or a dtype of NumPy, in the machine's byte order. Only
    the name that it has here has its hash, too.

    >>> float32 == "float32", float32 == np.float32, float32 != np.dtype("int64"), float32 in ("float32", "float64")
    (True, True, True, True)
    """

    short: str
    name: str
    kind: Kind
    bits: int
    signed: bool

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.name)

    @property
    def itemsize(self) -> int:
        return max(self.bits // 8, 1)

    @property
    def is_float(self) -> bool:
        return self.kind is Kind.FLOAT

    @property
    def is_integer(self) -> bool:
        return self.kind is Kind.INTEGER

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self.short == other.short
        if isinstance(other, np.dtype):
            return self == _BY_NUMPY.get(other)
        return self == _BY_NAME_OR_TYPE.get(other) if isinstance(other, str | type) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)  # and not of all fields, as types are hashed by the thousand

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"lucid.{self.name}"


bool_ = DType("bool", "bool", Kind.BOOL, 1, signed=False)
uint8 = DType("u8", "uint8", Kind.INTEGER, 8, signed=False)
uint32 = DType("u32", "uint32", Kind.INTEGER, 32, signed=False)
uint64 = DType("u64", "uint64", Kind.INTEGER, 64, signed=False)
int32 = DType("i32", "int32", Kind.INTEGER, 32, signed=True)
int64 = DType("i64", "int64", Kind.INTEGER, 64, signed=True)
float32 = DType("f32", "float32", Kind.FLOAT, 32, signed=True)
float64 = DType("f64", "float64", Kind.FLOAT, 64, signed=True)

DTYPES = (bool_, uint8, uint32, uint64, int32, int64, float32, float64)
BY_SHORT_NAME = {dtype.short: dtype for dtype in DTYPES}
_BY_NUMPY = {dtype.numpy: dtype for dtype in DTYPES}  # NumPy takes long to say the name of a dtype


def _names_and_types() -> Iterator[tuple[str | type, DType]]:
    """What NumPy calls each DType: `float32`, `single`, `f4`, `<f4`, `f`, and its types and Python's."""
    yield from ((bool, bool_), (int, int64), (float, float64))
    for name, kind in np.sctypeDict.items():
        if (dtype := _BY_NUMPY.get(np.dtype(kind))) is not None:
            yield from ((name, dtype), (kind, dtype))
    for numpys, dtype in _BY_NUMPY.items():
        yield from ((name, dtype) for name in (numpys.str, numpys.str[1:], numpys.char))


# A table, because NumPy reads any text as that of a dtype, in which it finds errors of syntax and names that are old.
_BY_NAME_OR_TYPE = dict(_names_and_types())


def as_dtype(source: object) -> DType:
    """The DType that a DType, a NumPy dtype, a type or a name means.

    >>> as_dtype("float32")
    lucid.float32
    >>> as_dtype(np.int64)
    lucid.int64
    """
    if isinstance(source, DType):
        return source
    if isinstance(source, np.dtype) and source in _BY_NUMPY:
        return _BY_NUMPY[source]
    try:
        name = np.dtype(source).name  # type: ignore[call-overload]
    except (TypeError, ValueError, SyntaxError, DeprecationWarning):
        name = reprlib.repr(source)
    else:
        if name in _BY_NAME_OR_TYPE:  # in any byte order
            return _BY_NAME_OR_TYPE[name]
    raise DTypeError(
        f"dtype {name} is not supported; expected one of {', '.join(dtype.name for dtype in DTYPES)}.",
        hint='convert the data first, for instance with array.astype("float32")',
    )


def promote(a: DType, b: DType) -> DType:
    """The dtype of an elementwise result of two tensors.

    The larger kind wins (bool < integer < float) with its own width; within a kind, the narrowest dtype that
    holds both. No dtype holds both uint64 and a signed integer: that pair is an error.

    >>> promote(int64, float32), promote(uint32, int32), promote(float32, float64)
    (lucid.float32, lucid.int64, lucid.float64)
    """
    if a == b:
        return a
    if a.kind != b.kind:
        return a if a.kind > b.kind else b
    if a.signed == b.signed:
        return a if a.bits > b.bits else b
    signed, unsigned = (a, b) if a.signed else (b, a)
    if unsigned.bits < signed.bits:
        return signed
    if unsigned.bits < 64:
        return int64
    raise DTypeError(
        f"no integer dtype holds both {a.name} and {b.name}.", hint="cast one of the two with .astype(...)"
    )


def promote_scalar(tensor: DType, scalar: bool | int | float) -> DType:
    """The dtype of an elementwise result of a tensor and a Python scalar, which is weak: it takes the tensor's
    dtype unless it is of a larger kind, and then int64 or float32.

    >>> promote_scalar(float64, 2), promote_scalar(int32, 0.5), promote_scalar(bool_, 1)
    (lucid.float64, lucid.float32, lucid.int64)
    """
    if isinstance(scalar, bool):
        return tensor
    if isinstance(scalar, int):
        return tensor if tensor.kind >= Kind.INTEGER else int64
    return tensor if tensor.kind is Kind.FLOAT else float32


@dataclass(frozen=True)
class TensorType:
    """A dtype and a shape, printed as `f32[64, 128]`."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Extent:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, shape)

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"


_TYPE_TEXT = re.compile(r"(\w+)\[([\d, ]*)\]")


def tensor_type(text: str) -> TensorType:
    """Read a type as it is printed.

    >>> tensor_type("f32[64, 128]").shape
    (64, 128)
    """
    match = _TYPE_TEXT.fullmatch(text.strip())
    if match is None or match[1] not in BY_SHORT_NAME:
        raise DTypeError(f"`{text}` is not a tensor type; expected something like f32[64, 128].")
    shape = tuple(int(extent) for extent in match[2].split(",") if extent.strip())
    return TensorType(BY_SHORT_NAME[match[1]], shape)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that NumPy's broadcasting gives, or a ValueError.

    >>> broadcast_shapes((64, 1), (128,))
    (64, 128)
    """
    return np.broadcast_shapes(*shapes)
