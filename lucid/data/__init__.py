"""Data for training loops: data sets, the order of an epoch, and batches.

Any iterable of arrays serves a training loop as well; nothing else in Lucid depends on this package.
"""

from lucid.data.collate import collate
from lucid.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from lucid.data.loader import DataLoader
from lucid.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

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
