"""The same computation in Lucid and in PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.compiler import CompiledFunction
from tests.targets import needs_backward_inside

torch = pytest.importorskip("torch", reason="PyTorch, the reference of these tests, is not installed")
torch.set_num_threads(1)  # its threads wait for each other in loops, and the arrays are small


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
    their_result = theirs(*their_inputs)
    seed = normal(*their_result.shape, seed=9, dtype=str(their_result.dtype).removeprefix("torch."))
    their_result.backward(torch.from_numpy(seed))

    def differentiated(*inputs: Tensor) -> Tensor:
        result = ours(*inputs)
        result.backward(seed)
        return result.detach()

    if isinstance(ours, CompiledFunction) and needs_backward_inside():
        our_result = lucid.compile(differentiated)(*our_inputs)
    else:
        our_result = differentiated(*our_inputs)
    assert_close(our_result, their_result)
    for i in wrt:
        assert_close(our_inputs[i].grad, their_inputs[i].grad)


def assert_same_both(
    ours: Callable[..., Tensor], theirs: Callable[..., Any], inputs: Sequence[np.ndarray], wrt: Sequence[int] = (0,)
) -> None:
    """`assert_same`, eagerly and compiled."""
    for function in (ours, lucid.compile(ours)):
        assert_same(function, theirs, inputs, wrt)


def assert_same_module(
    ours: nn.Module, theirs: Any, inputs: Sequence[np.ndarray], wrt: Sequence[int] = (0,), calls: int = 1
) -> None:
    """Two modules with the weights of ours agree, eagerly and compiled: in value, all gradients, and state."""
    state = ours.state_dict()
    for call in (ours, lucid.compile(ours)):
        ours.load_state_dict(state)
        ours.zero_grad()
        theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        theirs.zero_grad()
        for _ in range(calls):
            assert_same(call, theirs, inputs, wrt)
        for (name, parameter), (their_name, their_parameter) in zip(
            ours.named_parameters(), theirs.named_parameters(), strict=True
        ):
            assert name == their_name
            assert (parameter.grad is None) == (their_parameter.grad is None), name
            if parameter.grad is not None:
                assert_close(parameter.grad, their_parameter.grad, atol=1e-5)
        for name, buffer in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name], buffer.numpy(), rtol=2e-5, atol=2e-6, err_msg=name)
    ours.load_state_dict(state)
