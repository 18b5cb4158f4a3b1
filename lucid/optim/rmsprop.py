"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.observed import hyperparameter, setting
from lucid.operations import sqrt, zeros_like
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class RMSprop(Optimizer):
    """RMSprop. For a gradient g of a parameter p:

        g <- g + weight_decay * p
        v <- alpha * v + (1 - alpha) * g * g
        d <- g / (sqrt(v) + eps)
        b <- momentum * b + d
        p <- p - lr * (b with momentum, else d)

    as in PyTorch; g is negated first with `maximize`. With `centered`, an average a of g is kept as v is, and v - a * a
    is taken under the root. Momentum and `centered` need state, so that a group made without them can't get them later.
    Tieleman and Hinton, "Lecture 6.5: RMSprop", 2012; Graves, arXiv:1308.0850, equations 38 to 43, for `centered`.
    """

    non_negative = ("lr", "alpha", "eps", "weight_decay", "momentum")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        kinds = ["square_avg"]
        if group["momentum"]:
            kinds.append("momentum_buffer")
        if group["centered"]:
            kinds.append("grad_avg")
        return {"step": step_counter(), **{kind: zeros_like(parameter) for kind in kinds}}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        alpha = hyperparameter(group, "alpha")
        eps = hyperparameter(group, "eps")
        weight_decay = hyperparameter(group, "weight_decay")
        momentum = hyperparameter(group, "momentum")
        for number, parameter, gradient in members:
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            step, square = self.state_of("step", number), self.state_of("square_avg", number)
            step += 1
            square.copy_(square * alpha + gradient * gradient * (1.0 - alpha))
            variance = square
            if setting(group, "centered"):
                mean = self.state_of("grad_avg", number, "centered")
                mean.copy_(mean * alpha + gradient * (1.0 - alpha))
                variance = square - mean * mean
            direction = gradient / (sqrt(variance) + eps)
            if momentum:
                buffer = self.state_of("momentum_buffer", number, "momentum")
                buffer.copy_(buffer * momentum + direction)
                direction = buffer
            parameter -= direction * lr
