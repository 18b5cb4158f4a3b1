"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter
from lucid.operations import full_like, sqrt
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class Adagrad(Optimizer):
    """Adagrad. For a gradient g of a parameter p in its step t = 1, 2, ...:

        g <- g + weight_decay * p
        s <- s + g * g
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    as in PyTorch; g is negated first with `maximize`, and s starts as `initial_accumulator_value`.
    Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 12 (2011), figure 1.
    """

    non_negative = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {"step": step_counter(), "sum": full_like(parameter, group["initial_accumulator_value"])}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        lr_decay = hyperparameter(group, "lr_decay")
        weight_decay = hyperparameter(group, "weight_decay")
        eps = hyperparameter(group, "eps")
        for number, parameter, gradient in members:
            step, total = self.state_of("step", number), self.state_of("sum", number)
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            rate = (lr / (step.astype("float64") * lr_decay + 1.0)).astype(parameter.dtype)
            step += 1
            total.copy_(total + gradient * gradient)
            parameter -= gradient * rate / (sqrt(total) + eps)
