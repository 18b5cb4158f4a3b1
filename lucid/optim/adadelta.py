"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.errors import ArgumentError
from lucid.observed import hyperparameter
from lucid.operations import sqrt, zeros_like
from lucid.operations.arguments import check_number
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class Adadelta(Optimizer):
    """Adadelta. For a gradient g of a parameter p:

        g <- g + weight_decay * p
        v <- rho * v + (1 - rho) * g * g
        d <- sqrt(u + eps) / sqrt(v + eps) * g
        u <- rho * u + (1 - rho) * d * d
        p <- p - lr * d

    as in PyTorch; g is negated first with `maximize`. Zeiler, arXiv:1212.5701, algorithm 1.
    """

    non_negative = ("lr", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        if not 0.0 <= check_number("Adadelta takes a number as rho", group["rho"]) <= 1.0:
            raise ArgumentError(f"Adadelta takes rho from 0 to 1, got rho={group['rho']!r}.")

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {"step": step_counter(), "square_avg": zeros_like(parameter), "acc_delta": zeros_like(parameter)}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        rho = hyperparameter(group, "rho")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            square, moved = self.state_of("square_avg", number), self.state_of("acc_delta", number)
            step = self.state_of("step", number)
            step += 1
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            square.copy_(square * rho + gradient * gradient * (1.0 - rho))
            delta = sqrt(moved + eps) / sqrt(square + eps) * gradient
            moved.copy_(moved * rho + delta * delta * (1.0 - rho))
            parameter -= delta * lr
