"""NumPy's functions of arrays, called on Tensors: the counterpart of Lucid, or its error; eagerly and in a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.array_functions import COUNTERPARTS
from lucid.errors import ArgumentError

X = np.array([[0.5, -0.25, 3.0], [0.75, 0.0, -2.0]], np.float32)
INDICES = np.array([[1], [0]])

CALLS: dict[Callable[..., Any], tuple[Callable[[Any], Any], ...]] = {
    np.all: (lambda t: np.all(t), lambda t: np.all(t > -1, 1, keepdims=True)),
    np.any: (lambda t: np.any(t), lambda t: np.any(t > 2, axis=1)),
    np.argmax: (lambda t: np.argmax(t), lambda t: np.argmax(t, 1, keepdims=True)),
    np.argmin: (lambda t: np.argmin(t), lambda t: np.argmin(t, axis=0)),
    np.argsort: (lambda t: np.argsort(t), lambda t: np.argsort(t, axis=0)),
    np.broadcast_to: (lambda t: np.broadcast_to(t, (4, 2, 3)),),
    np.clip: (lambda t: np.clip(t, -0.5, 0.5), lambda t: np.clip(t, None, a_max=0.5)),
    np.concatenate: (lambda t: np.concatenate([t, t]), lambda t: np.concatenate((t, t), axis=1)),
    np.cumsum: (lambda t: np.cumsum(t), lambda t: np.cumsum(t, 1)),
    np.diagonal: (lambda t: np.diagonal(t, 1),),
    np.expand_dims: (lambda t: np.expand_dims(t, 1),),
    np.flip: (lambda t: np.flip(t), lambda t: np.flip(t, 1)),
    np.full_like: (lambda t: np.full_like(t, 2.5), lambda t: np.full_like(t, 2, dtype=np.int64)),
    np.max: (lambda t: np.max(t), lambda t: np.max(t, axis=(0, 1), keepdims=True)),
    np.mean: (lambda t: np.mean(t), lambda t: np.mean(t, 1, keepdims=True), lambda t: np.mean(t, dtype=None)),
    np.min: (lambda t: np.min(t), lambda t: np.min(t, 0)),
    np.moveaxis: (lambda t: np.moveaxis(t, 0, 1),),
    np.ones_like: (lambda t: np.ones_like(t),),
    np.prod: (lambda t: np.prod(t), lambda t: np.prod(t, axis=1)),
    np.ravel: (lambda t: np.ravel(t),),
    np.reshape: (lambda t: np.reshape(t, (3, -1)), lambda t: np.reshape(t, 6)),
    np.roll: (lambda t: np.roll(t, 1), lambda t: np.roll(t, -1, axis=1)),
    np.round: (lambda t: np.round(t),),
    np.squeeze: (lambda t: np.squeeze(t[:1]), lambda t: np.squeeze(t[:, :1], axis=1)),
    np.stack: (lambda t: np.stack([t, t]), lambda t: np.stack([t, t], -1)),
    np.std: (lambda t: np.std(t), lambda t: np.std(t, 1, ddof=1, keepdims=True)),
    np.sum: (lambda t: np.sum(t), lambda t: np.sum(t, axis=-1, keepdims=True)),
    np.swapaxes: (lambda t: np.swapaxes(t, 0, 1),),
    np.take: (lambda t: np.take(t, INDICES), lambda t: np.take(t, INDICES[:, 0], axis=1)),
    np.take_along_axis: (lambda t: np.take_along_axis(t, INDICES, axis=1),),
    np.transpose: (lambda t: np.transpose(t), lambda t: np.transpose(t, (0, 1))),
    np.tril: (lambda t: np.tril(t),),
    np.triu: (lambda t: np.triu(t, 1),),
    np.var: (lambda t: np.var(t), lambda t: np.var(t, axis=0, ddof=1)),
    np.where: (lambda t: np.where(t > 0, t, 0.0), lambda t: np.where(X > 0, X, t)),
    np.zeros_like: (lambda t: np.zeros_like(t, np.float64),),
}


def test_each_counterpart_is_called() -> None:
    assert CALLS.keys() == COUNTERPARTS.keys()


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_counterparts_agree(function: Any) -> None:
    for call in CALLS[function]:
        expected = call(X)
        for found in (call(Tensor(X)), lucid.compile(call)(Tensor(X))):
            assert isinstance(found, Tensor)
            assert found.shape == np.shape(expected)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-6)


def test_gradients_flow_through_numpys_functions() -> None:
    x = Tensor(X, requires_grad=True)
    np.sum(np.concatenate([x, 2.0 * x], 1)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((2, 3), 3.0))


def test_what_only_reads_goes_on_working() -> None:
    t, array = Tensor(X), np.zeros((2, 3), np.float32)
    np.copyto(array, t)
    assert np.array_equal(array, t)
    assert np.allclose(t, X)
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)
    np.testing.assert_equal(t.numpy(), t)
    np.testing.assert_array_equal(t, X)
    assert lucid.compile(lambda t: t * np.size(t) * np.shape(t)[0])(t).numpy()[0, 0] == 6.0


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda t: np.unique(t), "np.unique has no counterpart for Tensors.", "convert the Tensor first"),
        (lambda t: np.split(t, 2), "np.split has no counterpart for Tensors.", "see lucid.split, or convert"),
        (lambda t: np.linalg.norm(t), "np.linalg.norm has no counterpart for Tensors.", "see lucid.norm, or convert"),
        (lambda t: np.mean(t, dtype=float), "np.mean with dtype= has no counterpart for Tensors.", "see lucid.mean"),
        (lambda t: np.where(t), "np.where with these arguments has no counterpart for Tensors.", "see lucid.where"),
    ],
)
def test_what_is_refused(call: Any, message: str, hint: str) -> None:
    for run in (call, lucid.compile(call)):
        with pytest.raises(ArgumentError) as caught:
            run(Tensor([2.0, 3.0]))
        assert caught.value.sentence == message
        assert caught.value.hint is not None
        assert hint in caught.value.hint
