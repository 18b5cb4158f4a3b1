"""Tensors that an assignment takes apart: `first, second = t`, and PyTorch's `values, indices = t.max(1)`."""

from __future__ import annotations

import dis
import functools
from types import CodeType, FrameType

from lucid.errors import ArgumentError, ShapeError
from lucid.ir.types import Shape

_UNPACK, _EXTENDED = dis.opmap["UNPACK_SEQUENCE"], dis.opmap["EXTENDED_ARG"]

# What gives values and indices in PyTorch, and the values alone in Lucid, with what to write for both.
_VALUES_ALONE = {
    "max": "write `values, indices = t.max(1), t.argmax(1)`; t.max(1).unbind() takes the values apart.",
    "min": "write `values, indices = t.min(1), t.argmin(1)`; t.min(1).unbind() takes the values apart.",
    "median": "t.sort(1) gives values and indices; t.median(1).unbind() takes the values apart.",
}


def expect_parts(shape: Shape, frame: FrameType) -> None:
    """Raise where a frame is about to take a tensor apart: ShapeError where it has not as many names as the tensor has
    rows, ArgumentError where they are for the values and the indices of PyTorch's max, min or median."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if at < 0 or code[at] != _UNPACK or code[at - 2] == _EXTENDED:  # of more than 255 names Python tells
        return
    names, rows = code[at + 1], shape[0]
    if names == 2 and (function := _called(frame.f_code, at)) in _VALUES_ALONE:
        raise ArgumentError(f"{function} gives the values alone, without indices.", hint=_VALUES_ALONE[function])
    if names != rows:
        raise ShapeError(
            f"a tensor of shape {shape} has {rows} part{'s' * (rows != 1)} along its first axis, "
            f"and is taken apart into {names}."
        )


@functools.lru_cache(256)
def _called(code: CodeType, at: int) -> str:
    """The name of the method or function whose result the instruction at an offset takes apart; empty where that is not
    the result of a call."""
    before = [each for each in dis.get_instructions(code) if each.offset < at]
    call = before[-1] if before else None
    if call is None or call.positions is None or call.positions.col_offset is None or "CALL" not in call.opname:
        return ""
    # Of what begins where the call does, x, x.max and x.max(1), the last name that is looked up is the one called.
    start = call.positions[0], call.positions[2]
    called = [
        each.argval
        for each in before
        if each.opname in ("LOAD_ATTR", "LOAD_METHOD")
        and each.positions
        and start == (each.positions[0], each.positions[2])
    ]
    return called[-1] if called else ""
