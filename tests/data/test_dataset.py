"""Data sets, their subsets and splits, and the order of epochs."""

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    random_split,
)
from lucid.data.sampler import EPOCHS, permutation
from lucid.errors import ArgumentError, PositionError
from lucid.ir import philox


class Squares(Dataset[int]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int, /) -> int:
        return index**2


class TestTensorDataset:
    def test_samples(self) -> None:
        data = TensorDataset(np.arange(6.0, dtype="float32").reshape(3, 2), Tensor([4, 5, 6]))
        assert len(data) == 3
        x, y = data[1]
        assert (x.tolist(), int(y)) == ([2.0, 3.0], 5)
        assert [int(y) for _, y in data] == [4, 5, 6]

    def test_memory_is_shared(self) -> None:
        array = np.zeros((3, 2))
        data = TensorDataset(array)
        array[1] = 7.0
        assert data[1][0].tolist() == [7.0, 7.0]

    def test_a_batch_is_that_of_its_samples(self) -> None:
        generator = np.random.default_rng(0)
        data = TensorDataset(generator.standard_normal((5, 2, 3)), generator.integers(0, 9, 5))
        indices = np.array([4, 0, 0])
        for batch, samples in zip(
            data.fetch_batch(indices), zip(*(data[i] for i in indices), strict=True), strict=True
        ):
            expected = np.stack(samples)
            assert (batch.dtype, batch.tolist()) == (expected.dtype, expected.tolist())
            assert not np.shares_memory(batch, data.arrays[0])

    @pytest.mark.parametrize(
        ("arrays", "found"),
        [
            ((), "no arrays"),
            ((np.zeros(2), np.zeros(3)), r"\(2,\), \(3,\)"),
            ((np.zeros(()),), r"\(\)"),
        ],
    )
    def test_arrays_that_do_not_fit(self, arrays: tuple[np.ndarray, ...], found: str) -> None:
        with pytest.raises(ArgumentError, match=f"arrays that share their leading axis, got {found}"):
            TensorDataset(*arrays)


class TestSubset:
    def test_samples_of_a_subset_of_a_subset(self) -> None:
        subset = Subset(Subset(Squares(), [7, 2, 5, 2]), [3, 0])
        assert [subset[0], subset[1], len(subset)] == [4, 49, 2]
        assert subset.fetch_batch(np.array([1, 0])).tolist() == [49, 4]

    @pytest.mark.parametrize(
        ("indices", "message"),
        [([3, 10], "the index 10 into 10 samples"), ([-1], "the index -1"), ([0.5], "a sequence of integers")],
    )
    def test_numbers_that_are_not_there(self, indices: list[int], message: str) -> None:
        with pytest.raises(ArgumentError, match=f"Subset .*{message}"):
            Subset(Squares(), indices)

    def test_an_empty_one(self) -> None:
        assert len(Subset(Squares(), [])) == 0


class TestRandomSplit:
    @pytest.mark.parametrize(
        ("lengths", "sizes"),
        [([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]), ([0.25, 0.75], [3, 7]), ([1 / 3] * 3, [4, 3, 3]), ([10, 0], [10, 0])],
    )
    def test_parts_are_disjoint_and_complete(self, lengths: list[float], sizes: list[int]) -> None:
        parts = random_split(Squares(), lengths)
        assert [len(part) for part in parts] == sizes
        assert sorted(i for part in parts for i in part.indices.tolist()) == list(range(10))

    def test_the_seed_alone_decides(self) -> None:
        lucid.seed(0)
        first = [part.indices.tolist() for part in random_split(Squares(), [5, 5], seed=3)]
        state = lucid.get_state()
        lucid.seed(1)
        assert [part.indices.tolist() for part in random_split(Squares(), [5, 5], seed=3)] == first
        assert [part.indices.tolist() for part in random_split(Squares(), [5, 5], seed=4)] != first
        assert state == (0, 0)

    @pytest.mark.parametrize(
        ("lengths", "message"),
        [
            ([5, 6], r"the lengths \[5, 6\] add up to 11, and there are 10 samples"),
            ([0.5, 0.6], "fractions that add up to 1"),
            ([11, -1], "lengths of at least 0"),
        ],
    )
    def test_lengths_that_do_not_fit(self, lengths: list[float], message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            random_split(Squares(), lengths)


class TestSamplers:
    def test_sequential(self) -> None:
        assert SequentialSampler(3).order(5).tolist() == [0, 1, 2]

    @pytest.mark.parametrize("count", [0, 1, 2, 1000])
    def test_a_random_order_visits_each_sample_once(self, count: int) -> None:
        sampler = RandomSampler(count, seed=1)
        assert sorted(sampler.order(0)) == list(range(count))
        assert len(sampler) == count

    def test_epochs_and_seeds_differ_and_repeat(self) -> None:
        orders = [RandomSampler(50, seed).order(epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
        assert len({tuple(order) for order in orders}) == 4
        assert RandomSampler(50, 1).order(1).tolist() == orders[3]

    def test_the_order_is_specified(self) -> None:
        words = [int(word) for word in philox.words(9, 2**63 + 4, 40)]
        keys = [low + (high << 32) for low, high in zip(words[::2], words[1::2], strict=True)]
        assert RandomSampler(20, seed=9).order(4).tolist() == sorted(range(20), key=keys.__getitem__)

    def test_orders_are_spread_evenly(self) -> None:
        """The first of three comes up a third of the time: 3000 draws are within 5 standard deviations."""
        counts = np.bincount([permutation(3, 0, EPOCHS + epoch)[0] for epoch in range(3000)])
        assert np.abs(counts - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)

    @pytest.mark.parametrize("seed", [1.5, True, "0"])
    def test_a_seed_is_an_integer(self, seed: object) -> None:
        with pytest.raises(ArgumentError, match="seed takes an integer"):
            RandomSampler(3, seed)


def test_data_sets_one_after_the_other() -> None:
    both = ConcatDataset([Squares(), np.arange(3), Squares()])
    assert len(both) == 23
    assert [int(both[number]) for number in (0, 9, 10, 12, 13, -1)] == [0, 81, 0, 2, 0, 81]
    assert [int(x) for x in both] == [*(n * n for n in range(10)), 0, 1, 2, *(n * n for n in range(10))]
    batches = [batch.tolist() for batch in DataLoader(ConcatDataset([[1.0, 2.0], [3.0]]), batch_size=2)]
    assert batches == [[1.0, 2.0], [3.0]]
    for index in (23, -24):
        with pytest.raises(IndexError, match=f"index {index} is out of range for ConcatDataset of length 23"):
            both[index]
    for data in (TensorDataset(np.arange(3)), Subset([1, 2, 3, 4], [0, 1, 3])):
        assert len(list(data)) == 3  # which ends at that error
        with pytest.raises(PositionError, match=rf"index 3 is out of range for {type(data).__name__} of length 3\."):
            data[3]
    with pytest.raises(ArgumentError, match=r"ConcatDataset takes at least one data set, got none\."):
        ConcatDataset([])


def test_arguments_of_pytorch_that_have_no_effect() -> None:
    given = {"shuffle": None, "collate_fn": None, "prefetch_factor": None, "pin_memory": True}
    loader = DataLoader(Squares(), 4, num_workers=2, persistent_workers=True, **given)
    assert [batch.tolist() for batch in loader] == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]
