"""Prefetch: results of a function in order, computed ahead of their use by threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lucid.errors import LucidError

T = TypeVar("T")
R = TypeVar("R")


def prefetch(function: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    """`function(item)` for each item, in order. While the caller uses one, threads compute up to `ahead` further ones.

    An error is raised when its result is due, with the traceback of the thread, and shows the line that asked where
    that thread ran none of the user's; one of the items, when the results of those before it have been given. Where the
    caller stops early, what has begun is completed, and no thread is left.
    """
    source, pending = iter(items), deque[Future[R]]()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="lucid-data")

    def begun() -> Future[R] | None:
        """The result for the next item; None where there is no further one."""
        try:
            return executor.submit(function, next(source))
        except StopIteration:
            return None
        except Exception as error:
            failed = Future[R]()
            failed.set_exception(error)
            return failed

    try:
        while (result := begun()) is not None:
            pending.append(result)
            if len(pending) > ahead:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())
    finally:
        executor.shutdown(cancel_futures=True)


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except LucidError as error:
        error.show_line()
        raise
