"""Adamax: Adam with the largest gradient in the place of their mean square."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter
from lucid.operations import maximum, zeros_like
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class Adamax(Optimizer):
    """Adamax. For a gradient g of a parameter p in its step t = 1, 2, ...:

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    as in PyTorch; g is negated first with `maximize`. Kingma and Ba, arXiv:1412.6980, algorithm 2.
    """

    non_negative = ("lr", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {"step": step_counter(), "exp_avg": zeros_like(parameter), "exp_inf": zeros_like(parameter)}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        beta1, beta2 = hyperparameter(group, "betas")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            step, mean, largest = (self.state_of(kind, number) for kind in ("step", "exp_avg", "exp_inf"))
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            step += 1
            rate = (lr / (1.0 - beta1 ** step.astype("float64"))).astype(parameter.dtype)
            mean.copy_(mean * beta1 + gradient * (1.0 - beta1))
            largest.copy_(maximum(largest * beta2, abs(gradient) + eps))
            parameter -= mean * rate / largest
