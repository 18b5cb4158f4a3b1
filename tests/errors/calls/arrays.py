"""The arrays of the calls."""

from __future__ import annotations

import numpy as np

from tests.errors.calls.call import Array


def floats(*shape: int) -> Array:
    """Different floats between 0 and 1."""
    return np.asarray((np.arange(np.prod(shape, dtype=int)).reshape(shape) % 17 + 0.5) / 17.5, np.float32)


def integers(*shape: int) -> Array:
    """0 and 1, by turns."""
    return np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2)


def bools(*shape: int) -> Array:
    return integers(*shape) == 1


NUMBER = floats()
LINE, LONG_LINE = floats(3), floats(4)
TABLE, TURNED = floats(2, 3), floats(3, 2)
SQUARE = floats(3, 3)
BLOCK = floats(2, 3, 4)
WIDE = floats(2, 3).astype(np.float64)
COUNTS, TRUTHS = integers(2, 3), bools(2, 3)
PLACES = integers(3)
CLASSES, FAR = np.array([0, 2]), np.array([0, 3])  # of three, and with one that is none of them
IMAGES = {1: floats(2, 4, 6), 2: floats(2, 4, 6, 6), 3: floats(2, 4, 4, 4, 4)}  # by the number of their axes
