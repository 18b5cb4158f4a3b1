"""Reading and adding at integer tensors, and Embedding: values, gradients, and training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from tests.parity.compare import assert_close, assert_same_both, assert_same_module, normal, torch

ROW, COLUMN = np.array([1, 0, 2, 1]), np.array([[2], [0]], np.int32)
PLACES = np.array([[0, 2, 2, 1], [1, 1, 0, 2]])
NOTHING = np.zeros((0,), np.int64)

READS: dict[str, Callable[[Any, Any], Any]] = {
    "rows": lambda library, x: x[to(library, ROW)],
    "inner": lambda library, x: x[:, to(library, COLUMN)],
    "two": lambda library, x: x[to(library, ROW), to(library, COLUMN)],
    "apart": lambda library, x: x[to(library, ROW), :, to(library, COLUMN)],
    "nothing": lambda library, x: x[to(library, NOTHING)],
    "take": lambda library, x: library.take(x, to(library, PLACES)),
    "index_select": lambda library, x: library.index_select(x, 1, to(library, ROW)),
    "gather": lambda library, x: library.gather(x, 1, to(library, PLACES[:, :, None])),
    "gather 0": lambda library, x: library.gather(x, 0, to(library, PLACES[:, :2, None])),
    "gather -1": lambda library, x: library.gather(x, -1, to(library, PLACES[None, :, :3])),
}


EMBEDDINGS: list[dict[str, Any]] = [
    {"max_norm": 1.0},
    {"max_norm": 1.5, "norm_type": 1.0, "padding_idx": 1},
    {"scale_grad_by_freq": True},
    {"scale_grad_by_freq": True, "padding_idx": -4, "max_norm": 1.2},
]


@pytest.mark.parametrize("arguments", EMBEDDINGS, ids=str)
def test_options_of_embeddings(arguments: dict[str, Any]) -> None:
    index, weight = np.array([[1, 2, 1], [0, 3, 1]]), normal(5, 3)
    theirs = torch.nn.Embedding(5, 3, **arguments)
    theirs.load_state_dict({"weight": torch.tensor(weight)})
    expected = theirs(torch.tensor(index))
    (expected * expected).sum().backward()
    for compiled in (False, True):
        ours = nn.Embedding(5, 3, **arguments)
        ours.load_state_dict({"weight": weight})

        def step(index: Tensor, ours: nn.Embedding = ours) -> Tensor:
            result = ours(index)
            (result * result).sum().backward()
            return result

        assert_close((lucid.compile(step) if compiled else step)(Tensor(index)), expected)
        assert_close(ours.weight, theirs.weight)
        assert_close(ours.weight.grad, theirs.weight.grad)


def to(library: Any, index: np.ndarray) -> Any:
    return index if library is lucid else torch.from_numpy(index.astype(np.int64))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", READS)
def test_reads(name: str, dtype: str) -> None:
    read = READS[name]
    assert_same_both(lambda x: read(lucid, x), lambda x: read(torch, x), [normal(3, 4, 5, dtype=dtype)])


def test_reads_of_unit_and_empty_axes_and_strided_operands() -> None:
    index = np.array([[2, 0], [1, 1]])
    for x in (normal(3, 1, 5), normal(3, 4, 0), normal(8, 5, 6)[::2, ::-1].transpose(2, 1, 0)[:3]):
        for function in (lambda x: x[index], lucid.compile(lambda x: x[index])):
            assert_close(function(Tensor(x)), torch.tensor(np.ascontiguousarray(x))[index])


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_additions(index: str) -> None:
    x, source, places = normal(3, 4), normal(2, 4, seed=1), PLACES.astype(index)
    assert_same_both(
        lambda x, y: lucid.scatter_add(x, 0, places, y),
        lambda x, y: torch.scatter_add(x, 0, torch.from_numpy(PLACES), y),
        [x, source],
        (0, 1),
    )
    assert_same_both(
        lambda x, y: lucid.scatter_add(x, 1, places[:, :3], y),
        lambda x, y: torch.scatter_add(x, 1, torch.from_numpy(PLACES)[:, :3], y),
        [x, source[:, :3]],  # PyTorch has no gradient of a longer one
        (0, 1),
    )
    assert_same_both(
        lambda x, y: x.index_add(1, np.array([2, 0, 2], index), y, alpha=0.5),
        lambda x, y: x.index_add(1, torch.tensor([2, 0, 2], dtype=getattr(torch, index)), y, alpha=0.5),
        [x, normal(3, 3)],
        (0, 1),
    )


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 0), (2, 3)], ids=str)
@pytest.mark.parametrize("padding_idx", [None, 1, -1])
def test_embedding(padding_idx: int | None, shape: tuple[int, ...]) -> None:
    index = np.random.default_rng(0).integers(0, 6, shape)
    ours, theirs = nn.Embedding(6, 3, padding_idx), torch.nn.Embedding(6, 3, padding_idx)
    assert repr(ours) == repr(theirs)
    assert_same_module(ours, theirs, [index], wrt=())
    if padding_idx is not None:
        assert not ours.weight.detach().numpy()[padding_idx].any()


def test_embedding_of_a_table() -> None:
    table = normal(6, 3)
    ours, theirs = nn.Embedding.from_pretrained(table), torch.nn.Embedding.from_pretrained(torch.tensor(table))
    assert ours.weight.requires_grad == theirs.weight.requires_grad
    assert_close(ours(np.array([[5, 0]], np.uint8)), theirs(torch.tensor([[5, 0]])))
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_one_hot() -> None:
    index = np.array([[3, 0], [1, 1]])
    for function in (F.one_hot, lucid.compile(F.one_hot)):
        assert_close(function(index, 4), torch.nn.functional.one_hot(torch.from_numpy(index), 4))
    for shape in ((), (2,), (2, 3)):
        index = np.arange(np.prod(shape)).astype(np.int64).reshape(shape)[..., ::-1] if shape else np.array(2)
        assert_close(F.one_hot(index), torch.nn.functional.one_hot(torch.from_numpy(index.copy())))


def test_training_with_an_embedding() -> None:
    """A bag of words with a padding word, 100 compiled steps."""
    generator = np.random.default_rng(0)
    words, labels = generator.integers(0, 40, (100, 16, 7)), generator.integers(0, 5, (100, 16))
    ours = nn.ModuleList([nn.Embedding(40, 12, padding_idx=0), nn.Linear(12, 5)])
    theirs = torch.nn.ModuleList([torch.nn.Embedding(40, 12, padding_idx=0), torch.nn.Linear(12, 5)])
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    our_optimizer = optim.Adam(ours.parameters(), lr=0.01)
    their_optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)

    @lucid.compile
    def step(words: Tensor, labels: Tensor) -> Tensor:
        our_optimizer.zero_grad()
        table, linear = ours
        loss = F.cross_entropy(linear(table(words).mean(1)), labels)
        loss.backward()
        our_optimizer.step()
        return loss

    for x, y in zip(words, labels, strict=True):
        their_optimizer.zero_grad()
        expected = torch.nn.functional.cross_entropy(theirs[1](theirs[0](torch.tensor(x)).mean(1)), torch.tensor(y))
        expected.backward()
        their_optimizer.step()
        assert_close(step(x, y), expected, rtol=1e-4, atol=1e-5)
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, theirs.state_dict()[name].numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (1, 1), (2, 0, 3), (4, 70)], ids=str)
def test_sorting(shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    for axis in {0, -1}:
        for descending in (False, True):
            assert_same_both(
                lambda x, axis=axis, descending=descending: lucid.sort(x, axis, descending).values,
                lambda x, axis=axis, descending=descending: torch.sort(x, axis, descending).values,
                [x],
            )
            k = min(2, shape[axis])
            for part in range(2):
                ours, theirs = lucid.topk(x, k, axis, descending), torch.topk(torch.tensor(x), k, axis, descending)
                assert_close(ours[part], theirs[part])
            assert_same_both(
                lambda x, k=k, axis=axis, largest=descending: lucid.topk(x, k, dim=axis, largest=largest).values,
                lambda x, k=k, axis=axis, largest=descending: torch.topk(x, k, dim=axis, largest=largest).values,
                [x],
            )
            assert_close(
                lucid.argsort(x, dim=axis, descending=descending, stable=True),
                torch.argsort(torch.tensor(x), dim=axis, descending=descending, stable=True),
            )


@pytest.mark.parametrize("name", ["sort", "topk", "kthvalue"])
def test_sorting_without_axes(name: str) -> None:
    arguments = () if name == "sort" else (1,)
    for part in range(2):
        assert_same_both(
            lambda x, part=part: getattr(lucid, name)(x, *arguments, dim=0)[part] * x,  # type: ignore[misc]
            lambda x, part=part: getattr(torch, name)(x, *arguments, dim=0)[part] * x,  # type: ignore[misc]
            [np.array(3.0, np.float32)],
        )
    for function in (lucid.argsort, lucid.compile(lucid.argsort)):
        assert_close(function(Tensor(3.0)), torch.argsort(torch.tensor(3.0)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_sorting_of_equal_elements(dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (3, 40)).astype(dtype)
    for descending in (False, True):
        expected = torch.sort(torch.tensor(x), stable=True, descending=descending)
        for function in (lucid.sort, lucid.compile(lucid.sort)):
            found = function(Tensor(x), descending=descending)
            assert_close(found.values, expected.values)
            assert_close(found.indices, expected.indices)


def test_sorting_of_nan() -> None:
    x = np.array([0.0, np.nan, -0.0, np.inf, -np.inf, np.nan], np.float32)
    for descending in (False, True):
        expected = torch.argsort(torch.tensor(x), descending=descending, stable=True)
        assert_close(lucid.argsort(x, descending=descending), expected)
