"""A data set that notes what is fetched, and a sampler that gives what it is told to."""

from __future__ import annotations

import threading
import time
from typing import Any

from lucid.data import DataLoader, Dataset, Sampler


class Recorded(Dataset[int]):
    """Numbers, with a note of who fetched what; the first take longest."""

    def __init__(self, count: int, delay: float = 0.0) -> None:
        self.count = count
        self.delay = delay
        self.fetched: list[int] = []
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> int:
        assert type(index) is int
        time.sleep(self.delay * (self.count - index))
        self.fetched.append(index)
        self.threads.add(threading.current_thread().name)
        return index


def epoch(loader: DataLoader) -> list[list[int]]:
    return [batch.tolist() for batch in loader]


class Given(Sampler):
    """Promises some orders, and gives others."""

    def __init__(self, length: int, order: Any) -> None:
        self.length = length
        self.given = order

    def __len__(self) -> int:
        return self.length

    def order(self, epoch: int, /) -> Any:
        return self.given
