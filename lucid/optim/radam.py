"""RAdam: Adam whose steps are rectified while there are few gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter, setting
from lucid.operations import maximum, sqrt, where, zeros_like
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, decayed_parameter, step_counter
from lucid.tensor import Tensor


class RAdam(Optimizer):
    """RAdam. For a gradient g of a parameter p in its step t = 1, 2, ..., with R = 2 / (1 - beta2) - 1 and
    r = R - 2 * t * beta2^t / (1 - beta2^t):

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g * g
        a <- sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r)) * sqrt(1 - beta2^t) / (sqrt(v) + eps)
        a <- 1 unless r > 5
        p <- p - lr / (1 - beta1^t) * m * a

    as in PyTorch; g is negated first with `maximize`. With `decoupled_weight_decay`, p is multiplied by
    1 - lr * weight_decay and g left as it is. The factors of t are computed in float64.
    Liu et al., "On the variance of the adaptive learning rate and beyond", arXiv:1908.03265, algorithm 2.
    """

    non_negative = ("lr", "eps", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {"step": step_counter(), "exp_avg": zeros_like(parameter), "exp_avg_sq": zeros_like(parameter)}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        beta1, beta2 = hyperparameter(group, "betas")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        decoupled = setting(group, "decoupled_weight_decay")
        longest = 2.0 / (1.0 - beta2) - 1.0
        for number, parameter, gradient in members:
            step, mean, square = (self.state_of(kind, number) for kind in ("step", "exp_avg", "exp_avg_sq"))
            dtype = parameter.dtype
            gradient = decayed_gradient(group, parameter, gradient, 0.0 if decoupled else weight_decay)
            decayed = decayed_parameter(parameter, lr, weight_decay if decoupled else 0.0)
            step += 1
            count = step.astype("float64")
            power = beta2**count
            length = longest - 2.0 * count * power / (1.0 - power)
            rectified = length > 5.0
            r = maximum(length, 5.0)  # where it is less, the root is not used, and may not exist
            root = sqrt((r - 4.0) * (r - 2.0) * longest * (1.0 - power) / ((longest - 4.0) * (longest - 2.0) * r))
            rate = lr / (1.0 - beta1**count)
            mean.copy_(mean * beta1 + gradient * (1.0 - beta1))
            square.copy_(square * beta2 + gradient * gradient * (1.0 - beta2))
            adaptive = mean * (rate * root).astype(dtype) / (sqrt(square) + eps)
            parameter.copy_(decayed - where(rectified, adaptive, mean * rate.astype(dtype)))
