"""Samplers: the order in which an epoch visits a data set."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lucid.errors import argument_error
from lucid.ir import philox
from lucid.random import checked_seed

Indices = npt.NDArray[np.int64]

# Draws from here on are for data. The random stream of weights and masks begins at draw 0 and never gets here, so one
# seed may serve both.
EPOCHS = 1 << 63
SPLITS = EPOCHS + (1 << 62)


class Sampler(Protocol):
    """Says which samples an epoch visits, in which order.

    The order is a function of the number of the epoch alone, so that any epoch can be taken up again in its middle.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many samples an epoch visits."""

    @abstractmethod
    def order(self, epoch: int, /) -> Sequence[int] | Indices:
        """The indices that an epoch visits, in order. Epochs are counted from 0."""


class SequentialSampler(Sampler):
    """Visits samples 0 to count - 1 in order."""

    def __init__(self, count: int) -> None:
        self.count = _checked_count(type(self).__name__, count)

    def __len__(self) -> int:
        return self.count

    def order(self, epoch: int, /) -> Indices:
        return np.arange(self.count)


class RandomSampler(Sampler):
    """Visits each of `count` samples once, in an order that depends on the seed and the epoch only."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count = _checked_count(type(self).__name__, count)
        self.seed = checked_seed(seed)

    def __len__(self) -> int:
        return self.count

    def order(self, epoch: int, /) -> Indices:
        return permutation(self.count, self.seed, EPOCHS + epoch)


def _checked_count(owner: str, count: int) -> int:
    if not isinstance(count, int | np.integer) or count < 0:
        raise argument_error(count, int, f"{owner} takes a number of samples from 0 on, got {count!r}.")
    return int(count)


def permutation(count: int, seed: int, draw: int) -> Indices:
    """The numbers from 0 to count - 1, shuffled: sorted by 64 random bits each, ties in ascending order.

    The bits of number i are words 2i (low half) and 2i + 1 of the draw, as `lucid.ir.philox.words` gives them.
    """
    words = philox.words(seed, draw, 2 * count).astype(np.uint64).reshape(count, 2)
    return np.argsort(words[:, 0] | words[:, 1] << np.uint64(32), kind="stable")
