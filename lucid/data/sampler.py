"""Samplers: the order in which an epoch visits a data set."""

from __future__ import annotations

import reprlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lucid.errors import ArgumentError, ArgumentTypeError, TraceError, argument_error
from lucid.ir import philox
from lucid.modes import current_tracer
from lucid.operations.arguments import as_flag
from lucid.random import checked_seed

Indices = npt.NDArray[np.int64]

# Draws from here on are for data. The random stream of weights and masks begins at draw 0 and never gets here, so one
# seed may serve both.
EPOCHS = 1 << 63
SPLITS = EPOCHS + (1 << 62)


class Sampler(Protocol):
    """Says which samples an epoch visits, in which order; or which batches, as a `batch_sampler` of a DataLoader.

    The order is a function of the number of the epoch alone, so that any epoch can be taken up again in its middle.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many samples, or batches, an epoch visits."""

    @abstractmethod
    def order(self, epoch: int, /) -> Iterable[Any]:
        """The indices that an epoch visits, in order, or the sequences of indices that are its batches. Epochs are
        counted from 0."""


class ListedSampler(Sampler):
    """Visits what a list says, in each epoch alike."""

    def __init__(self, listed: Sequence[Any] | Indices) -> None:
        self.listed = listed

    def __len__(self) -> int:
        return len(self.listed)

    def order(self, epoch: int, /) -> Sequence[Any] | Indices:
        return self.listed


class IterableSampler(Sampler):
    """A sampler that can be iterated over without a DataLoader, too: each iterator is the next epoch, from epoch 0 on.

    It gives Python's integers, or lists of them. A DataLoader asks for the orders of its own epochs, and neither sees
    nor changes which is next here. Raises TraceError while a function is traced.
    """

    _iterators = 0

    def __iter__(self) -> Iterator[Any]:
        refuse_epoch_in_trace(
            f"a {type(self).__name__}", "indices", "pass them as an argument, or ask for one epoch: sampler.order(0)."
        )
        order = self.order(self._iterators)
        self._iterators += 1
        return (part.tolist() for part in order)


class SequentialSampler(IterableSampler):
    """Visits samples 0 to count - 1 in order."""

    def __init__(self, count: int) -> None:
        self.count = _checked_count(type(self).__name__, count)

    def __len__(self) -> int:
        return self.count

    def order(self, epoch: int, /) -> Indices:
        _check_epoch(type(self).__name__, epoch)
        return np.arange(self.count)


class RandomSampler(IterableSampler):
    """Visits each of `count` samples once, in an order that depends on the seed and the epoch only."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count = _checked_count(type(self).__name__, count)
        self.seed = checked_seed(seed)

    def __len__(self) -> int:
        return self.count

    def order(self, epoch: int, /) -> Indices:
        _check_epoch(type(self).__name__, epoch)
        return permutation(self.count, self.seed, EPOCHS + int(epoch))


@dataclass(frozen=True, eq=False)
class Batches:
    """Indices in `count` batches of so many; the last one may have fewer, or leave some out."""

    indices: Indices
    size: int
    count: int

    def __iter__(self) -> Iterator[Indices]:
        return (self.indices[n * self.size : (n + 1) * self.size] for n in range(self.count))


class BatchSampler(IterableSampler):
    """Cuts the order of a sampler, or a sequence of indices, into batches.

    `drop_last` leaves out a last one that is not full. Iterating over it gives the batches of an epoch, each time of
    the next one, as lists.

    >>> list(BatchSampler(SequentialSampler(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    _owner = "BatchSampler"  # whose argument the sampler is, for messages

    def __init__(self, sampler: Sampler | Sequence[int] | Indices, batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise argument_error(
                batch_size, int, f"BatchSampler takes batch_size as an integer of at least 1, got {batch_size!r}."
            )
        self.sampler = as_sampler("BatchSampler", "sampler", sampler)
        self.batch_size = int(batch_size)
        self.drop_last = as_flag("drop_last", drop_last)

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def order(self, epoch: int, /) -> Iterable[Indices]:
        _check_epoch(self._owner, epoch)
        order = checked_indices(self.sampler.order(epoch), None, self._owner)
        if len(order) != len(self.sampler):
            raise ArgumentError(f"the sampler promised {len(self.sampler)} indices, and gave {len(order)}.")
        return Batches(order, self.batch_size, len(self))


def as_sampler(owner: str, name: str, given: object) -> Sampler:
    """What was given as a sampler: one, or a sequence, which is the order of each epoch. Raises ArgumentTypeError for
    anything else."""
    if hasattr(given, "order") and hasattr(given, "__len__"):
        return given
    is_scalar = isinstance(given, np.ndarray) and given.ndim == 0
    if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str | bytes) and not is_scalar:
        return ListedSampler(given)
    got = "an array without axes" if is_scalar else type(given).__name__
    raise ArgumentTypeError(
        f"{owner} takes a {name} with a length and a method order(epoch), or a sequence, got {got}.",
        hint="an iterable that gives another order each time can't go on in the middle of an epoch: write a "
        "lucid.data.Sampler, or pass a list of it.",
    )


def checked_indices(indices: object, count: int | None, owner: str) -> Indices:
    """Numbers of samples as an array. Raises ArgumentTypeError for what is not a sequence of integers, and
    ArgumentError for one that is not from 0 to count - 1, if there is a count."""
    try:
        array = np.asarray(indices)
    except ValueError:  # of sequences of unequal lengths
        array = np.empty((1, 1))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        got = f"{array.dtype} of shape {array.shape}" if isinstance(indices, np.ndarray) else reprlib.repr(indices)
        raise ArgumentTypeError(f"{owner} takes a sequence of integers, got {got}.")
    if count is not None:
        outside = array[(array < 0) | (array >= count)]
        if outside.size:
            raise ArgumentError(f"{owner} got the index {outside[0]} into {count} samples.")
    return array.astype(np.int64)


def refuse_epoch_in_trace(what: str, items: str, hint: str) -> None:
    """Raise TraceError where an iterator begins an epoch while a function is traced: later calls would begin none."""
    if current_tracer() is not None:
        raise TraceError(
            f"{what} began an epoch while a function is traced; later calls would get the same {items}.", hint=hint
        )


def _check_epoch(owner: str, epoch: object) -> None:
    """Raise ArgumentError unless an epoch is an integer that has draws of its own."""
    if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or not 0 <= epoch < SPLITS - EPOCHS:
        raise argument_error(
            epoch,
            int,
            f"{owner} takes epochs as integers from 0 to 2^62 - 1, got {epoch!r}.",
            hint="an epoch is a pass through the data, counted from 0: for epoch in range(10): ...",
        )


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
