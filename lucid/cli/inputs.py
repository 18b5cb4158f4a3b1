"""Inputs as command lines give them: `x=64x784xf32`, `x=images.npy`, `rate=0.1`."""

from __future__ import annotations

import ast
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.cli.command import InputError
from lucid.ir.types import BY_SHORT_NAME, TensorType
from lucid.ir.verify import type_problem

_TYPE = re.compile(r"((?:\d+x)*)(\w+)")
_EXTENTS = re.compile(r"[1-9]\d*([x,] *\d+)+")  # without a dtype, or a tuple's parentheses


@dataclass(frozen=True)
class Input:
    """A named argument, or a positional one where the name is empty: a tensor type, an .npy file, or a Python value."""

    name: str
    text: str
    type: TensorType | None = None

    def value(self) -> Any:
        """What is passed. A tensor type gives an array without memory behind its elements: tracing reads none."""
        if self.type is not None:
            return np.broadcast_to(np.zeros((), self.type.dtype.numpy), self.type.shape)
        if self.text.endswith(".npy"):
            return self.array()
        return ast.literal_eval(self.text)

    def array(self) -> npt.NDArray[Any]:
        """The array of an .npy file. Raises InputError."""
        try:
            array: npt.NDArray[Any] = np.load(Path(self.text), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.text} is not an array in NumPy's format: {error}.") from None
        return array


def input_of(text: str) -> Input:
    """Read one `--input`. Raises ArgumentTypeError.

    >>> str(input_of("x=64x784xf32").type), input_of("rate=0.5").value()
    ('f32[64, 784]', 0.5)
    """
    name, sign, value = text.partition("=")
    if not sign:
        name, value = "", text
    if _EXTENTS.fullmatch(value):
        shape = "x".join(re.findall(r"\d+", value))
        raise ArgumentTypeError(f"a shape has its dtype, {shape}xf32, and a tuple its parentheses; got {text!r}")
    type = _type(value)
    if type is None and not value.endswith(".npy"):
        try:
            ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            like = _TYPE.fullmatch(value)
            if like is not None and (like[1] or value[-1].isdigit()) and like[2] not in BY_SHORT_NAME:
                raise ArgumentTypeError(
                    f"there is no dtype {like[2]!r}; it is one of {', '.join(BY_SHORT_NAME)}"
                ) from None
            raise ArgumentTypeError(
                f"expected NAME=64x784xf32, NAME=FILE.npy or NAME=VALUE with a Python value, got {text!r}"
            ) from None
    return Input(name, value, type)


def _type(text: str) -> TensorType | None:
    match = _TYPE.fullmatch(text)
    if match is None or match[2] not in BY_SHORT_NAME or len(text) > 1000:
        return None
    type = TensorType(BY_SHORT_NAME[match[2]], tuple(int(extent) for extent in match[1].split("x") if extent))
    problem = type_problem(type)
    if problem is not None:
        raise ArgumentTypeError(problem)
    return type
