"""DataLoader: batches, order, threads, errors, and where an iteration stands."""

import itertools
import threading
import time
import traceback
from typing import Any, NamedTuple

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.data import (
    BatchSampler,
    DataLoader,
    SequentialSampler,
    Subset,
    TensorDataset,
)
from lucid.errors import ArgumentError, ArgumentTypeError, StateDictError
from tests.data.recorded import Recorded, epoch
from tests.training import classifying_step


class TestBatches:
    @pytest.mark.parametrize(
        ("count", "size", "drop_last", "batches"),
        [
            (5, 2, False, [[0, 1], [2, 3], [4]]),
            (5, 2, True, [[0, 1], [2, 3]]),
            (4, 2, True, [[0, 1], [2, 3]]),
            (2, 3, False, [[0, 1]]),
            (2, 3, True, []),
            (0, 3, False, []),
        ],
    )
    @pytest.mark.parametrize("workers", [0, 2])
    def test_sizes(self, count: int, size: int, drop_last: bool, batches: list[list[int]], workers: int) -> None:
        loader = DataLoader(Recorded(count), size, drop_last=drop_last, num_workers=workers)
        assert epoch(loader) == batches
        assert len(loader) == len(batches)

    def test_any_sequence_is_a_data_set(self) -> None:
        assert epoch(DataLoader(np.arange(4.0).reshape(2, 2), 2)) == [[[0.0, 1.0], [2.0, 3.0]]]
        assert epoch(DataLoader([3, 1, 2], 2)) == [[3, 1], [2]]

    def test_a_collate_function_of_ones_own(self) -> None:
        loader = DataLoader(TensorDataset(np.arange(3)), 2, collate_fn=lambda samples: [int(x) for (x,) in samples])
        assert list(loader) == [[0, 1], [2]]

    def test_a_batch_made_by_the_data_set_is_that_of_its_samples(self) -> None:
        generator = np.random.default_rng(0)
        data = TensorDataset(generator.standard_normal((9, 3), np.float32), generator.integers(0, 3, 9))
        subset = Subset(data, [1, 3, 5, 7, 8])
        fast = DataLoader(subset, 2, shuffle=True)
        slow = DataLoader([subset[i] for i in range(5)], 2, shuffle=True)
        for ours, theirs in zip(fast, slow, strict=True):
            assert [(x.dtype, x.tolist()) for x in ours] == [(x.dtype, x.tolist()) for x in theirs]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch_size": 0}, "batch_size as an integer of at least 1, got 0"),
            ({"batch_size": 2.0}, r"batch_size as an integer of at least 1, got 2\.0"),
            ({"num_workers": -1}, "num_workers as an integer of at least 0, got -1"),
            ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor as an integer of at least 1"),
            ({"prefetch_factor": 2}, "prefetch_factor with num_workers of at least 1, got num_workers=0"),
            ({"persistent_workers": True}, "persistent_workers with num_workers of at least 1, got num_workers=0"),
            ({"batch_size": None, "drop_last": True}, "drop_last with batches, got batch_size=None"),
            ({"batch_sampler": [[0]], "shuffle": True}, "all that is in a batch, without shuffle; got both"),
            (
                {"batch_sampler": [[0]], "sampler": [0], "batch_size": 2},
                "a batch, without sampler, batch_size; got both",
            ),
            ({"batch_sampler": [[0]], "drop_last": True}, "all that is in a batch, without drop_last; got both"),
            ({"seed": 0.5}, "seed takes an integer"),
            ({"shuffle": True, "sampler": [0]}, "shuffle or a sampler"),
        ],
    )
    def test_arguments(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            DataLoader([1, 2], **options)


class TestWithoutBatches:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_samples_come_one_by_one(self, workers: int) -> None:
        loader = DataLoader(Recorded(3), batch_size=None, num_workers=workers)
        assert list(loader) == [0, 1, 2]
        assert len(loader) == 3

    def test_what_is_in_them_is_arrays_or_as_it_is(self) -> None:
        class Pair(NamedTuple):
            x: Any
            y: Any

        data = [{"a": Tensor([1.0]), "b": [2, "c"]}, Pair(np.float32(3.0), None)]
        first, second = DataLoader(data, batch_size=None)
        assert isinstance(first["a"], np.ndarray)
        assert (first["a"].tolist(), first["b"]) == ([1.0], [2, "c"])
        assert (second.x.shape, second.x.dtype, second.y) == ((), np.float32, None)

    def test_numbers_of_a_tensor_data_set_are_inputs_of_one_program(self) -> None:
        step = lucid.compile(lambda x, y: (x * y).sum())
        loader = DataLoader(TensorDataset(np.ones((3, 2)), np.arange(3)), batch_size=None)
        assert [step(x, y).item() for x, y in loader] == [0.0, 2.0, 4.0]
        assert len(step.programs) == 1

    def test_collate_fn_takes_the_sample(self) -> None:
        assert list(DataLoader([3, 4], batch_size=None, collate_fn=lambda sample: sample + 1)) == [4, 5]

    def test_several_at_once(self) -> None:
        """As PyTorch does it, with a sampler of batches: the data set takes a list of indices."""
        batches = BatchSampler(SequentialSampler(5), 2, drop_last=False)
        loader = DataLoader(np.arange(5) * 10, batch_size=None, sampler=batches)
        assert [epoch(loader), epoch(loader)] == [[[0, 10], [20, 30], [40]]] * 2

    def test_the_rest_of_the_epoch_follows(self) -> None:
        loader, resumed = (DataLoader(Recorded(6), None, shuffle=True) for _ in range(2))
        stream = iter(loader)
        next(stream)
        resumed.load_state_dict(loader.state_dict())
        assert list(resumed) == list(stream)

    def test_an_index_that_is_not_there(self) -> None:
        with pytest.raises(ArgumentError, match="DataLoader got the index 7 into 2 samples"):
            DataLoader(Recorded(2), batch_size=None, sampler=[0, 7])
        for sampler in ([[0.5]], [0.5], [[1], 0.5]):
            with pytest.raises(ArgumentTypeError, match=r"DataLoader takes a sequence of integers, got \[0\.5\]"):
                DataLoader(Recorded(2), batch_size=None, sampler=sampler)


class TestThreads:
    def test_they_change_no_order(self) -> None:
        data = Recorded(12, delay=0.0005)  # later samples are ready first
        loader, plain = DataLoader(data, 2, shuffle=True, num_workers=3), DataLoader(Recorded(12), 2, shuffle=True)
        assert [epoch(loader), epoch(loader)] == [epoch(plain), epoch(plain)]
        assert all(name.startswith("lucid-data") for name in data.threads)
        assert len(data.threads) > 1

    def test_they_fetch_ahead_only_so_far(self) -> None:
        data = Recorded(100)
        batches = iter(DataLoader(data, 1, num_workers=2, prefetch_factor=3))
        for count in (1, 2, 3):
            next(batches)
            deadline = time.monotonic() + 60
            while len(data.fetched) < count + 6 and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(0.02)
            assert len(data.fetched) == count + 6

    def test_none_is_left_after_a_loop(self) -> None:
        loader = DataLoader(Recorded(50, delay=0.0001), num_workers=2)
        for _ in loader:
            assert any(thread.name.startswith("lucid-data") for thread in threading.enumerate())
            break
        epoch(loader)
        assert not any(thread.name.startswith("lucid-data") for thread in threading.enumerate())

    @pytest.mark.parametrize("workers", [0, 2])
    def test_an_error_comes_in_its_turn_with_its_traceback(self, workers: int) -> None:
        class Broken(Recorded):
            def __getitem__(self, index: int, /) -> int:
                if index == 3:
                    raise RuntimeError("the disk is gone")
                return index

        batches = iter(DataLoader(Broken(5), num_workers=workers))
        assert [next(batches).tolist() for _ in range(3)] == [[0], [1], [2]]
        with pytest.raises(RuntimeError, match="the disk is gone") as caught:
            next(batches)
        assert 'raise RuntimeError("the disk is gone")' in "".join(traceback.format_exception(caught.value))
        assert not any(thread.name.startswith("lucid-data") for thread in threading.enumerate())


class TestState:
    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("batches", [0, 1, 4, 5, 7])
    def test_the_rest_of_the_epoch_follows(self, batches: int, workers: int) -> None:
        def endless(loader: DataLoader) -> Any:
            while True:
                yield from loader

        loader, resumed = (DataLoader(Recorded(9), 2, shuffle=True, seed=2, num_workers=workers) for _ in range(2))
        stream = endless(loader)
        for _ in range(batches):
            next(stream)
        resumed.load_state_dict(loader.state_dict())
        assert resumed.state_dict() == loader.state_dict()
        expected = [next(stream).tolist() for _ in range(12)]
        assert [batch.tolist() for batch in itertools.islice(endless(resumed), 12)] == expected

    def test_after_the_last_batch_the_epoch_is_empty(self) -> None:
        loader = DataLoader(Recorded(4), 2)
        for _ in loader:
            state = loader.state_dict()
        loader.load_state_dict(state)
        assert [epoch(loader), epoch(loader)] == [[], [[0, 1], [2, 3]]]

    def test_the_numbers(self) -> None:
        loader = DataLoader(Recorded(5), 2, seed=7)
        identity = {"batch_size": 2, "samples": 5, "batches": 3, "seed": 7}
        assert loader.state_dict() == {"epoch": 0, "batch": 0, **identity}
        next(iter(loader))
        assert loader.state_dict() == {"epoch": 0, "batch": 1, **identity}
        epoch(loader)
        assert loader.state_dict() == {"epoch": 2, "batch": 0, **identity}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"batch_size": 3}, "batch_size 3 for 2"),
            ({"samples": 4, "seed": 1}, "samples 4 for 5, seed 1 for 0"),
            ({"batch": 4}, "no batch 4 of epoch 0 in a DataLoader of 3 batches"),
            ({"epoch": -1}, "has epoch as an integer from 0 on, got -1"),
            ({"extra": 0}, "has epoch, batch, batch_size, samples, batches, seed, got"),
        ],
    )
    def test_a_state_of_another_loader(self, changes: dict[str, int], message: str) -> None:
        loader = DataLoader(Recorded(5), 2)
        with pytest.raises(StateDictError, match=message):
            loader.load_state_dict({**loader.state_dict(), **changes})
        assert epoch(loader) == [[0, 1], [2, 3], [4]]

    def test_a_state_of_numpy_integers(self) -> None:
        loader = DataLoader(Recorded(5), 2)
        loader.load_state_dict({**loader.state_dict(), "batch": np.int64(1)})
        assert type(loader.state_dict()["batch"]) is int
        assert epoch(loader) == [[2, 3], [4]]

    def test_a_state_of_other_batches(self) -> None:
        state = DataLoader(Recorded(5), batch_sampler=[[0, 1], [2], [4, 3]]).state_dict()
        for other in (
            DataLoader(Recorded(5), batch_sampler=[[i] for i in range(5)]),
            DataLoader(Recorded(5), batch_size=None),
        ):
            with pytest.raises(StateDictError, match="batches 3 for 5"):
                other.load_state_dict(state)


