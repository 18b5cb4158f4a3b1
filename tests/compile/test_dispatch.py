"""The fast path of a call takes what has the signature of the calls before, and nothing else."""

import copy
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.dispatch import UNLIKE, DirectCall
from lucid.errors import CheckError

X = np.ones((2, 3), np.float32)


@dataclass(frozen=True)
class Sizes:
    width: int
    scale: float = 0.0


class Owner:
    @lucid.compile
    def doubled(self, x: lucid.Tensor) -> lucid.Tensor:
        return x * 2.0


SIZES, OWNER = Sizes(1), Owner()
SAME: list[tuple[Any, Any]] = [
    (X, np.zeros((2, 3), np.float32)),
    (lucid.Tensor(X), lucid.Tensor(X)),
    (lucid.Tensor(X, requires_grad=True), lucid.Tensor(X, requires_grad=True)),
    (0.5, 0.25),
    (3, 3),
    ("mean", "mean"),
    (None, None),
    (True, True),
    (SIZES, SIZES),
    (OWNER, OWNER),
]
OTHER: list[tuple[Any, Any]] = [
    (X, X[:1]),
    (X, X.astype(np.float64)),
    (X, X.astype(">f4")),
    (X, lucid.Tensor(X)),
    (lucid.Tensor(X), X),
    (lucid.Tensor(X), lucid.Tensor(X, requires_grad=True)),
    (lucid.Tensor(X, requires_grad=True), lucid.Tensor(X, requires_grad=True) * 2),
    (lucid.Tensor(X), lucid.nn.Parameter(X)),
    (0.5, 1),
    (3, 4),
    (3, 3.0),
    (1, True),
    (None, False),
    ("mean", "sum"),
    (SIZES, Sizes(2)),
    (SIZES, Sizes(1, -0.0)),  # which equals it
    (OWNER, Owner()),
]


def direct(*leaves: Any) -> DirectCall:
    """The direct call of a function of these arguments, after the calls that lead to it."""

    @lucid.compile
    def f(*args: Any) -> list[Any]:
        return [x * 1 for x in args if isinstance(x, lucid.Tensor | np.ndarray | float)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lucid.RecompileWarning)
        for _ in range(3):
            f(*leaves)
    assert f._fast is not None
    return f._fast.call


@pytest.mark.parametrize(("leaf", "again"), SAME)
def test_a_call_like_the_ones_before_is_direct(leaf: Any, again: Any) -> None:
    other = X.copy()  # one array passed twice would be another signature
    call = direct(leaf, other)
    assert call((again, other), {}) is not UNLIKE
    assert call((again,), {}) is UNLIKE
    assert call((again, other, X), {}) is UNLIKE
    with lucid.no_grad():
        assert call((again, other), {}) is UNLIKE


@pytest.mark.parametrize(("leaf", "other"), OTHER)
def test_a_call_unlike_the_ones_before_is_not(leaf: Any, other: Any) -> None:
    call = direct(leaf)
    assert call((leaf,), {}) is not UNLIKE
    assert call((other,), {}) is UNLIKE


def test_one_tensor_passed_twice_is_another_signature() -> None:
    a, b = lucid.Tensor(X), lucid.Tensor(X)
    call = direct(a, b)
    assert call((b, a), {}) is not UNLIKE
    assert call((a, a), {}) is UNLIKE


def test_what_only_the_key_can_compare_takes_no_direct_call() -> None:
    assert direct(frozenset({1}))((frozenset({1}),), {}) is UNLIKE
    assert direct(object())((object(),), {}) is UNLIKE


class Pair(NamedTuple):
    first: Any
    second: Any


def leaves_in(tree: Any) -> list[Any]:
    """The tensors and floats of a tree, each times 1."""
    if isinstance(tree, dict):
        tree = [*tree.values()]
    return [x for item in tree for x in leaves_in(item)] if isinstance(tree, list | tuple) else [tree * 1]


NESTED: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (({"x": X, "y": 2.0},), {}),
    (((X, [2.0]), X + 1), {}),
    ((Pair(X, {"y": ()}), X + 1), {}),
    ((OrderedDict(x=X), []), {}),
    ((X,), {"scale": 2.0}),
    ((), {"x": {"x": X}, "scale": 2.0}),
]


