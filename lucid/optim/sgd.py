"""Stochastic gradient descent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lucid.errors import ArgumentError
from lucid.observed import hyperparameter, setting
from lucid.operations import where, zeros_like
from lucid.operations.arguments import check_number
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for. For a gradient g of a parameter p:

        g <- g + weight_decay * p
        b <- g in the first step, momentum * b + (1 - dampening) * g later
        p <- p - lr * (b, or g + momentum * b with nesterov)

    as in PyTorch; g is negated first with `maximize`. Momentum and dampening other than 0 need state, so that a
    group made without them can't get them by a later setting. (OneCycleLR and CyclicLR add that of their momentum.)
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    non_negative = ("lr", "momentum", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        if math.isnan(check_number("SGD takes a number as dampening", group["dampening"])):
            raise ArgumentError("SGD takes dampening other than NaN, got dampening=nan.")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ArgumentError(
                "SGD takes nesterov with a momentum and without dampening, "
                f"got momentum={group['momentum']!r} and dampening={group['dampening']!r}."
            )

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        state = {}
        if group["momentum"]:
            state["momentum_buffer"] = zeros_like(parameter)
            if group["dampening"]:
                state["step"] = step_counter()
        return state

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        momentum = hyperparameter(group, "momentum")
        dampening = hyperparameter(group, "dampening")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            gradient = decayed_gradient(group, parameter, gradient, weight_decay)
            if momentum:
                buffer = self.state_of("momentum_buffer", number, "momentum")
                if dampening:
                    step = self.state_of("step", number, "dampening")
                    later = buffer * momentum + gradient * (1.0 - dampening)
                    buffer.copy_(where(step == 0, gradient, later))
                    step += 1
                else:
                    buffer.copy_(buffer * momentum + gradient)  # the buffer starts as zeros
                gradient = gradient + buffer * momentum if setting(group, "nesterov") else buffer
            parameter -= gradient * lr
