"""PyTorch's DataLoader in Lucid's training loops, and its conventions in Lucid's."""

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.data import DataLoader, TensorDataset, random_split
from tests.names import without_addresses
from tests.parity.compare import normal, torch
from tests.training import classifying_step

XS, YS = normal(22, 3), np.arange(22) % 2


def theirs(batch_size: int, drop_last: bool) -> object:
    data = torch.utils.data.TensorDataset(torch.from_numpy(XS), torch.from_numpy(YS))
    return torch.utils.data.DataLoader(data, batch_size=batch_size, drop_last=drop_last)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_step_is_fed_by_either(compiled: bool) -> None:
    losses = []
    for loader in (theirs(5, True), DataLoader(TensorDataset(XS, YS), batch_size=5, drop_last=True)):
        lucid.seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        step = classifying_step(model, optimizer)

        function = lucid.compile(step) if compiled else step
        losses.append([function(x, y).item() for x, y in loader])
        if compiled:
            assert len(function.programs) == 1
    assert losses[0] == losses[1]


def test_tensors_of_pytorch_are_samples() -> None:
    ours = DataLoader(TensorDataset(torch.from_numpy(XS), torch.from_numpy(YS)), batch_size=4)
    pairs = DataLoader([(torch.from_numpy(x), int(y)) for x, y in zip(XS, YS, strict=True)], batch_size=4)
    for loader in (ours, pairs):
        found = np.concatenate([x for x, _ in loader])
        np.testing.assert_array_equal(found, XS)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("size", [1, 5, 11, 30])
def test_batches_are_cut_alike(size: int, drop_last: bool) -> None:
    ours, other = DataLoader(TensorDataset(XS, YS), size, drop_last=drop_last), theirs(size, drop_last)
    assert len(ours) == len(other)
    for batch, expected in zip(ours, other, strict=True):
        for array, tensor in zip(batch, expected, strict=True):
            assert (array.dtype, array.tolist()) == (tensor.numpy().dtype, tensor.tolist())


def rows(loader: Any) -> list[list[Any]]:
    """Elements of what a loader gives, of either library."""
    return [[np.asarray(part).tolist() for part in each] for each in loader]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((None,), {}),
        ((4, False, None, None, 0, None, False, True), {}),
        ((4, False, [3, 0, 5, 1, 2]), {}),
        ((None, False, [3, 0, 5]), {}),
        ((1, None, None, [[3, 0], [5]]), {}),
        ((), {"batch_sampler": "BatchSampler"}),
        ((), {"batch_size": None, "sampler": "BatchSampler"}),
        ((2,), {"collate_fn": lambda samples: [len(samples), len(samples[0])]}),
        ((None,), {"collate_fn": lambda sample: [sample[1]]}),
    ],
    ids=without_addresses,
)
def test_arguments(arguments: tuple[Any, ...], options: dict[str, Any], workers: int) -> None:
    found = []
    for kind, sampler, tensor in (
        (lucid.data, lucid.data.SequentialSampler(22), np.asarray),
        (torch.utils.data, torch.utils.data.SequentialSampler(range(22)), torch.from_numpy),
    ):
        made = {n: getattr(kind, v)(sampler, 4, False) if v == "BatchSampler" else v for n, v in options.items()}
        workers_of = {"num_workers": workers} if workers and kind is lucid.data and len(arguments) < 5 else {}
        loader = kind.DataLoader(kind.TensorDataset(tensor(XS), tensor(YS)), *arguments, **made, **workers_of)
        found.append((len(loader), rows(loader)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "batch_size": None},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
    ],
    ids=str,
)
def test_arguments_that_contradict_each_other(options: dict[str, Any]) -> None:
    for library in (lucid.data, torch.utils.data):
        with pytest.raises(ValueError):  # noqa: PT011
            library.DataLoader(range(3), **options)


@pytest.mark.parametrize("lengths", [[0.3, 0.7], [0.5, 0.25, 0.25], [1 / 3] * 3, [20, 2]])
def test_lengths_of_splits(lengths: list[float]) -> None:
    expected = [len(part) for part in torch.utils.data.random_split(range(22), lengths)]
    assert [len(part) for part in random_split(range(22), lengths)] == expected
