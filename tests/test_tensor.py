"""What a Tensor is: creation, dtypes, text, conversion to Python and NumPy, operations, errors."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, CheckError, DTypeError, LucidError, ShapeError


class TestCreation:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            ([1.0, 2.0], "float32"),
            ([1, 2], "int64"),
            ([1, 2.0], "float32"),
            ([True, False], "bool"),
            (3.5, "float32"),
            (3, "int64"),
            ([], "float32"),
            (np.zeros(2), "float64"),
            (np.float64(1.0), "float64"),
            (np.zeros(2, np.uint8), "uint8"),
            ([np.zeros(2, np.float64)], "float64"),
            ([np.zeros(2, np.float32)], "float32"),
        ],
    )
    def test_dtype(self, data: object, dtype: str) -> None:
        assert str(Tensor(data).dtype) == dtype

    def test_nested_tensors(self) -> None:
        assert Tensor([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])]).tolist() == [[1.0, 2.0], [3.0, 4.0]]

    def test_dtype_argument_overrides(self) -> None:
        assert Tensor([1, 2], dtype="float64").dtype == Tensor(np.zeros(1)).dtype

    def test_data_is_copied(self) -> None:
        array = np.ones(2, np.float32)
        tensor = Tensor(array)
        array[0] = 5.0
        assert tensor.tolist() == [1.0, 1.0]

    def test_ragged_data(self) -> None:
        with pytest.raises(ArgumentError, match="equal lengths"):
            Tensor([[1.0], [1.0, 2.0]])

    @pytest.mark.parametrize("dtype", ["complex64", "float16", "U3", "object"])
    def test_unsupported_dtype(self, dtype: str) -> None:
        with pytest.raises(DTypeError, match="not supported"):
            Tensor(np.zeros(2, dtype))

    def test_integers_take_no_gradient(self) -> None:
        with pytest.raises(DTypeError, match="only float tensors can require gradients, got int64"):
            Tensor([1], requires_grad=True)

    def test_functions(self) -> None:
        assert lucid.zeros(2, 3).shape == lucid.zeros((2, 3)).shape == (2, 3)
        assert lucid.ones(2).tolist() == [1.0, 1.0]
        assert lucid.full((2,), 7).tolist() == [7, 7]
        assert lucid.arange(2, 5).tolist() == [2, 3, 4]
        assert lucid.zeros().shape == ()
        assert lucid.zeros_like(Tensor([1, 2])).dtype == Tensor([1]).dtype


class TestPromotion:
    """bool < integer < float; within a kind the narrowest that holds both; Python numbers are weak."""

    @pytest.mark.parametrize(
        ("x", "y", "dtype"),
        [
            ("float32", "float64", "float64"),
            ("float32", "int64", "float32"),
            ("bool", "int32", "int32"),
            ("int32", "int64", "int64"),
            ("uint8", "int32", "int32"),
            ("uint32", "int32", "int64"),
        ],
    )
    def test_two_tensors(self, x: str, y: str, dtype: str) -> None:
        a, b = lucid.ones(2, dtype=x), lucid.ones(2, dtype=y)
        assert str((a + b).dtype) == str((b + a).dtype) == dtype

    @pytest.mark.parametrize(
        ("x", "number", "dtype"),
        [
            ("float32", 1e-30, "float32"),
            ("float64", 2, "float64"),
            ("int64", 0.5, "float32"),
            ("int32", 2, "int32"),
            ("bool", 1, "int64"),
        ],
    )
    def test_python_numbers_are_weak(self, x: str, number: float, dtype: str) -> None:
        tensor = lucid.ones(2, dtype=x)
        assert str((tensor + number).dtype) == str((number + tensor).dtype) == dtype

    def test_no_integer_holds_both(self) -> None:
        with pytest.raises(DTypeError, match=r"no integer dtype holds both"):
            lucid.ones(1, dtype="uint64") + lucid.ones(1, dtype="int64")

    def test_numpy_on_the_left(self) -> None:
        result = np.ones(2, np.float32) + Tensor([1.0, 2.0])
        assert isinstance(result, Tensor)
        assert result.tolist() == [2.0, 3.0]

    def test_division_of_integers(self) -> None:
        assert (Tensor([1, 2]) / 2).tolist() == [0.5, 1.0]

    def test_matmul_mixes_no_dtypes(self) -> None:
        with pytest.raises(DTypeError, match=r"float32 and float64(.|\n)*cast the first one with \.astype..float64"):
            lucid.ones(2, 2) @ np.ones((2, 2))


class TestText:
    def test_with_gradient_asked(self) -> None:
        x = Tensor([[2.0, 0.0]], requires_grad=True)
        assert repr(x) == str(x) == "Tensor([[2.0, 0.0]], grad=None)"

    def test_without(self) -> None:
        x = Tensor([[2.0, 0.0]])
        assert repr(x) == "Tensor([[2.0, 0.0]], grad=None)"
        assert str(x) == "[[2.0, 0.0]]"

    def test_with_a_gradient(self) -> None:
        x = Tensor([2.0], requires_grad=True)
        (x * x).backward()
        assert repr(x) == "Tensor([2.0], grad=[4.0])"
        assert str(x.grad) == "[4.0]"

    def test_shortest_digits(self) -> None:
        assert str(Tensor([0.1, 1e-7, 1e20])) == "[0.1, 1e-07, 1e+20]"
        assert str(Tensor(0.1)) == "0.1"
        assert str(Tensor([True, False])) == "[True, False]"

    def test_long_axes_are_shortened(self) -> None:
        assert str(lucid.arange(2000)) == "[0, 1, 2, ..., 1997, 1998, 1999]"
        assert repr(lucid.arange(2000)) == (
            "Tensor([0, 1, 2, ..., 1997, 1998, 1999],\n       grad=None,\n       shape=(2000,), dtype=int64)"
        )
        text = repr(lucid.zeros(40, 50))
        assert text.startswith("Tensor([[0., 0., 0., ..., 0., 0., 0.],\n        [0., 0., 0., ...")
        assert text.endswith("]],\n       grad=None,\n       shape=(40, 50), dtype=float32)")

    def test_more_than_a_few_stand_in_rows(self) -> None:
        assert (
            str(lucid.arange(15).reshape(3, 5))
            == "[[ 0,  1,  2,  3,  4],\n [ 5,  6,  7,  8,  9],\n [10, 11, 12, 13, 14]]"
        )
        assert str(lucid.arange(12).reshape(3, 4)) == "[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]"
        assert str(Tensor(np.full((2, 7), 1 / 3))).count("0.3333333333333333") == 14
        assert max(map(len, str(lucid.arange(100.0)).splitlines())) <= 100

    def test_the_gradient_stands_below(self) -> None:
        x = Tensor(np.arange(14.0).reshape(2, 7), requires_grad=True)
        (x * x).sum().backward()
        assert repr(x) == (
            "Tensor([[ 0.,  1.,  2.,  3.,  4.,  5.,  6.],\n"
            "        [ 7.,  8.,  9., 10., 11., 12., 13.]],\n"
            "       grad=[[ 0.,  2.,  4.,  6.,  8., 10., 12.],\n"
            "             [14., 16., 18., 20., 22., 24., 26.]],\n"
            "       shape=(2, 7), dtype=float64)"
        )


class TestIntoPython:
    def test_item(self) -> None:
        assert Tensor([[2.5]]).item() == 2.5
        assert float(Tensor(2.5)) == 2.5
        assert int(Tensor([3])) == 3
        assert [10, 20, 30][Tensor(1)] == 20

    def test_item_of_several(self) -> None:
        with pytest.raises(ArgumentError, match=r"one element, got shape \(2,\)"):
            Tensor([1.0, 2.0]).item()

    def test_bool(self) -> None:
        assert Tensor([1.0])
        assert not Tensor(0)
        with pytest.raises(ArgumentError, match=r"bool\(\) takes a tensor of one element"):
            bool(Tensor([1.0, 2.0]))

    def test_floats_are_no_index(self) -> None:
        with pytest.raises(DTypeError, match="only integer tensors can index"):
            [1, 2][Tensor(1.0)]

    def test_len_and_iteration(self) -> None:
        x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        assert len(x) == 2
        assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
        with pytest.raises(TypeError, match="without axes"):
            len(Tensor(1.0))
        with pytest.raises(TypeError, match="without axes"):
            iter(Tensor(1.0))

    def test_numpy_shares_memory(self) -> None:
        x = Tensor([1.0, 2.0])
        x.numpy()[0] = 5.0
        assert x.tolist() == [5.0, 2.0]
        assert np.shares_memory(np.asarray(x), x.numpy())
        assert np.asarray(x, dtype="float64").dtype == np.float64
        assert not np.shares_memory(np.array(x), x.numpy())

    def test_no_array_of_another_dtype_without_a_copy(self) -> None:
        with pytest.raises(ValueError, match="without a copy"):
            Tensor([1.0]).__array__(np.float64, copy=False)

    def test_dlpack_shares_memory(self) -> None:
        x = Tensor([1.0, 2.0])
        assert np.shares_memory(np.from_dlpack(x), x.numpy())

    def test_pickling_is_refused(self) -> None:
        with pytest.raises(TypeError, match="state_dict"):
            pickle.dumps(Tensor([1.0]))

    def test_deepcopy(self) -> None:
        x = Tensor([1.0], requires_grad=True)
        (x * 2).backward()
        twin = copy.deepcopy(x)
        twin.detach().fill_(7.0)
        assert (x.tolist(), twin.tolist(), twin.grad.tolist(), twin.requires_grad) == ([1.0], [7.0], [2.0], True)
        with pytest.raises(ArgumentError, match="only leaf tensors"):
            copy.deepcopy(x * 2)

    def test_comparison_is_elementwise_and_hash_is_identity(self) -> None:
        x, y = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
        assert (x == y).tolist() == [True, False]
        assert (x != y).tolist() == [False, True]
        assert len({x, y, x}) == 2


class TestOperations:
    """Each against NumPy; gradients are tested with the ops of the IR."""

    x = np.array([[1.5, -2.0, 0.5], [0.0, 3.0, -1.0]], np.float32)
    y = np.array([[2.0], [-3.0]], np.float32)

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (lambda x, y: x + y, lambda x, y: x + y),
            (lambda x, y: 1 - x * y, lambda x, y: 1 - x * y),
            (lambda x, y: x / y, lambda x, y: x / y),
            (lambda x, y: x**2, lambda x, y: x**2),
            (lambda x, y: abs(x) ** 0.5, lambda x, y: np.abs(x) ** np.float32(0.5)),
            (lambda x, y: -x, lambda x, y: -x),
            (lambda x, y: x.maximum(y), np.maximum),
            (lambda x, y: x.clip(-1.0, 1.0), lambda x, y: np.clip(x, -1, 1)),
            (lambda x, y: lucid.where(x > y, x, 0.0), lambda x, y: np.where(x > y, x, np.float32(0))),
            (lambda x, y: (x > 0) & (x < 2), lambda x, y: (x > 0) & (x < 2)),
            (lambda x, y: ~(x >= y) | (x == 0), lambda x, y: ~(x >= y) | (x == 0)),
            (
                lambda x, y: x.exp() + x.sin() + x.cos() + x.tanh(),
                lambda x, y: np.exp(x) + np.sin(x) + np.cos(x) + np.tanh(x),
            ),
            (lambda x, y: x.sum(), lambda x, y: x.sum()),
            (lambda x, y: x.sum(axis=0), lambda x, y: x.sum(0)),
            (lambda x, y: x.sum(dim=1, keepdim=True), lambda x, y: x.sum(1, keepdims=True)),
            (lambda x, y: x.mean(-1), lambda x, y: x.mean(-1)),
            (lambda x, y: x.var(0), lambda x, y: x.var(0, ddof=1)),
            (lambda x, y: x.max(1), lambda x, y: x.max(1)),
            (lambda x, y: x.min(), lambda x, y: x.min()),
            (lambda x, y: x.argmax(1), lambda x, y: x.argmax(1)),
            (lambda x, y: (x > 0).any(0), lambda x, y: (x > 0).any(0)),
            (lambda x, y: (x > 0).all(1), lambda x, y: (x > 0).all(1)),
            (lambda x, y: x.T @ y, lambda x, y: x.T @ y),
            (lambda x, y: x[0] @ x.T, lambda x, y: x[0] @ x.T),
            (lambda x, y: x.reshape(3, -1), lambda x, y: x.reshape(3, -1)),
            (lambda x, y: x.flatten(), lambda x, y: x.reshape(-1)),
            (lambda x, y: x.permute(1, 0), lambda x, y: x.T),
            (lambda x, y: x.unsqueeze(1).expand(-1, 4, -1), lambda x, y: np.broadcast_to(x[:, None], (2, 4, 3))),
            (lambda x, y: y.squeeze(), lambda x, y: y[:, 0]),
            (lambda x, y: x[1, ::-1], lambda x, y: x[1, ::-1]),
            (lambda x, y: x[..., None, 1:], lambda x, y: x[..., None, 1:]),
            (lambda x, y: x[-1][-2:], lambda x, y: x[-1][-2:]),
            (lambda x, y: lucid.concatenate([x, y], axis=1), lambda x, y: np.concatenate([x, y], 1)),
            (lambda x, y: lucid.stack([x, x], axis=-1), lambda x, y: np.stack([x, x], -1)),
            (lambda x, y: x.astype("int64"), lambda x, y: x.astype(np.int64)),
            (lambda x, y: x.floor(), lambda x, y: np.floor(x)),
        ],
    )
    def test_against_numpy(self, ours: object, theirs: object) -> None:
        found, expected = ours(Tensor(self.x), Tensor(self.y)), np.asarray(theirs(self.x, self.y))
        assert (found.shape, found.dtype.numpy) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)

    def test_shapes_that_do_not_broadcast(self) -> None:
        with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\) do not broadcast"):
            lucid.ones(2) + lucid.ones(3)

    def test_matmul_names_both_shapes(self) -> None:
        with pytest.raises(ShapeError, match=r"\(2, 3\) and \(2, 3\)"):
            lucid.ones(2, 3) @ lucid.ones(2, 3)

    @pytest.mark.parametrize(
        ("act", "error"),
        [
            (lambda x: x.reshape(4), ShapeError),
            (lambda x: x.sum(2), ShapeError),
            (lambda x: x.sum((0, 0)), ShapeError),
            (lambda x: x.permute(0, 0), ShapeError),
            (lambda x: x.squeeze(0), ShapeError),
            (lambda x: x[2], CheckError),
            (lambda x: x[0, 0, 0], CheckError),
            (lambda x: x["first"], ArgumentError),
            (lambda x: lucid.where(x, 1.0, 0.0), DTypeError),
            (lambda x: x & x, DTypeError),
            (lambda x: lucid.concatenate([]), ArgumentError),
        ],
    )
    def test_wrong_use(self, act: object, error: type[LucidError]) -> None:
        with pytest.raises(error):
            act(lucid.ones(2, 3))

    def test_an_error_shows_the_users_line(self) -> None:
        with pytest.raises(LucidError) as caught:
            lucid.ones(2) + lucid.ones(3)  # this line
        assert f"{Path(__file__).name}:" in str(caught.value)
        assert "lucid.ones(2) + lucid.ones(3)  # this line" in str(caught.value)


def test_a_method_is_its_function_and_has_its_docstring() -> None:
    assert Tensor.exp is lucid.exp
    assert Tensor.unsqueeze is lucid.unsqueeze
    methods = {name: member for name, member in vars(Tensor).items() if callable(member) and not name.startswith("_")}
    assert not [name for name, method in methods.items() if not method.__doc__]


def test_tensors_by_the_name_that_pytorch_has() -> None:
    x = lucid.tensor([1, 2], dtype="float64", requires_grad=True)
    assert (x.dtype, x.requires_grad, x.device) == (lucid.float64, True, "cpu")
    array = np.ones(2, np.float32)
    y = lucid.tensor(array, device="cpu")
    array[:] = 0.0
    assert y.tolist() == [1.0, 1.0]
    assert lucid.compile(lambda x: x * lucid.tensor([2.0, 3.0]))(y).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("make", [Tensor, lucid.tensor, lucid.as_tensor])
@pytest.mark.parametrize("compiled", [False, True])
def test_floats_keep_their_digits_where_a_dtype_is_given(make: Any, compiled: bool) -> None:
    def call(data: Any, dtype: str) -> Any:
        return (lucid.compile(lambda x: make(x, dtype=dtype)) if compiled else lambda x: make(x, dtype=dtype))(data)

    assert call(0.1, dtype="float64").tolist() == 0.1
    if make is lucid.as_tensor and compiled:
        return  # it takes no lists of floats that may change between calls
    assert call([0.1, 16777217.0], dtype="float64").tolist() == [0.1, 16777217.0]
    assert call([16777217.0, 2.5], dtype="int64").tolist() == [16777217, 2]
    assert call([0.1], dtype="float32").tolist() == [float(np.float32(0.1))]
