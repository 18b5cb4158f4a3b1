"""Memory between forbidden pages: an access before its first page or behind its last byte is an error."""

from __future__ import annotations

import ctypes
import functools
import mmap
from typing import Any

_NO_ACCESS = 0


@functools.cache
def _mprotect() -> Any:
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function


class Guarded:
    """`size` bytes at `address`, which end where readable memory ends; floats that nobody has written are NaN."""

    def __init__(self, size: int) -> None:
        self.size = size
        page = mmap.PAGESIZE
        pages = -(-size // page)
        self._memory = mmap.mmap(-1, (pages + 2) * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self.address = start + (pages + 1) * page - size
        self._begin = start + page
        ctypes.memset(self._begin, 0xFF, pages * page)
        for end in (start, start + (pages + 1) * page):
            if _mprotect()(end, page, _NO_ACCESS):
                raise OSError(ctypes.get_errno(), "mprotect failed")

    @property
    def is_whole(self) -> bool:
        """Whether nothing has been written between the first page and the memory, where an access is no error."""
        before = ctypes.string_at(self._begin, self.address - self._begin)
        return before.count(0xFF) == len(before)

    def fill(self) -> None:
        """Make all bytes those that nobody has written."""
        ctypes.memset(self.address, 0xFF, self.size)
