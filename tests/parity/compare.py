"""The same computation in Lucid and in PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from lucid import Tensor

torch = pytest.importorskip("torch", reason="PyTorch, the reference of these tests, is not installed")


def normal(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Reproducible numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_close(ours: Tensor, theirs: Any, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    """Equal shapes, dtypes and, to rounding, elements."""
    expected = theirs.detach().numpy()
    assert (ours.shape, ours.dtype.numpy) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=rtol, atol=atol)


def assert_same(
    ours: Callable[..., Tensor], theirs: Callable[..., Any], inputs: Sequence[np.ndarray], wrt: Sequence[int] = (0,)
) -> None:
    """Two functions of the same inputs agree in value, and in the gradients of the inputs that `wrt` names."""
    our_inputs = [Tensor(x, requires_grad=i in wrt) for i, x in enumerate(inputs)]
    their_inputs = [torch.tensor(x, requires_grad=i in wrt) for i, x in enumerate(inputs)]
    our_result, their_result = ours(*our_inputs), theirs(*their_inputs)
    assert_close(our_result, their_result)
    seed = normal(*our_result.shape, seed=9, dtype=str(our_result.dtype))
    our_result.backward(seed)
    their_result.backward(torch.from_numpy(seed))
    for i in wrt:
        assert_close(our_inputs[i].grad, their_inputs[i].grad)