@pytest.mark.parametrize(("args", "named"), NESTED)
@pytest.mark.filterwarnings("ignore::lucid.RecompileWarning")
def test_nested_and_named_arguments_are_taken_directly(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    f = lucid.compile(lambda *args, **named: leaves_in([args, named]))
    for _ in range(3):
        f(*args, **named)
    call = f._fast.call
    for number, (other_args, other_named) in enumerate(NESTED):
        found = call(other_args, other_named)
        assert (found is not UNLIKE) == (other_args is args and other_named is named), number
    expected = leaves_in([[*args], named])
    for x, y in zip(call(copy.deepcopy(args), copy.deepcopy(named)), expected, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": X, "y": X + 1}, {"y": X, "x": X + 1}),
        ({"x": X, "y": X + 1}, OrderedDict(x=X, y=X + 1)),
        ({"x": X}, {"x": X, "y": X + 1}),
        ({"x": X, "y": X + 1}, {"x": X, "z": X + 1}),
        ([X, X + 1], (X, X + 1)),
        (Pair(X, 1), (X, 1)),
        ([[X], X + 1], [X, [X + 1]]),
    ],
)
def test_arguments_that_are_nested_otherwise_are_not(one: Any, other: Any) -> None:
    f = lucid.compile(leaves_in)
    for _ in range(3):
        f(one)
    assert f._fast.call((one,), {}) is not UNLIKE
    assert f._fast.call((other,), {}) is UNLIKE


def test_keys_that_are_no_strings_are_compared_by_the_key_of_the_cache() -> None:
    f = lucid.compile(leaves_in)
    for _ in range(3):
        f({1: X})
    assert f._fast.call(({1: X},), {}) is UNLIKE
    assert f({True: X})[0].tolist() == X.tolist()
    assert len(f.programs) == 2


@pytest.mark.parametrize("count", [2, 4, 5, 9])
def test_which_of_many_arrays_are_one_and_the_same_is_part_of_the_signature(count: int) -> None:
    arrays = [X + number for number in range(count)]
    arrays.append(arrays[-1])
    call = direct(*arrays)
    assert call(tuple(arrays), {}) is not UNLIKE
    assert call((*arrays[:-1], arrays[0]), {}) is UNLIKE
    assert call((*arrays[:-1], X), {}) is UNLIKE
    assert call((arrays[1], *arrays[1:]), {}) is UNLIKE


def test_a_frozen_dataclass_that_was_changed_all_the_same_takes_no_direct_call() -> None:
    sizes = Sizes(1)
    call = direct(sizes)
    assert call((sizes,), {}) is not UNLIKE
    object.__setattr__(sizes, "width", 2)
    assert call((sizes,), {}) is UNLIKE


def test_a_compiled_method_is_called_directly() -> None:
    x = lucid.Tensor(X)
    for _ in range(3):
        OWNER.doubled(x)
    assert Owner.doubled._fast.call((OWNER, x), {}).tolist() == (X * 2).tolist()
    assert Owner.doubled._fast.call((Owner(), x), {}) is UNLIKE


def test_native_code_reads_arrays_where_they_lie_and_refuses_those_that_it_cannot_read() -> None:
    double = lucid.compile(lambda x: lucid.as_tensor(x) * 2.0)
    for _ in range(3):
        double(X)
    call = double._fast.call
    batches = np.arange(30, dtype=np.float32).reshape(5, 2, 3)
    np.testing.assert_array_equal(call((batches[3],), {}).numpy(), batches[3] * 2)  # a view, of a dataset for one
    for start in (batches[4], batches[0]):
        np.testing.assert_array_equal(call((start,), {}).numpy(), start * 2)
    misaligned = np.frombuffer(b"-" + X.tobytes(), np.float32, offset=1).reshape(2, 3)
    for unreadable in (X.T.copy().T, batches[0][:, ::-1], np.asfortranarray(X), misaligned, X.view(np.recarray)):
        assert call((unreadable,), {}) is UNLIKE
        np.testing.assert_array_equal(double(unreadable).numpy(), unreadable * 2)
    changed = X.copy()
    assert call((changed,), {}) is not UNLIKE
    changed.resize((3, 2))
    assert call((changed,), {}) is UNLIKE
    np.testing.assert_array_equal(double(changed).numpy(), changed * 2)


