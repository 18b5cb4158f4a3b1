"""Reading and adding at integer tensors: against NumPy, derivatives, errors, and what compiled code becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, CheckError, DTypeError, LucidError, ShapeError
from lucid.ir.interpret import interpret
from lucid.ir.text import parse
from tests.oracle import run_compiled

X = np.arange(4 * 3 * 4 * 5, dtype=np.float32).reshape(4, 3, 4, 5)
ROW, COLUMN = np.array([1, 0, -1, 1]), np.array([[2], [-3], [0]], np.int32)
SMALL = np.array([3, 0], np.uint8)
ZERO = np.array(1)
EMPTY = np.zeros((0, 2), np.int64)

KEYS: dict[str, Any] = {
    "one": ROW,
    "matrix": COLUMN,
    "list": [1, 0],
    "empty list": ([],),
    "empty": EMPTY,
    "scalar": ZERO,
    "inner": (slice(None), COLUMN),
    "last": (..., ROW),
    "uint8": (..., SMALL, slice(None)),
    "two": (ROW, COLUMN),
    "two inner": (slice(None), ROW, COLUMN),
    "two apart": (ROW, slice(None), COLUMN),
    "three": (ROW, COLUMN, SMALL[:1]),
    "apart by none": (ROW, None, COLUMN),
    "with a new axis in front": (None, ROW),
    "with a new axis behind": (ROW, None),
    "with an integer before": (0, ROW),
    "with an integer apart": (0, slice(None), ROW),
    "with an integer behind": (slice(None), ROW, -1),
    "with slices": (slice(None, None, -1), ROW, slice(1, 3), slice(0, 5, 2)),
    "with a slice apart": (slice(1), ROW[:2], ..., SMALL),
    "scalar beside": (ZERO, ROW),
    "scalar apart": (ZERO, slice(None), ROW),
    "all": (ROW, COLUMN, SMALL[1:], ZERO),
    "lists": ([0, 1], slice(None), [[1], [2]]),
}


@pytest.mark.parametrize("name", KEYS)
def test_indexing_is_numpys(name: str) -> None:
    key = KEYS[name]
    expected = X[key]
    for function in (lambda x: x[key], lucid.compile(lambda x: x[key])):
        found = function(Tensor(X))
        assert (found.shape, found.dtype.numpy) == (expected.shape, X.dtype)
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("name", KEYS)
def test_gradients_of_indexing_are_added_where_it_read(name: str) -> None:
    key = KEYS[name]
    weights = np.random.default_rng(0).integers(1, 9, X[key].shape).astype(np.float32)
    expected = np.zeros_like(X)
    np.add.at(expected, key, weights)
    for function in (lambda x: x[key], lucid.compile(lambda x: x[key])):
        x = Tensor(X, requires_grad=True)
        function(x).backward(weights)
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64", "int32", "int64"])
def test_indices_of_every_dtype(dtype: str) -> None:
    index = np.array([[2, 0], [1, 2]], dtype)
    for function in (lucid.take, lucid.compile(lucid.take)):
        np.testing.assert_array_equal(function(X, index, 1).numpy(), np.take(X, index, 1))
        np.testing.assert_array_equal(function(X[0, 0, ::-1, ::2].T, index, 1).numpy(), X[0, 0, ::-1, ::2].T[:, index])
    np.testing.assert_array_equal(lucid.take(X, index).numpy(), np.take(X, index))


@pytest.mark.parametrize(
    ("x", "index", "axis"),
    [
        (X, np.array([[[[0], [2], [1]]]]).reshape(1, 3, 1, 1), 1),
        (X[0, 0], np.arange(20).reshape(4, 5) % 4, 0),
        (X[0, :1, 0], np.arange(8).reshape(2, 4) % 5, -1),  # x is stretched
        (X[0, 0, :, ::2], np.zeros((4, 0), np.int64), 1),
    ],
)
def test_take_along_axis_is_numpys(x: np.ndarray, index: np.ndarray, axis: int) -> None:
    expected = np.take_along_axis(x, index, axis)
    for function in (lucid.take_along_axis, lucid.compile(lucid.take_along_axis)):
        np.testing.assert_array_equal(function(x, index, axis).numpy(), expected)


ERRORS = [
    (lambda x: x[np.array([0, 4])], CheckError, "index 4 at position 1 is out of range for axis 0 with extent 4."),
    (lambda x: x[:, [[-4]]], CheckError, "index -4 at position 0 is out of range for axis 1 with extent 3."),
    (lambda x: x[0, [1], np.array(7)], CheckError, "index 7 is out of range for axis 2 with extent 4."),
    (lambda x: x[:0][[0]], CheckError, "there is no index for axis 0 with extent 0."),
    (lambda x: x[4, [0]], CheckError, "index 4 is out of range for axis 0 with extent 4."),
    (lambda x: lucid.take(x, np.array(2**64 - 1, np.uint64), 0), CheckError, f"index {2**64 - 1} is out of range"),
    (lambda x: lucid.take(x, np.array([200], np.uint8), 0), CheckError, "index 200 at position 0 is out of range"),
    (lambda x: x[x], DTypeError, "only integer tensors can index, got float32."),
    (lambda x: x[x > 0], ArgumentError, "a tensor can't be indexed by a mask: how many elements that selects is"),
    (lambda x: x[[True, False]], ArgumentError, "a tensor can't be indexed by a mask"),
    (lambda x: x[True], ArgumentError, "integers, slices, `...`, None and integer tensors, got True."),
    (lambda x: x[[0], [0, 1], [0, 1, 2]], ShapeError, "indices of shapes (1,) and (2,) and (3,) do not broadcast"),
    (lambda x: x[[0], [0], [0], [0], [0]], CheckError, "too many indices for a tensor of shape (4, 3, 4, 5): 5."),
    (lambda x: lucid.take(x, np.zeros(1), 0), DTypeError, "only integer tensors can index, got float64."),
    (
        lambda x: lucid.index_select(x, 0, COLUMN),
        ShapeError,
        "index_select takes an index of one axis, got shape (3, 1)",
    ),
    (
        lambda x: lucid.gather(x[0, 0], 0, ROW),
        ShapeError,
        "gather takes an index that is no longer than (4, 5) but for",
    ),
    (lambda x: lucid.gather(x[0, 0], 0, np.zeros((1, 6), int)), ShapeError, "axis 0, got shape (1, 6)."),
    (lambda x: lucid.take_along_axis(x[0, 0], np.zeros((3, 1), int)), ShapeError, "fits (4, 5) but for axis 1, got"),
    (lambda x: lucid.scatter_add(x[0, 0], 0, np.zeros((2, 2), int), x[0, 0, :1]), ShapeError, "no longer than src"),
    (lambda x: lucid.scatter_add(x[0, 0], 0, [[0]], np.ones((1, 1))), DTypeError, "numbers of one dtype, got float32"),
    (
        lambda x: lucid.index_add(x[0, 0], 1, ROW, x[0, 0]),
        ShapeError,
        "and a source of shape (4, 4), got (4,) and (4, 5)",
    ),
    (
        lambda x: lucid.index_add(x[0, 0], 1, [9], x[0, 0, :, :1]),
        CheckError,
        "index 9 at position 0 is out of range for",
    ),
]


@pytest.mark.parametrize(("act", "error", "message"), ERRORS)
def test_wrong_indices(act: Any, error: type[LucidError], message: str) -> None:
    for function in (act, lucid.compile(act)):
        with pytest.raises(error) as caught:
            function(Tensor(X))
        assert message in caught.value.sentence


def test_a_mask_is_answered_with_where() -> None:
    x = Tensor([1.0, -2.0])
    with pytest.raises(ArgumentError, match=r"hint: use lucid\.where\(mask, x, 0\.0\)"):
        x[x > 0]


def test_a_failed_index_changes_nothing_though_it_is_computed_in_the_step() -> None:
    weight, index = Tensor(np.ones((5, 3), np.float32)), Tensor([0, 1])

    @lucid.compile
    def step(offset: Tensor) -> Tensor:
        near = weight[index + offset]  # which is read before what follows is known to be wrong
        far = weight[(near.sum(1)).astype("int64") + offset * 2]
        weight.copy_(weight + 1.0)
        index.copy_(index + 1)
        return far.sum()

    with pytest.raises(CheckError, match="index 5 at position 0 is out of range for axis 0 with extent 5"):
        step(Tensor(1))
    assert weight.tolist() == [[1.0] * 3] * 5
    assert index.tolist() == [0, 1]
    assert step(Tensor(0)).item() == 6.0
    assert index.tolist() == [1, 2]


def test_what_is_out_of_range_reads_the_nearer_end_until_the_check_is_made() -> None:
    graph = parse("graph(%x: f32[5], %i: i64[4]) { %g = gather %x, %i, axis=0; return %g }")
    x, index = np.arange(5, dtype=np.float32), np.array([5, 2**62, -6, -(2**63)])
    np.testing.assert_array_equal(run_compiled(graph, [x, index]).outputs[0], [4, 4, 0, 0])
    np.testing.assert_array_equal(interpret(graph, [x, index]).outputs[0], [4, 4, 0, 0])


@pytest.mark.parametrize(
    ("updates", "index", "axis", "extent"),
    [
        ((700, 33), (700, 1), 0, 50),  # rows, of whole vectors and a rest, by several threads
        ((5000,), (5000,), 0, 40),
        ((64, 200), (64, 200), 0, 70),
        ((64, 200), (64, 200), 1, 300),
        ((40, 9, 70), (1, 9, 1), 1, 30),
        ((40, 9, 70), (40, 9, 1), 1, 3),
        ((6, 5, 9, 7), (6, 1, 9, 7), 2, 11),
    ],
    ids=str,
)
def test_scatter_add_is_added_in_order(
    updates: tuple[int, ...], index: tuple[int, ...], axis: int, extent: int
) -> None:
    generator = np.random.default_rng(0)
    values = generator.standard_normal(updates).astype(np.float32)
    places = generator.integers(-extent, extent, index)
    arguments = f"%x: f32{list(updates)}, %i: i64{list(index)}"
    graph = parse(f"graph({arguments}) {{ %s = scatter_add %x, %i, axis={axis}, extent={extent}; return %s }}")
    expected = interpret(graph, [values, places]).outputs[0]  # NumPy adds one by one
    before = lucid.get_num_threads()
    try:
        for threads in (1, 2, 3, 8):
            lucid.set_num_threads(threads)
            np.testing.assert_array_equal(run_compiled(graph, [values, places]).outputs[0], expected)
    finally:
        lucid.set_num_threads(before)


def test_an_embedding_is_one_kernel_with_what_follows_and_its_gradient_another() -> None:
    weight = Tensor(np.ones((50, 8), np.float32), requires_grad=True)

    @lucid.compile
    def step(index: Tensor) -> Tensor:
        loss = (weight[index] * 2.0).tanh().sum()
        loss.backward()
        return loss

    ops = [node.op.name for node in step.lower(np.arange(30)).graph().nodes]
    assert ops.count("scatter_add") == 1
    assert "gather" not in ops  # it is in a fused node


def test_of_several_values_for_an_element_the_last_stays() -> None:
    def assign(value: Tensor) -> Tensor:
        x = lucid.zeros(3)
        x[[1, 2, 1, -2]] = value
        return x

    for function in (assign, lucid.compile(assign)):
        assert function(Tensor([5.0, 6.0, 7.0, -0.0])).numpy().tobytes() == np.float32([0.0, -0.0, 6.0]).tobytes()


def test_an_assignment_out_of_range_changes_nothing() -> None:
    x = lucid.zeros(3)

    def assign(index: Tensor) -> None:
        x[0] = 1.0
        x[index] = 2.0

    with pytest.raises(CheckError, match="index 3 at position 1 is out of range for axis 0 with extent 3"):
        lucid.compile(assign)(np.array([0, 3]))
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_wrong_assignments() -> None:
    x = lucid.Tensor([[-1.0, 2.0]])
    with pytest.raises(ArgumentError, match=r"takes a value that broadcasts to \(\), got shape \(1,\)") as caught:
        x[x < 0] = [0.0]
    assert caught.value.hint == "select from values of the shape of x: x = lucid.where(mask, values, x)."
    with pytest.raises(ShapeError, match=r"leading extents of what it selects from, \(1, 2\), got \(2,\)"):
        x[np.array([True, False])] = 0.0
    with pytest.raises(ArgumentError) as caught:
        x[:, np.array([True, False])] = 0.0
    assert caught.value.hint == "use x = lucid.where(mask, 0.0, x), with what you assign in the place of 0.0"
    with pytest.raises(ArgumentError, match="index_put takes a tuple of indices, got Tensor") as caught:
        lucid.index_put(x, lucid.Tensor([0]), 1.0)
    assert caught.value.hint == "write (index,)."
    with pytest.raises(ShapeError, match=r"scatter takes an index that is no longer than src, got shapes \(1, 2\) and"):
        lucid.scatter(x, 0, [[0, 0]], [[1.0]])
    with pytest.raises(ShapeError, match=r"takes an index of one axis and a source of shape \(1, 1\), got \(1,\) and"):
        lucid.index_copy(x, 1, [0], [1.0])
    with pytest.raises(ShapeError, match="index_fill takes one value, got shape"):
        lucid.index_fill(x, 1, [0], [1.0])
    y = lucid.Tensor([1.0, 2.0], requires_grad=True) * 2.0
    with lucid.no_grad(), pytest.raises(ArgumentError, match="a computed tensor can't be updated in place") as caught:
        y[[0]] = 1.0
    assert caught.value.hint == "write `t = lucid.index_put(t, (rows,), value)`, or lucid.where."


def test_a_mask_that_reads_is_answered_with_where() -> None:
    h = lucid.Tensor([-1.0, 2.0])
    with pytest.raises(ArgumentError) as caught:
        h[h < 0]
    assert caught.value.hint == "use lucid.where(mask, x, 0.0), or multiply by the mask"
