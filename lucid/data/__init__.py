"""Data for training loops: data sets, the order of an epoch, and batches.

Any iterable of arrays serves a training loop as well; nothing else in Lucid depends on this package.
"""

from typing import TYPE_CHECKING

from lucid.data.collate import collate
from lucid.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from lucid.data.loader import DataLoader
from lucid.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from lucid.missing_names import refuse_names_of

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "collate",
    "random_split",
]

if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