class Foreign:
    """An array of another library, as Lucid sees it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return self.array

    def __dlpack__(self, **options: object) -> object:
        return self.array.__dlpack__()


@pytest.mark.parametrize("kind", ["lists", "loader", "generator", "foreign"])
def test_any_iterable_of_arrays_trains_one_program(kind: str) -> None:
    generator = np.random.default_rng(0)
    xs, ys = generator.standard_normal((24, 3), np.float32), generator.integers(0, 2, 24)
    pairs = [(xs[i : i + 6], ys[i : i + 6]) for i in range(0, 24, 6)]
    batches = {
        "lists": pairs,
        "loader": DataLoader(TensorDataset(xs, ys), 6),
        "generator": ((Tensor(x), Tensor(y)) for x, y in pairs),
        "foreign": [(Foreign(x), Foreign(y)) for x, y in pairs],
    }[kind]
    lucid.seed(0)
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    step = lucid.compile(classifying_step(model, optimizer))

    losses = [step(x, y).item() for x, y in batches]
    assert len(step.programs) == 1

    lucid.seed(0)
    model.load_state_dict(nn.Linear(3, 2).state_dict())
    assert [step(x, y).item() for x, y in pairs] == losses


def test_a_tuple_of_arrays_is_no_data_set() -> None:
    with pytest.raises(ArgumentError) as caught:
        DataLoader((np.ones((4, 2)), np.ones(4)))
    assert caught.value.sentence == "DataLoader takes a data set, got a tuple of 2 arrays."
    assert caught.value.hint == "their rows are samples in DataLoader(TensorDataset(x, y))."
