"""`optimizer.step(closure)`: the loss is computed in it, eager and compiled."""

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor


def test_a_closure_is_called_and_its_loss_returned() -> None:
    x, y = np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)
    results = []
    for with_closure in (False, True):
        for compiled in (False, True):
            lucid.seed(0)
            model = nn.Linear(3, 1)
            optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

            def closure(model: nn.Module = model, optimizer: optim.Optimizer = optimizer) -> Tensor:
                optimizer.zero_grad()
                loss = F.mse_loss(model(lucid.as_tensor(x)), lucid.as_tensor(y))
                loss.backward()
                return loss

            def step(optimizer: optim.Optimizer = optimizer, with_closure: bool = with_closure) -> Tensor | None:
                if with_closure:
                    with lucid.no_grad():  # the closure records nevertheless
                        return optimizer.step(closure)
                loss = closure()
                assert optimizer.step() is None
                return loss

            call = lucid.compile(step) if compiled else step
            losses = [float(call()) for _ in range(3)]
            results.append([*losses, *model.weight.numpy().ravel()])
    np.testing.assert_allclose(results, [results[0]] * 4, rtol=1e-6)
    assert results[0][2] < results[0][0]
