"""DataLoader: batches of a data set, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lucid.data.collate import collate
from lucid.data.dataset import Dataset, checked_indices, count_samples, fetch_batch
from lucid.data.prefetch import prefetch
from lucid.data.sampler import Indices, RandomSampler, Sampler, SequentialSampler
from lucid.errors import ArgumentError, ArgumentTypeError, StateDictError, argument_error
from lucid.random import checked_seed
from lucid.tensor import Tensor


class DataLoader:
    """Iterates over a data set in batches of NumPy arrays; each `for` loop over it is an epoch.

    With `shuffle`, the order of an epoch depends on `seed` and the number of the epoch, and on nothing else: Lucid's
    random stream is neither used nor moved. `sampler` replaces that order. `drop_last` leaves out a last batch that
    is not full. `collate_fn` makes a batch of a list of samples (`lucid.data.collate`).

    With `num_workers` threads, up to `num_workers * prefetch_factor` (2 unless given) batches are made ahead: in the
    same order, with the same elements. Threads help where samples are read or computed by code that releases the GIL,
    as NumPy and most decoders do. PyTorch's `pin_memory` and `persistent_workers` are taken, and have no effect:
    threads share memory, and are made in no time.

    `state_dict` says where the iteration stands; after `load_state_dict`, the next loop is the rest of that epoch.
    Raises ArgumentError for sizes that are no positive integers, and for `shuffle` together with a sampler.

    >>> from lucid.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.arange(5), np.arange(5) > 2), batch_size=2)
    >>> for x, y in loader:
    ...     print(x, y)
    [0 1] [False False]
    [2 3] [False  True]
    [4] [ True]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int = 1,
        shuffle: bool | None = None,
        *,
        sampler: Sampler | None = None,
        drop_last: bool = False,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        prefetch_factor: int | None = None,
        seed: int = 0,
        pin_memory: bool = False,
        persistent_workers: bool = False,
    ) -> None:
        if shuffle and sampler is not None:
            raise ArgumentError("DataLoader takes shuffle or a sampler, which says the order itself; got both.")
        if isinstance(dataset, tuple) and all(isinstance(part, np.ndarray | Tensor) for part in dataset):
            raise ArgumentError(
                f"DataLoader takes a data set, got a tuple of {len(dataset)} arrays.",
                hint="their rows are samples in DataLoader(TensorDataset(x, y)).",
            )
        _check_integer("batch_size", batch_size, 1)
        _check_integer("num_workers", num_workers, 0)
        factor = 2 if prefetch_factor is None else prefetch_factor
        _check_integer("prefetch_factor", factor, 1)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        if collate_fn is not None and not callable(collate_fn):
            raise ArgumentTypeError(f"DataLoader takes a function as collate_fn, got {collate_fn!r}.")
        if sampler is not None and not (hasattr(sampler, "order") and hasattr(sampler, "__len__")):
            raise ArgumentTypeError(
                f"DataLoader takes a sampler with a length and a method order(epoch), got {type(sampler).__name__}."
            )
        self.collate_fn = collate if collate_fn is None else collate_fn
        self.num_workers = num_workers
        self.prefetch_factor = factor
        self.pin_memory = pin_memory
        self.persistent_workers = persistent_workers
        self.seed = checked_seed(seed)
        count = count_samples("DataLoader", dataset)
        self.sampler: Sampler
        if sampler is not None:
            self.sampler = sampler
        else:
            self.sampler = RandomSampler(count, self.seed) if shuffle else SequentialSampler(count)
        self._progress = _Progress(0, 0)

    def __len__(self) -> int:
        """How many batches an epoch has."""
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """Begin the next epoch, or go on with the one that `load_state_dict` has set."""
        before = self._progress
        begins_anew = before.batch > 0 and not before.loaded
        progress = _Progress(before.epoch + 1, 0) if begins_anew else _Progress(before.epoch, before.batch)
        self._progress = progress  # an earlier iterator that still runs keeps its own
        return self._batches(progress)

    def _batches(self, progress: _Progress) -> Iterator[Any]:
        order = checked_indices(self.sampler.order(progress.epoch), len(self.dataset), "DataLoader")
        if len(order) != len(self.sampler):
            raise ArgumentError(f"the sampler promised {len(self.sampler)} indices, and gave {len(order)}.")
        starts = range(progress.batch * self.batch_size, len(self) * self.batch_size, self.batch_size)
        parts = (order[start : start + self.batch_size] for start in starts)
        if self.num_workers:
            batches = prefetch(self._fetch, parts, self.num_workers, self.num_workers * self.prefetch_factor)
        else:
            batches = map(self._fetch, parts)
        for batch in batches:
            progress.batch += 1
            yield batch
        progress.epoch, progress.batch = progress.epoch + 1, 0

    def _fetch(self, indices: Indices) -> Any:
        if self.collate_fn is collate:
            return fetch_batch(self.dataset, indices)
        return self.collate_fn([self.dataset[index] for index in indices.tolist()])

    def state_dict(self) -> dict[str, int]:
        """Where the iteration stands: the epoch, and how many of its batches have been handed out."""
        return {"epoch": self._progress.epoch, "batch": self._progress.batch, **self._identity()}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        """Go on where the state was taken: the next loop is the rest of its epoch.

        Raises StateDictError where batch size, seed or number of samples are not those of this loader.
        """
        own = self._identity()
        if state_dict.keys() != {"epoch", "batch", *own}:
            raise StateDictError(
                f"the state_dict of DataLoader has epoch, batch, {', '.join(own)}, "
                f"got {', '.join(state_dict) or 'none'}."
            )
        other = [
            f"{name} {value} for {own[name]}" for name, value in state_dict.items() if own.get(name, value) != value
        ]
        if other:
            raise StateDictError(f"the state_dict does not fit the DataLoader: {', '.join(other)}.")
        epoch, batch = state_dict["epoch"], state_dict["batch"]
        if epoch < 0 or not 0 <= batch <= len(self):
            raise StateDictError(f"there is no batch {batch} of epoch {epoch} in a DataLoader of {len(self)} batches.")
        self._progress = _Progress(epoch, batch, loaded=True)

    def _identity(self) -> dict[str, int]:
        """What a position in an epoch depends on."""
        return {"batch_size": self.batch_size, "samples": len(self.sampler), "seed": self.seed}


class _Progress:
    """Where an iteration stands: the epoch, and the number of batches handed out. `loaded` if none has begun yet."""

    def __init__(self, epoch: int, batch: int, loaded: bool = False) -> None:
        self.epoch = epoch
        self.batch = batch
        self.loaded = loaded


def _check_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise argument_error(value, int, f"DataLoader takes {name} as an integer of at least {least}, got {value!r}.")
