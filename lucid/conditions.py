"""What to write in the place of Python's control flow, which asks a tensor whether it is true.

Python does not say who asks. The instruction that the user's code is at has a place in the source, and what stands
there is read: `0 < x < 1`, `max(x, 0)` or `1.0 in x`. A test of an `if` or an `assert` has nothing around it there.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import linecache
from types import FrameType

from lucid.context import user_frames

_BOTH = "write (0 < x) & (x < 1) for `0 < x < 1` and for `and`, | for `or`, and ~ for `not`"
_CALLS = {
    "max": "write lucid.maximum(x, y) for max(x, y), x.clip(min=0.0) for max(x, 0), and x.max() for max(x).",
    "min": "write lucid.minimum(x, y) for min(x, y), x.clip(max=1.0) for min(x, 1), and x.min() for min(x).",
    "sorted": "write lucid.sort(x) for sorted(x).",
    "any": "write x.any() for any(x).",
    "all": "write x.all() for all(x).",
}
_CONTAINS = "write (x == y).any() for `y in x`."
_CONNECTED = f"{_BOTH}."
_ELSEWHERE = (
    f"{_BOTH}, lucid.maximum or x.clip for max, lucid.sort for sorted, and (x == y).any() for `y in x`; "
    "for `if`, use lucid.where(condition, a, b)."
)


def instead_of_condition(of_test: str, of_loop: str) -> str:
    """The hint for a tensor whose truth the user's line asks for: that is given for a test, of `if` or `assert`, and
    for `while`."""
    frame = next(user_frames(), None)
    source = None if frame is None else _source(frame)
    if frame is None or source is None:
        return _ELSEWHERE
    match source:
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            return _CALLS[name]
        case ast.Compare(ops=[ast.In() | ast.NotIn()]):
            return _CONTAINS
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()) | ast.Compare(ops=[_, _, *_]):
            return _CONNECTED
    is_loop = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith("while ")
    return of_loop if is_loop else of_test


def _source(frame: FrameType) -> ast.AST | None:
    """What a frame executes, an expression unless it is an `assert`; None where its source is not known."""
    positions = itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    first, last, start, end = next(positions, (None, None, None, None))
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, line).encode() for line in range(first, last + 1)]
    lines[-1] = lines[-1][:end]  # positions count bytes
    text = b"".join(lines)[start:]
    if not text:
        return None
    for each in (text, b"(%b)" % text):  # what has several lines may stand in brackets that are not its own
        with contextlib.suppress(SyntaxError, ValueError):  # as where the file is no longer what runs
            (statement,) = ast.parse(each).body
            return statement.value if isinstance(statement, ast.Expr) else statement
    return None
