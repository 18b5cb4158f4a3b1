"""DataLoader: batches of a data set, epoch by epoch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.data.collate import collate, convert
from lucid.data.dataset import Dataset, count_samples, fetch_batch
from lucid.data.prefetch import prefetch
from lucid.data.sampler import (
    Batches,
    BatchSampler,
    Indices,
    ListedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    as_sampler,
    checked_indices,
    refuse_epoch_in_trace,
)
from lucid.errors import ArgumentError, ArgumentTypeError, StateDictError, argument_error
from lucid.missing_names import refuse_attribute
from lucid.operations.arguments import as_flag
from lucid.random import checked_seed
from lucid.state_dicts import check_counter, check_names
from lucid.tensor import Tensor


class DataLoader:
    """Iterates over a data set in batches of NumPy arrays; each iterator over it, as of a `for` loop, is an epoch.

    With `shuffle`, the order of an epoch depends on `seed` and the number of the epoch, and on nothing else: Lucid's
    random stream is neither used nor moved. `sampler` replaces that order: a `Sampler`, or a sequence of indices.
    `drop_last` leaves out a last batch that is not full. `batch_sampler` says which samples each batch has: a `Sampler`
    whose order consists of sequences of indices, or a sequence of these. `collate_fn` makes a batch of a list of
    samples (`lucid.data.collate`).

    With `batch_size=None`, samples come one by one, or what the data set gives for several indices at once, if these
    are what the sampler's order consists of: as `collate_fn` makes them, or with NumPy arrays in the place of all
    arrays and tensors.

    With `num_workers` threads, up to `num_workers * prefetch_factor` (2 unless given) batches are made ahead: in the
    same order, with the same elements. Threads help where samples are read or computed by code that releases the GIL,
    as NumPy and most decoders do. PyTorch's `pin_memory` and `persistent_workers` are taken, and have no effect:
    threads share memory, and are made in no time.

    `state_dict` says where the latest iterator stands; after `load_state_dict`, the next one gives the rest of that
    epoch. Raises ArgumentError for sizes that are not positive integers, and for arguments that contradict each other,
    as in PyTorch: `shuffle` and a sampler; `batch_sampler` and another argument that says what is in a batch;
    `drop_last` without batches; `prefetch_factor` or `persistent_workers` without threads. Indices are checked before
    any sample is read, where they are in a sequence: those of a list when the DataLoader is made, those that a sampler
    gives for an epoch when that begins. Those that come one by one are checked as they come.

    >>> from lucid.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.arange(5), np.arange(5) > 2), batch_size=2)
    >>> for x, y in loader:
    ...     print(x, y)
    [0 1] [False False]
    [2 3] [False  True]
    [4] [ True]
    """

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are
        __getattr__ = refuse_attribute

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Sequence[Any] | Indices | None = None,
        batch_sampler: Sampler | Sequence[Sequence[int] | Indices] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        seed: int = 0,
    ) -> None:
        if isinstance(dataset, tuple) and all(isinstance(part, np.ndarray | Tensor) for part in dataset):
            raise ArgumentError(
                f"DataLoader takes a data set, got a tuple of {len(dataset)} arrays.",
                hint="their rows are samples in DataLoader(TensorDataset(x, y)).",
            )
        if batch_size is not None:
            _check_integer("batch_size", batch_size, 1)
        _check_integer("num_workers", num_workers, 0)
        if prefetch_factor is not None:
            _check_integer("prefetch_factor", prefetch_factor, 1)
        if collate_fn is not None and not callable(collate_fn):
            raise ArgumentTypeError(f"DataLoader takes a function as collate_fn, got {collate_fn!r}.")
        shuffle, drop_last = as_flag("shuffle", shuffle), as_flag("drop_last", drop_last)
        persistent_workers = as_flag("persistent_workers", persistent_workers)
        _refuse_contradictions(
            {
                "shuffle": shuffle,
                "sampler": sampler is not None,
                "batch_sampler": batch_sampler is not None,
                "batch_size": batch_size != 1,
                "drop_last": drop_last,
            }
        )
        if batch_size is None and drop_last:
            raise ArgumentError("DataLoader takes drop_last with batches, got batch_size=None.")
        if not num_workers and (prefetch_factor is not None or persistent_workers):
            name = "persistent_workers" if prefetch_factor is None else "prefetch_factor"
            raise ArgumentError(f"DataLoader takes {name} with num_workers of at least 1, got num_workers=0.")
        self.dataset = dataset
        self.batch_size = batch_size if batch_sampler is None else None
        self.drop_last = drop_last
        self.num_workers = num_workers
        self.prefetch_factor = 2 if prefetch_factor is None else prefetch_factor
        self.pin_memory = as_flag("pin_memory", pin_memory)
        self.persistent_workers = persistent_workers
        self.seed = checked_seed(seed)
        count = count_samples("DataLoader", dataset)
        self.sampler: Sampler
        if sampler is not None:
            self.sampler = as_sampler("DataLoader", "sampler", sampler)
        else:
            self.sampler = RandomSampler(count, self.seed) if shuffle else SequentialSampler(count)
        self.batch_sampler: Sampler | None = None
        if batch_sampler is not None:
            self.batch_sampler = as_sampler("DataLoader", "batch_sampler", batch_sampler)
        elif batch_size is not None:
            self.batch_sampler = _OwnBatchSampler(self.sampler, batch_size, drop_last)
        order = self._order
        if isinstance(order.sampler if isinstance(order, BatchSampler) else order, ListedSampler):
            self._checked(order.order(0))
        default = convert if self.batch_sampler is None else collate
        self.collate_fn: Callable[[Any], Any] = default if collate_fn is None else collate_fn
        self._progress = _Progress(0, 0)

    def __len__(self) -> int:
        """How many batches an epoch has, or samples without batches."""
        return len(self._order)

    @property
    def _order(self) -> Sampler:
        """What an epoch visits: batches, or samples without batches."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> Iterator[Any]:
        """Begin the next epoch, or go on with the one that `load_state_dict` has set.

        Raises TraceError while a function is traced: later calls would begin none, and get the batches of the first.
        """
        refuse_epoch_in_trace(
            "a DataLoader",
            "batches",
            "loop outside the compiled function, and pass it a batch: for x, y in loader: step(x, y).",
        )
        before = self._progress
        progress = _Progress(before.epoch + 1, 0) if before.begun else _Progress(before.epoch, before.batch)
        progress.begun = True
        self._progress = progress  # an earlier iterator that still runs keeps its own
        return self._batches(progress)

    def _batches(self, progress: _Progress) -> Iterator[Any]:
        parts = self._parts(progress)
        if self.num_workers:
            batches = prefetch(self._fetch, parts, self.num_workers, self.num_workers * self.prefetch_factor)
        else:
            batches = map(self._fetch, parts)
        for batch in batches:
            progress.batch += 1
            yield batch
        progress.epoch, progress.batch, progress.begun = progress.epoch + 1, 0, False

    def _parts(self, progress: _Progress) -> Iterator[Indices | int]:
        """What is left of an epoch: the indices of each batch, or, without batches, each index."""
        promised, given = len(self._order), progress.batch
        for part in itertools.islice(self._checked(self._order.order(progress.epoch)), given, None):
            given += 1
            if given > promised:
                break
            yield part
        if given != promised:
            what = "indices" if self.batch_sampler is None else "batches"
            raise ArgumentError(
                f"the sampler promised {promised} {what}, and gave {'more' if given > promised else given}."
            )

    def _checked(self, order: Iterable[Any]) -> Iterable[Indices | int]:
        """What a sampler gives for an epoch, as numbers of samples that there are: a sequence is checked as a whole,
        all else as it comes."""
        count, is_listed = len(self.dataset), isinstance(order, Sequence | np.ndarray)
        if isinstance(order, Batches):
            checked_indices(order.indices, count, "DataLoader")
            return order
        if self.batch_sampler is None and is_listed and all(isinstance(part, int | np.integer) for part in order):
            return [int(index) for index in checked_indices(order, count, "DataLoader")]
        parts = (self._checked_part(part, count) for part in order)
        return list(parts) if is_listed else parts

    def _checked_part(self, part: Any, count: int) -> Indices | int:
        alone = self.batch_sampler is None and isinstance(part, Number)
        indices = checked_indices([part] if alone else part, count, "DataLoader")
        return int(indices[0]) if alone else indices

    def _fetch(self, part: Indices | int) -> Any:
        if isinstance(part, int):
            return self.collate_fn(self.dataset[part])
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[part.tolist()])  # it takes several at once
        if self.collate_fn is collate:
            return fetch_batch(self.dataset, part)
        return self.collate_fn([self.dataset[index] for index in part.tolist()])

    def state_dict(self) -> dict[str, int | None]:
        """Where the latest iterator stands: the epoch, and how many of its batches have been handed out."""
        return {"epoch": self._progress.epoch, "batch": self._progress.batch, **self._identity()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the state was taken: the next loop is the rest of its epoch.

        Raises StateDictError where batch size, seed or the numbers of samples and batches are not those of this loader,
        and for what `state_dict` never gives.
        """
        own = self._identity()
        check_names("DataLoader", ["epoch", "batch", *own], state_dict)
        other = [
            f"{name} {value} for {own[name]}" for name, value in state_dict.items() if own.get(name, value) != value
        ]
        if other:
            raise StateDictError(f"the state_dict does not fit the DataLoader: {', '.join(other)}.")
        epoch, batch = (check_counter("DataLoader", name, state_dict[name]) for name in ("epoch", "batch"))
        if batch > len(self):
            raise StateDictError(f"there is no batch {batch} of epoch {epoch} in a DataLoader of {len(self)} batches.")
        self._progress = _Progress(epoch, batch)

    def _identity(self) -> dict[str, int | None]:
        """What a position in an epoch depends on."""
        samples, batches = len(self.sampler), len(self)
        return {"batch_size": self.batch_size, "samples": samples, "batches": batches, "seed": self.seed}


class _OwnBatchSampler(BatchSampler):
    """What a DataLoader makes of its sampler, batch size and `drop_last`."""

    _owner = "DataLoader"


class _Progress:
    """Where an iteration stands: the epoch, and the number of batches handed out; `begun` while the epoch has an
    iterator that is not at its end."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.epoch = epoch
        self.batch = batch
        self.begun = False


def _refuse_contradictions(given: Mapping[str, bool]) -> None:
    """Raise ArgumentError where more than one argument says which samples an epoch, or a batch, has."""
    if given["batch_sampler"]:
        others = [name for name, is_given in given.items() if is_given and name != "batch_sampler"]
        if others:
            raise ArgumentError(
                "DataLoader takes batch_sampler, which says all that is in a batch, "
                f"without {', '.join(others)}; got both."
            )
    if given["shuffle"] and given["sampler"]:
        raise ArgumentError("DataLoader takes shuffle or a sampler, which says the order itself; got both.")


def _check_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise argument_error(value, int, f"DataLoader takes {name} as an integer of at least {least}, got {value!r}.")
