"""Data sets: samples by number."""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence, Sized
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from lucid.conversion import to_array
from lucid.data.collate import collate
from lucid.data.sampler import SPLITS, Indices, checked_indices, permutation
from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.operations.arguments import as_list, as_position, check_number
from lucid.random import checked_seed

Sample = TypeVar("Sample", covariant=True)


class Dataset(Protocol[Sample]):
    """Anything with a length and samples by number: subclass it, or have both methods.

    A data set that can fetch many samples faster than one by one has a method `fetch_batch(indices)` too, which takes
    an array of numbers and returns what `collate` would make of those samples.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abstractmethod
    def __getitem__(self, index: int, /) -> Sample:
        """Sample number `index`, from 0."""


@runtime_checkable
class FetchesBatches(Protocol):
    """A data set that makes batches itself."""

    def fetch_batch(self, indices: Indices, /) -> Any:
        """What `collate` would make of the samples of these numbers."""


def fetch_batch(dataset: Dataset[Any], indices: Indices) -> Any:
    """A collated batch of samples of a data set."""
    if isinstance(dataset, FetchesBatches):
        return dataset.fetch_batch(indices)
    return collate([dataset[index] for index in indices.tolist()])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Arrays or tensors with a leading axis in common: sample i is the tuple of their i-th elements.

    Memory is shared with the arrays. Raises ArgumentError where the leading axes differ.

    >>> data = TensorDataset(np.arange(6.0).reshape(3, 2), [7, 8, 9])
    >>> len(data), data[1]
    (3, (array([2., 3.]), np.int64(8)))
    """

    def __init__(self, *tensors: Any) -> None:
        self.arrays = tuple(map(to_array, tensors))
        shapes = [array.shape for array in self.arrays]
        if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
            found = ", ".join(map(str, shapes)) or "no arrays"
            raise ArgumentError(f"TensorDataset takes arrays that share their leading axis, got {found}.")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int, /) -> tuple[Any, ...]:
        place = as_position("TensorDataset", index, len(self)) if isinstance(index, int | np.integer) else index
        return tuple(array[place] for array in self.arrays)

    def fetch_batch(self, indices: Indices, /) -> tuple[npt.NDArray[Any], ...]:
        return tuple(array[indices] for array in self.arrays)


class Subset(Dataset[Any]):
    """Some samples of a data set, by their numbers there. Raises ArgumentError for numbers that are not there."""

    def __init__(self, dataset: Dataset[Any], indices: Sequence[int] | Indices) -> None:
        self.dataset = dataset
        self.indices = checked_indices(indices, count_samples("Subset", dataset), "Subset")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Any:
        return self.dataset[int(self.indices[as_position("Subset", index, len(self))])]

    def fetch_batch(self, indices: Indices, /) -> Any:
        return fetch_batch(self.dataset, self.indices[indices])


class ConcatDataset(Dataset[Any]):
    """Data sets one after the other. Raises ArgumentError for none.

    >>> both = ConcatDataset([[10, 11], [12, 13, 14]])
    >>> len(both), both[1], both[2]
    (5, 11, 12)
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = as_list("ConcatDataset takes a list of data sets", datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset takes at least one data set, got none.")
        self.cumulative_sizes = np.cumsum([count_samples("ConcatDataset", each) for each in self.datasets]).tolist()

    def __len__(self) -> int:
        return int(self.cumulative_sizes[-1])

    def __getitem__(self, index: int, /) -> Any:
        position = as_position("ConcatDataset", index, len(self))
        number = bisect_right(self.cumulative_sizes, position)
        return self.datasets[number][position - (self.cumulative_sizes[number - 1] if number else 0)]


def random_split(dataset: Dataset[Any], lengths: Sequence[int | float], seed: int = 0) -> list[Subset]:
    """Disjoint subsets of random samples: `random_split(data, [800, 200])`, or `[0.8, 0.2]`.

    Lengths add up to that of the data set, or are fractions that add up to 1: these are rounded down, and what remains
    goes to the first subsets, one sample each. The split depends on the seed alone.
    """
    count = count_samples("random_split", dataset)
    lengths = as_list("random_split takes a list of lengths", lengths)
    for length in lengths:
        check_number("random_split takes lengths that are numbers", length)
    total = math.fsum(lengths)
    if any(length < 0 for length in lengths):
        raise ArgumentError(f"random_split takes lengths of at least 0, got {list(lengths)}.")
    if all(isinstance(length, int | np.integer) for length in lengths):
        sizes = [int(length) for length in lengths]
    elif math.isclose(total, 1.0):
        sizes = [math.floor(count * length) for length in lengths]
        for number in range(count - sum(sizes)):
            sizes[number % len(sizes)] += 1
    else:
        raise ArgumentError(f"random_split takes fractions that add up to 1, got {list(lengths)}.")
    if sum(sizes) != count:
        raise ArgumentError(f"the lengths {list(lengths)} add up to {sum(sizes)}, and there are {count} samples.")
    order = permutation(count, checked_seed(seed), SPLITS)
    ends = np.cumsum(sizes)
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def count_samples(owner: str, dataset: object) -> int:
    """The length of a data set; ArgumentTypeError for what has no length, or no samples by number."""
    try:
        if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
            raise TypeError
        return len(dataset)
    except TypeError:  # as of an array without axes
        raise ArgumentTypeError(
            f"{owner} takes a data set with a length and samples by number, got {type(dataset).__name__}."
        ) from None
