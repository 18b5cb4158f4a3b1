"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter, setting
from lucid.operations import maximum, sqrt, zeros_like
from lucid.optim.optimizer import (
    Group,
    Member,
    Optimizer,
    decayed_gradient,
    decayed_parameter,
    step_counter,
)
from lucid.tensor import Tensor


class Adam(Optimizer):
    """Adam. For a gradient g of a parameter p in its step t = 1, 2, ...:

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g * g
        p <- p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    as in PyTorch; g is negated first with `maximize`, and with `amsgrad` the largest v so far stands in the place of
    v in the last line. The factors of t are computed in float64. Each parameter counts its own steps: one that has no
    grad is skipped. A group made without `amsgrad` can't get it later. `decoupled_weight_decay` makes it `AdamW`.
    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm 1; Reddi et al., "On the
    convergence of Adam and beyond", arXiv:1904.09237, algorithm 2.
    """

    non_negative = ("lr", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        kinds = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
        return {"step": step_counter(), **{kind: zeros_like(parameter) for kind in kinds}}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        beta1, beta2 = hyperparameter(group, "betas")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        share1, share2 = 1.0 - beta1, 1.0 - beta2  # of the new gradient in the averages
        decoupled = setting(group, "decoupled_weight_decay")
        for number, parameter, gradient in members:
            step, mean, square = (self.state_of(kind, number) for kind in ("step", "exp_avg", "exp_avg_sq"))
            dtype = parameter.dtype
            gradient = decayed_gradient(group, parameter, gradient, 0.0 if decoupled else weight_decay)
            decayed = decayed_parameter(parameter, lr, weight_decay if decoupled else 0.0)
            step += 1
            count = step.astype("float64")
            rate = (lr / (1.0 - beta1**count)).astype(dtype)
            # Its inverse, for the whole parameter: dividing each element once more would take a quarter of the step.
            correction = (1.0 / sqrt(1.0 - beta2**count)).astype(dtype)
            mean.copy_(mean * beta1 + gradient * share1)
            square.copy_(square * beta2 + gradient * gradient * share2)
            if setting(group, "amsgrad"):
                largest = self.state_of("max_exp_avg_sq", number, "amsgrad")
                largest.copy_(maximum(largest, square))
                square = largest
            parameter.copy_(decayed - mean * rate / (sqrt(square) * correction + eps))


class AdamW(Adam):
    """Adam with decoupled weight decay: p is multiplied by 1 - lr * weight_decay, and g is left as it is.

    Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv:1711.05101, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