def test_what_overlaps_a_captured_tensor_is_read_before_that_is_written() -> None:
    """The state is 4 of 6 elements in memory; a call on what reaches into them must see them as they were."""
    memory = np.zeros(6, np.float32)
    state = lucid.as_tensor(memory[1:5])

    @lucid.compile
    def step(x: Any) -> lucid.Tensor:
        state[...] = state + 1.0
        return state.sum() + lucid.as_tensor(x).sum()

    apart = np.zeros(2, np.float32)
    for _ in range(3):
        step(apart)
    assert step._fast is not None
    assert step._fast.call((apart,), {}) is not UNLIKE
    for first in range(5):
        found = step._fast.call((memory[first : first + 2],), {})
        assert found is UNLIKE
    before = memory.copy()
    assert step(memory[4:6]).item() == before[4] + (before[1:5] + 1).sum()


def test_a_failed_direct_call_changes_nothing() -> None:
    total = lucid.Tensor(np.zeros(3, np.float32))

    @lucid.compile
    def step(labels: Any) -> lucid.Tensor:
        total[...] = total + 1.0
        return F.cross_entropy(total.reshape((1, 3)), labels)

    for _ in range(3):
        step(np.array([1]))
    with pytest.raises(CheckError):
        step._fast.call((np.array([7]),), {})
    assert total.tolist() == [3.0, 3.0, 3.0]
    assert step._fast.call((np.array([0]),), {}) is not UNLIKE
    assert total.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.filterwarnings("ignore::lucid.RecompileWarning")
def test_calls_take_the_path_that_fits_them() -> None:
    offset = lucid.zeros(3)

    @lucid.compile
    def f(x: Any, scale: float = 1.0) -> lucid.Tensor:
        return lucid.as_tensor(x) * scale + offset

    for x, scale in [(X, 2.0), (X * 3, 2.5), (X[:1], 2.0), (X, 0.5), (X.astype(np.float64), 2.0), (X, 2.0)] * 3:
        np.testing.assert_allclose(f(x, scale).numpy(), x * scale)
        np.testing.assert_allclose(f(x, scale=scale).numpy(), x * scale)
        np.testing.assert_allclose(f(x).numpy(), x)
    assert f(offset).tolist() == [0.0, 0.0, 0.0]  # an argument that is also captured has a program of its own
    assert f(offset).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_direct_calls_renew_what_is_held_among_any_number_of_results_and_count_the_updates_of_states(
    count: int,
) -> None:
    states = [lucid.Tensor(np.zeros(3, np.float32)) for _ in range(count)]

    @lucid.compile
    def step(x: Any) -> list[Any]:
        for number, state in enumerate(states):
            state += x * (number + 1)
        return [state * 2 for state in states]

    held = []
    for turn in range(1, 7):
        versions = [state._version.count for state in states]
        results = step(X[0])
        held.append((turn, results[turn % count]))
        assert [state._version.count for state in states] == [version + 1 for version in versions]
        np.testing.assert_array_equal(results, [[2 * turn * (number + 1)] * 3 for number in range(count)])
        del results
    assert step._fast is not None
    assert step._fast.call((X[0],), {}) is not UNLIKE
    for turn, result in held:
        np.testing.assert_array_equal(result.numpy(), [2 * turn * (turn % count + 1)] * 3)


def test_a_call_reads_each_hyperparameter_once() -> None:
    weight = lucid.Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1, momentum=0.9)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = (weight * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    program = step.lower(np.ones(3, np.float32))
    guards = program.guards
    text = "\n".join([*guards.lines("UNLIKE"), *program.lines_before(map(guards.in_variables, guards.scalars))])
    hyperparameters = "lr", "momentum", "dampening", "weight_decay"
    assert [text.count(f"['{key}']") for key in hyperparameters] == [1, 1, 1, 1]
