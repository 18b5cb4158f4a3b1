"""The order of an epoch: shuffled, listed, a function of the epoch, wrong; and samplers without a DataLoader."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.data import BatchSampler, DataLoader, RandomSampler, Sampler, SequentialSampler
from lucid.errors import ArgumentError, ArgumentTypeError
from tests.data.recorded import Given, Recorded, epoch


class TestOrder:
    def test_each_epoch_has_an_order_of_its_own(self) -> None:
        loader = DataLoader(Recorded(20), 4, shuffle=True, seed=1)
        epochs = [list(itertools.chain(*epoch(loader))) for _ in range(3)]
        assert all(sorted(order) == list(range(20)) for order in epochs)
        assert len({tuple(order) for order in [*epochs, range(20)]}) == 4
        again = DataLoader(Recorded(20), 5, shuffle=True, seed=1)
        assert [list(itertools.chain(*epoch(again))) for _ in range(3)] == epochs

    def test_lucids_random_stream_is_neither_used_nor_moved(self) -> None:
        lucid.seed(5)
        first = epoch(DataLoader(Recorded(9), 2, shuffle=True, num_workers=2))
        assert lucid.get_state() == (5, 0)
        lucid.seed(6)
        assert epoch(DataLoader(Recorded(9), 2, shuffle=True)) == first

    def test_a_loop_that_was_left_early_is_followed_by_a_new_epoch(self) -> None:
        loader, other = (DataLoader(Recorded(9), 2, shuffle=True) for _ in range(2))
        next(iter(loader))
        epoch(other)
        assert epoch(loader) == epoch(other)

    def test_two_iterations_at_once_do_not_disturb_each_other(self) -> None:
        loader, other = (DataLoader(Recorded(6), 2, shuffle=True) for _ in range(2))
        expected = epoch(other), epoch(other)
        first = iter(loader)
        assert loader.state_dict()["epoch"] == 0
        found = [next(first).tolist()]
        second = epoch(loader)
        found += [batch.tolist() for batch in first]
        assert (found, second) == expected

    def test_each_iterator_is_an_epoch(self) -> None:
        loader, other = (DataLoader(Recorded(6), 2, shuffle=True) for _ in range(2))
        expected = epoch(other), epoch(other), epoch(other)
        pairs = [(x.tolist(), y.tolist()) for x, y in zip(loader, loader, strict=True)]
        assert pairs == list(zip(*expected[:2], strict=True))
        assert epoch(loader) == expected[2]

    def test_a_list_is_the_order_of_each_epoch(self) -> None:
        for listed in ([4, 1, 2], (4, 1, 2), np.array([4, 1, 2])):
            loader = DataLoader(Recorded(5), 2, sampler=listed)
            assert [epoch(loader), epoch(loader)] == [[[4, 1], [2]]] * 2
            assert len(loader) == 2

    @pytest.mark.parametrize("name", ["sampler", "batch_sampler"])
    def test_an_iterable_without_an_order_is_none(self, name: str) -> None:
        with pytest.raises(
            ArgumentTypeError, match=rf"DataLoader takes a {name} with .*, got list_iterator\."
        ) as caught:
            DataLoader(Recorded(5), **{name: iter([1, 2])})
        assert "write a lucid.data.Sampler, or pass a list of it" in str(caught.value)

    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_sampler_of_batches(self, workers: int) -> None:
        class Growing(Sampler):
            def __len__(self) -> int:
                return 2

            def order(self, epoch: int, /) -> Sequence[Sequence[int]]:
                return [[0], list(range(epoch + 2))]

        loader = DataLoader(Recorded(5), batch_sampler=Growing(), num_workers=workers)
        assert [epoch(loader), epoch(loader)] == [[[0], [0, 1]], [[0], [0, 1, 2]]]
        batches = iter(loader)
        next(batches)
        resumed = DataLoader(Recorded(5), batch_sampler=Growing())
        resumed.load_state_dict(loader.state_dict())
        assert epoch(resumed) == [[0, 1, 2, 3]]
        loader = DataLoader(Recorded(5), batch_sampler=[[3], [1, 2]])
        assert [epoch(loader), epoch(loader)] == [[[3], [1, 2]]] * 2
        assert len(loader) == 2

    def test_batches_of_a_sampler(self) -> None:
        for sampler in (RandomSampler(7, seed=1), [3, 1, 2]):
            batches = BatchSampler(sampler, 2, True)
            loader = DataLoader(Recorded(7), 2, sampler=sampler, drop_last=True)
            own = DataLoader(Recorded(7), batch_sampler=batches)
            assert [epoch(own), epoch(own)] == [epoch(loader), epoch(loader)]
            assert len(own) == len(loader) == len(sampler) // 2
        with pytest.raises(ArgumentError, match="BatchSampler takes batch_size as an integer of at least 1, got 0"):
            BatchSampler([1], 0, False)

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize(("promised", "given"), [(1, "more"), (3, "2")])
    def test_a_sampler_of_batches_that_breaks_its_promise(self, promised: int, given: str, workers: int) -> None:
        """What it promised and gave comes first."""
        batches = iter(DataLoader(Recorded(5), batch_sampler=Given(promised, [[0], [1]]), num_workers=workers))
        assert [next(batches).tolist() for _ in range(min(promised, 2))] == [[0], [1]][:promised]
        with pytest.raises(ArgumentError, match=rf"the sampler promised {promised} batches, and gave {given}\."):
            next(batches)

    def test_a_sampler(self) -> None:
        class Backwards(Sampler):
            def __len__(self) -> int:
                return 3

            def order(self, epoch: int, /) -> Sequence[int]:
                return [3 + epoch, 2, 1]

        loader = DataLoader(Recorded(5), 2, sampler=Backwards())
        assert [epoch(loader), epoch(loader)] == [[[3, 2], [1]], [[4, 2], [1]]]
        with pytest.raises(ArgumentError, match="DataLoader got the index 5 into 5 samples"):
            epoch(loader)

    def test_a_sampler_that_breaks_its_promise(self) -> None:
        with pytest.raises(ArgumentError, match="the sampler promised 3 indices, and gave 1"):
            epoch(DataLoader(Recorded(5), sampler=Given(3, [1])))


class TestWrongIndices:
    """They are found before any sample is read, where a sequence has them."""

    @pytest.mark.parametrize(
        ("indices", "message"),
        [
            ([0, 1, 5], "DataLoader got the index 5 into 5 samples."),
            ([0, 1, -1], "DataLoader got the index -1 into 5 samples."),
            ([0, 1, 2.5], "DataLoader takes a sequence of integers, got [0, 1, 2.5]."),
            ([0, 1, "x"], "takes a sequence of integers, got [0, 1, 'x']."),
            ([0, 1, [2, 3]], "takes a sequence of integers, got [0, 1, [2, 3]]."),
            (np.zeros((3, 2), np.int64), "takes a sequence of integers, got int64 of shape (3, 2)."),
            (np.arange(3.0), "takes a sequence of integers, got float64 of shape (3,)."),
        ],
    )
    def test_of_a_list_and_of_an_epoch(self, indices: Any, message: str) -> None:
        with pytest.raises(ArgumentError) as caught:
            DataLoader(Recorded(5), 1, sampler=indices)
        assert caught.value.sentence.endswith(message)
        data = Recorded(5)
        with pytest.raises(ArgumentError) as caught:
            next(iter(DataLoader(data, 1, sampler=Given(3, indices))))
        assert caught.value.sentence.endswith(message)
        assert data.fetched == []

    @pytest.mark.parametrize(
        "batches", [[[0], [1, 5]], [[0], [-1]], [[0], [0.5]], [[0], 1], BatchSampler([0, 7], 1, False)]
    )
    def test_of_batches(self, batches: Any) -> None:
        with pytest.raises(ArgumentError, match="DataLoader"):
            DataLoader(Recorded(5), batch_sampler=batches)
        data = Recorded(5)
        order = batches.order(0) if isinstance(batches, BatchSampler) else batches
        with pytest.raises(ArgumentError, match="DataLoader"):
            next(iter(DataLoader(data, batch_sampler=Given(2, order))))
        assert data.fetched == []

    def test_of_a_list_that_changes(self) -> None:
        """Each epoch has the list as it is then."""
        data, indices = Recorded(5), [0, 1]
        loader = DataLoader(data, 1, sampler=indices)
        assert epoch(loader) == [[0], [1]]
        indices[1] = 4
        assert epoch(loader) == [[0], [4]]
        indices[1] = 5
        with pytest.raises(ArgumentError, match="DataLoader got the index 5 into 5 samples"):
            next(iter(loader))

    @pytest.mark.parametrize("workers", [0, 2])
    def test_of_an_iterator_as_they_come(self, workers: int) -> None:
        loader = DataLoader(Recorded(5), batch_sampler=Given(3, iter([[0], [1], [5]])), num_workers=workers)
        batches = iter(loader)
        assert [next(batches).tolist(), next(batches).tolist()] == [[0], [1]]
        with pytest.raises(ArgumentError, match="DataLoader got the index 5 into 5 samples"):
            next(batches)

    def test_an_array_without_axes_is_no_sampler(self) -> None:
        for make in (lambda x: DataLoader(Recorded(5), sampler=x), lambda x: BatchSampler(x, 1, False)):
            with pytest.raises(ArgumentTypeError, match=r"or a sequence, got an array without axes\."):
                make(np.array(3))


class TestIteratingOverASampler:
    """As over PyTorch's, without a DataLoader."""

    def test_it_gives_integers_or_lists_of_them(self) -> None:
        batches = BatchSampler(SequentialSampler(5), 2, drop_last=True)
        assert [list(SequentialSampler(2)), list(batches), list(batches)] == [[0, 1], *[[[0, 1], [2, 3]]] * 2]
        assert list(BatchSampler([3, 1], 5, drop_last=False)) == [[3, 1]]

    def test_each_time_is_the_next_epoch(self) -> None:
        sampler = RandomSampler(9, seed=1)
        batches = BatchSampler(sampler, 4, drop_last=False)
        orders = [list(sampler), list(sampler)]
        assert orders == [sampler.order(0).tolist(), sampler.order(1).tolist()]
        assert [list(itertools.chain(*batches)), list(itertools.chain(*batches))] == orders

    def test_a_loader_has_epochs_of_its_own(self) -> None:
        sampler = RandomSampler(9, seed=1)
        loader = DataLoader(Recorded(9), 9, sampler=sampler)
        list(sampler)
        assert list(itertools.chain(*epoch(loader))) == sampler.order(0).tolist()
        assert list(sampler) == sampler.order(1).tolist()

    def test_a_list_of_something_else(self) -> None:
        with pytest.raises(ArgumentTypeError, match=r"BatchSampler takes a sequence of integers, got \[0\.5\]"):
            iter(BatchSampler([0.5], 1, False))
