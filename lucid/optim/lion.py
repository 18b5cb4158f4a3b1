"""Lion: steps by the sign of an averaged gradient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter
from lucid.operations import sign, zeros_like
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, decayed_parameter
from lucid.tensor import Tensor


class Lion(Optimizer):
    """Lion. For a gradient g of a parameter p:

        p <- p - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * p)
        m <- beta2 * m + (1 - beta2) * g

    g is negated first with `maximize`. Good rates are 3 to 10 times smaller than those of AdamW.
    Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675, program 1.
    """

    non_negative = ("lr", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {"exp_avg": zeros_like(parameter)}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        beta1, beta2 = hyperparameter(group, "betas")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            mean = self.state_of("exp_avg", number)
            gradient = decayed_gradient(group, parameter, gradient, 0.0)
            decayed = decayed_parameter(parameter, lr, weight_decay)
            direction = sign(mean * beta1 + gradient * (1.0 - beta1))
            mean.copy_(mean * beta2 + gradient * (1.0 - beta2))
            parameter.copy_(decayed - direction * lr)
