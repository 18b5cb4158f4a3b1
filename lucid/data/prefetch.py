"""Prefetch: results of a function in order, computed ahead of their use by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(function: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    """`function(item)` for each item, in order. While the caller uses one, threads compute up to `ahead` further ones.

    An error is raised when its result is due, with the traceback of the thread. Where the caller stops early, what has
    begun is completed, and no thread is left.
    """
    pending: deque[Future[R]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="lucid-data")
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
