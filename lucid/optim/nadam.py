"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter, setting
from lucid.operations import ones, sqrt, zeros_like
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, decayed_parameter, step_counter
from lucid.tensor import Tensor


class NAdam(Optimizer):
    """NAdam. For a gradient g of a parameter p in its step t = 1, 2, ..., with momenta
    mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2), and P the product of mu_1 to mu_t:

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g * g
        n <- (1 - mu_t) / (1 - P) * g + mu_(t+1) / (1 - P * mu_(t+1)) * m
        p <- p - lr * n / (sqrt(v / (1 - beta2^t)) + eps)

    as in PyTorch; g is negated first with `maximize`. With `decoupled_weight_decay`, p is multiplied by
    1 - lr * weight_decay and g left as it is. The factors of t are computed in float64.
    Dozat, "Incorporating Nesterov momentum into Adam", 2016, algorithm 2.
    """

    non_negative = ("lr", "eps", "weight_decay", "momentum_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {
            "step": step_counter(),
            "mu_product": ones(dtype="float64"),
            "exp_avg": zeros_like(parameter),
            "exp_avg_sq": zeros_like(parameter),
        }

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        beta1, beta2 = hyperparameter(group, "betas")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        momentum_decay = hyperparameter(group, "momentum_decay")
        decoupled = setting(group, "decoupled_weight_decay")
        for number, parameter, gradient in members:
            step, product, mean, square = (
                self.state_of(kind, number) for kind in ("step", "mu_product", "exp_avg", "exp_avg_sq")
            )
            dtype = parameter.dtype
            gradient = decayed_gradient(group, parameter, gradient, 0.0 if decoupled else weight_decay)
            decayed = decayed_parameter(parameter, lr, weight_decay if decoupled else 0.0)
            step += 1
            count = step.astype("float64")
            now = beta1 * (1.0 - 0.5 * 0.96 ** (count * momentum_decay))
            following = beta1 * (1.0 - 0.5 * 0.96 ** ((count + 1.0) * momentum_decay))
            product *= now
            of_gradient = (lr * (1.0 - now) / (1.0 - product)).astype(dtype)
            of_mean = (lr * following / (1.0 - product * following)).astype(dtype)
            correction = (1.0 / (1.0 - beta2**count)).astype(dtype)  # multiplying elements is faster than dividing them
            mean.copy_(mean * beta1 + gradient * (1.0 - beta1))
            square.copy_(square * beta2 + gradient * gradient * (1.0 - beta2))
            divisor = sqrt(square * correction) + eps
            parameter.copy_(decayed - (gradient * of_gradient + mean * of_mean) / divisor)
