"""Arguments and results: arrays of every kind, in dicts, lists and tuples."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import ArgumentError

Pair = namedtuple("Pair", ["first", "second"])


class Batch(NamedTuple):
    x: Any
    y: Any


BASE = np.arange(24, dtype=np.float64).reshape(4, 6)
ARRAYS = {
    "plain": BASE,
    "transposed": BASE.T,
    "strided": BASE[::2, 1::3],
    "reversed": BASE[::-1, ::-1],
    "fortran": np.asfortranarray(BASE),
    "swapped": BASE.astype(">f8"),
    "swapped and strided": BASE.astype(">f8")[:, ::2],
    "broadcast": np.broadcast_to(BASE[0], (3, 6)),
    "empty": BASE[:0],
    "empty the other way": BASE[:, :0],
    "no axes": np.array(3.0),
    "one": np.array([[[5.0]]]),
    "float32": BASE.astype(np.float32),
    "int32": BASE.astype(np.int32),
    "swapped integers": BASE.astype(">i4"),
    "bytes": BASE.astype(np.uint8),
    "bools": BASE > 7.0,
    "swapped words": BASE.astype(">u8"),
}


def unaligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    storage = np.zeros(array.nbytes + 1, np.uint8)[1:]
    result = storage.view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


ARRAYS["unaligned"] = unaligned(BASE)
READ_ONLY = BASE.copy()
READ_ONLY.flags.writeable = False
ARRAYS["read-only"] = READ_ONLY


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_every_layout(kind: str) -> None:
    array = ARRAYS[kind]
    before = array.copy()
    for function in (lambda x: x * 2, lambda x: x, lambda x: (x * 1).sum(), lambda x: lucid.as_tensor(x).T * 2):
        eager, fast = function(lucid.as_tensor(array)), lucid.compile(function)
        for argument in (array, lucid.as_tensor(array), Tensor(array)):
            y = fast(argument)
            assert (y.dtype, y.shape) == (eager.dtype, eager.shape)
            np.testing.assert_allclose(np.asarray(y), np.asarray(eager))
            assert np.asarray(y).dtype.isnative or y is argument
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("kind", ["transposed", "strided", "swapped", "unaligned", "broadcast", "empty", "read-only"])
def test_gradients_for_arrays_of_every_layout(kind: str) -> None:
    array = ARRAYS[kind]
    results = []
    for wrap in (lambda f: f, lucid.compile):
        weight = Tensor(np.ones(array.shape[1]), requires_grad=True)
        f = wrap(lambda x: (x * weight * x).sum())  # noqa: B023  called at once
        f(array).backward()
        x = lucid.as_tensor(array).detach().requires_grad_()
        f(x).backward()
        results.append([weight.grad, x.grad])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy())


STRUCTURES = [
    (1.0, 2.0),
    [1.0, [2.0, []], ()],
    {"a": 1.0, "b": {"c": (2.0, None), 3: "x"}},
    Pair(1.0, Pair(2.0, [3.0])),
    Batch(x=[1.0], y={"y": 2.0}),
    OrderedDict(b=1.0, a=OrderedDict()),
    {"z": 1.0, "a": 2.0},
    (),
    None,
]


def replaced(tree: Any, make: Any) -> Any:
    """The tree with each float replaced."""
    if isinstance(tree, float):
        return make(tree)
    if isinstance(tree, dict):
        return type(tree)((key, replaced(value, make)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(replaced(item, make) for item in tree))
    return type(tree)(replaced(item, make) for item in tree) if isinstance(tree, list | tuple) else tree


def numbers(tree: Any) -> Any:
    """The tree with each tensor replaced by its number."""
    if isinstance(tree, Tensor):
        return tree.item()
    if isinstance(tree, dict):
        return type(tree)((key, numbers(value)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(numbers(item) for item in tree))
    return type(tree)(numbers(item) for item in tree) if isinstance(tree, list | tuple) else tree


def test_results_are_nested_more_deeply_than_parentheses_may_be() -> None:
    @lucid.compile
    def nested(x: Tensor) -> Any:
        result: Any = x * 2.0
        for _ in range(300):
            result = (result,)
        return result

    result = nested(Tensor([1.0]))
    for _ in range(300):
        (result,) = result
    assert result.tolist() == [2.0]


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
@pytest.mark.parametrize(
    "make", [float, lambda x: Tensor([x]), lambda x: np.array([x])], ids=["float", "tensor", "array"]
)
def test_structures_come_back(structure: Any, make: Any) -> None:
    def twice(tree: Any) -> Any:
        return replaced_traced(tree)

    def replaced_traced(tree: Any) -> Any:
        if isinstance(tree, dict):
            return type(tree)((key, replaced_traced(value)) for key, value in tree.items())
        if isinstance(tree, tuple) and hasattr(tree, "_fields"):
            return type(tree)(*(replaced_traced(item) for item in tree))
        if isinstance(tree, list | tuple):
            return type(tree)(replaced_traced(item) for item in tree)
        return tree if tree is None or isinstance(tree, str) else tree * 2.0

    fast = lucid.compile(twice)
    for factor in (1.0, 3.0):
        argument = replaced(structure, lambda x: make(x * factor))  # noqa: B023  called at once
        result = numbers(fast(argument))
        expected = replaced(structure, lambda x: x * factor * 2.0)  # noqa: B023
        assert result == expected
        assert type(result) is type(expected)
        if isinstance(expected, dict):
            assert list(result) == list(expected)
    assert len(fast.programs) == 1


def test_results_are_new_containers() -> None:
    fast = lucid.compile(lambda x: {"items": [x * 2.0]})
    first = fast(Tensor([1.0]))
    first["items"].append(None)
    assert len(fast(Tensor([1.0]))["items"]) == 1


def test_arguments_parameters_and_constants_as_results() -> None:
    layer, table = nn.Linear(1, 1), Tensor([5.0])

    def give(x: Any, y: Any) -> Any:
        return x, layer.weight, table, y, lucid.ones(2), Tensor([7.0]), [1, "a", None, True], layer, x.detach(), 2.5

    fast = lucid.compile(give)
    x = Tensor([0.0])
    for _ in range(3):
        found = fast(x, np.array([3.0]))
        assert found[0] is x
        assert found[1] is layer.weight
        assert found[2] is table
        assert found[3].tolist() == [3.0]
        assert found[4].tolist() == [1.0, 1.0]
        assert found[5].tolist() == [7.0]
        assert found[6:8] == ([1, "a", None, True], layer)
        assert found[8].tolist() == [0.0]
        assert found[9] == 2.5
        found[4].numpy()[:] = 9.0
        found[5].numpy()[:] = 9.0


def test_floats_as_results() -> None:
    fast = lucid.compile(lambda x, s: (x, s, s * 2.0, [s**2, -s, 1.0 - s]))
    for s in (1.5, 2.5, 0.25):
        _, same, twice, rest = fast(Tensor([1.0]), s)
        assert (same, twice, rest) == (s, 2.0 * s, [s**2, -s, 1.0 - s])
        assert type(same) is float
    assert len(fast.programs) == 1


def test_the_same_tensor_twice_in_a_result() -> None:
    x = Tensor([2.0], requires_grad=True)

    @lucid.compile
    def pair(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * x
        return y, y

    a, b = pair(x)
    (a + b * 10.0).backward()
    assert x.grad.tolist() == [44.0]


def test_names_of_arguments_in_the_graph() -> None:
    fast = lucid.compile(lambda batch, *rest, scale: batch["x"] * batch["y"][0] * rest[0] * scale)
    text = fast.lower({"x": np.ones(2), "y": [np.ones(2)]}, np.ones(2), scale=2.0).ir("traced")
    for name in ("%batch.x", "%batch.y.0", "%rest.0", "%scale"):
        assert name in text


def test_a_function_without_tensors() -> None:
    fast = lucid.compile(lambda n: n + 1)
    assert fast(2) == 3
    assert fast(2.5) == 3.5


def test_many_arguments() -> None:
    fast = lucid.compile(lambda xs: sum(x * float(i) for i, x in enumerate(xs)))
    xs = [np.full(3, float(i)) for i in range(200)]
    np.testing.assert_allclose(fast(xs).numpy(), sum(x * i for i, x in enumerate(xs)))


class Sparse:
    """An array of another library, which NumPy can't read."""

    def __array__(self, *_: object, **options: object) -> None:
        raise TypeError("got an unsupported layout")

    def __dlpack__(self) -> None: ...

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


class OfPyTorch:
    """A tensor of PyTorch's that has nothing but DLPack."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)


@pytest.mark.parametrize("text", ["torch.ones(3, requires_grad=True)", "torch.ones(3, dtype=torch.bfloat16)"])
@pytest.mark.parametrize("wrap", [OfPyTorch, lambda tensor: tensor])
def test_a_tensor_of_pytorch_that_numpy_cannot_read(wrap: Any, text: str) -> None:
    data = wrap(eval(text, {"torch": pytest.importorskip("torch")}))
    for function in (lucid.as_tensor, Tensor, lucid.compile(lambda x: x)):
        with pytest.raises(ArgumentError, match="NumPy can't read an array of type") as caught:
            function(data)
        assert caught.value.hint == "convert it first: one of PyTorch as in x.detach().float()."


def test_an_array_that_numpy_cannot_read() -> None:
    for function in (lucid.as_tensor, Tensor, lucid.compile(lambda x: x)):
        with pytest.raises(ArgumentError) as caught:
            function(Sparse())
        assert caught.value.sentence == "NumPy can't read an array of type Sparse: got an unsupported layout."
        assert caught.value.hint == "convert it first: one of PyTorch as in x.detach().float()."
