"""Lion, which PyTorch does not have: its path against the algorithm of the paper written out."""

import numpy as np
import pytest

import lucid
import lucid.optim as optim
from lucid import Tensor


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("maximize", [False, True])
def test_path(compiled: bool, maximize: bool) -> None:
    rng = np.random.default_rng(0)
    w, matrix = rng.standard_normal(5), rng.standard_normal((5, 5))
    ours = Tensor(w, requires_grad=True)
    optimizer = optim.Lion([ours], lr=0.01, betas=(0.8, 0.95), weight_decay=0.1, maximize=maximize)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        ((x @ ours) ** 2).sum().backward()
        optimizer.step()

    step_once = lucid.compile(step) if compiled else step
    mean = np.zeros(5)
    for _ in range(100):
        gradient = 2.0 * matrix.T @ (matrix @ w) * (-1.0 if maximize else 1.0)
        w = w - 0.01 * (np.sign(0.8 * mean + 0.2 * gradient) + 0.1 * w)
        mean = 0.95 * mean + 0.05 * gradient
        step_once(matrix)
    np.testing.assert_allclose(ours.numpy(), w, rtol=1e-9)
    if compiled:
        assert len(step_once.programs) == 1
