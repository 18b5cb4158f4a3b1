"""Chains of functions, drawn at random, compute compiled what they compute eagerly, with their gradients.

Shapes are large enough for vectors, lanes and chunks. Memory is claimed and freed behind each call, so that a kernel
that writes where it should not shows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor

Rng = np.random.Generator
EXTENTS = (1, 2, 3, 5, 8, 9, 16, 17, 31, 33, 64, 100)


def axis(x: Tensor, rng: Rng) -> int:
    return int(rng.integers(x.ndim))


def constant(rng: Rng, *shape: int) -> Tensor:
    return Tensor(rng.standard_normal(shape).astype(np.float32))


STEPS: dict[str, Callable[[Tensor, Rng], Tensor]] = {
    "dropout": lambda x, rng: F.dropout(x, 0.3),
    "normal": lambda x, rng: x + 0.1 * lucid.randn(*x.shape),
    "uniform": lambda x, rng: x * lucid.rand(*x.shape),
    "sum": lambda x, rng: 0.1 * x.sum(axis(x, rng), keepdims=bool(rng.integers(2))),
    "mean": lambda x, rng: x.mean(axis(x, rng), keepdims=bool(rng.integers(2))),
    "max": lambda x, rng: x.max(axis(x, rng)),
    "logsumexp": lambda x, rng: lucid.logsumexp(x, axis(x, rng)),
    "tanh": lambda x, rng: lucid.tanh(x),
    "relu": lambda x, rng: F.relu(x),
    "gelu": lambda x, rng: F.gelu(x),
    "scale": lambda x, rng: x * constant(rng, x.shape[-1]),
    "where": lambda x, rng: lucid.where(x > 0.1, x, 0.5 * x),
    "softmax": lambda x, rng: F.softmax(x, axis(x, rng)),
    "layer_norm": lambda x, rng: F.layer_norm(x, x.shape[-1:]),
    "cumsum": lambda x, rng: 0.1 * lucid.cumsum(x, axis(x, rng)),
    "transpose": lambda x, rng: lucid.transpose(x, 0, x.ndim - 1),
    "flatten": lambda x, rng: x.reshape(-1),
    "rows": lambda x, rng: x.reshape(x.shape[0], -1),
    "every other": lambda x, rng: x[..., ::-2],
    "but the first": lambda x, rng: x[..., 1:] if x.shape[-1] > 1 else x,
    "flip": lambda x, rng: lucid.flip(x, axis(x, rng)),
    "concatenate": lambda x, rng: lucid.concatenate((x, 2.0 * x), axis(x, rng)),
    "linear": lambda x, rng: 0.3 * F.linear(x, constant(rng, 5, x.shape[-1])),
}


def chain(seed: int) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A function of four to nine steps, each of which may add the result of an earlier one to its own, and an input."""
    rng = np.random.default_rng(seed)
    steps = [(str(rng.choice(list(STEPS))), int(rng.integers(2**30))) for _ in range(rng.integers(4, 10))]
    shape = rng.choice(EXTENTS, size=rng.integers(1, 4)).tolist()

    def function(x: Tensor) -> Tensor:
        results = [x]
        for name, own in steps:
            step_rng, y = np.random.default_rng(own), results[-1]
            if y.ndim == 0:
                break
            results.append(STEPS[name](y, step_rng) if y.size < 2**15 else y.mean(0))
            earlier = results[int(step_rng.integers(len(results)))]
            if earlier.shape == results[-1].shape:
                results.append(results[-1] + earlier)
        return results[-1]

    return function, constant(rng, *shape).requires_grad_()


@pytest.mark.parametrize("seed", range(40))
def test_a_chain_of_functions(seed: int) -> None:
    function, x = chain(seed)

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        y = function(x)
        return y, lucid.grad((y * y).mean(), x)

    found = []
    for call in (both, lucid.compile(both)):
        lucid.seed(seed)
        found.append([tensor.numpy() for tensor in call(x)])
        _ = [np.ones(size) for size in range(1, 40)]
    for eager, compiled in zip(*found, strict=True):
        scale = max(1.0, float(np.abs(eager).max()))
        np.testing.assert_allclose(compiled, eager, rtol=1e-3, atol=1e-4 * scale)
