"""NumPy's functions of elements, called on Tensors: the counterpart of Lucid, or its error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.operations as ops
from lucid import Tensor
from lucid.errors import ArgumentError
from lucid.ufuncs import RENAMED

UFUNCS = [value for value in vars(np).values() if isinstance(value, np.ufunc)]
COVERED = sorted({ufunc for ufunc in UFUNCS if ufunc in RENAMED or ufunc.__name__ in ops.__all__}, key=str)
ON_BITS = (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift)


@pytest.mark.parametrize("ufunc", COVERED, ids=lambda ufunc: ufunc.__name__)
def test_counterparts_agree(ufunc: Any) -> None:
    x, y = np.array([[0.5, -0.25], [0.75, 0.0]], np.float32), np.array([[0.25, 1.0], [0.5, -2.0]], np.float32)
    if ufunc is np.arccosh:
        x = x + np.float32(2.0)
    arrays = [x, y][: ufunc.nin]
    if ufunc in ON_BITS:
        arrays = [np.array([[5, 6], [0, 7]]), np.array([[1, 2], [3, 0]])][: ufunc.nin]
    elif ufunc is np.ldexp:
        arrays[1] = np.array([[1, -2], [3, 0]])
    with np.errstate(all="ignore"):
        expected = ufunc(*arrays)
    for call in (ufunc, lucid.compile(lambda *operands: ufunc(*operands))):
        found = call(*map(Tensor, arrays))
        assert isinstance(found, Tensor)
        assert found.dtype.numpy == expected.dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-7)


def test_what_users_call_is_covered() -> None:
    names = {ufunc.__name__ for ufunc in COVERED}
    assert names >= {"sqrt", "exp", "maximum", "add", "matmul", "isnan", "logical_and", "arctan2", "absolute", "rint"}


def test_gradients_flow_through_numpys_functions() -> None:
    x = Tensor([0.5, 2.0], requires_grad=True)
    np.multiply(np.array([2.0, 3.0], np.float32), np.sqrt(x)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.array([2.0, 3.0]) / (2.0 * np.sqrt([0.5, 2.0])), rtol=1e-6)


def test_arrays_on_the_left_give_tensors() -> None:
    array, tensor = np.array([1.0, 2.0], np.float32), Tensor([3.0, 4.0])
    for result in (array + tensor, array @ tensor, array < tensor, np.float32(2.0) * tensor):
        assert isinstance(result, Tensor)
    np.testing.assert_array_equal((np.float64(2.0) * tensor).numpy(), np.array([6.0, 8.0], np.float32), strict=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: np.spacing(t), "np.spacing has no counterpart for Tensors."),
        (lambda t: np.add.reduce(t), "np.add.reduce has no counterpart for Tensors."),
        (lambda t: np.sqrt(t, where=[True]), "np.sqrt with where= has no counterpart for Tensors."),
        (
            lambda t: np.add(t, 1.0, out=np.zeros(1, np.float32)),
            "np.add can't write what it computes from a Tensor into an array.",
        ),
    ],
)
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(Tensor([2.0]))
    assert caught.value.sentence == message
