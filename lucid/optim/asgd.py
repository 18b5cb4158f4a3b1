"""ASGD: stochastic gradient descent that averages what it goes through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lucid.errors import ArgumentError
from lucid.observed import hyperparameter
from lucid.operations import full, maximum, ones, where, zeros_like
from lucid.operations.arguments import check_number
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class ASGD(Optimizer):
    """Averaged stochastic gradient descent. For a gradient g of a parameter p in its step t = 1, 2, ..., with a rate
    eta, which is lr in the first step, and a weight mu, which is 1:

        g <- g + weight_decay * p
        p <- p * (1 - lambd * eta) - eta * g
        a <- a + mu * (p - a)
        eta <- lr / (1 + lambd * lr * t)^alpha
        mu <- 1 / max(1, t - t0)

    as in PyTorch; g is negated first with `maximize`. The average a, the state "ax" of a parameter, follows p until
    step t0, and is the mean of all p from there on. The factors of t are computed in float64. Polyak and Juditsky,
    "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992), equation 1.
    """

    non_negative = ("lr", "lambd", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        for name in ("alpha", "t0"):
            if math.isnan(check_number(f"ASGD takes a number as {name}", group[name])):
                raise ArgumentError(f"ASGD takes {name} other than NaN, got {name}={group[name]!r}.")

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {
            "step": step_counter(),
            "eta": full((), float(group["lr"]), dtype="float64"),
            "mu": ones(dtype="float64"),
            "ax": zeros_like(parameter),
        }

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        lambd = hyperparameter(group, "lambd")
        alpha = hyperparameter(group, "alpha")
        start = hyperparameter(group, "t0")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            step, rate, weight, mean = (self.state_of(kind, number) for kind in ("step", "eta", "mu", "ax"))
            dtype = parameter.dtype
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            now = where(step == 0, lr, rate)  # a schedule may have set lr since the state was made
            step += 1
            count = step.astype("float64")
            parameter.copy_(parameter * (1.0 - now * lambd).astype(dtype) - gradient * now.astype(dtype))
            mean.copy_(where(weight == 1.0, parameter, mean + (parameter - mean) * weight.astype(dtype)))
            rate.copy_(lr / (count * (lambd * lr) + 1.0) ** alpha)
            weight.copy_(1.0 / maximum(count - start, 1.0))
